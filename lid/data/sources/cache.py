"""Selected clips of streamed sources, kept on disk so that the next epoch or run streams nothing.

One folder holds one selection of one source: `clips.bin`, the encoded clips one behind the other; `index.jsonl`, a line
for each; `meta.json`. It is built under another name by whoever holds its lock and renamed when it is whole, so nobody
ever reads half of one, whatever was killed when. Caches of other libraries keep decoded rows or pickles; here a clip is
read by its place in one file, by as many processes as like.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from filelock import FileLock, Timeout

from lid.data.clip import Clip, StoredClip
from lid.data.sources.base import Journal, Progress, Source, silent
from lid.data.sources.selection import Selector
from lid.errors import InputError

FORMAT = 1
CLIPS, INDEX, META, STATE = "clips.bin", "index.jsonl", "meta.json", "state.json"


@dataclass(frozen=True)
class Meta:
    """What a finished entry says of itself: of how many rows it is, and its files' sizes in bytes."""

    format: int
    language: str
    spec: str
    rows: int
    size: int
    index_size: int
    orphans: list[str]


class ClipCache:
    """The cache in `root`. `tell` is given sentences about what is going on."""

    def __init__(self, root: str | os.PathLike, tell: Callable[[str], None] = lambda sentence: None):
        self.root, self._tell = Path(root).expanduser(), tell
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"The cache folder {self.root} cannot be made: {error.strerror}.", "cache") from error

    def size_bytes(self) -> int:
        """What the cache takes on disk, unfinished entries included."""
        return sum(_size(path) for path in self.root.rglob("*"))

    def knows(self, source: Source) -> bool:
        """Whether some selection of this source is here, whole."""
        metas = map(_read_meta, self.root.glob(f"{source.language}-*"))
        return any(meta is not None and meta.spec == source.spec for meta in metas)

    def load(
        self, source: Source, want: int | None, max_per_speaker: int | None, progress: Progress = silent
    ) -> tuple[list[StoredClip], Meta]:
        """The selection from the cache, or from the source if this is the first time. Sorted by path.

        A second process that wants the same one waits for the first. Raises InputError from the source, and "cache".
        """
        key = [FORMAT, source.fingerprint, source.language, want, max_per_speaker]
        name = f"{source.language}-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}"
        entry = self.root / name
        with self._lock(self.root / f"{name}.lock"):
            meta = _read_meta(entry)
            if meta is None:
                shutil.rmtree(entry, ignore_errors=True)
                try:
                    meta = self._build(entry, source, Selector(want, max_per_speaker), progress)
                except OSError as error:
                    if error.errno in (errno.ENOSPC, errno.EDQUOT):
                        text = f"No space is left for the cache in {self.root}. Free some, or ask for fewer clips."
                    else:
                        text = f"The cache in {self.root} cannot be written: {error.strerror}."
                    raise InputError(text, "cache") from error
        return sorted(_rows(entry, meta.language), key=lambda row: row.path), meta

    def _lock(self, path: Path) -> AbstractContextManager:
        lock = FileLock(path)  # the system lets go of it when its owner dies, however it dies
        try:
            return lock.acquire(timeout=0)
        except Timeout:
            self._tell(f"Another run is filling the cache in {self.root}: waiting for it.")
            return lock.acquire()

    def _build(self, entry: Path, source: Source, selector: Selector, progress: Progress) -> Meta:
        partial = entry.with_suffix(".partial")
        with _Writer(partial, source) as writer:
            journal = Journal(writer.open(selector), writer.note)
            for clip in source.clips(selector, progress, journal):
                writer.add(clip)
            meta = writer.finish()
        os.rename(partial, entry)
        _sync_folder(entry.parent)
        return meta


