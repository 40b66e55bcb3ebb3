"""What the page says, as HTML. The sentences are in `texts`; here they are chosen and filled in."""

import base64
import io
import json
import mimetypes
import wave
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

import numpy as np

from lid.audio import FORMATS_IN_WORDS, SAMPLE_RATE, Limits
from lid.errors import InputError
from lid.identify import Prediction
from lid.languages import CODES
from lid.ui.plots import COLOURS, percent
from lid.ui.recording import Step
from lid.ui.settings import LIVE_SECONDS, MAX_FILES, QUEUE_SIZE
from lid.ui.texts import ENGLISH, Texts

# Calibrated probability under which the page does not name a language. At 0.7 three answers in ten would be wrong,
# which is the most one can call an answer; it is also where a clip half in one language and half in another ends up.
SURE = 0.7
SHORT_SPEECH = 1.0  # seconds of speech under which the page asks for more
PART_SHARE = 0.9  # a second of speech counts for a language from this probability on ...
PART_SECONDS = 3.0  # ... and a language counts from this many seconds on, or a tenth of the speech if that is more


def header(texts: Texts) -> str:
    return f"<header class='lid-header'><h1>{texts.title}</h1><p>{texts.introduction}</p></header>"


def subheading(text: str, legend: str = "") -> str:
    return f"<div class='lid-section'><h2>{escape(text)}</h2>{legend}</div>"


def legend(texts: Texts) -> str:
    """Which colour stands for which language."""
    names = "".join(f"<span>{dot(code)}{escape(name)}</span>" for code, name in texts.names.items())
    return f"<p class='lid-legend'>{names}</p>"


def dot(code: str) -> str:
    return f"<span class='lid-dot' style='--tone:{COLOURS[code]}'></span>"


def note(text: str) -> str:
    return f"<p class='lid-fine'>{escape(text)}</p>"


def limits_note(texts: Texts, limits: Limits) -> str:
    return note(texts.limits_note.format(formats=_formats(texts), minutes=_minutes(texts, limits)))


def live_note(texts: Texts) -> str:
    return note(texts.live_note.format(seconds=LIVE_SECONDS))


def waiting(texts: Texts) -> str:
    return _card("waiting", texts.waiting, "", [texts.waiting_note])


def listening(texts: Texts) -> str:
    return _card("listening", texts.listening, "", [texts.listening_note])


def working(so_far: list[Step], texts: Texts) -> str:
    """How far a long recording is, on a bar in the colours of what was heard on the way."""
    share = round(100 * so_far[-1].share)
    said = escape(texts.progress.format(share=share))
    parts, done = "", 0.0
    for language, steps in groupby(so_far, key=lambda step: step.language):
        end = [step.share for step in steps][-1]
        parts += f"<span style='width:{100 * (end - done):.2f}%;background:{COLOURS[language]}'></span>"
        done = end
    return (
        f"<section class='lid-card lid-working' data-kind='working'><p class='lid-headline'><span>{said}</span></p>"
        f"<div class='lid-progress' role='progressbar' aria-label='{said}' aria-valuenow='{share}'>{parts}</div>"
        f"{legend(texts)}</section>"
    )


def busy(texts: Texts) -> str:
    return _card("problem", texts.busy, "", [texts.busy_note.format(limit=QUEUE_SIZE)])


def failure(texts: Texts, note: str) -> str:
    return _card("problem", texts.failed, "", [note])


def problem(error: InputError, texts: Texts, limits: Limits) -> str:
    """The error's sentence says what is wrong and what to do; other languages have one for each reason."""
    return failure(texts, explained(error, texts, limits))


def explained(error: InputError, texts: Texts, limits: Limits) -> str:
    if error.reason == "too_many" and texts is not ENGLISH:
        return texts.too_many_files.format(count=f"> {MAX_FILES}", limit=MAX_FILES)
    if error.reason == "too_long_together":
        return texts.too_long_together.format(minutes=limits.max_seconds / 60)
    if error.reason not in texts.problems:
        return str(error)
    return texts.problems[error.reason].format(
        formats=_formats(texts),
        minutes=_minutes(texts, limits),
        megabytes=f"{limits.max_bytes / 1e6:.0f}",
        min_rate=limits.min_rate,
        max_rate=limits.max_rate,
    )


