"""Path or bytes -> sound at 16 kHz. The only place that decodes, and where every limit on input lives.

PyAV decodes because its wheel carries FFmpeg's libraries: every container a browser or a phone makes, with nothing to
install on the system. `decode` gives one waveform; `read` gives a Recording, which also tells which track and which
channels were taken, and keeps the two sides of a call apart.
"""

import os
from dataclasses import dataclass

import av
import numpy as np

from lid.audio import channels, container, samples
from lid.audio.channels import Channels
from lid.audio.formats import CONTAINERS, FORMATS_IN_WORDS
from lid.audio.limits import DEFAULT_LIMITS, SAMPLE_RATE, Budget, Limits
from lid.errors import InputError

__all__ = [
    "CONTAINERS",
    "DEFAULT_LIMITS",
    "FORMATS_IN_WORDS",
    "SAMPLE_RATE",
    "Channels",
    "Limits",
    "Recording",
    "Track",
    "decode",
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


def read(source: str | os.PathLike | bytes, limits: Limits = DEFAULT_LIMITS) -> Recording:
    """As `decode`, and tells what was taken, what the file claims, and whether part of it was unreadable.

    Of several tracks it takes the one that the file calls its default, or the first; where nobody speaks in that, the
    next in which somebody does.
    """
    budget = Budget(limits)
    with container.opened(source, limits) as (opened, head):
        tracks = container.audio_tracks(opened)
        if len(tracks) == 1:
            return _read_track(opened, tracks[0], head, limits, budget)
    return _read_one_of(tracks, source, limits, budget)


def _read_one_of(tracks: list[int], source: str | os.PathLike | bytes, limits: Limits, budget: Budget) -> Recording:
    """The first of the tracks in which somebody speaks; where that is nowhere for long, the one with most speech."""
    best: Recording | None = None
    failures: list[InputError] = []
    most, searched = -1.0, 0.0
    for number in tracks:
        try:
            with container.opened(source, limits) as (opened, head):
                recording = _read_track(opened, number, head, limits, budget)
        except InputError as error:
            if error.reason not in ("unreadable", "too_short"):
                raise
            failures.append(error)
            continue
        if (speech := _speech_seconds(recording)) > most:
            best, most = recording, speech
        searched += recording.seconds
        if most >= ENOUGH_SPEECH or searched > MOST_SEARCHED * limits.max_seconds:
            break
    if best is None:
        raise failures[0]
    return best


def _read_track(
    opened: av.container.InputContainer, number: int, head: bytes, limits: Limits, budget: Budget
) -> Recording:
    """Track `number` of the audio tracks, from 0."""
    stream = opened.streams.audio[number]
    frames = container.Frames(opened, stream, budget)
    rows = samples.gather(frames, stream.codec_context.name, limits)
    kind, sounds = channels.sort_out(*rows) if len(rows) == 2 else (None, rows)
    seconds = len(rows[0]) / SAMPLE_RATE
    declared = container.declared_seconds(opened, stream, head)
    if declared is not None and frames.end is not None:
        # Where time stamps leave gaps or begin late, what is there reaches further than it lasts.
        declared = seconds + max(0.0, declared - max(seconds, frames.end))
    tracks = len(opened.streams.audio)
    return Recording(
        tuple(np.clip(one, -1.0, 1.0, out=one) for one in sounds),
        declared,
        frames.damaged,
        Track(number + 1, tracks) if tracks > 1 else None,
        kind,
    )


def _speech_seconds(recording: Recording) -> float:
    from lid import vad  # which imports SAMPLE_RATE from here

    return sum(end - start for start, end in vad.find(recording.waveform))
