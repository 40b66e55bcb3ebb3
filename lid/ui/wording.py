"""Every sentence the page shows, and the answer as HTML. Translate here; nothing else on the page speaks."""

import base64
import mimetypes
from html import escape
from pathlib import Path
from urllib.parse import quote

from lid.audio import DEFAULT_LIMITS, FORMATS_IN_WORDS
from lid.identify import Prediction
from lid.languages import CODES, NAMES
from lid.plots import COLOURS, percent

TITLE = "Uzbek, Russian or English?"
INTRODUCTION = (
    "Record a sentence or drop a recording, and see which of the three languages is spoken and how sure that is."
)
RECORD = "Record a sentence"
UPLOAD = "Or drop a recording"
EXAMPLES = "Or try an example"
EXAMPLES_NOTE = "Spoken by a synthesiser, so less clear than a person."
LIMITS_NOTE = (
    f"{FORMATS_IN_WORDS}, up to {DEFAULT_LIMITS.max_seconds / 60:.0f} minutes. "
    "Recordings are processed on this server and deleted within the hour."
)
WAITING = "The answer appears here"
WAITING_NOTE = "A few seconds of speech are enough."
NO_LINKS = "Links are not opened. Send the recording itself."
NO_FILE = "No recording was sent. Send one audio file."

CERTAINTIES = (  # calibrated probability of the answer, at least -> what to make of it
    (0.95, "Little room for doubt."),
    (0.8, "Fairly sure."),
    (0.6, "It leans this way. A longer sentence would settle it."),
    (0.0, "Too close to call. Record a longer sentence, with less noise around it."),
)
SHORT_SPEECH = 1.0  # seconds of speech under which the page asks for more
PART_SHARE = 0.9  # a second of speech counts for a language from this probability on ...
PART_SECONDS = 3.0  # ... and a language counts from this many seconds on, or a tenth of the speech if that is more

BARS_NOTE = "Of a hundred recordings that get 90 % for a language, about ninety are in it."
PICTURES = {  # name -> heading, how to read the picture
    "timeline": (
        "When was which language heard?",
        "Each column is about a second of speech, shared out between the languages; blank stretches are silence.",
    ),
    "evidence": (
        "What did each moment add?",
        "A line above zero speaks for its language, below zero against it. Their averages make the answer.",
    ),
    "mel": (
        "What did the model hear?",
        "The mel spectrogram it is given: time runs to the right, pitch upwards, and bright means loud.",
    ),
    "attention": (
        "Where did the encoder look?",
        "Each row is a moment of the first stretch of speech; its bright columns are the moments it drew on. "
        "A bright diagonal is a layer that looks at its surroundings.",
    ),
}
LAYER = "Encoder layer"
HEAD = "Attention head"
ALL_HEADS = "Average of all heads"


def header() -> str:
    return f"<header class='lid-header'><h1>{TITLE}</h1><p>{INTRODUCTION}</p></header>"


def subheading(text: str, note: str = "") -> str:
    paragraph = f"<p>{escape(note)}</p>" if note else ""
    return f"<div class='lid-section'><h2>{escape(text)}</h2>{paragraph}</div>"


def note(text: str) -> str:
    return f"<p class='lid-fine'>{escape(text)}</p>"


def waiting() -> str:
    return _card("waiting", WAITING, "", [WAITING_NOTE])


def problem(sentence: str) -> str:
    """`sentence` is an InputError's: it says what is wrong and what to do."""
    return _card("problem", "That did not work", "", [sentence])


def answer(prediction: Prediction, damaged: bool, player: str = "") -> str:
    """The answer first, in large type; then what to make of it. `damaged`: part of the file could not be read."""
    notes = []
    if damaged:
        notes.append(f"Part of this file could not be read; this is about the {seconds(prediction)} that could.")
    if prediction.language is None:
        lead = (
            f"Nothing in these {seconds(prediction)} sounds like a voice. Check the microphone, come closer to it and "
            "speak for a second or more."
        )
        return _card("silence", "No speech heard", "", [lead, *notes], player)
    first, second = sorted(CODES, key=prediction.probabilities.get, reverse=True)[:2]
    share = prediction.probabilities[first]
    lead = next(words for least, words in CERTAINTIES if share >= least)
    if len(parts := languages_heard(prediction)) > 1:
        lead = f"More than one language is heard: {', '.join(NAMES[code] for code in parts)}. See when below."
    elif share < CERTAINTIES[0][0]:
        lead += f" Next comes {NAMES[second]} with {percent(prediction.probabilities[second])}."
    if prediction.speech_seconds < SHORT_SPEECH:
        notes.insert(0, f"There are only {prediction.speech_seconds:.1f} s of speech: more would make it surer.")
    heard = f"{prediction.speech_seconds:.1f} s of speech in {seconds(prediction)}"
    return _card(prediction.language, NAMES[first], percent(share), [lead, *notes], player, heard)


def languages_heard(prediction: Prediction) -> list[str]:
    """Languages heard beyond doubt for a while, in order of appearance: more than one when the recording switches."""
    lasted: dict[str, float] = {}
    for entry in prediction.timeline:
        code, share = max(entry["probabilities"].items(), key=lambda item: item[1])
        if share >= PART_SHARE:
            lasted[code] = lasted.get(code, 0.0) + entry["end"] - entry["start"]
    return [code for code, length in lasted.items() if length >= max(PART_SECONDS, prediction.speech_seconds / 10)]


def seconds(prediction: Prediction) -> str:
    return f"{prediction.duration_seconds:.1f} s"


def player_of(path: str) -> str:
    """A player for a file the server keeps for the visitor; it goes away if the browser cannot play that format."""
    return _player(f"gradio_api/file={quote(path)}")


def player_of_example(path: Path) -> str:
    """A player that carries the clip with it, so that no folder of the server need be opened to visitors."""
    kind = mimetypes.guess_type(path.name)[0] or "audio/mpeg"
    return _player(f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}")


def _player(source: str) -> str:
    return f"<audio controls preload='metadata' src='{escape(source)}' onerror='this.remove()'></audio>"


def _card(kind: str, headline: str, figure: str, notes: list[str], player: str = "", aside: str = "") -> str:
    colour = f" style='--tone:{COLOURS[kind]}'" if kind in COLOURS else ""
    share = f"<span class='lid-share'>{escape(figure)}</span>" if figure else ""
    paragraphs = "".join(
        f"<p class='{'lid-lead' if not i else 'lid-note'}'>{escape(n)}</p>" for i, n in enumerate(notes)
    )
    aside = f"<p class='lid-fine'>{escape(aside)}</p>" if aside else ""
    return (
        f"<section class='lid-card lid-{kind}' data-kind='{kind}'{colour}>"
        f"<p class='lid-headline'><span>{escape(headline)}</span> {share}</p>{paragraphs}{aside}{player}</section>"
    )
