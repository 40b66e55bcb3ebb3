"""The page's HTML. The sentences are in `texts`; this module chooses them and fills them in."""

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
from lid.languages import CODES, name_of
from lid.ui.colours import LANGUAGES as COLOURS
from lid.ui.number_format import one_decimal, percent
from lid.ui.recording import ProgressUpdate
from lid.ui.settings import LIVE_SECONDS, MAX_FILES, QUEUE_SIZE
from lid.ui.texts import ENGLISH, Texts
from lid.verdict import DAMAGED, LANGUAGE, NO_SPEECH, NONE_OF_THE_THREE, NOT_SURE, SEVERAL, Verdict, decide

SHORT_SPEECH = 1.0  # seconds of speech under which the page asks for more
# Kind of card, which decides its style, for each verdict but LANGUAGE; that one has its language's colour.
CARDS = {
    NO_SPEECH: "silence",
    DAMAGED: "silence",
    NONE_OF_THE_THREE: "unknown",
    SEVERAL: "several",
    NOT_SURE: "unsure",
}


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


def working(so_far: list[ProgressUpdate], texts: Texts) -> str:
    """A progress bar in the colours of the languages heard so far."""
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
    """A card with the sentence of an error."""
    return failure(texts, explained(error, texts, limits))


def explained(error: InputError, texts: Texts, limits: Limits) -> str:
    if error.reason == "too_many" and texts is not ENGLISH:
        return texts.too_many_files.format(count=f"> {MAX_FILES}", limit=MAX_FILES)
    if error.reason == "too_long_together":
        return texts.too_long_together.format(minutes=limits.max_seconds / 60)
    if error.reason == "unexpected":
        return texts.broken_note
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
    """The card of an answer: the verdict in large type, then comments. `damaged`: part of the file could not be read.

    `took` says how long the answer took and on which hardware; `player` is the HTML of an audio player.
    """
    duration, speech = seconds(prediction.duration_seconds, texts), seconds(prediction.speech_seconds, texts)
    decided = decide(prediction, damaged)
    headline, share = _headline(prediction, decided, texts)
    comment = _comment(prediction, decided, texts)
    if prediction.language is None:
        return _card(CARDS[decided.kind], headline, share, [comment], player, [took] if took else [])
    notes = [texts.damaged.format(duration=duration)] if damaged else []
    if prediction.speech_seconds < SHORT_SPEECH:
        notes.insert(0, texts.short_speech.format(speech=speech))
    heard = texts.spoken.format(speech=speech, duration=duration)
    asides = [f"{heard} · {took}" if took else heard]
    copy = _copy(texts.copy, numbers(prediction, texts, damaged), texts)
    copy += _copy(texts.copy_json, json.dumps(prediction.to_dict(damaged)), texts)
    kind = CARDS.get(decided.kind, decided.languages[0] if decided.languages else "")
    return _card(kind, headline, share, [comment, *notes], player, asides, copy)


def verdict(prediction: Prediction, texts: Texts = ENGLISH, damaged: bool = False) -> tuple[str, str]:
    """The headline and the percentage beside it. The percentage is empty where no single language is named."""
    return _headline(prediction, decide(prediction, damaged), texts)


def sounds_like(decided: Verdict, texts: Texts = ENGLISH) -> str:
    """The sentence that says what other language it sounds like; empty where that is not said."""
    if decided.sounds_like is None:
        return ""
    return texts.sounds_like.format(language=name_of(decided.sounds_like, texts.code))


def _headline(prediction: Prediction, decided: Verdict, texts: Texts) -> tuple[str, str]:
    if decided.kind == LANGUAGE:
        (code,) = decided.languages
        return texts.names[code], percent(prediction.probabilities[code])
    if decided.kind == SEVERAL:
        first, *others = decided.languages
        names = [texts.names[first], *(_inside(texts, code) for code in others)]
        return texts.joined.join([", ".join(names[:-1]), names[-1]]), ""
    headlines = {
        NO_SPEECH: texts.silence,
        DAMAGED: texts.unreadable,
        NONE_OF_THE_THREE: texts.unknown,
        NOT_SURE: texts.unsure,
    }
    return headlines[decided.kind], ""


