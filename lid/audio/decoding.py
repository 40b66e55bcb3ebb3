"""A file -> pieces of sound at 16 kHz, by FFmpeg. It runs in the decoder process."""

import os
from collections.abc import Iterator

import numpy as np

from lid.audio import container
from lid.audio.limits import Limits
from lid.audio.messages import End, Tracks
from lid.audio.samples import Sound


def decode(
    source: str | os.PathLike | bytes, limits: Limits, track: int | None = None
) -> Iterator[Tracks | np.ndarray | End]:
    """First the Tracks. Then, of the track asked for or of the only one, pieces of float32 (rows, samples) at 16 kHz,
    one row or mid and side, and at last the End. Of a file of several tracks without `track`, nothing more.

    Raises InputError for what cannot be used.
    """
    with container.opened(source, limits) as (opened, head):
        numbers = container.audio_tracks(opened)
        yield Tracks(numbers, len(opened.streams.audio))
        if track is None:
            if len(numbers) > 1:
                return
            track = numbers[0]
        stream = opened.streams.audio[track]
        frames = container.Frames(opened, stream)
        sound = Sound(frames, stream.codec_context.name, limits)
        yield from sound
        declared = container.declared_seconds(opened, stream, head)
        if declared is not None and frames.end is not None:
            # Where time stamps leave gaps or begin late, what is there reaches further than it lasts.
            declared = sound.seconds + max(0.0, declared - max(sound.seconds, frames.end))
        yield End(sound.factor, declared, frames.damaged)