def answer(
    prediction: Prediction, damaged: bool = False, texts: Texts = ENGLISH, player: str = "", took: str = ""
) -> str:
    """The answer first, in large type; then what to make of it. `damaged`: part of the file could not be read.

    `took` says how long the answer took and on what; a player lets the visitor hear what was heard.
    """
    duration, speech = seconds(prediction.duration_seconds, texts), seconds(prediction.speech_seconds, texts)
    notes = [texts.damaged.format(duration=duration)] if damaged else []
    kind, headline, share, lead = _verdict(prediction, texts)
    if prediction.language is None:
        return _card(kind, headline, share, [lead, *notes], player, [took] if took else [])
    if prediction.speech_seconds < SHORT_SPEECH:
        notes.insert(0, texts.short_speech.format(speech=speech))
    heard = texts.spoken.format(speech=speech, duration=duration)
    asides = [f"{heard} · {took}" if took else heard]
    copy = _copy(texts.copy, numbers(prediction, texts), texts)
    copy += _copy(texts.copy_json, json.dumps(prediction.to_dict()), texts)
    return _card(kind, headline, share, [lead, *notes], player, asides, copy)


def verdict(prediction: Prediction, texts: Texts = ENGLISH) -> tuple[str, str]:
    """The headline, and the percentage beside it; that is empty where no single language is named."""
    return _verdict(prediction, texts)[1:3]


def _verdict(prediction: Prediction, texts: Texts) -> tuple[str, str, str, str]:
    """Kind of card, headline, percentage, and what to make of it."""
    if prediction.language is None:
        sentence = texts.silence_note.format(duration=seconds(prediction.duration_seconds, texts))
        return "silence", texts.silence, "", sentence
    if prediction.known is False:
        return "unknown", texts.unknown, "", texts.unknown_note
    first, second = sorted(CODES, key=prediction.probabilities.get, reverse=True)[:2]
    share = prediction.probabilities[first]
    if len(parts := languages_heard(prediction)) > 1:
        names = [texts.names[parts[0]], *(texts.names[code].lower() for code in parts[1:])]
        names = [texts.names[code] for code in parts] if texts is ENGLISH else names
        return "several", texts.joined.join([", ".join(names[:-1]), names[-1]]), "", texts.several
    facts = {
        "first": _inside(texts, first),
        "first_share": percent(share),
        "second": _inside(texts, second),
        "second_share": percent(prediction.probabilities[second]),
    }
    if share < SURE:
        sentence = texts.unsure_note.format(**facts)
        return "unsure", texts.unsure, "", sentence[0].upper() + sentence[1:]
    lead = next(words for least, words in texts.certainties if share >= least)
    if share < texts.certainties[0][0]:
        lead += " " + texts.next_comes.format(**facts)
    return first, texts.names[first], percent(share), lead


def languages_heard(prediction: Prediction) -> list[str]:
    """Languages heard beyond doubt for a while, in order of appearance: more than one when the recording switches.

    Of speakers with channels of their own, each one's; a language that one is sure to speak counts however short.
    """
    if prediction.speakers:
        return list(dict.fromkeys(code for one in prediction.speakers for code in _languages_of(one)))
    lasted: dict[str, float] = {}
    for entry in prediction.timeline:
        code, share = max(entry["probabilities"].items(), key=lambda item: item[1])
        if share >= PART_SHARE:
            lasted[code] = lasted.get(code, 0.0) + entry["end"] - entry["start"]
    return [code for code, length in lasted.items() if length >= max(PART_SECONDS, prediction.speech_seconds / 10)]


