"""What the decoder process and whoever asks it tell each other: a kind (one byte), a length (four), and so many bytes.

A request is `REQUEST` (JSON), and then `DATA` or `PATH`: a file's bytes, or its path as the file system writes it. The
answer is `TRACKS` (JSON), and where the file has one track or the request names one, `SOUND` again and again (float32
at 16 kHz; `PAIR` where it is two rows, mid and side, one after the other), and `END` (JSON). In place of any of these
may come `REFUSED` (JSON, a sentence for whoever sent the file) or `FAILED` (text, a fault of the program).
"""

import struct
from dataclasses import dataclass
from typing import Protocol

REQUEST, DATA, PATH = b"Q", b"D", b"P"
TRACKS, SOUND, PAIR, END, REFUSED, FAILED = b"T", b"1", b"2", b"E", b"R", b"F"
HEAD = struct.Struct("<cI")
MOST_BYTES = 64 * 1024**2  # of an answer: a second of sound has 128 kB, and the last block of a file a few of them


@dataclass(frozen=True)
class Tracks:
    """The audio tracks that can be decoded, from 0, in the order in which they are to be looked at, `of` how many."""

    numbers: list[int]
    of: int


@dataclass(frozen=True)
class End:
    """What is known when all of a track was read.

    Every sample is still to be multiplied by `factor`. `declared_seconds` is what the container claims, `damaged`
    whether part of the track could not be decoded.
    """

    factor: float
    declared_seconds: float | None
    damaged: bool


class Pipe(Protocol):
    """The side of a pipe that is read, or written. Both may do less than they are asked to."""

    def write(self, data, /) -> int | None: ...

    def readinto(self, buffer, /) -> int | None: ...


def send(pipe: Pipe, kind: bytes, payload: bytes | bytearray | memoryview) -> None:
    """Raises BrokenPipeError when nobody reads."""
    for part in (HEAD.pack(kind, len(payload)), payload):
        rest = memoryview(part)
        while rest:
            rest = rest[pipe.write(rest) :]


def receive(pipe: Pipe, most: int | None = None) -> tuple[bytes, bytearray]:
    """The next message's kind and content. Raises EOFError where the pipe ends, and for more than `most` bytes."""
    kind, length = HEAD.unpack(exactly(pipe, HEAD.size))
    if most is not None and length > most:
        raise EOFError
    return kind, exactly(pipe, length)


def exactly(pipe: Pipe, length: int) -> bytearray:
    buffer = bytearray(length)
    rest = memoryview(buffer)
    while rest:
        read = pipe.readinto(rest)
        if not read:
            raise EOFError
        rest = rest[read:]
    return buffer
