"""A tar archive, packed or not, read once from front to back, from anything that gives bytes, in little memory.

Archives are known by their first bytes: people, browsers and stores give them any name.
"""

import bz2
import gzip
import io
import lzma
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from tarfile import ReadError
from typing import Any, BinaryIO, Protocol, cast

from lid.errors import InputError

BLOCK = 256 * 1024  # bytes
MOST_HEADER = (
    64 * 1024
)  # bytes of a header that says more of the next one, and of those that hold for all: paths, times
MOST_HEADERS = 16  # of them before one file
MORE_OF_THE_NEXT = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
PACKINGS: dict[bytes, Callable[[Any], Any]] = {  # first bytes -> who unpacks what follows
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}


class Readable(Protocol):
    """What gives bytes, b"" at its end."""

    def read(self, size: int = ..., /) -> bytes: ...


@dataclass(frozen=True)
class Entry:
    """Something in the archive, by its path there."""

    path: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def folder(self) -> str:
        return PurePosixPath(self.path).parent.name


@dataclass(frozen=True)
class Member(Entry):
    """A file. `file` can be read until the next member is asked for; `size` is in bytes."""

    size: int
    file: BinaryIO


@dataclass(frozen=True)
class Link(Entry):
    """A hard or symbolic link: its bytes are those of the member with the path `target`."""

    target: str


def is_archive(head: bytes) -> bool:
    """Whether a file that begins with these bytes (512 or more, fewer where it is shorter) may be an archive."""
    if any(head.startswith(magic) for magic in PACKINGS):
        return True
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def members(stream: Readable, name: str) -> Iterator[Member | Link]:
    """Files and links within the archive in the order they lie; `name` is what sentences call the archive.

    Archives joined end to end (`cat a.tar b.tar`) are read as one. The end is reached only after the checksum over
    everything, where the packing has one, has been compared. Raises InputError("damaged").
    """
    with damage_in(name), _open_tar(unpack(stream, name)) as archive:
        while (info := archive.next()) is not None:
            # tarfile keeps every header it has seen, which is gigabytes for English
            archive.members.clear()  # type: ignore[attr-defined]
            if sum(map(len, archive.pax_headers.values())) > MOST_HEADER:
                raise ReadError("headers for all files that are too large")
            if PurePosixPath(info.name).name.startswith("."):  # "._x": macOS writes its attributes as files
                continue
            path = info.name.removeprefix("./")
            if info.isfile():
                yield Member(path, info.size, cast(BinaryIO, archive.extractfile(info)))
            elif info.islnk():
                yield Link(path, info.linkname.removeprefix("./"))
            elif info.issym():
                target = posixpath.normpath(posixpath.join(posixpath.dirname(path), info.linkname))
                if not target.startswith(("/", "..")):
                    yield Link(path, target)


def _open_tar(unpacked: Any) -> tarfile.TarFile:
    # Without ignore_zeros the end of a first archive would be taken for the end of all.
    return _Archive.open(fileobj=unpacked, mode="r|", bufsize=BLOCK, tarinfo=_Header, ignore_zeros=True)


@contextmanager
def damage_in(name: str) -> Iterator[None]:
    """What tar and its packings raise, as InputError("damaged"). Goes around the reading of a member's `file` too."""
    try:
        yield
    except tarfile.TarError as error:
        raise InputError(f"{name} is not a tar archive, or is damaged: {error}.", "damaged") from error
    except EOFError as error:
        raise InputError(f"{name} breaks off before its end. Download it again.", "damaged") from error
    except (OSError, zlib.error, lzma.LZMAError) as error:
        if getattr(error, "errno", None) is not None:  # the system's own, such as a full disk
            raise
        raise InputError(f"{name} is damaged: {error}. Download it again.", "damaged") from error


def unpack(stream: Readable, name: str) -> Any:
    """A file with what `stream` holds once unpacked; bytes in no known packing pass as they are.

    Raises InputError("damaged").
    """
    head = b""
    while len(head) < max(map(len, PACKINGS)) and (more := stream.read(BLOCK)):
        head += more
    if not head:
        raise InputError(f"{name} is empty (0 bytes). Download it again.", "damaged")
    whole = io.BufferedReader(Rejoined(head, stream), BLOCK)
    for magic, opened in PACKINGS.items():
        if head.startswith(magic):
            return unpack(opened(whole), name)  # some servers pack what is packed already
    return whole


class Rejoined(io.RawIOBase):
    """A stream from its start, of which `head` was read already. Closing it leaves the stream open."""

    def __init__(self, head: bytes, stream: Readable):
        self._head, self._stream = head, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self._head[: len(buffer)] or self._stream.read(len(buffer))
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        return len(data)


class _Archive(tarfile.TarFile):
    """With how many headers of the next file have been read."""

    depth = 0


class _Header(tarfile.TarInfo):
    """A header that is neither sound nor empty is an error; tarfile would look behind it for the next sound one. So is
    one that would take any amount of memory: tarfile reads headers of headers one within the other, as long as they
    say, and lists of the holes of sparse files without an end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf.strip(b"\0"):
                raise ReadError(str(error)) from error
            raise
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise ReadError("it holds a sparse file")
        if header.type in MORE_OF_THE_NEXT and header.size > MOST_HEADER:
            raise ReadError(f"a header of {header.size / 1e6:.1f} MB")
        return header

    @classmethod
    def fromtarfile(cls, tarfile: _Archive) -> "_Header":  # type: ignore[override]  # opened by _Archive alone
        tarfile.depth += 1
        try:
            if tarfile.depth > MOST_HEADERS:
                raise ReadError(f"more than {MOST_HEADERS} headers before a file")
            return super().fromtarfile(tarfile)
        finally:
            tarfile.depth -= 1

    def _proc_gnusparse_10(self, *arguments) -> None:
        raise ReadError("it holds a sparse file")
