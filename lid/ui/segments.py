"""The timeline of a Prediction as segments of one language each, and how the speech is shared out between languages."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lid.identify import Prediction
from lid.languages import CODES

PAUSE = 2.0  # seconds; after a longer silence a new segment begins
# What a change of language costs, as a logarithm of probability. A second has at most log(1 / LEAST) to say for another
# language: so a single second never makes a segment of its own, and two or three clear ones do.
SWITCH = 3.0
LEAST = 0.02


@dataclass(frozen=True)
class Segment:
    """A stretch of one language, from `start` to `end` seconds, with `speech` seconds of speech in it. `sure` is the
    mean of the language's probability over that speech; `channel` counts from 1, where a call has two."""

    start: float
    end: float
    language: str
    sure: float
    speech: float
    channel: int | None = None


def find(prediction: Prediction) -> list[Segment]:
    """The segments, in order of their start; none where none of the three languages is spoken."""
    if prediction.language is None or prediction.known is False:
        return []
    channels = sorted({entry.get("channel") or 0 for entry in prediction.timeline})
    found = []
    for channel in channels:
        entries = [entry for entry in prediction.timeline if (entry.get("channel") or 0) == channel]
        found += _of_channel(entries, channel or None)
    return sorted(found, key=lambda segment: (segment.start, segment.channel or 0))


def shares(segments: Sequence[Segment]) -> dict[str, float]:
    """Which share of the speech each language has, by code; zeros without speech."""
    whole = sum(segment.speech for segment in segments)
    lengths = {code: sum(one.speech for one in segments if one.language == code) for code in CODES}
    return {code: length / whole if whole else 0.0 for code, length in lengths.items()}


def _of_channel(entries: list[dict], channel: int | None) -> list[Segment]:
    languages = _smoothed(np.array([[entry["probabilities"][code] for code in CODES] for entry in entries]))
    groups: list[list[dict]] = []
    for index, entry in enumerate(entries):
        goes_on = index and languages[index] == languages[index - 1]
        if not goes_on or entry["start"] - entries[index - 1]["end"] > PAUSE:
            groups.append([])
        groups[-1].append({**entry, "language": CODES[languages[index]]})
    return [_joined(group, channel) for group in groups]


def _joined(entries: list[dict], channel: int | None) -> Segment:
    language = entries[0]["language"]
    lengths = [entry["end"] - entry["start"] for entry in entries]
    sure = float(np.average([entry["probabilities"][language] for entry in entries], weights=lengths))
    return Segment(entries[0]["start"], entries[-1]["end"], language, sure, sum(lengths), channel)


def _smoothed(probabilities: np.ndarray) -> list[int]:
    """The likeliest language of each entry, (entries, 3) -> indices, when a change of language has its price (the
    Viterbi algorithm, with the same price between all pairs)."""
    scores = np.log(np.clip(probabilities, LEAST, 1.0))
    best, came_from = scores[0], []
    for row in scores[1:]:
        stays = best >= best.max() - SWITCH
        came_from.append(np.where(stays, np.arange(len(best)), best.argmax()))
        best = row + np.maximum(best, best.max() - SWITCH)
    path = [int(best.argmax())]
    for previous in reversed(came_from):
        path.append(int(previous[path[-1]]))
    return path[::-1]
