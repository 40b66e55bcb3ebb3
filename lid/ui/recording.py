"""One recording, from the file to the data for the answer and its pictures. That data is small for any length."""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from lid import audio
from lid.audio import SAMPLE_RATE, Limits, Recording
from lid.errors import InputError
from lid.features import HOP
from lid.identify import Model, Prediction
from lid.ui.pooling import MAX_COLUMNS, peaks, pool
from lid.verdict import is_damaged

MEL_PIECE_SECONDS = 60  # of spectrogram made at once, so that an hour takes a few megabytes
CONTEXT = 1.0  # seconds kept before and after the first segment: the voice detector needs a start


@dataclass(frozen=True, eq=False)
class FirstSegment:
    """The first stretch of speech, for the attention picture: `waveform` (samples,) starts at `start` s of the
    recording."""

    waveform: np.ndarray
    start: float


@dataclass(frozen=True)
class RecordingResult:
    """What the page shows of a recording.

    `mel` is Whisper's log-mel averaged to (bands, columns <= MAX_COLUMNS). `peaks` are (sounds, columns), the loudest
    of each stretch as a share of the loudest of all. `first_segment` is None without speech. `damaged` is true when
    part of the file could not be read. `span` is from where to where it was heard, in seconds of the file; so are the
    times of `prediction`. `part` is true where that is only a part of the file.
    """

    prediction: Prediction
    mel: np.ndarray
    peaks: np.ndarray
    first_segment: FirstSegment | None
    damaged: bool
    span: tuple[float, float]
    part: bool = False


@dataclass(frozen=True)
class ProgressUpdate:
    """After a window: the share of the speech that is done, in (0, 1], and the likeliest language in that window."""

    share: float
    language: str


def with_progress(
    identify: Callable,
) -> Callable[[np.ndarray | audio.Recording], Iterator[ProgressUpdate | Prediction]]:
    """Turn `identify(sound, progress)` into a generator: a ProgressUpdate after each window, then the Prediction.

    ZeroGPU lends its GPU to one call of a function or of a generator, so the updates have to come from a generator.
    The work goes on only when the next item is asked for, so whoever asks decides when the model works; closing it ends
    the work.
    """

    def run(sound: np.ndarray | audio.Recording) -> Iterator[ProgressUpdate | Prediction]:
        results: queue.SimpleQueue = queue.SimpleQueue()
        wanted = threading.Semaphore(0)
        cancelled = threading.Event()

        def progress(share: float, language: str) -> None:
            results.put(ProgressUpdate(share, language))
            wanted.acquire()
            if cancelled.is_set():
                raise _Cancelled

        def work() -> None:
            try:
                results.put(identify(sound, progress))
            except Exception as error:
                results.put(error)

        threading.Thread(target=work, daemon=True).start()
        try:
            while not isinstance(item := results.get(), Prediction):
                if isinstance(item, Exception):
                    raise item
                yield item
                wanted.release()
            yield item
        finally:
            cancelled.set()
            wanted.release()

    return run


class _Cancelled(Exception):
    """The visitor has left."""


def analyse(
    path: str | os.PathLike,
    identify: Callable[[Recording], Iterator],
    model: Model,
    limits: Limits,
    part: tuple[float, float] | None = None,
) -> Iterator[ProgressUpdate | RecordingResult]:
    """Decode a file and identify it: a ProgressUpdate after each window, then the RecordingResult.

    `identify` comes from `with_progress`. `model` is what it runs. With `part`, from and to in seconds, only that
    is heard. Raises InputError for a file that cannot be used.
    """
    recording = audio.read(path, limits)
    damaged = is_damaged(recording)
    if part:
        recording = _cut(recording, *part)
    for update in identify(recording):
        if isinstance(update, Prediction):
            result = result_of(recording, update, model, damaged)
            yield _moved(result, part[0]) if part else result
        else:
            yield update


def result_of(recording: Recording, prediction: Prediction, model: Model, damaged: bool = False) -> RecordingResult:
    """The data for the answer and its pictures, of a recording and its prediction by `model`. The attention picture
    shows as much speech as the model hears at once."""
    waveform = recording.waveform
    heights = np.stack([peaks(sound) for sound in recording.sounds])
    return RecordingResult(
        prediction,
        overview_mel(waveform, model.log_mel),
        heights / max(float(heights.max()), 1e-3),  # silence stays flat
        _first_segment(waveform, prediction, model.window_samples / SAMPLE_RATE),
        damaged,
        (0.0, prediction.duration_seconds),
    )


def _cut(recording: Recording, start: float, end: float) -> Recording:
    """The part of a recording between two times in seconds."""
    first, last = int(start * SAMPLE_RATE), int(end * SAMPLE_RATE)
    if last <= first or first >= len(recording.sounds[0]):
        raise InputError("There is nothing of the recording between these two times.", "too_short")
    return replace(recording, sounds=tuple(sound[first:last] for sound in recording.sounds), declared_seconds=None)


def _moved(result: RecordingResult, seconds: float) -> RecordingResult:
    """The result of a part that begins at `seconds` of the file, with the file's own times."""
    told = result.prediction
    timeline = [{**one, "start": one["start"] + seconds, "end": one["end"] + seconds} for one in told.timeline]
    first = result.first_segment
    return replace(
        result,
        prediction=replace(told, timeline=timeline, frame_starts=told.frame_starts + seconds),
        first_segment=replace(first, start=first.start + seconds) if first else None,
        span=(seconds, seconds + told.duration_seconds),
        part=True,
    )


def overview_mel(waveform: np.ndarray, log_mel: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Waveform (samples,) at 16 kHz -> log-mel averaged over time, float32 (bands, columns <= MAX_COLUMNS). `log_mel`
    makes (batch, bands, frames) of (batch, samples).

    The spectrogram is made in pieces. Whisper raises every cell to at least 2 units under the loudest cell of the clip.
    A piece does the same with its own loudest cell, which is at most that of the clip; so doing it once more with the
    loudest cell of all pieces gives the same as one spectrogram of the whole clip. To know that cell, the pieces of a
    long recording are made twice. That takes a second for an hour; keeping the pieces would take 115 MB.
    """
    columns = max(1, len(waveform) // HOP)
    per_cell = -(-columns // MAX_COLUMNS)  # columns averaged into one
    step = per_cell * HOP * max(1, MEL_PIECE_SECONDS * SAMPLE_RATE // (per_cell * HOP))
    starts = range(0, columns * HOP, step)

    def mel(start: int) -> np.ndarray:
        piece = waveform[start : start + step]
        return log_mel(np.pad(piece, (0, max(0, 2 * HOP - len(piece))))[None])[0]  # its reflection needs this much

    if len(starts) == 1:
        return _pooled(mel(0), per_cell)
    floor = max(mel(start).max() for start in starts) - 2.0
    return np.concatenate([_pooled(np.maximum(mel(start), floor), per_cell) for start in starts], axis=1)


def _pooled(mel: np.ndarray, per_cell: int) -> np.ndarray:
    return pool(mel.T, -(-mel.shape[1] // per_cell))[0].T.astype(np.float32)


def _first_segment(waveform: np.ndarray, prediction: Prediction, window_seconds: float) -> FirstSegment | None:
    if prediction.language is None:
        return None
    start = max(0.0, float(prediction.frame_starts[0]) - CONTEXT)
    end = float(prediction.frame_starts[0]) + window_seconds + CONTEXT
    return FirstSegment(waveform[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)].copy(), start)
