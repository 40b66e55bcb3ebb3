"""One recording, from the file to what the page draws. Everything kept is small, however long the recording."""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from lid import audio
from lid.audio import SAMPLE_RATE, Limits
from lid.features import HOP, log_mel
from lid.identify import Prediction
from lid.ui.plots import MAX_COLUMNS, pool

SECONDS_AT_ONCE = 60  # of spectrogram: keeps an hour's in a few megabytes
CONTEXT = 1.0  # seconds kept on either side of the opening, for the voice detector to settle
DAMAGE = 0.1  # share of the declared length that may be missing: MP3 headers are often a little off


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True)
class Step:
    """How far a recording is: the share of its speech done, in (0, 1], and the likeliest language since the last."""

    share: float
    language: str


def steps(identify: Callable) -> Callable[[np.ndarray | audio.Recording], Iterator[Step | Prediction]]:
    """Turn `identify(sound, progress)` into a generator: a Step after each window, then the Prediction.

    A generator, because that is what can run on a GPU lent to one function. Closing it ends the work after the window
    it is at.
    """

    def run(sound: np.ndarray | audio.Recording) -> Iterator[Step | Prediction]:
        news: queue.SimpleQueue = queue.SimpleQueue()
        left = threading.Event()

        def progress(share: float, language: str) -> None:
            if left.is_set():
                raise _Left
            news.put(Step(share, language))

        def work() -> None:
            try:
                news.put(identify(sound, progress))
            except Exception as error:
                news.put(error)

        threading.Thread(target=work, daemon=True).start()
        try:
            while not isinstance(item := news.get(), Prediction):
                if isinstance(item, Exception):
                    raise item
                yield item
            yield item
        finally:
            left.set()

    return run


class _Left(Exception):
    """Nobody waits for the answer any more."""


def hear(
    path: str | os.PathLike, listen: Callable[[audio.Recording], Iterator], window_seconds: float, limits: Limits
) -> Iterator[Step | Heard]:
    """Decode a file, identify it, and keep what the pictures need: a Step after each window, last of all the Heard.

    `listen` comes from `steps`. Raises InputError for a file that cannot be used.
    """
    recording = audio.read(path, limits)
    cut_short = recording.declared_seconds and recording.seconds < (1 - DAMAGE) * recording.declared_seconds
    for step in listen(recording):
        if isinstance(step, Prediction):
            yield of_waveform(recording.waveform, step, window_seconds, bool(recording.damaged or cut_short))
        else:
            yield step


def of_waveform(waveform: np.ndarray, prediction: Prediction, window_seconds: float, damaged: bool = False) -> Heard:
    """What the pictures need of a waveform (samples,) at 16 kHz and its prediction."""
    return Heard(prediction, overview_mel(waveform), _opening(waveform, prediction, window_seconds), damaged)


def overview_mel(waveform: np.ndarray) -> np.ndarray:
    """Waveform (samples,) at 16 kHz -> log-mel averaged over time, float32 (80, columns <= MAX_COLUMNS).

    Made piece by piece. Whisper floors a clip 2 units under its loudest cell; each piece's floor is at or under that,
    so flooring once more with the loudest of all pieces gives what the whole clip at once would have. To know it, a
    long recording's pieces are made twice: that takes a second for an hour, and keeping them would take 115 MB.
    """
    columns = max(1, len(waveform) // HOP)
    share = -(-columns // MAX_COLUMNS)  # spectrogram columns averaged into one
    step = share * HOP * max(1, SECONDS_AT_ONCE * SAMPLE_RATE // (share * HOP))
    starts = range(0, columns * HOP, step)
    if len(starts) == 1:
        return _pooled(_mel(waveform), share)
    floor = max(_mel(waveform[start : start + step]).max() for start in starts) - 2.0
    pooled = [_pooled(np.maximum(_mel(waveform[start : start + step]), floor), share) for start in starts]
    return np.concatenate(pooled, axis=1)


def _mel(waveform: np.ndarray) -> np.ndarray:
    padded = np.pad(waveform, (0, max(0, 2 * HOP - len(waveform))))  # the shortest that a window reflects
    return log_mel(torch.from_numpy(padded)[None])[0].numpy()


def _pooled(mel: np.ndarray, share: int) -> np.ndarray:
    return pool(mel.T, -(-mel.shape[1] // share))[0].T.astype(np.float32)


def _opening(waveform: np.ndarray, prediction: Prediction, window_seconds: float) -> Opening | None:
    if prediction.language is None:
        return None
    start = max(0.0, float(prediction.frame_starts[0]) - CONTEXT)
    end = float(prediction.frame_starts[0]) + window_seconds + CONTEXT
    return Opening(waveform[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)].copy(), start)
