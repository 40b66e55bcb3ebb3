"""What Common Voice's TSV files say, kept on disk: English has 1.8 million rows, and memory is to stay flat."""

import codecs
import io
import os
import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import PurePosixPath
from statistics import median_low
from typing import BinaryIO, NamedTuple

from lid.data.sources.selection import name_hash
from lid.data.sources.tar_stream import Rejoined
from lid.errors import InputError

VALIDATED = "validated.tsv"
SPLITS = ("train.tsv", "dev.tsv", "test.tsv")  # together a part of validated.tsv; some packings hold only these
UNUSED = ("invalidated.tsv", "other.tsv")  # their clips lie in clips/ too, but nobody vouches for them
DURATIONS = "clip_durations.tsv"
TABLES = frozenset({VALIDATED, *SPLITS, *UNUSED, DURATIONS})
BAD_SHARE = 0.2  # of a table's rows: more that cannot be used, and it is not the table it was taken for
START = 100  # rows by which it is known how long the rows of a table usually are: editors cut tabs off, or add one
NEEDED = ("path", "client_id", "locale")  # columns that no whole row ends before
MOST_LINE = 1_000_000  # characters; a row has some hundreds
BAD_ROWS = 2  # so many are no share of a small table
ENDING = re.compile(r"\.(mp[234]|m4a|wav|wave|flac|og[gax]|opus|aac|aiff?|amr|3gp|wma|webm|mka|caf|au)$", re.IGNORECASE)
ENCODINGS = {  # first bytes -> encoding; a table without any of them is UTF-8
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SCHEMA = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;
CREATE TABLE rows (hash INTEGER, stem INTEGER, path TEXT, speaker TEXT, sentence TEXT, validated INTEGER);
CREATE INDEX rows_hash ON rows (hash);
CREATE TABLE bad (path TEXT, problem TEXT, validated INTEGER);
CREATE TABLE durations (hash INTEGER PRIMARY KEY, seconds REAL);
CREATE TABLE unused (stem INTEGER PRIMARY KEY);
CREATE TABLE files (hash INTEGER PRIMARY KEY, stem INTEGER, path TEXT);
CREATE TABLE matched (file INTEGER PRIMARY KEY, row INTEGER UNIQUE);
"""
# A file belongs to the row of its name; where there is none, to the only row whose name has the same stem.
MATCH = """
DELETE FROM matched;
INSERT INTO matched SELECT hash, hash FROM files WHERE hash IN (SELECT hash FROM rows);
INSERT INTO matched SELECT file.hash, row.hash
FROM (SELECT stem, MIN(hash) AS hash FROM files GROUP BY stem HAVING COUNT(*) = 1) AS file
JOIN (SELECT stem, MIN(hash) AS hash FROM rows GROUP BY stem HAVING COUNT(DISTINCT hash) = 1) AS row USING (stem)
WHERE file.hash != row.hash AND stem NOT IN unused;
"""


class Row(NamedTuple):
    """A row of a table. `file` is the name of its file ("" when there is none): `path`, or one of the same stem."""

    path: str
    speaker: str
    sentence: str
    seconds: float | None
    file: str = ""


def bare_name(path: str | os.PathLike) -> str:
    """A clip's name without folders, as text that can be written anywhere."""
    return PurePosixPath(path).name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def stem(name: str) -> str:
    """A bare file name without what copying and converting change: ending, case, and how accents are composed."""
    return unicodedata.normalize("NFC", ENDING.sub("", name)).casefold()


def stem_hash(name: str) -> int:
    """`name_hash` of a bare file name's stem."""
    return name_hash(stem(name))


def text_lines(file: BinaryIO) -> Iterator[str]:
    """Lines of a table in UTF-8, or in UTF-16 or UTF-32 as Windows writes them.

    What cannot be decoded is replaced; a stray carriage return or zero byte does not end a row. Raises
    InputError("damaged") for a line that is no row of any table.
    """
    first = file.readline(MOST_LINE)
    whole = io.BufferedReader(Rejoined(first, file))
    text = io.TextIOWrapper(whole, _encoding(first), "replace", newline="\n")
    while line := text.readline(MOST_LINE):
        if len(line) == MOST_LINE:
            raise InputError(f"A table has a line of over {MOST_LINE:,} characters. Download it again.", "damaged")
        yield line.rstrip("\r\n").replace("\r", " ").replace("\0", "").lstrip("\ufeff")


def _encoding(first: bytes) -> str:
    """How a table is encoded, by its first line, which is ASCII but for its encoding."""
    for mark, encoding in ENCODINGS.items():
        if first.startswith(mark):
            return encoding
    if first[1::2].count(0) > len(first) / 4:
        return "utf-16-le"
    return "utf-16-be" if first[::2].count(0) > len(first) / 4 else "utf-8"


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
        """Read the TSV file called `name`. Rows that cannot be used are kept apart; see `bad`.

        Raises InputError: "table" if it lacks a column, or too many of its rows cannot be used, "language" if these say
        another language.
        """
        # No quoting: sentences hold lone quotation marks, and the files are written without.
        cells = ((number, line.split("\t")) for number, line in enumerate(lines, 1) if line.strip())
        header = next(cells, (0, []))[1]
        if name == DURATIONS:
            self._db.executemany("INSERT OR IGNORE INTO durations VALUES (?, ?)", self._durations(header, cells))
        elif name in UNUSED:
            stems = ((stem_hash(path),) for path, _, _ in self._rows(name, header, cells))
            self._db.executemany("INSERT OR IGNORE INTO unused VALUES (?)", stems)
        elif name == VALIDATED or not self.ready:
            rows = (
                (name_hash(row[0]), stem_hash(row[0]), *row, name == VALIDATED)
                for row in self._rows(name, header, cells)
            )
            self._db.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)", rows)
        if name == VALIDATED:
            self._db.execute("DELETE FROM rows WHERE NOT validated")
            self._db.execute("DELETE FROM bad WHERE NOT validated")
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
        values = (name_hash(path), stem_hash(path), path)
        return self._db.execute("INSERT OR IGNORE INTO files VALUES (?, ?, ?)", values).rowcount == 1

    def get(self, path: str) -> Row | None:
        """The row of exactly this path."""
        query = "SELECT path, speaker, sentence, seconds FROM rows LEFT JOIN durations USING (hash) WHERE hash = ?"
        found = self._db.execute(f"{query} AND path = ?", (name_hash(path), path)).fetchone()
        return Row._make((*found, path)) if found else None

    def duration(self, path: str) -> float | None:
        found = self._db.execute("SELECT seconds FROM durations WHERE hash = ?", (name_hash(path),)).fetchone()
        return found[0] if found else None

    def queue(self) -> Iterator[tuple[int, str]]:
        """(hash, speaker) of every row in the order of selection."""
        yield from self._db.execute("SELECT hash, speaker FROM rows ORDER BY hash")

    def match(self) -> None:
        """All files that will come were marked: find the row of each. Goes before `found` and all that follows."""
        self._db.execute("COMMIT")
        self._db.executescript(MATCH)
        self._db.execute("BEGIN")

    def found(self, renamed: bool = False) -> Iterator[Row]:
        """Rows that have a file, in the order of selection, each once; `renamed`: only those under another name."""
        query = """
            SELECT files.hash, rows.path, speaker, sentence, coalesce(own.seconds, other.seconds), files.path
            FROM matched JOIN files ON files.hash = matched.file JOIN rows ON rows.hash = matched.row
            LEFT JOIN durations AS own ON own.hash = matched.row
            LEFT JOIN durations AS other ON other.hash = matched.file
            WHERE matched.file != matched.row OR NOT ? ORDER BY files.hash"""
        yield from self._each_once(query, (renamed,))

    def missing(self) -> Iterator[Row]:
        """Rows that have no file."""
        query = """
            SELECT hash, path, speaker, sentence, seconds FROM rows LEFT JOIN durations USING (hash)
            WHERE hash NOT IN (SELECT row FROM matched) ORDER BY hash"""
        yield from self._each_once(query)

    def bad(self) -> Iterator[tuple[str, str]]:
        """(path, problem) of each row that cannot be used; the path is where it stands when it names no clip."""
        yield from self._db.execute("SELECT path, problem FROM bad")

    def orphans(self) -> list[str]:
        """Names of files that no table mentions, sorted."""
        query = (
            "SELECT path FROM files WHERE hash NOT IN (SELECT file FROM matched) AND stem NOT IN unused ORDER BY path"
        )
        return [path for (path,) in self._db.execute(query)]

    def _each_once(self, query: str, values: tuple = ()) -> Iterator[Row]:
        last = None
        for key, *row in self._db.execute(query, values):
            if key != last:  # the same clip twice in one table
                yield Row(*row)
            last = key

    def _rows(
        self, name: str, header: list[str], rows: Iterable[tuple[int, list[str]]]
    ) -> Iterator[tuple[str, str, str]]:
        """(path, speaker, sentence) of the rows of a table; those that cannot be used go to `bad`."""
        columns = {title.strip(): index for index, title in enumerate(header)}
        if "path" not in columns:
            raise InputError(f"{self.corpus}: {name} has no column `path`. It is not a Common Voice table.", "table")

        def value(row: list[str], title: str) -> str:
            index = columns.get(title)
            return row[index] if index is not None and index < len(row) else ""

        rows = iter(rows)
        start = list(islice(rows, START))
        usual = median_low(len(row) for _, row in start) if start else 0
        needed = max((index for title in NEEDED if (index := columns.get(title, -1)) < usual), default=-1)
        total, bad, locales = 0, [], set[str]()
        for number, row in chain(start, rows):
            total += 1
            path, locale = bare_name(value(row, "path").strip().replace("\\", "/")), value(row, "locale")
            if not needed < len(row) <= max(len(header), usual) or any(cell.strip() for cell in row[len(header) :]):
                problem = f"line {number} of {name} has {len(row)} columns instead of {len(header)}"
            elif not path:
                problem = f"line {number} of {name} names no clip"
            elif locale and locale.split("-")[0].lower() != self.language:
                problem = f"line {number} of {name} says {locale}"
                locales.add(locale)
            else:
                yield path, value(row, "client_id"), value(row, "sentence")
                continue
            bad.append((path or f"{name}:{number}", problem, name == VALIDATED))
        self._note_bad(name, total, bad, locales)

    def _note_bad(self, name: str, total: int, bad: list[tuple[str, str, bool]], locales: set[str]) -> None:
        if bad and (len(bad) == total or len(bad) > max(BAD_ROWS, BAD_SHARE * total)):
            if locales:
                said = ", ".join(sorted(locales)[:3])
                raise InputError(
                    f"{self.corpus} was given as {self.language}, but its {name} says {said}. Name the language it "
                    "holds, one archive or folder for each.",
                    "language",
                )
            if name in UNUSED:
                return
            examples = "; ".join(problem for _, problem, _ in bad[:3])
            text = f"{self.corpus}: {len(bad)} of {total} rows of {name} cannot be read ({examples}). Mend the table."
            raise InputError(text, "table")
        if name not in UNUSED:
            self._db.executemany("INSERT INTO bad VALUES (?, ?, ?)", bad)
        self._db.executemany("INSERT OR IGNORE INTO unused VALUES (?)", ((stem_hash(path),) for path, *_ in bad))

    def _durations(self, header: list[str], rows: Iterable[tuple[int, list[str]]]) -> Iterator[tuple[int, float]]:
        titles = [title.strip() for title in header]
        if "clip" not in titles or "duration[ms]" not in titles:
            return  # a release that writes them otherwise: durations stay unknown
        clip, duration = titles.index("clip"), titles.index("duration[ms]")
        for _, row in rows:
            if len(row) > max(clip, duration) and row[duration].strip().isdecimal():
                yield name_hash(bare_name(row[clip])), int(row[duration]) / 1000
