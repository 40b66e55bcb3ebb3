"""The texts of the page. Each language is one instance of Texts, in its own module."""

from collections.abc import Callable
from dataclasses import dataclass, field

from lid.ui.texts.labels import Labels


@dataclass(frozen=True)
class Texts:
    """Every text of the page. `wording` fills in the {names} in braces."""

    code: str
    decimal_comma: bool
    plural: Callable[[int], int]  # a count -> index of the plural form in a tuple
    names: dict[str, str]  # of the three languages, at the start of a headline
    joined: str  # stands between two languages in a headline

    title: str
    introduction: str
    record: str
    live: str
    live_note: str
    keys_note: str  # for those who have a keyboard
    microphone: dict[str, tuple[str, str]]  # why it cannot be used -> headline, what it means
    allow_microphone: dict[str, str]  # kind of browser -> where to allow it
    device: str  # the name of the list of microphones
    own_recording: str  # in place of a file's name
    upload: str
    upload_phone: str  # where nothing can be dropped
    drop: str  # over the page, while something is dragged over it
    add: str
    examples: str
    example_names: dict[str, str]
    examples_note: str
    either: str  # stands before the last item of a list
    limits_note: str
    minutes: tuple[str, ...]  # after "up to"
    waiting: str
    waiting_note: str
    listening: str
    listening_note: str
    listening_on: str  # once there is speech, but not enough of it
    reading: str
    stop: str

    failed: str
    busy: str
    busy_note: str
    broken_note: str
    restarting: str
    queued: str  # stands before the place in the queue
    working: str  # stands before the seconds of work
    no_links: str
    no_file: str
    too_many_files: str
    too_long_together: str
    problems: dict[str, str]  # reason of an InputError -> sentence; without one, the error's own is shown

    certainties: tuple[tuple[float, str], ...]  # (at least this calibrated probability, comment)
    unsure: str
    unsure_note: str
    next_comes: str
    several: str
    unknown: str
    unknown_note: str
    sounds_like: str  # in place of `unknown_note`, where the other language can be told; the advice follows it
    sounds_like_advice: str
    silence: str
    silence_note: str
    unreadable: str  # damage, and no speech in what could be read
    unreadable_note: str
    unreadable_part: str  # in a table
    short_speech: str
    damaged: str
    spoken: str
    took: str
    kept: str
    model: str
    seconds: str
    copy: str
    copy_json: str
    copied: str
    report: str
    wrong: str  # before the languages, as links
    wrong_other: str
    wrong_note: str
    player: str  # its name, for screen readers
    gone: str

    bars_note: str
    shares: str
    shares_note: str
    channel_shares: str
    pictures: dict[str, tuple[str, str]]  # name -> heading, how to read the picture
    layer: str
    head: str
    timeline: str  # the name of the timeline as a control, for screen readers
    zoom_in: str
    zoom_out: str
    part: str  # a button
    whole: str  # a button
    part_note: str
    segments: str
    segment_columns: tuple[str, ...]
    save_segments: str

    files: tuple[str, ...]
    files_heading: str
    columns: tuple[str, ...]
    download: str
    progress: str
    earlier: str
    compare: str
    close: str
    labels: Labels = field(default_factory=Labels)
