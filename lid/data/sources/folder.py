"""An extracted Common Voice folder: tables beside a folder named clips."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lid.data.clip import Clip, StoredClip
from lid.data.sources.base import COMMON_VOICE, Journal, Progress, Source, silent
from lid.data.sources.metadata import TABLES, ClipTable, Row, bare_name, text_lines
from lid.data.sources.selection import Selector
from lid.errors import InputError


def is_corpus(folder: Path) -> bool:
    """Whether a folder holds one language in Common Voice's layout."""
    return (folder / "clips").is_dir()


@dataclass
class FolderSource(Source):
    """Clips of `folder`, which holds `clips/` and the tables."""

    folder: Path = field(default=Path())

    def clips(
        self, selector: Selector | None = None, progress: Progress = silent, journal: Journal | None = None
    ) -> Iterator[Clip]:
        for row in self.stored(selector, progress):
            facts = row.language, row.speaker, row.sentence, row.source, row.duration
            yield Clip(row.path, row.audio, *facts, problem=row.problem)

    def stored(self, selector: Selector | None = None, progress: Progress = silent) -> Iterator[StoredClip]:
        """The same rows with their bytes left where they are."""
        selector = selector or Selector()
        with ClipTable(self.language, self.spec) as table:
            total = self._read_tables(table)
            for row in table.found():
                if selector.full:
                    break
                if selector.accept(row.speaker):
                    progress(selector.taken, total)
                    yield self._row(row, str(self.folder / "clips" / row.file))
            for row in table.missing():
                yield self._row(row, None)
            for path, problem in table.bad():
                yield self._row(Row(path, "", "", None), None, problem)
            self.orphans = table.orphans()

    def _read_tables(self, table: ClipTable) -> int:
        """Fill the table; returns how many clips lie in the folder."""
        try:
            for path in sorted(self.folder.glob("*.tsv")):
                if path.name in TABLES:
                    with path.open("rb") as file:
                        table.add(path.name, text_lines(file))
            with os.scandir(self.folder / "clips") as entries:
                names = [entry.name for entry in entries if entry.is_file() and not entry.name.startswith(".")]
        except OSError as error:
            raise InputError(f"{self.spec} cannot be read: {error.strerror}.", "missing") from error
        table.settle()
        count = sum(table.mark(bare_name(name)) for name in names)
        table.match()
        return count

    def _row(self, row: Row, file: str | None, problem: str = "") -> StoredClip:
        facts = row.speaker, row.sentence, COMMON_VOICE, row.seconds
        return StoredClip(row.path, self.language, *facts, file, problem=problem)
