"""Path or bytes -> mono float32 at 16 kHz. The only place that decodes, and where every limit on input lives.

PyAV decodes because its wheel carries FFmpeg's libraries: every container a browser or a phone makes, with nothing to
install on the system. FFmpeg parses hostile files, so it gets bytes or one regular file and an allow-list of plain
audio containers: playlists, concatenation scripts and URLs, which could make it open something else, are never tried.
"""

import contextlib
import ctypes
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soxr
from av.audio.frame import format_dtypes
from av.audio.plane import AudioPlane

from lid.errors import InputError

SAMPLE_RATE = 16_000  # Hz: what Whisper's log-mel front end expects
CONTAINERS = "aac,aiff,amr,au,caf,flac,matroska,mov,mp3,ogg,w64,wav,webm"
BLOCK_SECONDS = 1.0  # decoded frames, some 20 ms long, are converted and resampled together by the second
LOUDEST = 16.0  # of a float sample, before resampling, which makes NaN of 1e38; what is left over 1 is cut off after it
BLOCK_SAMPLES = 2**20  # or when there are so many samples over all channels: a second may have 255 of them
FORMATS_IN_WORDS = "WAV, FLAC, MP3, OGG/Opus, M4A/AAC or WebM"

# Five kilobytes can hold hours of 255 silent channels, millions of packets that cannot be decoded, or an index that
# claims to fill gigabytes. So there is a bound on what any file may ask of processor and memory.
WORK = 300_000  # samples over all channels for each second that is allowed: 5.1 sound at 48 kHz
WORK_OF_PACKET = 1_000  # what a packet counts for at least, in samples,
WORK_OF_DAMAGE = 5_000  # and one that gives no sound
MOST_STREAMS = 16  # in a container; phones' videos have up to seven
MOST_MEMORY = 128 * 1024**2  # bytes FFmpeg may ask for at once: the index of a day in an M4A has 97 MB


@dataclass(frozen=True)
class Limits:
    """What is accepted. `max_bytes` is the encoded size; seconds are of decoded audio; rates are in Hz."""

    max_bytes: int = 512 * 1024**2
    max_seconds: float = 3600.0
    min_seconds: float = 0.3
    min_rate: int = 4_000
    max_rate: int = 384_000


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Recording:
    """A decoded clip: `waveform` is float32 of shape (samples,) at 16 kHz, in [-1, 1].

    `declared_seconds` is what the container claims (None when it does not), `damaged` whether part of the file could
    not be decoded: a truncated or corrupted clip still yields what could be read.
    """

    waveform: np.ndarray
    declared_seconds: float | None
    damaged: bool

    @property
    def seconds(self) -> float:
        return len(self.waveform) / SAMPLE_RATE


def decode(source: str | os.PathLike | bytes, limits: Limits = DEFAULT_LIMITS) -> np.ndarray:
    """Decode a file path or a file's bytes to mono float32 of shape (samples,) at 16 kHz, in [-1, 1].

    Channels are averaged. What can be read of a damaged file is returned. Raises InputError with a sentence for whoever
    sent the file when it is missing, empty, not audio, unreadable, or outside `limits`.
    """
    return read(source, limits).waveform


def read(source: str | os.PathLike | bytes, limits: Limits = DEFAULT_LIMITS) -> Recording:
    """As `decode`, and tells what the container claims and whether part of the file was unreadable."""
    data = _checked(source, limits)
    _bound_memory()
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file", "max_streams": str(MOST_STREAMS)}
    try:
        with av.open(data, options=options) as container:
            return _read_container(container, limits)
    except InputError:
        raise
    except (av.FFmpegError, ValueError, OverflowError, MemoryError) as error:
        raise InputError(f"This file is not audio we can read. Send {FORMATS_IN_WORDS}.", "not_audio") from error