def _comment(prediction: Prediction, decided: Verdict, texts: Texts) -> str:
    """What to make of the verdict, and what to do."""
    duration = seconds(prediction.duration_seconds, texts)
    first, second = sorted(CODES, key=prediction.probabilities.__getitem__, reverse=True)[:2]
    facts = {
        "first": _inside(texts, first),
        "first_share": percent(prediction.probabilities[first]),
        "second": _inside(texts, second),
        "second_share": percent(prediction.probabilities[second]),
    }
    if decided.kind == LANGUAGE:
        share = prediction.probabilities[first]
        comment = next(words for least, words in texts.certainties if share >= least)
        return f"{comment} {texts.next_comes.format(**facts)}" if share < texts.certainties[0][0] else comment
    if decided.kind == NOT_SURE:
        sentence = texts.unsure_note.format(**facts)
        return sentence[0].upper() + sentence[1:]
    other = sounds_like(decided, texts)
    return {
        NO_SPEECH: texts.silence_note.format(duration=duration),
        DAMAGED: texts.unreadable_note.format(duration=duration),
        NONE_OF_THE_THREE: f"{other} {texts.sounds_like_advice}" if other else texts.unknown_note,
        SEVERAL: texts.several,
    }[decided.kind]


def numbers(prediction: Prediction, texts: Texts = ENGLISH, damaged: bool = False) -> str:
    """The result in one line of text."""
    headline, share = verdict(prediction, texts, damaged)
    if other := sounds_like(decide(prediction, damaged), texts):
        headline = f"{headline}. {other}"
    shares = ", ".join(
        f"{texts.names[code]} {one_decimal(100 * prediction.probabilities[code], texts.decimal_comma)} %"
        for code in CODES
    )
    heard = texts.spoken.format(
        speech=seconds(prediction.speech_seconds, texts), duration=seconds(prediction.duration_seconds, texts)
    )
    return f"{headline} {share}".strip() + f" ({shares}; {heard})"


def seconds(value: float, texts: Texts = ENGLISH) -> str:
    return texts.seconds.format(number=one_decimal(value, texts.decimal_comma))


def counted(forms: tuple[str, ...], count: int, texts: Texts) -> str:
    """A noun with its count, in the right plural form."""
    return forms[texts.plural(count)].format(count=count)


def player_of(path: str) -> str:
    """A player for an upload on the server. It removes itself if the browser cannot play the format."""
    return _player(f"gradio_api/file={quote(path)}")


def player_of_example(path: Path) -> str:
    """A player that contains the clip, so that no folder of the server has to be served."""
    kind = mimetypes.guess_type(path.name)[0] or "audio/mpeg"
    return _player(f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}")


def player_of_waveform(waveform: np.ndarray) -> str:
    """A player that contains the sound of live mode, float32 (samples,) at 16 kHz; the server keeps none of it."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((waveform * 32767).astype("<i2").tobytes())
    return _player(f"data:audio/wav;base64,{base64.b64encode(sound.getvalue()).decode()}")


def _copy(label: str, text: str, texts: Texts) -> str:
    """A button that copies a text, by page.js."""
    quoted = (
        text.replace("&", "&amp;").replace("'", "&#x27;").replace("<", "&lt;")
    )  # the many double quotes of JSON may stay
    return (
        f"<button type='button' class='lid-copy' data-copy='{quoted}' data-copied='{escape(texts.copied)}'>"
        f"{escape(label)}</button>"
    )


def _player(source: str) -> str:
    return f"<audio controls preload='metadata' src='{escape(source)}' onerror='this.remove()'></audio>"


def _inside(texts: Texts, code: str) -> str:
    """A language's name inside a sentence: only English keeps the capital letter there."""
    return texts.names[code] if texts is ENGLISH else texts.names[code].lower()


def _formats(texts: Texts) -> str:
    return FORMATS_IN_WORDS.replace(f" {ENGLISH.either} ", f" {texts.either} ")


def _minutes(texts: Texts, limits: Limits) -> str:
    return counted(texts.minutes, max(1, int(limits.max_seconds / 60)), texts)


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
