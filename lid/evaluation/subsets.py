"""Named subsets of the test clips, such as one source or one way of recording, from a table that the user writes."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lid.errors import InputError
from lid.evaluation import metrics

COLUMNS = ("subset", "language", "path")


def find(file: Path | None, clips: Sequence) -> dict[str, list[int]]:
    """The indices of the clips (objects with `language` and `path`, as in split.tsv) that each subset in `file` names.

    `file` is a TSV with COLUMNS in its head line; None has no subsets. Listed clips that are not among `clips` are left
    out: they were dropped, or are in another part. Raises InputError where the table cannot be read, and where a subset
    has none of the clips.
    """
    if file is None:
        return {}
    try:
        with file.open(encoding="utf-8", newline="") as table:
            rows = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} could not be read ({error}).", "subsets") from error
    if any(not row.get(column) for row in rows for column in COLUMNS) or not rows:
        raise InputError(f"{file} needs a head line and rows with these columns: {', '.join(COLUMNS)}.", "subsets")
    where = {(clip.language, clip.path): i for i, clip in enumerate(clips)}
    found: dict[str, set[int]] = {row["subset"]: set() for row in rows}
    for row in rows:
        index = where.get((row["language"], row["path"]))
        if index is not None:
            found[row["subset"]].add(index)
    for name, indices in found.items():
        if not indices:
            raise InputError(f"{file}: no clip of {name!r} is in the test part. Paths are as in split.tsv.", "subsets")
    return {name: sorted(indices) for name, indices in found.items()}


def rates(named: np.ndarray, labels: Sequence[int], subsets: Mapping[str, Sequence[int]]) -> dict[str, dict]:
    """Accuracy of each subset, as of `lid.evaluation.metrics.rates`, from class indices (clips,) of the test."""
    named, labels = np.asarray(named), np.asarray(labels)
    return {name: metrics.rates(named[list(chosen)], labels[list(chosen)]) for name, chosen in subsets.items()}