def _bound_memory() -> None:
    """FFmpeg's own bound for one allocation is 2 GB. PyAV does not say how to lower it; the libraries it loads do."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(av._core.__file__).av_max_alloc(ctypes.c_size_t(MOST_MEMORY))


def _checked(source: str | os.PathLike | bytes, limits: Limits) -> io.BytesIO | io.BufferedReader:
    if isinstance(source, bytes | bytearray | memoryview):
        size, opened = len(source), io.BytesIO(source)
    else:
        path = Path(source)
        try:
            if not path.exists():
                raise InputError(f"There is no file named {path.name}.", "missing")
            if not path.is_file():
                raise InputError(f"{path.name} is not a file.", "missing")
            size = path.stat().st_size
            opened = path.open("rb")
        except OSError as error:  # also of `exists`: a name that is too long, a folder that may not be entered
            raise InputError(f"{path.name} cannot be opened: {error.strerror}.", "unreadable") from error
    if size == 0:
        raise InputError("This file is empty (0 bytes). Record or export it again.", "empty")
    if size > limits.max_bytes:
        raise InputError(
            f"This file has {size / 1e6:.0f} MB; the limit is {limits.max_bytes / 1e6:.0f} MB. Send a shorter clip or "
            "a compressed format such as MP3.",
            "too_large",
        )
    return opened


def _read_container(container: av.container.InputContainer, limits: Limits) -> Recording:
    if not container.streams.audio:
        raise InputError("This file has no audio track. Send a sound recording.", "not_audio")
    stream = container.streams.audio[0]
    declared = _declared_seconds(container, stream)
    samples = bytearray()  # grows in place: a list of pieces joined at the end would take twice an hour's 230 MB
    damaged, resampler, rate = False, None, None
    for block in _blocks(_frames(container, stream, limits), limits):
        if block is None:
            damaged = True
            continue
        if block.rate != rate:  # also the first; a chained Ogg may change its rate half-way
            if resampler is not None:
                samples += resampler.resample_chunk(np.zeros(0, np.float32), last=True).data
            rate = block.rate
            resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
        samples += resampler.resample_chunk(block.mono).data
        if len(samples) > limits.max_seconds * SAMPLE_RATE * np.dtype(np.float32).itemsize:
            raise InputError(
                f"This recording is longer than the limit of {_in_words(limits.max_seconds)}. Send a part of it.",
                "too_long",
            )
    if resampler is not None:
        samples += resampler.resample_chunk(np.zeros(0, np.float32), last=True).data
    waveform = np.frombuffer(samples, np.float32)
    if not len(waveform):
        raise InputError("No sound could be read from this file. Record or export it again.", "unreadable")
    if len(waveform) < limits.min_seconds * SAMPLE_RATE:
        raise InputError(
            f"This recording lasts {len(waveform) / SAMPLE_RATE:.2f} s. Speak for at least a second.", "too_short"
        )
    return Recording(np.clip(waveform, -1.0, 1.0, out=waveform), declared, damaged)


@dataclass(frozen=True)
class _Block:
    """Decoded sound: float32 (samples,) at `rate` Hz."""

    rate: int
    mono: np.ndarray


def _blocks(frames: Iterator[av.AudioFrame | None], limits: Limits) -> Iterator[_Block | None]:
    """Frames joined to blocks of about BLOCK_SECONDS; None stands for a packet that could not be decoded."""
    arrays: list[np.ndarray] = []
    kind, gathered = (0, "", False, 0), 0
    for frame in frames:
        if frame is None:
            yield None
            continue
        this = (frame.sample_rate, frame.format.name, frame.format.is_planar, frame.layout.nb_channels)
        enough = min(BLOCK_SECONDS * frame.sample_rate, BLOCK_SAMPLES / frame.layout.nb_channels)
        if arrays and (this != kind or gathered >= enough):
            yield _Block(kind[0], _mono(arrays, *kind[2:]))
            arrays, gathered = [], 0
        if this != kind:
            _check_rate(frame.sample_rate, limits)
            kind = this
        arrays.append(_array(frame))
        gathered += frame.samples
    if arrays:
        yield _Block(kind[0], _mono(arrays, *kind[2:]))


def _frames(
    container: av.container.InputContainer, stream: av.AudioStream, limits: Limits
) -> Iterator[av.AudioFrame | None]:
    """Decoded frames; None stands for a packet that could not be decoded."""
    packets = container.demux(stream)
    left = WORK * limits.max_seconds
    while left > 0:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError:  # the container itself breaks off: keep what came before
            yield None
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            left -= WORK_OF_DAMAGE
            yield None
            continue
        work = sum(frame.samples * frame.layout.nb_channels for frame in frames)
        left -= max(WORK_OF_PACKET, work) if frames else WORK_OF_DAMAGE
        yield from frames
    raise InputError("This file takes too long to decode. Send it as mono, or a part of it.", "too_long")


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
    return np.stack([np.frombuffer(AudioPlane(frame, plane), dtype, count) for plane in range(planes)])


def _mono(arrays: list[np.ndarray], planar: bool, channels: int) -> np.ndarray:
    """Frames of any one sample format, (channels, samples) or interleaved, -> float32 (samples,), channels averaged,
    NaN and Inf made 0."""
    array = arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=1)
    if not planar:
        array = array.reshape(-1, channels).T
    if array.dtype == np.uint8:
        array = (array.astype(np.float32) - 128.0) / 128.0
    elif np.issubdtype(array.dtype, np.integer):
        array = array.astype(np.float32) / -float(np.iinfo(array.dtype).min)
    with np.errstate(invalid="ignore", over="ignore"):
        mono = array.mean(axis=0, dtype=np.float32)
    np.nan_to_num(mono, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(mono, -LOUDEST, LOUDEST, out=mono)


def _check_rate(rate: int, limits: Limits) -> None:
    if not limits.min_rate <= rate <= limits.max_rate:
        raise InputError(
            f"This file claims {rate} samples a second; {limits.min_rate} to {limits.max_rate} can be read.",
            "sample_rate",
        )


def _declared_seconds(container: av.container.InputContainer, stream: av.AudioStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _in_words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
