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


class Sound:
    """A track's frames as pieces of float32 (rows, samples) at 16 kHz, not yet cut to [-1, 1]: one row, or mid and
    side. To be iterated over once.

    `codec` is FFmpeg's name. Iterating raises InputError for nothing, too little, or too much. Afterwards `factor` is
    what every sample is to be multiplied by, and `seconds` how long it is.
    """

    def __init__(self, frames: Iterable[av.AudioFrame], codec: str, limits: Limits):
        self.factor = 1.0
        self.seconds = 0.0
        self._frames, self._limits = frames, limits
        self._scale = _Scale(codec)

    def __iter__(self) -> Iterator[np.ndarray]:
        resamplers: list[soxr.ResampleStream] = []
        rate = rows = 0
        for block in _blocks(self._frames, self._limits):
            tamed = self._scale.tame(block.rows)
            rows = rows or len(tamed)
            if block.rate != rate:  # also the first; a chained Ogg may change its rate half-way
                yield from self._checked(_resampled(resamplers, None))
                rate = block.rate
                resamplers = [soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32") for _ in range(rows)]
            # A chained Ogg may change its channels too: it stays what it began as.
            heard = [tamed[row] if row < len(tamed) else np.zeros_like(tamed[0]) for row in range(rows)]
            yield from self._checked(_resampled(resamplers, heard))
        yield from self._checked(_resampled(resamplers, None))
        if not self.seconds:
            raise InputError("No sound could be read from this file. Record or export it again.", "unreadable")
        if self.seconds < self._limits.min_seconds:
            raise InputError(f"This recording lasts {self.seconds:.2f} s. Speak for at least a second.", "too_short")
        self.factor = self._scale.factor()

    def _checked(self, piece: np.ndarray) -> Iterator[np.ndarray]:
        """The piece, unless it is empty."""
        if not piece.size:
            return
        self._scale.hear(piece)
        self.seconds += piece.shape[1] / SAMPLE_RATE
        if self.seconds > self._limits.max_seconds:
            raise InputError(
                f"This recording is longer than the limit of {in_words(self._limits.max_seconds)}. Send a part of it.",
                "too_long",
            )
        yield piece


def _resampled(resamplers: list[soxr.ResampleStream], rows: list[np.ndarray] | None) -> np.ndarray:
    """What the resamplers, one for each row, give for more sound; for None, what they still hold."""
    if not resamplers:
        return np.zeros((0, 0), np.float32)
    last = rows is None
    more = [np.zeros(0, np.float32)] * len(resamplers) if rows is None else rows
    return np.stack([one.resample_chunk(row, last=last) for one, row in zip(resamplers, more, strict=True)])


class _Scale:
    """Brings numbers of another scale into [-1, 1]: a float WAV that holds int16 numbers, a 32-bit one that does.

    Only PCM files hold such numbers. Of others, and of single samples that are out of bounds, the excess is cut off.
    """

    def __init__(self, codec: str):
        self.floats, self.int32 = codec.startswith("pcm_f"), codec.startswith("pcm_s32")
        self.usual: list[float] = []  # of each block
        self.peak = 0.0

    def tame(self, rows: np.ndarray) -> np.ndarray:
        """Bound a block (rows, samples) by what is usual in it."""
        usual, peak = 0.0, max(rows.max(initial=0), -rows.min(initial=0)) if self.floats else 0
        if peak > 1:
            usual = min(float(np.quantile(np.abs(rows).max(axis=0), USUAL)), LARGEST)
        if peak > 0:
            self.usual.append(usual)
        bound = LOUDEST * max(1.0, usual)
        return np.clip(rows, -bound, bound, out=rows)

    def hear(self, piece: np.ndarray) -> None:
        """Resampled sound, not yet set right."""
        if self.int32:
            self.peak = max(self.peak, float(piece.max()), -float(piece.min()))

    def factor(self) -> float:
        """What the whole recording is to be multiplied by."""
        beyond = [usual for usual in self.usual if usual > 1]
        if len(beyond) > len(self.usual) / 2:  # else it is a few seconds of rubbish in a good recording
            return 1 / (HEADROOM * float(np.quantile(beyond, USUAL)))
        return INT16_IN_INT32 if self.int32 and self.peak <= 1 / INT16_IN_INT32 else 1.0


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
