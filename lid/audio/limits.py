"""What is accepted, and what any file may ask of processor and memory.

Five kilobytes can hold hours of 255 silent channels, millions of packets that cannot be decoded, or an index that
claims to fill gigabytes.
"""

from dataclasses import dataclass

from lid.errors import InputError

SAMPLE_RATE = 16_000  # Hz: what Whisper's log-mel front end expects

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


class Budget:
    """Work that is left for one file, over all its tracks."""

    def __init__(self, limits: Limits):
        self._left = WORK * limits.max_seconds

    def spend(self, samples: int) -> None:
        """Count one packet, of so many samples over all channels. Raises InputError when there was too much."""
        self._left -= max(WORK_OF_PACKET, samples) if samples else WORK_OF_DAMAGE
        if self._left <= 0:
            raise InputError("This file takes too long to decode. Send it as mono, or a part of it.", "too_long")


def in_words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
