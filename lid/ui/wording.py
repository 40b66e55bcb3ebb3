"""The page's HTML. The sentences are in `texts`; this module chooses them and fills them in."""

import json
from html import escape
from itertools import groupby

from lid.audio import FORMATS_IN_WORDS, Limits
from lid.errors import InputError
from lid.identify import Prediction
from lid.languages import CODES, name_of
from lid.ui import bars, feedback, segments
from lid.ui.colours import LANGUAGES as COLOURS
from lid.ui.number_format import clock, one_decimal, percent
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


def keys_note(texts: Texts) -> str:
    return f"<p class='lid-fine lid-keys'>{escape(texts.keys_note)}</p>"


def waiting(texts: Texts) -> str:
    return _card("waiting", texts.waiting, "", [texts.waiting_note])


def listening(texts: Texts, prediction: Prediction | None = None, firm: float = 0.0) -> str:
    """Before there is enough speech for an answer. `firm` in [0, 1] is how much of it there is."""
    if prediction is None or prediction.language is None:
        return _card("listening", texts.listening, "", [texts.listening_note])
    content = bars.probabilities(prediction, texts, firm)
    return _card("listening", texts.listening, "", [texts.listening_on], content)


def microphone(problem: str, browser: str, texts: Texts) -> str:
    """Why the microphone cannot be used, and what to do in this kind of browser."""
    headline, note = texts.microphone[problem]
    return _card("problem", headline, "", [note] + ([texts.allow_microphone[browser]] if problem == "denied" else []))


def reading(texts: Texts, name: str = "") -> str:
    """What stands there from the click until something is known."""
    bar = f"<div class='lid-progress' role='progressbar' aria-label='{escape(texts.reading)}'></div>"
    return _card("working", texts.reading, "", [], bar, name=name, action=stop(texts))


def working(so_far: list[ProgressUpdate], texts: Texts, name: str = "") -> str:
    """A progress bar in the colours of the languages heard so far."""
    share = round(100 * so_far[-1].share)
    said = texts.progress.format(share=share)
    parts, done = "", 0.0
    for language, steps in groupby(so_far, key=lambda step: step.language):
        end = [step.share for step in steps][-1]
        parts += f"<span style='width:{100 * (end - done):.2f}%;background:{COLOURS[language]}'></span>"
        done = end
    state = f"aria-label='{escape(said)}' aria-valuenow='{share}'"
    bar = f"<div class='lid-progress' role='progressbar' {state}>{parts}</div>"
    return _card("working", said, "", [], bar + legend(texts), name=name, action=stop(texts))


def stop(texts: Texts) -> str:
    return (
        "<button type='button' class='lid-button lid-stop' data-press='stop' aria-keyshortcuts='Escape'>"
        f"{escape(texts.stop)} <kbd>Esc</kbd></button>"
    )


def add(texts: Texts) -> str:
    """A button that keeps what is there and adds recordings to it."""
    return f"<button type='button' class='lid-button' data-press='add'>{escape(texts.add)}</button>"


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
    prediction: Prediction,
    damaged: bool = False,
    texts: Texts = ENGLISH,
    player: str = "",
    took: str = "",
    name: str = "",
    part: tuple[float, float] | None = None,
) -> str:
    """The card of an answer: the verdict in large type, then its bars and comments. `damaged`: part of the file could
    not be read.

    `took` says how long the answer took and on which hardware; `player` is the HTML of an audio player; `name` says of
    what it is the answer. `part` is from where to where of the file it was heard, in seconds, if that is not all.
    """
    duration, speech = length(prediction.duration_seconds, texts), length(prediction.speech_seconds, texts)
    decided = decide(prediction, damaged)
    headline, share = _headline(prediction, decided, texts)
    notes = [_comment(prediction, decided, texts)]
    wrong = feedback.links(prediction, damaged, texts)
    if part:
        notes.append(texts.part_note.format(start=clock(part[0]), end=clock(part[1])))
    if prediction.language is None:
        return _card(CARDS[decided.kind], headline, share, notes, player + wrong, [took] if took else [], name=name)
    if prediction.speech_seconds < SHORT_SPEECH:
        notes.append(texts.short_speech.format(speech=speech))
    if damaged:
        notes.append(texts.damaged.format(duration=duration))
    heard = texts.spoken.format(speech=speech, duration=duration)
    asides = [f"{heard} · {took}" if took else heard]
    copy = _copy(texts.copy, numbers(prediction, texts, damaged), texts)
    copy += _copy(texts.copy_json, json.dumps(prediction.to_dict(damaged)), texts)
    copy += f"<button type='button' class='lid-button' data-report>{escape(texts.report)}</button>"
    kind = CARDS.get(decided.kind, decided.languages[0] if decided.languages else "")
    content = _bars(prediction, decided, texts)
    return _card(kind, headline, share, notes, content, asides, f"{player}{copy}{wrong}", name)


