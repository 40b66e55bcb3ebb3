"""A .tar.gz (or .tar) read once from front to back, from anything that gives bytes, in little memory."""

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from lid.errors import InputError

BLOCK = 256 * 1024  # bytes
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Member:
    """A regular file in the archive. `file` can be read until the next member is asked for; `size` is in bytes."""

    name: str
    folder: str
    size: int
    file: BinaryIO


def members(stream: BinaryIO, name: str) -> Iterator[Member]:
    """Regular files in the order they lie; `name` is what sentences call the archive.

    The end is reached only after gzip's own checksum over everything has been compared. Raises InputError("damaged").
    """
    unpacked = Unpacked(stream, name)
    try:
        with tarfile.open(fileobj=unpacked, mode="r|", bufsize=BLOCK) as archive:
            while (info := archive.next()) is not None:
                archive.members.clear()  # tarfile keeps every header it has seen, which is gigabytes for English
                path = PurePosixPath(info.name)
                if info.isfile() and not path.name.startswith("."):  # "._x": macOS writes its attributes as files
                    yield Member(path.name, path.parent.name, info.size, archive.extractfile(info))
    except tarfile.TarError as error:
        raise InputError(f"{name} is not a tar archive, or is damaged: {error}.", "damaged") from error
    while rest := unpacked.read(BLOCK):
        if rest.strip(b"\0"):  # tarfile takes an unreadable header for the end
            raise InputError(f"{name} is damaged: it goes on after its end. Download it again.", "damaged")


class Unpacked:
    """gzip's content as a byte stream, any number of gzip members; bytes that are not gzip pass as they are."""

    def __init__(self, stream: BinaryIO, name: str):
        self._stream, self._name = stream, name
        self._input = stream.read(BLOCK)
        while 0 < len(self._input) < len(GZIP_MAGIC) and (more := stream.read(BLOCK)):
            self._input += more
        if not self._input:
            raise InputError(f"{name} is empty (0 bytes). Download it again.", "damaged")
        self._gzip = self._input.startswith(GZIP_MAGIC)
        self._decoder, self._ended = zlib.decompressobj(zlib.MAX_WBITS | 16), False

    def read(self, size: int) -> bytes:
        """At most `size` bytes; b"" at the end, which for gzip is where its checksum was right."""
        if not self._gzip:
            data, self._input = self._input, b""
            return data or self._stream.read(min(size, BLOCK))
        while True:
            if not self._input and not self._ended:
                self._input = self._stream.read(BLOCK)
                self._ended = not self._input
            if self._decoder.eof and not self._next_member():
                if self._ended:
                    return b""
                continue
            try:
                data = self._decoder.decompress(self._input, size)
            except zlib.error as error:
                raise InputError(f"{self._name} is damaged: {error}. Download it again.", "damaged") from error
            self._input = self._decoder.unconsumed_tail or self._decoder.unused_data
            if data:
                return data
            if self._ended and not self._decoder.eof:
                raise InputError(f"{self._name} breaks off before its end. Download it again.", "damaged")

    def _next_member(self) -> bool:
        self._input = self._input.lstrip(b"\0")  # padding after a member is allowed
        if not self._input:
            return False
        self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
        return True
