"""The segments of a recording in the forms that other programs read, as links that carry their file themselves."""

import base64
import csv
import io
from collections.abc import Callable
from html import escape

from lid.ui.segments import Segment
from lid.ui.texts import Texts

CSV_HEADER = ["start", "end", "language", "probability", "speech_seconds", "channel"]


def links(found: list[Segment], seconds: float, name: str, texts: Texts) -> str:
    """Links that save the segments of a recording of so many seconds; `name` is its file's, without the ending."""
    forms: dict[str, tuple[str, Callable[[], str]]] = {
        "CSV": (".csv", lambda: as_csv(found)),
        "SRT": (".srt", lambda: as_srt(found, texts)),
        "Audacity": (".txt", lambda: as_labels(found, texts)),
        "Praat TextGrid": (".TextGrid", lambda: as_textgrid(found, seconds)),
    }
    each = "".join(download(label, name + ending, make()) for label, (ending, make) in forms.items())
    return f"<p class='lid-save'><span>{escape(texts.save_segments)}</span>{each}</p>"


def download(label: str, file: str, text: str, kind: str = "text/plain") -> str:
    """A link that saves a text as a file; the server keeps none."""
    data = base64.b64encode(text.encode()).decode()
    return (
        f"<a class='lid-download' download='{escape(file)}' href='data:{kind};charset=utf-8;base64,{data}'>"
        f"{escape(label)}</a>"
    )


def as_csv(found: list[Segment]) -> str:
    """Times in seconds. The byte order mark is for Excel."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(CSV_HEADER)
    for one in found:
        numbers = [f"{one.start:.3f}", f"{one.end:.3f}", one.language, f"{one.sure:.4f}", f"{one.speech:.3f}"]
        writer.writerow([*numbers, one.channel or ""])
    return "\ufeff" + out.getvalue()


def as_srt(found: list[Segment], texts: Texts) -> str:
    """SubRip subtitles that name the language."""
    blocks = [
        f"{number}\n{_srt_time(one.start)} --> {_srt_time(one.end)}\n{_label(one, texts)}\n"
        for number, one in enumerate(found, 1)
    ]
    return "\n".join(blocks)


def as_labels(found: list[Segment], texts: Texts) -> str:
    """Audacity's label track: start, end and label, with tabs between them."""
    return "".join(f"{one.start:.6f}\t{one.end:.6f}\t{_label(one, texts)}\n" for one in found)


def as_textgrid(found: list[Segment], seconds: float) -> str:
    """Praat's TextGrid in its long text form: an interval tier for each channel, with the languages' codes."""
    channels = sorted({one.channel or 0 for one in found})
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {seconds:.3f}"]
    lines += ["tiers? <exists>", f"size = {len(channels)}", "item []:"]
    for number, channel in enumerate(channels, 1):
        intervals = _filled([one for one in found if (one.channel or 0) == channel], seconds)
        name = f"language, channel {channel}" if channel else "language"
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {seconds:.3f}", f"        intervals: size = {len(intervals)}"]
        for index, (start, end, label) in enumerate(intervals, 1):
            lines += [
                f"        intervals [{index}]:",
                f"            xmin = {start:.3f}",
                f"            xmax = {end:.3f}",
            ]
            lines += [f'            text = "{label}"']
    return "\n".join(lines) + "\n"


def _filled(found: list[Segment], seconds: float) -> list[tuple[float, float, str]]:
    """Intervals without gaps, as Praat wants them: what is between segments has no label."""
    intervals, done = [], 0.0
    for one in found:
        if one.start - done > 0.0005:
            intervals.append((done, one.start, ""))
        intervals.append((max(done, one.start), one.end, one.language))
        done = one.end
    if seconds - done > 0.0005:
        intervals.append((done, seconds, ""))
    return intervals


def _label(one: Segment, texts: Texts) -> str:
    name = texts.names[one.language]
    return f"{name} ({texts.labels.channel} {one.channel})" if one.channel else name


def _srt_time(seconds: float) -> str:
    milliseconds = round(1000 * seconds)
    hours, minutes = milliseconds // 3_600_000, milliseconds // 60_000 % 60
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000 % 60:02},{milliseconds % 1000:03}"
