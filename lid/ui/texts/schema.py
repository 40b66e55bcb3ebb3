"""The sentences a language has to have. Each language is one instance, in a module of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field

from lid.ui.texts.labels import Labels


@dataclass(frozen=True)
class Texts:
    """All that the page says. {names} in braces are filled in by `wording`."""

    code: str
    decimal_comma: bool
    plural: Callable[[int], int]  # a count -> which of a tuple's forms goes with it
    names: dict[str, str]  # of the three languages, as a headline
    joined: str  # two or more languages in a headline: what stands between them

    title: str
    introduction: str
    record: str
    live: str
    live_note: str
    upload: str
    examples: str
    example_names: dict[str, str]
    examples_note: str
    either: str  # between the last two of a list
    limits_note: str
    minutes: tuple[str, ...]  # after "up to"
    waiting: str
    waiting_note: str
    listening: str
    listening_note: str

    failed: str
    busy: str
    busy_note: str
    broken_note: str
    restarting: str
    queued: str  # before one's place in the queue
    working: str  # before the seconds it takes
    no_links: str
    no_file: str
    too_many_files: str
    too_long_together: str
    problems: dict[str, str]  # reason of an InputError -> sentence; left out where the error's own serves

    certainties: tuple[tuple[float, str], ...]  # calibrated probability of the answer, at least -> what to make of it
    unsure: str
    unsure_note: str
    next_comes: str
    several: str
    unknown: str
    unknown_note: str
    silence: str
    silence_note: str
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

    bars_note: str
    pictures: dict[str, tuple[str, str]]  # name -> heading, how to read the picture
    layer: str
    head: str

    files: tuple[str, ...]
    files_heading: str
    columns: tuple[str, ...]
    download: str
    progress: str
    labels: Labels = field(default_factory=Labels)
