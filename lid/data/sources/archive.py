"""A Common Voice archive (.tar.gz) as a stream: read once, never unpacked, its tables before or after its clips."""

import io
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from lid.data.clip import Clip
from lid.data.sources.base import COMMON_VOICE, Journal, Progress, Source, silent
from lid.data.sources.metadata import TABLES, ClipTable, Row, bare_name, text_lines
from lid.data.sources.reservoir import Reservoir
from lid.data.sources.selection import Selector, name_hash, reading_threshold
from lid.data.sources.tar_stream import Link, Member, Readable, damage_in, members
from lid.errors import InputError

MAX_CLIP_BYTES = 64 * 1024**2  # a Common Voice clip has some 40 KB: a larger member is none, and would fill memory


class Stream(Readable, Protocol):
    """An archive's bytes from its start: a context manager, of `size` bytes if that is known, now at byte `tell()`."""

    @property
    def size(self) -> int | None: ...

    def tell(self) -> int: ...

    def __enter__(self) -> "Stream": ...

    def __exit__(self, kind, error, trace, /) -> None: ...


class LocalFile(io.FileIO):
    """A file on disk that knows its `size` in bytes, as a stream over HTTP does."""

    def __init__(self, path: str | os.PathLike):
        try:
            super().__init__(path, "rb")
        except OSError as error:
            raise InputError(f"{Path(path).name} cannot be opened: {error.strerror}.", "missing") from error
        self.size = os.fstat(self.fileno()).st_size


@dataclass
class ArchiveSource(Source):
    """Clips of one archive, whose bytes `open_stream` gives.

    With the tables before the clips, each clip is yielded as it passes and reading stops once the selector is full.
    With clips before the tables nobody knows yet whose they are: a bounded sample of them waits in a file in
    `temporary_folder` until the tables have come, and the archive is read to its end.
    """

    open_stream: Callable[[], Stream] = field(kw_only=True, repr=False)
    temporary_folder: str | os.PathLike | None = None

    def __post_init__(self) -> None:
        self.unit = "B"

    def clips(
        self, selector: Selector | None = None, progress: Progress = silent, journal: Journal | None = None
    ) -> Iterator[Clip]:
        selector = selector or Selector()
        with (
            self.open_stream() as stream,
            ClipTable(self.language, self.spec) as table,
            Reservoir(selector, self.temporary_folder) as reservoir,
        ):
            yield from _Reading(self, table, reservoir, selector, progress).run(stream)


class _Reading:
    """One pass over an archive."""

    def __init__(
        self, source: ArchiveSource, table: ClipTable, reservoir: Reservoir, selector: Selector, progress: Progress
    ):
        self.source, self.table, self.reservoir = source, table, reservoir
        self.selector, self.progress = selector, progress
        self.streaming = False  # whether the rows are known, so that clips can be judged as they pass
        self.links: dict[str, str] = {}  # links among the clips: path of the link -> of the bytes
        self.threshold: int | None = None
        self.without_duration: list[str] = []
        source.orphans, source.late_durations = [], {}

    def run(self, stream: Stream) -> Iterator[Clip]:
        with damage_in(self.source.spec):
            for member in members(stream, self.source.spec):
                self.progress(stream.tell(), stream.size)
                if isinstance(member, Link):
                    self._note_link(member)
                elif member.name in TABLES:
                    self.table.add(member.name, text_lines(member.file))
                elif member.folder == "clips" and member.size <= MAX_CLIP_BYTES:
                    yield from self._clip(member.name, member.file)
                    if self.selector.full and self.streaming:
                        return
            self.progress(stream.tell(), stream.size)
            yield from self._linked()
            yield from self._rest()

    def _note_link(self, link: Link) -> None:
        if link.folder == "clips":
            self.links[link.path] = self.links.get(link.target, link.target)

    def _linked(self) -> Iterator[Clip]:
        """Clips that are links: what they share has passed by then, or comes later."""
        sharing: dict[str, list[str]] = defaultdict(list)
        for link, path in self.links.items():
            sharing[path].append(PurePosixPath(link).name)
        for member in self._once_more(sharing, lambda member: member.path):
            data = member.file.read()
            for name in sharing.pop(member.path):
                yield from self._clip(name, io.BytesIO(data))

    def _renamed(self) -> Iterator[Clip]:
        """Clips under another name than in their row: only when all names were seen is it clear whose they are."""
        rows = {row.file: row for row in self.table.found(renamed=True) if self._chosen(row.file)}
        for member in self._once_more(rows, lambda member: bare_name(member.name) if member.folder == "clips" else ""):
            row = rows.pop(bare_name(member.name))
            if self.selector.accept(row.speaker):
                yield self._row(row, member.file.read())

    def _once_more(self, wanted: Mapping[str, object], key: Callable[[Member], str]) -> Iterator[Member]:
        """Members whose `key` is among `wanted`: the archive is read again, until all are taken out of it."""
        if not wanted or self.selector.full:
            return
        with self.source.open_stream() as stream:
            for member in members(stream, self.source.spec):
                self.progress(stream.tell(), stream.size)
                if isinstance(member, Member) and member.size <= MAX_CLIP_BYTES and key(member) in wanted:
                    yield member
                if not wanted or self.selector.full:
                    return

    def _chosen(self, name: str) -> bool:
        return self.threshold is None or name_hash(name) <= self.threshold

    def _clip(self, file_name: str, file: BinaryIO) -> Iterator[Clip]:
        name = bare_name(file_name)
        if not self.table.mark(name):
            return
        if self.table.ready and not self.streaming:
            self._start_streaming()
            yield from self._from_reservoir()
        if not self.streaming:
            if self.reservoir.wants(name):
                self.reservoir.add(name, file.read())
        elif self._chosen(name):
            row = self.table.get(name)
            if row and self.selector.accept(row.speaker):
                if row.seconds is None:
                    self.without_duration.append(name)
                yield self._row(row, file.read())

    def _start_streaming(self) -> None:
        self.streaming = True
        self.threshold = reading_threshold(self.table.queue(), self.selector.want, self.selector.max_per_speaker)

    def _from_reservoir(self) -> Iterator[Clip]:
        self.table.match()
        for row in self.table.found():
            if self.streaming and row.file != row.path:  # its true name may still come
                continue
            if self.selector.full or name_hash(row.file) > self.reservoir.threshold:
                return
            audio = self.reservoir.get(row.file)
            if audio is not None and self.selector.accept(row.speaker):
                yield self._row(row, audio)

    def _rest(self) -> Iterator[Clip]:
        """What is known only at the archive's end."""
        self.table.settle()
        if not self.streaming:
            yield from self._from_reservoir()
        else:
            self.table.match()
            yield from self._renamed()
        for row in self.table.missing():
            yield self._row(row, None)
        for path, problem in self.table.bad():
            yield self._row(Row(path, "", "", None), None, problem)
        self.source.orphans = self.table.orphans()
        late = ((name, self.table.duration(name)) for name in self.without_duration)
        self.source.late_durations = {name: seconds for name, seconds in late if seconds is not None}

    def _row(self, row: Row, audio: bytes | None, problem: str = "") -> Clip:
        facts = row.speaker, row.sentence, COMMON_VOICE, row.seconds
        return Clip(row.path, audio, self.source.language, *facts, problem=problem)
