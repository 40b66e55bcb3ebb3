"""A bottom-k reservoir sample: a bounded, repeatable choice of clips that came before their table.

Archives whose tables lie behind the clips, as in alphabetical order, need it: until then nobody knows whose the clips
are. No library keeps such a sample on disk.
"""

import os
import sqlite3
import tempfile
from typing import BinaryIO

from lid.data.sources.selection import Selector, name_hash

LARGEST_HASH = 2**63 - 1
KEPT = 6  # clips kept at most for each one wanted: many turn out not to be validated
KEPT_BY_VOICE = 16  # the same where voices are limited: most clips of a corpus are by few people
THINNED = (3, 4)  # the share that stays when it is full


class Reservoir:
    """Keeps clips on disk, those with the smallest name hashes, several for each one `selector` wants (None: all).

    Whenever it is full, the threshold under which names are kept is lowered and the rest thrown away, so what is left
    after any number of clips is a fair sample of all of them. The file has no name: it vanishes with the process.
    A context manager.
    """

    def __init__(self, selector: Selector, folder: str | os.PathLike | None = None):
        share = KEPT if selector.max_per_speaker is None else KEPT_BY_VOICE
        self.capacity = None if selector.want is None else share * max(selector.want, 1)
        self.threshold = LARGEST_HASH
        self._folder, self._count = folder and os.fspath(folder), 0
        self._file = self._new_file()
        self._index = sqlite3.connect("", isolation_level=None)
        self._index.execute("PRAGMA journal_mode = OFF")
        self._index.execute("CREATE TABLE clips (hash INTEGER PRIMARY KEY, offset INTEGER, size INTEGER)")
        self._index.execute("BEGIN")

    def __enter__(self) -> "Reservoir":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()
        self._index.close()

    def wants(self, name: str) -> bool:
        return name_hash(name) <= self.threshold

    def add(self, name: str, data: bytes) -> None:
        if not self.wants(name):
            return
        self._append(name_hash(name), data)
        self._count += 1
        while self.capacity is not None and self._count > self.capacity:
            self._thin()

    def get(self, name: str) -> bytes | None:
        """The clip's bytes; None when it was never added, or not kept."""
        found = self._index.execute("SELECT offset, size FROM clips WHERE hash = ?", (name_hash(name),)).fetchone()
        return self._read(*found) if found else None

    def _new_file(self) -> BinaryIO:
        return tempfile.TemporaryFile(dir=self._folder)

    def _append(self, key: int, data: bytes) -> None:
        offset = self._file.seek(0, os.SEEK_END)
        self._file.write(data)
        self._index.execute("INSERT INTO clips VALUES (?, ?, ?)", (key, offset, len(data)))

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def _thin(self) -> None:
        share, of = THINNED
        self.threshold = self.threshold * share // of
        self._index.execute("DELETE FROM clips WHERE hash > ?", (self.threshold,))
        kept = self._index.execute("SELECT hash, offset, size FROM clips ORDER BY offset").fetchall()
        old, self._file = self._file, self._new_file()
        for key, offset, size in kept:
            old.seek(offset)
            moved = self._file.tell()
            self._file.write(old.read(size))
            self._index.execute("UPDATE clips SET offset = ? WHERE hash = ?", (moved, key))
        old.close()
        self._count = len(kept)
