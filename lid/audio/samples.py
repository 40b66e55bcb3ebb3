"""Frames of any rate, format and number of channels -> float32 at 16 kHz.

A track of two channels becomes two rows, their mean and half their difference (mid and side): the mean alone is what
most recordings need, and left and right are the sum and the difference of the rows. Any other number is averaged.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import av
import numpy as np
import soxr
from av.audio.frame import format_dtypes
from av.audio.plane import AudioPlane

from lid.audio.limits import SAMPLE_RATE, Limits, in_words
from lid.errors import InputError

BLOCK_SECONDS = 1.0  # decoded frames, some 20 ms long, are converted and resampled together by the second
BLOCK_SAMPLES = 2**20  # or when there are so many samples over all channels: a second may have 255 of them
# Of a sample, before resampling, which makes NaN of 1e38; what is left over 1 is cut off after it. Numbers of another
# scale may be as many times larger than what is usual around them.
LOUDEST = 16.0
USUAL = 0.99  # quantile of magnitudes
HEADROOM = 4.0  # of a peak over what is usual, 12 dB
LARGEST = 2.0**40  # more than the largest integers that floats are filled with
INT16_IN_INT32 = 2.0**16  # how far under full scale 16-bit numbers are in a 32-bit file


def gather(frames: Iterable[av.AudioFrame], codec: str, limits: Limits) -> list[np.ndarray]:
    """The frames of a track -> float32 (samples,) at 16 kHz, not yet cut to [-1, 1]: one row, or mid and side.

    `codec` is FFmpeg's name. Raises InputError for nothing, too little, or too much.
    """
    scale = _Scale(codec)
    gathered: list[
        bytearray
    ] = []  # grow in place: a list of pieces joined at the end would take twice an hour's 230 MB
    resamplers: list[soxr.ResampleStream] = []
    rate = None
    for block in _blocks(frames, limits):
        tamed = scale.tame(block.rows)
        if not gathered:
            gathered = [bytearray() for _ in tamed]
        if block.rate != rate:  # also the first; a chained Ogg may change its rate half-way
            _finish(resamplers, gathered)
            rate = block.rate
            resamplers = [soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32") for _ in gathered]
        for index, (resampler, samples) in enumerate(zip(resamplers, gathered, strict=True)):
            # A chained Ogg may change its channels too: it stays what it began as.
            row = tamed[index] if index < len(tamed) else np.zeros_like(tamed[0])
            samples += resampler.resample_chunk(row).data
        if len(gathered[0]) > limits.max_seconds * SAMPLE_RATE * np.dtype(np.float32).itemsize:
            raise InputError(
                f"This recording is longer than the limit of {in_words(limits.max_seconds)}. Send a part of it.",
                "too_long",
            )
    _finish(resamplers, gathered)
    rows = [np.frombuffer(samples, np.float32) for samples in gathered]
    if not rows or not len(rows[0]):
        raise InputError("No sound could be read from this file. Record or export it again.", "unreadable")
    if (seconds := len(rows[0]) / SAMPLE_RATE) < limits.min_seconds:
        raise InputError(f"This recording lasts {seconds:.2f} s. Speak for at least a second.", "too_short")
    scale.set_right(rows)
    return rows


def _finish(resamplers: list[soxr.ResampleStream], gathered: list[bytearray]) -> None:
    """Take what the resamplers still hold."""
    for resampler, samples in zip(resamplers, gathered, strict=bool(resamplers)):
        samples += resampler.resample_chunk(np.zeros(0, np.float32), last=True).data


class _Scale:
    """Brings numbers of another scale into [-1, 1]: a float WAV that holds int16 numbers, a 32-bit one that does.

    Only PCM files hold such numbers. Of others, and of single samples that are out of bounds, the excess is cut off.
    """

    def __init__(self, codec: str):
        self.floats, self.int32 = codec.startswith("pcm_f"), codec.startswith("pcm_s32")
        self.usual: list[float] = []  # of each block

    def tame(self, rows: np.ndarray) -> np.ndarray:
        """Bound a block (rows, samples) by what is usual in it."""
        usual, peak = 0.0, max(rows.max(initial=0), -rows.min(initial=0)) if self.floats else 0
        if peak > 1:
            usual = min(float(np.quantile(np.abs(rows).max(axis=0), USUAL)), LARGEST)
        if peak > 0:
            self.usual.append(usual)
        bound = LOUDEST * max(1.0, usual)
        return np.clip(rows, -bound, bound, out=rows)

    def set_right(self, rows: list[np.ndarray]) -> None:
        """Multiply the whole recording, in place."""
        factor = 1.0
        beyond = [usual for usual in self.usual if usual > 1]
        if len(beyond) > len(self.usual) / 2:  # else it is a few seconds of rubbish in a good recording
            factor = 1 / (HEADROOM * float(np.quantile(beyond, USUAL)))
        elif self.int32 and max(max(row.max(), -row.min()) for row in rows) <= 1 / INT16_IN_INT32:
            factor = INT16_IN_INT32
        if factor != 1:
            for row in rows:
                row *= np.float32(factor)


@dataclass(frozen=True)
class _Block:
    """Decoded sound: float32 (rows, samples) at `rate` Hz."""

    rate: int
    rows: np.ndarray


def _blocks(frames: Iterable[av.AudioFrame], limits: Limits) -> Iterator[_Block]:
    """Frames joined to blocks of about BLOCK_SECONDS."""
    arrays: list[np.ndarray] = []
    kind, gathered = (0, "", False, 0), 0
    for frame in frames:
        this = (frame.sample_rate, frame.format.name, frame.format.is_planar, frame.layout.nb_channels)
        enough = min(BLOCK_SECONDS * frame.sample_rate, BLOCK_SAMPLES / frame.layout.nb_channels)
        if arrays and (this != kind or gathered >= enough):
            yield _Block(kind[0], _rows(arrays, *kind[2:]))
            arrays, gathered = [], 0
        if this != kind:
            _check_rate(frame.sample_rate, limits)
            kind = this
        arrays.append(_array(frame))
        gathered += frame.samples
    if arrays:
        yield _Block(kind[0], _rows(arrays, *kind[2:]))


def _array(frame: av.AudioFrame) -> np.ndarray:
    """Samples of a frame as they are, (channels, samples) or interleaved (1, channels * samples).

    What `frame.to_ndarray()` is for. In PyAV 18 that takes the pointers that follow the eighth channel's for more
    channels, and ends the process.
    """
    channels = frame.layout.nb_channels
    planes, count = (channels, frame.samples) if frame.format.is_planar else (1, channels * frame.samples)
    dtype = format_dtypes.get(frame.format.name)
    if dtype is None:
        raise ValueError(f"samples of kind {frame.format.name}")
    return np.stack([np.frombuffer(memoryview(AudioPlane(frame, plane)), dtype, count) for plane in range(planes)])


def _rows(arrays: list[np.ndarray], planar: bool, channels: int) -> np.ndarray:
    """Frames of any one sample format, (channels, samples) or interleaved, -> float32 (rows, samples): the mean of the
    channels, and of two half their difference as well; NaN and Inf made 0."""
    array = arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=1)
    if not planar:
        array = array.reshape(-1, channels).T
    if array.dtype == np.uint8:
        array = (array.astype(np.float32) - 128.0) / 128.0
    elif np.issubdtype(array.dtype, np.integer):
        array = array.astype(np.float32) / -float(np.iinfo(array.dtype).min)
    with np.errstate(invalid="ignore", over="ignore"):
        rows = array.mean(axis=0, dtype=np.float32, keepdims=True)
        if channels == 2:
            rows = np.concatenate([rows, (array[:1] - array[1:]) / 2], dtype=np.float32, casting="same_kind")
    return np.nan_to_num(rows, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def _check_rate(rate: int, limits: Limits) -> None:
    if not limits.min_rate <= rate <= limits.max_rate:
        raise InputError(
            f"This file claims {rate} samples a second; {limits.min_rate} to {limits.max_rate} can be read.",
            "sample_rate",
        )
