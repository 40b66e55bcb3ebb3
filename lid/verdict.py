"""What may be said of a recording: the one place that turns a Prediction into a verdict, for every interface.

The page, its table and CSV, the endpoints, the MCP tool and the command line all say what `decide` decides.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lid.languages import CODES, NAMES, name_of

if TYPE_CHECKING:
    from lid.audio import Recording
    from lid.identify import Prediction

LANGUAGE = "language"  # one language, and it is named
NOT_SURE = "not_sure"  # no language is likely enough to be named
NONE_OF_THE_THREE = "none_of_the_three"  # speech, but in another language
SEVERAL = "several"  # two or three languages, one after another or by two speakers
NO_SPEECH = "no_speech"
DAMAGED = "damaged"  # part of the file could not be read, and no speech was found in the rest
KINDS = (LANGUAGE, NOT_SURE, NONE_OF_THE_THREE, SEVERAL, NO_SPEECH, DAMAGED)

# Least calibrated probability of a language that is named. At 0.7, three of ten such answers would be wrong: an answer
# cannot be less sure than that. It is also where a recording half in one language and half in another ends up.
SURE = 0.7
# A second of speech counts for a language from this probability on; a language counts from so many seconds on, or from
# this share of the speech if that is longer.
PART_PROBABILITY = 0.9
PART_SECONDS = 3.0
PART_SHARE = 0.1
SAID = 0.4  # least probability of another language that is named: what none of the three sounds like
MISSING_SHARE = 0.1  # of the declared length; more is damage. MP3 headers are often a little wrong


@dataclass(frozen=True)
class Verdict:
    """`kind` is one of KINDS. `languages` are the codes that it names, in order of appearance; often one or none.
    `sounds_like` is the code of the other language that speech in none of the three may be said to sound like."""

    kind: str
    languages: tuple[str, ...] = ()
    sounds_like: str | None = None


def decide(prediction: "Prediction", damaged: bool = False) -> Verdict:
    """The verdict on a prediction. `damaged`: part of the file could not be read (see `is_damaged`).

    A damaged file with speech in the part that could be read has the verdict on that speech.
    """
    if prediction.language is None:
        return Verdict(DAMAGED if damaged else NO_SPEECH)
    if prediction.known is False:
        likeliest = prediction.sounds_like
        said = likeliest["language"] if likeliest and likeliest["probability"] >= SAID else None
        return Verdict(NONE_OF_THE_THREE, sounds_like=said)
    if len(languages := languages_heard(prediction)) > 1:
        return Verdict(SEVERAL, languages)
    if prediction.probabilities[prediction.language] < SURE:
        return Verdict(NOT_SURE)
    return Verdict(LANGUAGE, (prediction.language,))


def languages_heard(prediction: "Prediction") -> tuple[str, ...]:
    """The languages that were clearly spoken for a while, in order of appearance.

    Of speakers with a channel each: those of every speaker. A speaker who is sure to speak one language counts for it,
    however short.
    """
    if prediction.speakers:
        return tuple(dict.fromkeys(code for speaker in prediction.speakers for code in decide(speaker).languages))
    seconds: dict[str, float] = {}
    for entry in prediction.timeline:
        code, probability = max(entry["probabilities"].items(), key=lambda item: item[1])
        if probability >= PART_PROBABILITY:
            seconds[code] = seconds.get(code, 0.0) + entry["end"] - entry["start"]
    least = max(PART_SECONDS, PART_SHARE * prediction.speech_seconds)
    return tuple(code for code, length in seconds.items() if length >= least)


def is_damaged(recording: "Recording") -> bool:
    """Whether part of a file could not be read, or much of its declared length is missing."""
    declared = recording.declared_seconds
    return bool(recording.damaged or (declared and recording.seconds < (1 - MISSING_SHARE) * declared))


def in_words(prediction: "Prediction", damaged: bool = False) -> str:
    """The verdict and its numbers in one line of English, for the command line."""
    verdict = decide(prediction, damaged)
    if verdict.kind == DAMAGED:
        return f"Damaged: no speech in the {prediction.duration_seconds:.1f} s that could be read"
    if verdict.kind == NO_SPEECH:
        return f"No speech heard in {prediction.duration_seconds:.1f} s"
    facts = [f"{prediction.speech_seconds:.1f} s of speech"]
    if verdict.kind != NONE_OF_THE_THREE:  # the probabilities only share that speech out between the three
        facts.insert(0, ", ".join(f"{code} {prediction.probabilities[code]:.1%}" for code in CODES))
    if damaged:
        facts.append("part of the file could not be read")
    return f"{_headline(prediction, verdict)} ({'; '.join(facts)})"


def _headline(prediction: "Prediction", verdict: Verdict) -> str:
    if verdict.kind == NONE_OF_THE_THREE:
        return "None of the three" + (f", sounds like {name_of(verdict.sounds_like)}" if verdict.sounds_like else "")
    if verdict.kind == NOT_SURE:
        likeliest = max(prediction.probabilities, key=prediction.probabilities.__getitem__)
        return f"Not sure: {NAMES[likeliest]} {100 * prediction.probabilities[likeliest]:.0f} %"
    *others, last = (NAMES[code] for code in verdict.languages)
    return f"{', '.join(others)} and {last}" if others else last
