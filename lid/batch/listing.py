"""What `lid batch` is given -> the recordings it means: one address and size after another, never all at once.

An address is a path of this machine, or whatever fsspec opens: s3://, gs://, hf://, https://. A folder means every file
under it whose name does not begin with a dot.
"""

import csv
import glob
import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from lid.errors import InputError

LISTS = (".txt", ".list")  # one address a line
TABLES = (".parquet", ".jsonl", ".ndjson", ".csv", ".tsv")  # with a column of addresses
ROWS = 10_000  # of a Parquet file at once
MAGIC = "*?["


class Found(NamedTuple):
    """A recording, not opened yet. `size` in bytes; None where nobody said it."""

    path: str
    size: int | None


def recordings(source: str, column: str = "path") -> Iterator[Found]:
    """The recordings that `source` means: a folder, a glob, a list of addresses, a table with a `column` of them, or a
    recording. Addresses in a list or table are relative to its own folder; a table may give a column `size`, in bytes.

    Raises InputError when `source` cannot be read.
    """
    source = source.removeprefix("file://")
    try:
        if source.lower().endswith(LISTS + TABLES):
            yield from _listed(source, column)
        elif is_remote(source):
            yield from _remote(source)
        else:
            yield from _local(source)
    except InputError:
        raise
    except Exception as error:  # what fsspec's many file systems raise has nothing in common
        raise unreachable(source, error) from error


def is_remote(address: str) -> bool:
    return "://" in address


def file_system(address: str) -> tuple[Any, str]:
    """fsspec's file system of an address, and the address as that writes it. Raises InputError where there is none."""
    import fsspec

    try:
        return fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise InputError(f"{address} cannot be opened here: {error}. (pip install)", "input") from error


def unreachable(address: str, error: Exception) -> InputError:
    """The sentence for an address that could not be read or written."""
    what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    about = f"{address} cannot be reached ({what})."
    if isinstance(error, FileNotFoundError):
        return InputError(f"There is nothing at {address}.", "missing")
    if isinstance(error, PermissionError) or "credential" in what.lower():
        about += (
            " Give the credentials of an account that may do so as its own tools take them: for s3:// in "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile; for a public bucket set FSSPEC_S3_ANON=true."
        )
    return InputError(about, "unreachable")


def _local(source: str) -> Iterator[Found]:
    path = os.path.abspath(source)
    if os.path.isdir(path):
        yield from _walk(path)
    elif os.path.exists(path):
        yield _stat(path)
    elif any(sign in source for sign in MAGIC):
        yield from (_stat(name) for name in glob.iglob(path, recursive=True) if not os.path.isdir(name))
    else:
        raise FileNotFoundError(path)


def _walk(folder: str) -> Iterator[Found]:
    """Like os.walk, but a folder of millions is never held as a list."""
    folders = [folder]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    yield _stat(entry.path)


def _stat(path: str) -> Found:
    try:
        return Found(path, os.stat(path).st_size)
    except OSError:  # whoever opens it says why
        return Found(path, None)


def _remote(source: str) -> Iterator[Found]:
    files, path = file_system(source)
    if any(sign in path for sign in MAGIC):
        listings = [files.glob(path, detail=True)]
    elif files.isfile(path):
        listings = [{path: files.info(path)}]
    else:
        listings = (found for _, _, found in files.walk(path, detail=True, on_error="raise"))
    for listing in listings:
        for name, facts in listing.items():
            address = files.unstrip_protocol(facts.get("name") or name)
            if facts["type"] == "file" and not address.rpartition("/")[2].startswith("."):
                yield Found(address, facts.get("size"))


def _listed(source: str, column: str) -> Iterator[Found]:
    """The addresses in a list or table."""
    import fsspec

    base = source.rpartition("/")[0] if is_remote(source) else os.path.dirname(os.path.abspath(source))
    binary = source.lower().endswith(".parquet")
    options: dict[str, Any] = {} if binary else {"encoding": "utf-8-sig", "errors": "surrogateescape", "newline": ""}
    with fsspec.open(source, "rb" if binary else "r", **options) as file:
        for address, size in _rows(file, source, column):
            if not is_remote(address):
                address = f"{base}/{address}" if is_remote(base) else os.path.join(base, address)
            yield Found(address, size) if size is not None or is_remote(address) else _stat(os.path.abspath(address))


def _rows(file: Any, source: str, column: str) -> Iterator[tuple[str, int | None]]:
    if source.lower().endswith(LISTS):
        yield from ((line.strip("\r\n"), None) for line in file if line.strip())
        return
    for number, row in enumerate(_records(file, source, column), 1):
        address = row.get(column)
        if not isinstance(address, str) or not address:
            raise InputError(
                f"{source} has no address in the column {column} of row {number}. --column names another; there are: "
                f"{', '.join(map(str, row))}.",
                "input",
            )
        size = row.get("size")
        yield address, int(size) if size not in (None, "") else None


def _records(file: Any, source: str, column: str) -> Iterator[dict]:
    kind = source.lower().rpartition(".")[2]
    if kind == "parquet":
        from pyarrow import parquet

        table = parquet.ParquetFile(file)
        names = table.schema_arrow.names
        wanted = [name for name in (column, "size") if name in names] if column in names else names
        for batch in table.iter_batches(ROWS, columns=wanted):
            yield from batch.to_pylist()
    elif kind in ("csv", "tsv"):
        yield from csv.DictReader(file, delimiter="\t" if kind == "tsv" else ",")
    else:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _object(line, f"line {number} of {source}")


def _object(line: str, place: str) -> dict:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise InputError(f"{place} is not JSON ({error}).", "input") from error
    if not isinstance(found, dict):
        raise InputError(f"{place} is not a JSON object.", "input")
    return found
