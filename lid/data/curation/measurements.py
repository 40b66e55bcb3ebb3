"""What is measured on one clip: the small record that checks, duplicates and channel statistics are made from.

A record depends on the clip's bytes alone, so it can be made in another process and kept between runs.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import scipy.fft
import torch

from lid import vad
from lid.audio import SAMPLE_RATE, Limits, read
from lid.data.clip import Clip
from lid.data.curation import fingerprint
from lid.errors import InputError

VERSION = 2  # raise it when a measure changes: records of other versions are made again
FRAME = 320  # samples, 20 ms: the grain of levels
SPECTRUM = 512  # samples, 32 ms: the grain of frequencies is 31 Hz
FLOOR_DB = -120.0  # dBFS of digital zero
WEAK_SPEECH = 0.2  # probability; see `_speech`
LITTLE_SPEECH = 0.3  # seconds
CONTRAST_DB = 30.0
BATCH = 64  # clips measured by each process between two writes to the cache
# Nothing is too short to be measured; what is shorter than a training clip may be is for the checks to say.
LIMITS = Limits(min_seconds=0.0)
SIGNATURES = (b"OggS", b"ID3", b"RIFF", b"fLaC", b"FORM", b"\x1aE\xdf\xa3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")
SIGNATURES += (b"0&\xb2u", b"FLV", b"NIST_1A")


@dataclass(frozen=True)
class Facts:
    """Measures of one clip. Seconds, dBFS, Hz; shares are 0 to 1.

    `failure` is "" or why there are no measures: "missing", "empty", "truncated", "unreadable", "too_long". `declared`
    is the container's own length (None: it has none), `broken` whether the file ends or breaks before its sound does.
    `speech` is seconds of speech. `level` is the 95th percentile of 20 ms levels, `floor` the 10th, `loudness` the RMS
    of the speech. `clipped_share` is the share of samples at the top of the wave where the clip is loud,
    `half_difference` how much the second half differs from the first (low: the recording is there twice). `bandwidth`
    is the highest frequency within 60 dB of the strongest, `rolloff` the one that 99 % of the energy lies below, `lead`
    the digital silence at the start. `fingerprint` holds the words of `fingerprint.of` in base64.
    """

    sha256: str = ""
    failure: str = ""
    seconds: float = 0.0
    declared: float | None = None
    broken: bool = False
    speech: float = 0.0
    level: float = FLOOR_DB
    floor: float = FLOOR_DB
    loudness: float = FLOOR_DB
    clipped_share: float = 0.0
    half_difference: float = 1.0
    bandwidth: float = 0.0
    rolloff: float = 0.0
    lead: float = 0.0
    fingerprint: str = ""

    @property
    def words(self) -> np.ndarray:
        """The fingerprint: uint32 (frames,)."""
        return np.frombuffer(base64.b64decode(self.fingerprint), "<u4")


def examine(clip: Clip) -> Facts:
    """Measure one clip (anything with `audio`). Never raises for bad audio: `failure` tells."""
    data = clip.audio
    if data is None:
        return Facts(failure="missing")
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        recording = read(data, LIMITS)
    except InputError as error:
        if error.reason == "stopped":  # that is no measure of the clip
            raise
        return Facts(sha256, failure=_failure(error.reason, data))
    broken = recording.damaged or _ogg_breaks_off(data)
    return measure(recording.waveform, sha256, recording.declared_seconds, broken)


def _failure(reason: str, data: bytes) -> str:
    if reason in ("empty", "too_long"):
        return reason
    # What begins as audio and cannot be opened was cut off within its headers.
    return "truncated" if data.startswith(SIGNATURES) or data[4:8] == b"ftyp" else "unreadable"


def _ogg_breaks_off(data: bytes) -> bool:
    """Whether the last Ogg page says it is longer than what is left of the file (RFC 3533, section 6)."""
    if not data.startswith(b"OggS"):
        return False
    page = data[data.rfind(b"OggS") :]
    if len(page) < 27:
        return True
    return 27 + page[26] + sum(page[27 : 27 + page[26]]) > len(page)  # header, lengths of segments, segments


def measure(waveform: np.ndarray, sha256: str = "", declared: float | None = None, broken: bool = False) -> Facts:
    """Measure a decoded waveform, float32 (samples,) at 16 kHz; what only the file can tell is passed along."""
    padded = np.pad(waveform, (0, -len(waveform) % FRAME)).reshape(-1, FRAME)
    power = np.mean(padded**2, axis=1, dtype=np.float64)
    floor, high, level = np.percentile(decibels(power), (10, 90, 95))
    spans = _speech(waveform, contrast=high - floor)
    words = fingerprint.of(waveform)
    heard = np.concatenate([waveform[int(a * SAMPLE_RATE) : int(b * SAMPLE_RATE)] for a, b in spans] or [waveform])
    bandwidth, rolloff = _band(heard)
    audible = np.flatnonzero(np.abs(waveform) > 1e-4)  # -80 dBFS: above what decoders leave of digital zero
    return Facts(
        sha256,
        seconds=len(waveform) / SAMPLE_RATE,
        declared=declared,
        broken=broken,
        speech=round(sum(end - start for start, end in spans), 3),
        level=round(float(level), 2),
        floor=round(float(floor), 2),
        loudness=round(float(decibels(np.mean(heard**2, dtype=np.float64))), 2),
        clipped_share=round(_clipped_share(padded[power > power.max() / 100]), 4),
        half_difference=round(fingerprint.half_difference(words), 4),
        bandwidth=bandwidth,
        rolloff=rolloff,
        lead=round((int(audible[0]) if len(audible) else len(waveform)) / SAMPLE_RATE, 4),
        fingerprint=base64.b64encode(words.astype("<u4").tobytes()).decode(),
    )


def decibels(power: np.ndarray | float) -> np.ndarray:
    """Mean square -> dBFS, not below FLOOR_DB."""
    return 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))


def _speech(waveform: np.ndarray, contrast: float) -> list[tuple[float, float]]:
    """Speech, also where voice activity detection is unsure but levels are not.

    Silero gives shouted one-word commands 0.2 to 0.4. Barks, rain and engines get that too, but without the 30 dB
    between sound and pause that a close voice has (measured: commands over 50 dB, noise under 25 dB).
    """
    spans = vad.find(waveform)
    if sum(end - start for start, end in spans) < LITTLE_SPEECH and contrast >= CONTRAST_DB:
        return vad.find(waveform, WEAK_SPEECH)
    return spans


def _clipped_share(loud: np.ndarray) -> float:
    """Share of samples within 10 % of the top. The top is a percentile: codecs make clipped waves ripple."""
    magnitude = np.abs(loud)
    return float(np.mean(magnitude > 0.9 * np.percentile(magnitude, 99.9))) if magnitude.any() else 0.0


def _band(waveform: np.ndarray) -> tuple[float, float]:
    """(highest frequency within 60 dB of the strongest, frequency below which 99 % of the energy lies), Hz."""
    padded = np.pad(waveform, (0, max(0, SPECTRUM - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, SPECTRUM)[:: SPECTRUM // 2]
    power = np.mean(np.abs(scipy.fft.rfft(frames * np.hanning(SPECTRUM).astype(np.float32))) ** 2, axis=0)
    frequencies = scipy.fft.rfftfreq(SPECTRUM, 1 / SAMPLE_RATE)
    if not power.any():
        return 0.0, 0.0
    bandwidth = frequencies[np.flatnonzero(power > power.max() * 1e-6)[-1]]
    rolloff = frequencies[np.searchsorted(np.cumsum(power), 0.99 * power.sum())]
    return float(bandwidth), float(rolloff)


class FactsCache:
    """Records by content hash in one JSONL file, added to as they are made: a killed run goes on where it was."""

    def __init__(self, path: Path | None):
        self.path = path
        self.known: dict[str, Facts] = {}
        if path is not None and path.exists():
            with path.open(encoding="utf-8") as lines:
                for line in lines:
                    self._load(line)

    def _load(self, line: str) -> None:
        try:
            record = json.loads(line)
        except ValueError:  # the line a kill interrupted
            return
        if isinstance(record, dict) and record.pop("version", None) == VERSION and record.keys() == _NAMES:
            self.known[record["sha256"]] = Facts(**record)

    def add(self, batch: Iterable[Facts]) -> None:
        made = {facts.sha256: facts for facts in batch if facts.sha256 not in self.known}
        self.known |= made
        if self.path is not None and made:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                # An empty line first ends the one that a kill interrupted.
                file.write("\n" + "".join(json.dumps({"version": VERSION} | asdict(f)) + "\n" for f in made.values()))


_NAMES = {field.name for field in fields(Facts)}


def gather(clips: Iterable[Clip], cache: FactsCache, workers: int = 0) -> Iterator[tuple[Clip, Facts]]:
    """Each clip with its facts, in order. `workers` is how many other processes measure; 0 measures in this one."""
    with ExitStack() as stack:
        run: Callable[..., Iterable[Facts]] = map
        if workers > 0:
            # Spawned, not forked: torch's threads do not survive a fork.
            # One thread in each: as many processes as cores, each with as many threads, wait for one another at
            # every small operation (measured on 2 cores: 1 clip a second instead of 97).
            pool = ProcessPoolExecutor(workers, get_context("spawn"), torch.set_num_threads, (1,))
            run = stack.enter_context(pool).map
        clips = iter(clips)
        while batch := list(islice(clips, BATCH * max(1, workers))):
            hashes = ["" if clip.audio is None else hashlib.sha256(clip.audio).hexdigest() for clip in batch]
            new = {key: clip for key, clip in zip(hashes, batch, strict=True) if key and key not in cache.known}
            cache.add(run(examine, new.values()))
            yield from ((clip, cache.known.get(key) or examine(clip)) for key, clip in zip(hashes, batch, strict=True))