def _languages_of(speaker: Prediction) -> list[str]:
    """What a speaker is named for; nothing for none of the three."""
    if speaker.known is False:
        return []
    heard = languages_heard(speaker)
    return heard or [code for code, share in speaker.probabilities.items() if share >= SURE]


def numbers(prediction: Prediction, texts: Texts = ENGLISH) -> str:
    """The result in one line, for a message to someone else."""
    headline, share = verdict(prediction, texts)
    shares = ", ".join(
        f"{texts.names[code]} {_number(100 * prediction.probabilities[code], texts)} %" for code in CODES
    )
    heard = texts.spoken.format(
        speech=seconds(prediction.speech_seconds, texts), duration=seconds(prediction.duration_seconds, texts)
    )
    return f"{headline} {share}".strip() + f" ({shares}; {heard})"


def seconds(value: float, texts: Texts = ENGLISH) -> str:
    return texts.seconds.format(number=_number(value, texts))


def counted(forms: tuple[str, ...], count: int, texts: Texts) -> str:
    """The form of a noun that goes with a count."""
    return forms[texts.plural(count)].format(count=count)


def player_of(path: str) -> str:
    """A player for a file the server keeps for the visitor; it goes away if the browser cannot play that format."""
    return _player(f"gradio_api/file={quote(path)}")


def player_of_example(path: Path) -> str:
    """A player that carries the clip with it, so that no folder of the server need be opened to visitors."""
    kind = mimetypes.guess_type(path.name)[0] or "audio/mpeg"
    return _player(f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}")


def player_of_waveform(waveform: np.ndarray) -> str:
    """A player that carries what live mode heard with it: float32 (samples,) at 16 kHz, of which nothing is kept."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((waveform * 32767).astype("<i2").tobytes())
    return _player(f"data:audio/wav;base64,{base64.b64encode(sound.getvalue()).decode()}")


def _copy(label: str, text: str, texts: Texts) -> str:
    """A button that copies a text; page.js does it."""
    quoted = text.replace("&", "&amp;").replace("'", "&#x27;").replace("<", "&lt;")  # JSON's many " may stay
    return (
        f"<button type='button' class='lid-copy' data-copy='{quoted}' data-copied='{escape(texts.copied)}'>"
        f"{escape(label)}</button>"
    )


def _player(source: str) -> str:
    return f"<audio controls preload='metadata' src='{escape(source)}' onerror='this.remove()'></audio>"


def _inside(texts: Texts, code: str) -> str:
    """A language's name inside a sentence: English alone keeps its capital there."""
    return texts.names[code] if texts is ENGLISH else texts.names[code].lower()


def _formats(texts: Texts) -> str:
    return FORMATS_IN_WORDS.replace(f" {ENGLISH.either} ", f" {texts.either} ")


def _minutes(texts: Texts, limits: Limits) -> str:
    return counted(texts.minutes, max(1, int(limits.max_seconds / 60)), texts)


def _number(value: float, texts: Texts) -> str:
    return f"{value:.1f}".replace(".", ",") if texts.decimal_comma else f"{value:.1f}"


def _card(
    kind: str,
    headline: str,
    figure: str,
    notes: list[str],
    player: str = "",
    asides: list[str] | tuple = (),
    action: str = "",
) -> str:
    colour = f" style='--tone:{COLOURS[kind]}'" if kind in COLOURS else ""
    share = f"<span class='lid-share'>{escape(figure)}</span>" if figure else ""
    paragraphs = "".join(
        f"<p class='{'lid-lead' if not i else 'lid-note'}'>{escape(n)}</p>" for i, n in enumerate(notes)
    )
    small = "".join(f"<p class='lid-fine'>{escape(aside)}</p>" for aside in asides)
    top = f"<p class='lid-headline'><span>{escape(headline)}</span> {share}</p>"
    return (
        f"<section class='lid-card lid-{kind}' data-kind='{kind}'{colour}>"
        f"{top}{paragraphs}{small}{player}{action}</section>"
    )