class _Writer:
    """An entry while it is being written. A context manager, to be opened first."""

    _clips: BinaryIO
    _index: BinaryIO

    def __init__(self, folder: Path, source: Source):
        self.folder, self.source = folder, source
        self.rows, self.size = 0, 0
        self._files = ExitStack()

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_) -> None:
        self._files.close()

    def open(self, selector: Selector) -> Any:
        """Start, or go on after the last note of a run that was killed: the source's state then, None at the start."""
        noted = _read_json(self.folder / STATE) if self.source.resumable else None
        if noted is None or _size(self.folder / CLIPS) < noted["size"]:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            self._open_files("w+b")
            return None
        self.rows, self.size = noted["rows"], noted["size"]
        self._open_files("r+b")
        self._clips.truncate(self.size)
        self._index.truncate(noted["index_size"])
        self._clips.seek(0, os.SEEK_END)
        for line in self._index:
            row = json.loads(line)
            if row["size"] is not None:
                selector.accept(row["speaker"])
        self._index.seek(0, os.SEEK_END)
        return noted["state"]

    def _open_files(self, mode: str) -> None:
        self._clips, self._index = (
            self._files.enter_context(cast(BinaryIO, (self.folder / name).open(mode))) for name in (CLIPS, INDEX)
        )

    def add(self, clip: Clip) -> None:
        row: dict[str, Any] = {
            "path": clip.path,
            "speaker": clip.speaker,
            "sentence": clip.sentence,
            "source": clip.source,
        }
        size = None if clip.audio is None else len(clip.audio)
        row |= {"duration": clip.duration, "offset": self.size, "size": size}
        row |= {"problem": clip.problem} if clip.problem else {}
        self._clips.write(clip.audio or b"")
        self._index.write(_line(row))
        self.rows, self.size = self.rows + 1, self.size + (size or 0)

    def note(self, state) -> None:
        self._flush()
        noted = {"rows": self.rows, "size": self.size, "index_size": self._index.tell(), "state": state}
        _write_json(self.folder / STATE, noted)

    def finish(self) -> Meta:
        self._flush()
        if late := self.source.late_durations:
            self._index.seek(0)
            rows = [json.loads(line) for line in self._index]
            self._index.seek(0)
            self._index.truncate()
            for row in rows:
                self._index.write(_line(row | {"duration": late.get(row["path"], row["duration"])}))
            self._flush()
        (self.folder / STATE).unlink(missing_ok=True)
        source, index_size = self.source, self._index.tell()
        meta = Meta(FORMAT, source.language, source.spec, self.rows, self.size, index_size, source.orphans)
        _write_json(self.folder / META, asdict(meta))
        return meta

    def _flush(self) -> None:
        for file in (self._clips, self._index):
            file.flush()
            os.fsync(file.fileno())


def _line(row: dict) -> bytes:
    return json.dumps(row).encode() + b"\n"


def _rows(entry: Path, language: str) -> Iterator[StoredClip]:
    file = str(entry / CLIPS)
    with (entry / INDEX).open("rb") as lines:
        for line in lines:
            row = json.loads(line)
            size = row["size"]
            yield StoredClip(
                path=row["path"],
                language=language,
                speaker=row["speaker"],
                sentence=row["sentence"],
                source=row["source"],
                duration=row["duration"],
                file=None if size is None else file,
                offset=row["offset"],
                size=size,
                problem=row.get("problem", ""),
            )


def _read_meta(entry: Path) -> Meta | None:
    """None unless the entry is whole: a disk that lost power may have lost what it said it had written. An entry
    without a single clip is of no use either: its source may have been mended since."""
    found = _read_json(entry / META)
    if (
        found is None
        or not found["size"]
        or (_size(entry / CLIPS), _size(entry / INDEX)) != (found["size"], found["index_size"])
    ):
        return None
    return Meta(**found)


def _read_json(path: Path):
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _write_json(path: Path, value) -> None:
    """All of it or nothing."""
    partial = path.with_suffix(".writing")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # removed meanwhile by another run
        return 0


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
