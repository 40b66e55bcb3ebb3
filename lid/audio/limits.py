"""What is accepted, and what any file may ask of processor and memory.

Five kilobytes can hold hours of 255 silent channels, millions of packets that cannot be decoded, or an index that
claims to fill gigabytes. So a file is decoded in a process of its own, and these are that process's limits.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lid.errors import InputError

SAMPLE_RATE = 16_000  # Hz: what Whisper's log-mel front end expects

CPU_SECONDS = 1.5  # a file may take to be opened, for all its tracks together,
CPU_PER_SECOND = 1 / 50  # and for each second of sound that comes out; eight channels of 192 kHz FLAC take as much
IDLE_SECONDS = 30.0  # of wall time between two pieces of sound, on a machine that is busy otherwise
MEMORY_BYTES = 256 * 1024**2  # of address space on top of the libraries and of a file given as bytes
MOST_STREAMS = 16  # in a container; phones' videos have up to seven


@dataclass(frozen=True)
class Limits:
    """What is accepted. `max_bytes` is the encoded size; seconds are of decoded audio; rates are in Hz."""

    max_bytes: int = 512 * 1024**2
    max_seconds: float = 3600.0
    min_seconds: float = 0.3
    min_rate: int = 4_000
    max_rate: int = 384_000


DEFAULT_LIMITS = Limits()


def check_size(size: int, limits: Limits) -> None:
    """Raises InputError for a file of so many bytes."""
    if size == 0:
        raise InputError("This file is empty (0 bytes). Record or export it again.", "empty")
    if size > limits.max_bytes:
        raise InputError(
            f"This file has {size / 1e6:.0f} MB; the limit is {limits.max_bytes / 1e6:.0f} MB. Send a shorter clip or "
            "a compressed format such as MP3.",
            "too_large",
        )


def open_file(source: str | os.PathLike, limits: Limits) -> BinaryIO:
    """The file at a path. Raises InputError where there is none, it may not be opened, or is too large."""
    path = Path(source)
    name = path.name or str(path)  # "." and "/" have none
    try:
        if not path.exists():
            raise InputError(f"There is no file named {name}.", "missing")
        if not path.is_file():
            raise InputError(f"{name} is not a file.", "missing")
        check_size(path.stat().st_size, limits)
        return path.open("rb")
    except OSError as error:  # no permission, a name that is too long, a disk that fails
        raise InputError(f"{name} cannot be opened: {error.strerror}.", "unreadable") from error


def in_words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"


def too_costly() -> InputError:
    """For a file that reached the limits of the decoder process."""
    return InputError(
        "This file takes more time or memory to decode than a recording should. Export it as MP3 or WAV and send that.",
        "too_costly",
    )
