"""Path or bytes -> sound at 16 kHz. The only place that decodes, and where every limit on input lives.

PyAV decodes because its wheel carries FFmpeg's libraries: every container a browser or a phone makes, with nothing to
install on the system. It does so in a process of its own (`workers`), so that a hostile file costs no more than its
limits. `decode` gives one waveform; `read` gives a Recording, which also tells which track and which channels were
taken, and keeps the two sides of a call apart.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lid.audio import channels, workers
from lid.audio.channels import Channels
from lid.audio.formats import CONTAINERS, FORMATS_IN_WORDS
from lid.audio.limits import CPU_SECONDS, DEFAULT_LIMITS, SAMPLE_RATE, Limits, too_costly
from lid.audio.messages import End, Tracks
from lid.audio.workers import Cost
from lid.errors import InputError

__all__ = [
    "CONTAINERS",
    "DEFAULT_LIMITS",
    "FORMATS_IN_WORDS",
    "SAMPLE_RATE",
    "Channels",
    "Cost",
    "Limits",
    "Recording",
    "Track",
    "decode",
    "prepare",
    "read",
]

ENOUGH_SPEECH = 0.5  # seconds in a track, with which the ones after it are not looked at
MOST_SEARCHED = 2  # times as long as a recording may be: what is searched for speech in all tracks together


@dataclass(frozen=True)
class Track:
    """Which of a file's audio tracks was taken, from 1, `of` how many."""

    number: int
    of: int


@dataclass(frozen=True)
class Recording:
    """A decoded clip. `sounds` are float32 (samples,) at 16 kHz, in [-1, 1]: one, or two where each channel has a sound
    of its own, as in a call; what leaked from one into the other is muted.

    `declared_seconds` is what the container claims (None when it does not), `damaged` whether part of the file could
    not be decoded: a truncated or corrupted clip still yields what could be read. `track` is None where there was one
    only, `channels` where there were not two.
    """

    sounds: tuple[np.ndarray, ...]
    declared_seconds: float | None = None
    damaged: bool = False
    track: Track | None = None
    channels: Channels | None = None

    @property
    def waveform(self) -> np.ndarray:
        """One float32 array (samples,): the sound, or the mean of the two, made anew each time."""
        return self.sounds[0] if len(self.sounds) == 1 else (self.sounds[0] + self.sounds[1]) / 2

    @property
    def seconds(self) -> float:
        return len(self.sounds[0]) / SAMPLE_RATE


def decode(source: str | os.PathLike | bytes, limits: Limits = DEFAULT_LIMITS) -> np.ndarray:
    """Decode a file path or a file's bytes to mono float32 of shape (samples,) at 16 kHz, in [-1, 1].

    Of two channels it is what can be heard in them (`lid.audio.channels`); more are averaged. What can be read of a
    damaged file is returned. Raises InputError with a sentence for whoever sent the file when it is missing, empty, not
    audio, unreadable, or outside `limits`.
    """
    return read(source, limits).waveform


def read(source: str | os.PathLike | bytes, limits: Limits = DEFAULT_LIMITS, together: Cost | None = None) -> Recording:
    """As `decode`, and tells what was taken, what the file claims, and whether part of it was unreadable.

    Of several tracks it takes the one that the file calls its default, or the first; where nobody speaks in that, the
    next in which somebody does. `together` is what several files may cost.
    """
    left = CPU_SECONDS if together is None else min(CPU_SECONDS, together.left)
    if left <= 0:
        raise too_costly()
    cost = Cost(left)
    try:
        found = _read(source, limits, cost)
        return found if isinstance(found, Recording) else _read_one_of(found, source, limits, cost)
    finally:
        if together is not None:
            together.spend(left - cost.left)


def prepare(count: int = 1) -> None:
    """Start `count` decoder processes now, not with the first file: they take a fifth of a second on another core."""
    workers.prepare(count)


def _read(
    source: str | os.PathLike | bytes, limits: Limits, cost: Cost, number: int | None = None
) -> Recording | Tracks:
    """Track `number` of the audio tracks, from 0, or the only one; without a number the tracks, where there are
    several."""
    return _gathered(workers.decode(source, limits, cost, number), number)


def _gathered(parts: Iterable[Tracks | np.ndarray | End], number: int | None) -> Recording | Tracks:
    rows: list[bytearray] = []  # grow in place: pieces joined at the end would take twice an hour's 230 MB
    tracks = end = None
    for part in parts:
        if isinstance(part, Tracks):
            tracks = part
        elif isinstance(part, End):
            end = part
        else:
            rows = rows or [bytearray() for _ in part]
            for row, samples in zip(rows, part, strict=True):
                row += samples.data
    if tracks is None:
        raise RuntimeError("The decoder said nothing.")
    if end is None:
        return tracks
    taken = tracks.numbers[0] if number is None else number
    return _recording(rows, end, Track(taken + 1, tracks.of) if tracks.of > 1 else None)


def _recording(rows: list[bytearray], end: End, track: Track | None) -> Recording:
    sounds = [np.frombuffer(row, np.float32) for row in rows]
    if end.factor != 1:
        for sound in sounds:
            sound *= np.float32(end.factor)
    kind, sounds = channels.sort_out(*sounds) if len(sounds) == 2 else (None, sounds)
    return Recording(
        tuple(np.clip(one, -1.0, 1.0, out=one) for one in sounds),
        end.declared_seconds,
        end.damaged,
        track,
        kind,
    )


def _read_one_of(tracks: Tracks, source: str | os.PathLike | bytes, limits: Limits, cost: Cost) -> Recording:
    """The first of the tracks in which somebody speaks; where that is nowhere for long, the one with most speech."""
    best: Recording | None = None
    failures: list[InputError] = []
    most, searched = -1.0, 0.0
    for number in tracks.numbers:
        try:
            recording = _read(source, limits, cost, number)
        except InputError as error:
            if error.reason == "too_costly" and best is not None:
                break
            if error.reason not in ("unreadable", "too_short"):
                raise
            failures.append(error)
            continue
        if isinstance(recording, Tracks):
            raise RuntimeError("The decoder gave no sound.")
        if (speech := _speech_seconds(recording)) > most:
            best, most = recording, speech
        searched += recording.seconds
        if most >= ENOUGH_SPEECH or searched > MOST_SEARCHED * limits.max_seconds:
            break
    if best is None:
        raise failures[0]
    return best


def _speech_seconds(recording: Recording) -> float:
    from lid import vad  # which imports SAMPLE_RATE from here

    return sum(end - start for start, end in vad.find(recording.waveform))
