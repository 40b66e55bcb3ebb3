"""A file -> its tracks and their frames, by FFmpeg.

FFmpeg parses hostile files, so it gets bytes or one regular file, and only the containers of `formats`.
"""

import contextlib
import functools
import io
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

import av
from av.stream import Disposition

from lid.audio.formats import CONTAINERS, FORMATS_IN_WORDS, refusal
from lid.audio.limits import MOST_STREAMS, Limits, check_size, open_file, too_costly
from lid.errors import InputError

HEAD = 1024  # bytes looked at of what comes after the tags
MOST_TAGS = 8
# What stands where one MP3 ends and the next was joined to it: tags, and the first frame's table of contents.
SEAMS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"Xing", b"Info", b"VBRI")
JOINABLE = ("mp3", "aac")
SEAM_PACKETS = 2  # packets after an undecodable one in which the mark of a seam may follow
# Without a length of their own: FFmpeg divides the file's size by the first frames' bit rate, or subtracts time stamps.
ONE_LENGTH = ("asf", "flv", "matroska,webm")  # for all streams together: that of the picture, where there is one
UNDECLARED = ("aac", "amr", "gsm", "mpegts")


@contextlib.contextmanager
def opened(source: str | os.PathLike | bytes, limits: Limits) -> Iterator[tuple[av.container.InputContainer, bytes]]:
    """The container of a path or of a file's bytes, and how the file begins after its tags. Raises InputError for what
    is none that we read, also when that turns out later, inside the `with`."""
    options = {
        "format_whitelist": CONTAINERS,
        "codec_whitelist": _sound_decoders(),
        "protocol_whitelist": "file",
        "max_streams": str(MOST_STREAMS),
    }
    with _file(source, limits) as file:
        head = _after_tags(file)
        try:
            with av.open(file, "r", options=options) as container:
                yield container, head
        except InputError:
            raise
        except MemoryError as error:  # also FFmpeg's own
            raise too_costly() from error
        except (av.FFmpegError, ValueError, OverflowError) as error:
            raise InputError(refusal(head), "not_audio") from error


@functools.cache
def _sound_decoders() -> str:
    """FFmpeg's decoders of sound. It would look into pictures too, to tell their size, and their decoders are many."""
    decoders = []
    for name in sorted(av.codecs_available):
        with contextlib.suppress(ValueError):  # it has an encoder only
            if av.Codec(name, "r").type == "audio":
                decoders.append(name)
    return ",".join(decoders)


def _file(source: str | os.PathLike | bytes, limits: Limits) -> BinaryIO:
    if not isinstance(source, bytes | bytearray | memoryview):
        return open_file(source, limits)
    check_size(len(source), limits)
    return io.BytesIO(source)


def _after_tags(file: BinaryIO) -> bytes:
    """The first bytes after a file's ID3v2 tags. https://id3.org/id3v2.4.0-structure: a tag is ten bytes, and as many
    as the last four of them say, seven bits in each."""
    start = 0
    for _ in range(MOST_TAGS):
        file.seek(start)
        head = file.read(HEAD)
        if not head.startswith(b"ID3") or len(head) < 10:
            break
        start += 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    file.seek(0)
    return head


def audio_tracks(container: av.container.InputContainer) -> list[int]:
    """Which of the container's audio streams, counted from 0, can be decoded: first the one that the file calls its
    default, then the others in order. Raises InputError when there is none."""
    streams = container.streams.audio
    if not streams:
        raise InputError("This file has no audio track. Send a sound recording.", "not_audio")
    known = [number for number, stream in enumerate(streams) if stream.codec_context is not None]
    if not known:
        raise InputError(f"The codec of this file's sound cannot be read here. Send {FORMATS_IN_WORDS}.", "unreadable")
    return sorted(known, key=lambda number: not streams[number].disposition & Disposition.default)


class Frames:
    """The decoded frames of a track, to be iterated over once.

    Afterwards `damaged` tells whether packets could not be decoded, other than where files were joined, and `end` is
    where the last frame ends, in seconds by its time stamp (None when it has none).
    """

    def __init__(self, container: av.container.InputContainer, stream: av.AudioStream):
        self.damaged = False
        self.end: float | None = None
        self._packets = container.demux(stream)
        self._joinable = container.format.name in JOINABLE
        self._before = b""  # the last packet: a mark may lie across two, where the frame before was cut off
        self._waiting = 0  # packets in which a mark may still explain one that could not be decoded

    def __iter__(self) -> Iterator[av.AudioFrame]:
        while True:
            try:
                packet = next(self._packets)
            # PyAV 18 flushes streams that turn up on the way too, which it does not know, after those that it does.
            except (StopIteration, IndexError):
                break
            except av.FFmpegError:  # the container itself breaks off: keep what came before
                self.damaged = True
                break
            for frame in self._decode(packet):
                if frame.time is not None:
                    self.end = frame.time + frame.samples / frame.sample_rate
                yield frame
        self.damaged |= self._waiting > 0

    def _decode(self, packet: "av.Packet[av.AudioStream]") -> list[av.AudioFrame]:
        """A packet's frames; none where it cannot be decoded."""
        frames: list[av.AudioFrame] = []
        failed = False
        try:
            frames = packet.decode()
        except av.FFmpegError:
            failed = True
        if not self._joinable:
            self.damaged |= failed
            return frames
        data = bytes(packet)
        if failed or self._waiting:
            if any(mark in self._before + data for mark in SEAMS):
                self._waiting = 0
            else:
                self.damaged |= self._waiting == 1 or (failed and self._waiting > 0)
                self._waiting = SEAM_PACKETS if failed else self._waiting - 1
        self._before = data
        return frames


def declared_seconds(container: av.container.InputContainer, stream: av.AudioStream, head: bytes) -> float | None:
    """What the file itself says of its length: None when it says nothing, and FFmpeg's duration is a guess.

    `head` is the file's beginning, after its ID3 tags.
    """
    if container.format.name in UNDECLARED or (
        container.format.name == "mp3" and not _mp3_declares(head, container.size)
    ):
        return None
    if container.format.name in ONE_LENGTH and len(container.streams) > 1:
        return None
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _mp3_declares(head: bytes, size: int) -> bool:
    """Whether an MP3 begins with a table of contents that says how many frames there are, for all of the file.

    http://gabriel.mp3-tech.org/mp3infotag.html: a mark, four bytes of flags, then a count of frames (flag 1) and of
    bytes (flag 2), as far as the flags say so. Fraunhofer's VBRI has, after its mark, ten bytes, of which the last four
    count bytes, and then frames. Where the file is a good deal longer than that, another was joined to it.
    """
    place = next((place for place in (head.find(mark) for mark in (b"Xing", b"Info", b"VBRI")) if place >= 0), None)
    if place is None or len(head) < place + 18:
        return False
    if head[place : place + 4] == b"VBRI":
        counted, frames_counted = struct.unpack(">2I", head[place + 10 : place + 18])
    else:
        flags, *numbers = struct.unpack(">3I", head[place + 4 : place + 16])
        frames_counted = numbers.pop(0) if flags & 1 else 0
        counted = numbers.pop(0) if flags & 2 else 0
    return bool(frames_counted) and not (counted and size - counted > counted / 16)  # as FFmpeg's mp3dec.c
