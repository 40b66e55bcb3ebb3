"""One recording, from the file to what the page draws. Everything kept is small, however long the recording."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from lid import audio
from lid.audio import SAMPLE_RATE
from lid.features import HOP, log_mel
from lid.identify import Prediction
from lid.plots import MAX_COLUMNS, pool

SECONDS_AT_ONCE = 60  # of spectrogram: keeps an hour's in a few megabytes
CONTEXT = 1.0  # seconds kept on either side of the opening, for the voice detector to settle
DAMAGE = 0.1  # share of the declared length that may be missing: MP3 headers are often a little off


@dataclass(frozen=True)
class Opening:
    """The first stretch of speech, for the attention picture: `waveform` (samples,) starts at `start` s of the clip."""

    waveform: np.ndarray
    start: float


@dataclass(frozen=True)
class Heard:
    """What the page needs of a recording.

    `mel` is Whisper's log-mel averaged to (80, columns <= MAX_COLUMNS), `opening` None without speech, and `damaged`
    true when part of the file could not be read.
    """

    prediction: Prediction
    mel: np.ndarray
    opening: Opening | None
    damaged: bool


def hear(path: str | os.PathLike, identify: Callable[[np.ndarray], Prediction], window_seconds: float) -> Heard:
    """Decode a file, identify it, and keep what the pictures need. Raises InputError for a file that cannot be used."""
    recording = audio.read(path)
    prediction = identify(recording.waveform)
    cut_short = recording.declared_seconds and recording.seconds < (1 - DAMAGE) * recording.declared_seconds
    return Heard(
        prediction,
        overview_mel(recording.waveform),
        _opening(recording.waveform, prediction, window_seconds),
        bool(recording.damaged or cut_short),
    )


def overview_mel(waveform: np.ndarray) -> np.ndarray:
    """Waveform (samples,) at 16 kHz -> log-mel averaged over time, float32 (80, columns <= MAX_COLUMNS).

    Made piece by piece. Whisper floors a clip 2 units under its loudest cell; each piece's floor is at or under that,
    so flooring once more with the loudest of all pieces gives what the whole clip at once would have.
    """
    columns = max(1, len(waveform) // HOP)
    share = -(-columns // MAX_COLUMNS)  # spectrogram columns averaged into one
    step = share * HOP * max(1, SECONDS_AT_ONCE * SAMPLE_RATE // (share * HOP))
    pieces = [waveform[i : i + step] for i in range(0, columns * HOP, step)]
    pieces = [np.pad(piece, (0, max(0, 2 * HOP - len(piece)))) for piece in pieces]  # the shortest a window reflects
    mels = [log_mel(torch.from_numpy(piece)[None])[0].numpy() for piece in pieces]
    floor = max(mel.max() for mel in mels) - 2.0
    pooled = [pool(np.maximum(mel, floor).T, -(-mel.shape[1] // share))[0] for mel in mels]
    return np.concatenate(pooled).T.astype(np.float32)


def _opening(waveform: np.ndarray, prediction: Prediction, window_seconds: float) -> Opening | None:
    if prediction.language is None:
        return None
    start = max(0.0, float(prediction.frame_starts[0]) - CONTEXT)
    end = float(prediction.frame_starts[0]) + window_seconds + CONTEXT
    return Opening(waveform[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)].copy(), start)