def _bars(prediction: Prediction, decided: Verdict, texts: Texts) -> str:
    """How likely each language is; of a recording in several, and of each speaker of a call, shares of the speech.

    None for a language outside the three: the probabilities only share it out between the three.
    """
    if decided.kind == NONE_OF_THE_THREE:
        return ""
    found = segments.find(prediction)
    if prediction.speakers and prediction.channels:
        return "".join(
            _speaker(speaker, channel, [one for one in found if one.channel == channel], texts)
            for channel, speaker in zip(prediction.channels.heard, prediction.speakers, strict=True)
        )
    if decided.kind == SEVERAL:
        return bars.shares(found, texts) + note(texts.shares_note)
    return bars.probabilities(prediction, texts) + note(texts.bars_note)


def _speaker(speaker: Prediction, channel: int, found: list[segments.Segment], texts: Texts) -> str:
    speech = length(speaker.speech_seconds, texts)
    heading = f"<h3>{escape(texts.channel_shares.format(number=channel, speech=speech))}</h3>"
    return heading + (bars.shares(found, texts) if found else note(verdict(speaker, texts)[0]))


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
    duration = length(prediction.duration_seconds, texts)
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
    """The result in one line of text. Of a recording in several languages it has the shares of the speech."""
    decided = decide(prediction, damaged)
    headline, share = _headline(prediction, decided, texts)
    if other := sounds_like(decided, texts):
        headline = f"{headline}. {other}"
    several = decided.kind == SEVERAL
    told = segments.shares(segments.find(prediction)) if several else prediction.probabilities
    each = ", ".join(f"{texts.names[code]} {one_decimal(100 * told[code], texts.decimal_comma)} %" for code in CODES)
    each = f"{texts.shares}: {each}" if several else each
    heard = texts.spoken.format(
        speech=length(prediction.speech_seconds, texts), duration=length(prediction.duration_seconds, texts)
    )
    return f"{headline} {share}".strip() + f" ({each}; {heard})"


def length(value: float, texts: Texts = ENGLISH) -> str:
    """How long something is: 9.0 s, or 5:00 from a minute on."""
    if value >= 60:
        return clock(value)
    return texts.seconds.format(number=one_decimal(value, texts.decimal_comma))


def counted(forms: tuple[str, ...], count: int, texts: Texts) -> str:
    """A noun with its count, in the right plural form."""
    return forms[texts.plural(count)].format(count=count)


def _copy(label: str, text: str, texts: Texts) -> str:
    """A button that copies a text, by copy.js."""
    quoted = (
        text.replace("&", "&amp;").replace("'", "&#x27;").replace("<", "&lt;")
    )  # the many double quotes of JSON may stay
    return (
        f"<button type='button' class='lid-copy' data-copy='{quoted}' data-copied='{escape(texts.copied)}'>"
        f"{escape(label)}</button>"
    )


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
    content: str = "",
    asides: list[str] | tuple = (),
    action: str = "",
    name: str = "",
) -> str:
    colour = f" style='--tone:{COLOURS[kind]}'" if kind in COLOURS else ""
    share = f"<span class='lid-share'>{escape(figure)}</span>" if figure else ""
    paragraphs = "".join(
        f"<p class='{'lid-lead' if not i else 'lid-note'}'>{escape(n)}</p>" for i, n in enumerate(notes)
    )
    small = "".join(f"<p class='lid-fine'>{escape(aside)}</p>" for aside in asides)
    source = f"<p class='lid-source'>{escape(name)}</p>" if name else ""
    top = f"<p class='lid-headline'><span>{escape(headline)}</span> {share}</p>"
    return (
        f"<section class='lid-card lid-{kind}' data-kind='{kind}'{colour}>"
        f"{source}{top}{paragraphs}{content}{small}{action}</section>"
    )
