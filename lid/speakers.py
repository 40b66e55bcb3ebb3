"""Two speakers, one a channel, as in a recorded call: what was heard of each, as one Prediction."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lid.audio import Channels
from lid.features import FRAME_SECONDS
from lid.languages import CODES

if TYPE_CHECKING:
    from lid.identify import Prediction

TOLD = (
    "verdict",
    "languages",
    "language",
    "probabilities",
    "known",
    "known_score",
    "sounds_like",
    "speech_seconds",
)  # of each speaker, in JSON


def together(heard: dict[int, "Prediction"]) -> "Prediction":
    """The predictions of a recording's speakers, by channel, as one. What is in it, `Prediction` says."""
    everyone = tuple(heard.values())
    counted = {channel: one for channel, one in heard.items() if one.known is not False} or heard
    lengths = [one.speech_seconds for one in counted.values()]
    shares = np.average([list(one.probabilities.values()) for one in counted.values()], axis=0, weights=lengths)
    scores = [one.known_score for one in everyone if one.known_score is not None]
    timeline = [{**entry, "channel": channel} for channel, one in counted.items() for entry in one.timeline]
    frames, logits = _on_one_grid(list(counted.values()))
    return replace(
        everyone[0],
        language=CODES[int(np.argmax(shares))],
        probabilities={code: round(float(share), 6) for code, share in zip(CODES, shares, strict=True)},
        speech_seconds=len(_on_one_grid(everyone)[0]) * FRAME_SECONDS,
        timeline=sorted(timeline, key=lambda entry: (entry["start"], entry["channel"])),
        frame_logits=logits,
        frame_starts=frames * FRAME_SECONDS,
        known=any(one.known for one in everyone) if scores else None,
        known_score=max(scores, default=None),
        sounds_like=_sounds_like(everyone),
        channels=Channels("two", tuple(heard), len(heard)),
        speakers=everyone,
    )


def _sounds_like(everyone: tuple["Prediction", ...]) -> dict | None:
    """Where all speakers sound like one and the same language beside the three: that, and the mean of its probability,
    weighed by how long each speaks."""
    if not all(one.sounds_like for one in everyone) or len({one.sounds_like["language"] for one in everyone}) > 1:
        return None
    shares, lengths = zip(*((one.sounds_like["probability"], one.speech_seconds) for one in everyone), strict=True)
    return everyone[0].sounds_like | {"probability": round(float(np.average(shares, weights=lengths)), 6)}


def as_json(prediction: "Prediction") -> list[dict]:
    """What `Prediction.to_dict` tells of each speaker."""
    channels = prediction.channels.heard if prediction.channels else ()
    pairs = zip(channels, prediction.speakers, strict=True)
    return [{"channel": channel, **{key: one.to_dict()[key] for key in TOLD}} for channel, one in pairs]


def part_of(progress: Callable[[float, str], None], done: float, share: float) -> Callable[[float, str], None]:
    """`progress` for a part of the work: `share` of it, before which `done` of it was done."""
    return lambda part, language: progress(min(1.0, done + share * part), language)


def _on_one_grid(predictions: Sequence["Prediction"]) -> tuple[np.ndarray, np.ndarray]:
    """The 20 ms frames, counted from the recording's start, (frames,), in which anybody speaks, in order, and logits
    (frames, 3): the mean of what is said at the same time."""
    places = np.concatenate([np.rint(one.frame_starts / FRAME_SECONDS) for one in predictions]).astype(int)
    frames, where, count = np.unique(places, return_inverse=True, return_counts=True)
    logits = np.zeros((len(frames), len(CODES)), np.float32)
    np.add.at(logits, where, np.concatenate([one.frame_logits for one in predictions]))
    return frames, logits / count[:, None].astype(np.float32)
