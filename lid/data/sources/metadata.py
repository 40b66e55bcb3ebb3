"""What Common Voice's TSV files say, kept on disk: English has 1.8 million rows, and memory is to stay flat."""

import csv
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from lid.data.sources.selection import name_hash
from lid.errors import InputError

VALIDATED = "validated.tsv"
SPLITS = ("train.tsv", "dev.tsv", "test.tsv")  # together a part of validated.tsv; some packings hold only these
UNUSED = ("invalidated.tsv", "other.tsv")  # their clips lie in clips/ too, but nobody vouches for them
DURATIONS = "clip_durations.tsv"
TABLES = frozenset({VALIDATED, *SPLITS, *UNUSED, DURATIONS})
SCHEMA = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;
CREATE TABLE rows (hash INTEGER, path TEXT, speaker TEXT, sentence TEXT, validated INTEGER);
CREATE INDEX rows_hash ON rows (hash);
CREATE TABLE durations (hash INTEGER PRIMARY KEY, seconds REAL);
CREATE TABLE unused (hash INTEGER PRIMARY KEY);
CREATE TABLE files (hash INTEGER PRIMARY KEY, path TEXT);
"""
Row = tuple[str, str, str, float | None]  # path, speaker, sentence, seconds


def bare_name(path: str | os.PathLike) -> str:
    """A clip's name without folders, as text that can be written anywhere."""
    return PurePosixPath(path).name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def text_lines(file: BinaryIO) -> Iterator[str]:
    """Lines of a UTF-8 table. What is no UTF-8 is replaced; a stray carriage return or zero byte does not end a row."""
    for line in file:
        yield line.decode("utf-8", "replace").rstrip("\r\n").replace("\r", " ").replace("\0", "")


class ClipTable:
    """The rows of one corpus in one language, and the files that were seen. Lives in a temporary file without a name.

    `corpus` is what sentences call the corpus. A context manager.
    """

    def __init__(self, language: str, corpus: str):
        self.language, self.corpus = language, corpus
        self.ready = False  # whether the rows are known: validated.tsv was read, or nothing more will come
        self._db = sqlite3.connect("", isolation_level=None)  # "": on disk, deleted by the system whatever happens
        self._db.executescript(SCHEMA)
        self._db.execute("BEGIN")

    def __enter__(self) -> "ClipTable":
        return self

    def __exit__(self, *_) -> None:
        self._db.close()

    def add(self, name: str, lines: Iterable[str]) -> None:
        """Read the TSV file called `name`. Raises InputError: "table" if it lacks a column, "language" if another's."""
        # QUOTE_NONE: sentences hold lone quotation marks, and the files are written without quoting.
        reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        try:
            header = next(reader, [])
            if name == DURATIONS:
                self._db.executemany("INSERT OR IGNORE INTO durations VALUES (?, ?)", self._durations(header, reader))
            elif name in UNUSED:
                paths = ((name_hash(path),) for path, _, _ in self._rows(name, header, reader))
                self._db.executemany("INSERT OR IGNORE INTO unused VALUES (?)", paths)
            elif name == VALIDATED or not self.ready:
                rows = ((name_hash(row[0]), *row, name == VALIDATED) for row in self._rows(name, header, reader))
                self._db.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", rows)
        except csv.Error as error:
            text = f"{self.corpus}: line {reader.line_num} of {name} cannot be read: {error}."
            raise InputError(text, "table") from error
        if name == VALIDATED:
            self._db.execute("DELETE FROM rows WHERE NOT validated")
            self.ready = True

    def settle(self) -> None:
        """No more tables will come. Raises InputError("table") when there were no rows at all."""
        self.ready = True
        if self._db.execute("SELECT 1 FROM rows LIMIT 1").fetchone() is None:
            raise InputError(
                f"{self.corpus} has no rows in {VALIDATED}, so nothing says who speaks in its clips. Give a Common "
                "Voice folder or archive.",
                "table",
            )

    def mark(self, path: str) -> bool:
        """Note that the corpus has this file; False when it was noted before."""
        return self._db.execute("INSERT OR IGNORE INTO files VALUES (?, ?)", (name_hash(path), path)).rowcount == 1

    def get(self, path: str) -> Row | None:
        columns = "path, speaker, sentence, seconds"
        query = f"SELECT {columns} FROM rows LEFT JOIN durations USING (hash) WHERE hash = ? AND path = ?"
        return self._db.execute(query, (name_hash(path), path)).fetchone()

    def duration(self, path: str) -> float | None:
        found = self._db.execute("SELECT seconds FROM durations WHERE hash = ?", (name_hash(path),)).fetchone()
        return found[0] if found else None

    def queue(self) -> Iterator[tuple[int, str]]:
        """(hash, speaker) of every row in the order of selection."""
        yield from self._db.execute("SELECT hash, speaker FROM rows ORDER BY hash")

    def found(self) -> Iterator[Row]:
        """Rows whose file was seen, in the order of selection, each once."""
        yield from self._query("rows.hash IN (SELECT hash FROM files)")

    def missing(self) -> Iterator[Row]:
        """Rows whose file was not seen."""
        yield from self._query("rows.hash NOT IN (SELECT hash FROM files)")

    def orphans(self) -> list[str]:
        """Names of files that no table mentions, sorted."""
        query = "SELECT path FROM files WHERE hash NOT IN (SELECT hash FROM rows) AND hash NOT IN unused ORDER BY path"
        return [path for (path,) in self._db.execute(query)]

    def _query(self, condition: str) -> Iterator[Row]:
        columns = "rows.hash, path, speaker, sentence, seconds"
        last = None
        for key, *row in self._db.execute(
            f"SELECT {columns} FROM rows LEFT JOIN durations USING (hash) WHERE {condition} ORDER BY rows.hash"
        ):
            if key != last:  # the same clip twice in one table
                yield tuple(row)
            last = key

    def _rows(self, name: str, header: list[str], reader: Iterable[list[str]]) -> Iterator[tuple[str, str, str]]:
        columns = {title.strip().lstrip("\ufeff"): index for index, title in enumerate(header)}
        if "path" not in columns:
            raise InputError(f"{self.corpus}: {name} has no column `path`. It is not a Common Voice table.", "table")

        def value(row: list[str], title: str) -> str:
            index = columns.get(title)
            return row[index] if index is not None and index < len(row) else ""

        for row in reader:
            locale = value(row, "locale")
            if locale and locale.split("-")[0].lower() != self.language:
                raise InputError(
                    f"{self.corpus} was given as {self.language}, but its {name} says {locale}. Name the language it "
                    "holds, one archive or folder for each.",
                    "language",
                )
            if path := bare_name(value(row, "path")):
                yield path, value(row, "client_id"), value(row, "sentence")

    def _durations(self, header: list[str], reader: Iterable[list[str]]) -> Iterator[tuple[int, float]]:
        titles = [title.strip().lstrip("\ufeff") for title in header]
        if "clip" not in titles or "duration[ms]" not in titles:
            return  # a release that writes them otherwise: durations stay unknown
        clip, duration = titles.index("clip"), titles.index("duration[ms]")
        for row in reader:
            if len(row) > max(clip, duration) and row[duration].strip().isdecimal():
                yield name_hash(bare_name(row[clip])), int(row[duration]) / 1000
