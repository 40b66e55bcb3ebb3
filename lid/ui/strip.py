"""The timeline of a recording, as HTML: the sound in the colours of its languages, the shares of each second under it,
and the segments as a list. strip.js makes it a control: seek, zoom, choose a part."""

import json
from html import escape

import numpy as np

from lid.identify import Prediction
from lid.languages import CODES
from lid.ui import exports, segments
from lid.ui.colours import LANGUAGES as COLOURS
from lid.ui.number_format import clock, one_decimal, percent, share
from lid.ui.pooling import merged
from lid.ui.segments import Segment
from lid.ui.texts import Texts

SOUND, BAND, HEIGHT = 64, 70, 100  # of a row's drawing: the sound's height, where the shares begin, and where they end
MINUTE = 60.0  # seconds; longer recordings have times as 5:00


def as_html(
    prediction: Prediction,
    peaks: np.ndarray,
    span: tuple[float, float],
    name: str,
    part: bool,
    key: str,
    texts: Texts,
) -> str:
    """`peaks` are (sounds, columns) in [0, 1] over `span`, in seconds of the file; the prediction's times are of the
    file, too. `part` tells whether the span is only a part of it. `name` is the file's, without the ending; `key` is
    what the page calls it, to ask for a part, and empty where none can be had."""
    found = segments.find(prediction)
    rows = "".join(
        _row(prediction, [one for one in found if one.channel in (None, channel)], channel, peaks[index], span, texts)
        for index, channel in enumerate(_channels(prediction, len(peaks)))
    )
    start, end = span
    buttons = (
        f"<button type='button' data-zoom='0.5' title='{escape(texts.zoom_out)}' aria-label='{escape(texts.zoom_out)}'>"
        f"−</button><button type='button' data-zoom='2' title='{escape(texts.zoom_in)}' "
        f"aria-label='{escape(texts.zoom_in)}'>+</button><button type='button' class='lid-part' hidden></button>"
    )
    if part:
        asks = f"data-ask='open' data-value='{escape(json.dumps([key]))}'"
        buttons += f"<button type='button' {asks}>{escape(texts.whole)}</button>"
    choose = f"data-part='{escape(texts.part) if key else ''}' data-key='{escape(key)}'"
    return (
        f"<div class='lid-strip' data-start='{start:.3f}' data-end='{end:.3f}' {choose}>"
        f"<div class='lid-strip-view'><div class='lid-strip-scale' role='slider' tabindex='0' "
        f"aria-label='{escape(texts.timeline)}' aria-valuemin='{start:.0f}' aria-valuemax='{end:.0f}' "
        f"aria-valuenow='{start:.0f}' aria-valuetext='{clock(start)}'>{rows}<div class='lid-ticks'></div></div></div>"
        f"<div class='lid-strip-buttons'>{buttons}</div></div>"
        f"{_table(found, end - start, texts)}{exports.links(found, end, name, texts)}"
    )


def time(seconds: float, duration: float, texts: Texts) -> str:
    """A time in a recording of some duration: 5:00 in a long one, 5.0 s in a short one."""
    if duration >= MINUTE:
        return clock(seconds)
    return texts.seconds.format(number=one_decimal(seconds, texts.decimal_comma))


def _channels(prediction: Prediction, sounds: int) -> list[int | None]:
    """A row for each sound: of a call's channels, their numbers."""
    return [index + 1 for index in range(sounds)] if prediction.speakers and sounds > 1 else [None] * min(sounds, 1)


def _row(
    prediction: Prediction,
    found: list[Segment],
    channel: int | None,
    peaks: np.ndarray,
    span: tuple[float, float],
    texts: Texts,
) -> str:
    entries = [entry for entry in prediction.timeline if channel is None or entry.get("channel") == channel]
    paths = _sound(peaks, found, span) + _shares(merged(entries, *span), len(peaks), span)
    name = f"<span class='lid-channel'>{escape(texts.labels.channel)} {channel}</span>" if channel else ""
    return (
        f"<div class='lid-strip-row'>{name}<svg viewBox='0 0 {len(peaks)} {HEIGHT}' preserveAspectRatio='none' "
        f"aria-hidden='true'>{paths}</svg></div>"
    )


def _sound(peaks: np.ndarray, found: list[Segment], span: tuple[float, float]) -> str:
    """The waveform as bars, one path a colour; grey where no language is heard."""
    edges = np.linspace(*span, len(peaks) + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    paths: dict[str, str] = {}
    for column, (middle, peak) in enumerate(zip(middles, peaks, strict=True)):
        language = next((one.language for one in found if one.start <= middle <= one.end), "")
        height = max(1.0, SOUND * float(peak))
        paths[language] = paths.get(language, "") + f"M{column} {(SOUND - height) / 2:.1f}h1v{height:.1f}h-1z"
    return "".join(f"<path d='{path}' {_fill(language)}/>" for language, path in paths.items())


def _shares(entries: list[dict], columns: int, span: tuple[float, float]) -> str:
    """Stacked shares of each timeline entry, one path a language."""
    scale = columns / (span[1] - span[0])
    paths = dict.fromkeys(CODES, "")
    for entry in entries:
        left, width = (entry["start"] - span[0]) * scale, (entry["end"] - entry["start"]) * scale
        top = float(BAND)
        for code in CODES:
            height = (HEIGHT - BAND) * entry["probabilities"][code]
            if height > 0.2:
                paths[code] += f"M{left:.1f} {top:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z"
            top += height
    return "".join(f"<path d='{path}' {_fill(code)}/>" for code, path in paths.items() if path)


def _fill(language: str) -> str:
    return f"fill='{COLOURS[language]}'" if language else "class='lid-silence'"


def _table(found: list[Segment], duration: float, texts: Texts) -> str:
    """The segments as a list, whose rows play; also what the drawing says in words."""
    heads = "".join(f"<th scope='col'>{escape(head)}</th>" for head in texts.segment_columns)
    whole = sum(one.speech for one in found)
    rows = "".join(
        f"<tr><td><button type='button' class='lid-link' data-seek='{one.start:.3f}'>{time(one.start, duration, texts)}"
        f"</button></td><td>{time(one.end, duration, texts)}</td><td>{_name(one, texts)}</td>"
        f"<td>{percent(one.sure)}</td><td>{share(one.speech / whole)}</td></tr>"
        for one in found
    )
    return (
        f"<div class='lid-scroll lid-segments' tabindex='0' role='region' aria-label='{escape(texts.segments)}'>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _name(one: Segment, texts: Texts) -> str:
    channel = f" <span class='lid-fine'>{escape(texts.labels.channel)} {one.channel}</span>" if one.channel else ""
    dot = f"<span class='lid-dot' style='--tone:{COLOURS[one.language]}'></span>"
    return f"{dot}{escape(texts.names[one.language])}{channel}"
