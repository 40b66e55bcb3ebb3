"""Rows of answers, one a recording, and the folder they are written to: so that a run killed anywhere can go on.

Only one process writes, the one that was started by hand; and it writes a file in one move, or one request. So whatever
is there is whole, and what is not there is still to be done. Nothing else is kept of a run's progress.
"""

import errno
import io
import json
import os
import socket
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from hashlib import blake2b
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from lid.batch.listing import file_system, is_remote, unreachable
from lid.errors import InputError
from lid.languages import CODES

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

FORMAT = 1  # of the folder
LOCK = ".lock"
ABOUT, RUN, SUMMARY = "_lid.json", "_run.json", "_summary.json"  # readers of Parquet folders leave out names with _
PART = "part-"
PARTIAL = ".partial"

_PROBABILITIES = pa.struct([(code, pa.float64()) for code in CODES])
_SOUNDS_LIKE = pa.struct([("language", pa.string()), ("probability", pa.float64())])
_SAID = [
    ("verdict", pa.string()),
    ("languages", pa.list_(pa.string())),
    ("language", pa.string()),
    ("probabilities", _PROBABILITIES),
    ("known", pa.bool_()),
    ("known_score", pa.float64()),
    ("sounds_like", _SOUNDS_LIKE),
]
_ENTRY = [("start", pa.float64()), ("end", pa.float64()), ("probabilities", _PROBABILITIES), ("channel", pa.int32())]
_CHANNELS = [("kind", pa.string()), ("heard", pa.list_(pa.int32())), ("of", pa.int32())]
SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("size", pa.int64()),  # bytes
        *_SAID,
        ("duration_seconds", pa.float64()),
        ("speech_seconds", pa.float64()),
        ("damaged", pa.bool_()),
        ("timeline", pa.list_(pa.struct(_ENTRY))),
        ("track", pa.struct([("number", pa.int32()), ("of", pa.int32())])),
        ("channels", pa.struct(_CHANNELS)),
        ("speakers", pa.list_(pa.struct([("channel", pa.int32()), *_SAID, ("speech_seconds", pa.float64())]))),
        ("error", pa.string()),  # a sentence, where there is no answer
        ("reason", pa.string()),  # its short code
        ("model", pa.string()),
        ("checksum", pa.string()),  # of the model
        ("seconds", pa.float64()),  # on the clock, from fetching to answering
        ("cpu_seconds", pa.float64()),
        ("gpu_seconds", pa.float64()),
    ]
)
COUNTED = ["path", "languages", "verdict", "reason", "duration_seconds", "cpu_seconds", "gpu_seconds"]
# What JSON leaves out where there is nothing to say, as `lid --json` does.
OPTIONAL = ("track", "channels", "speakers", "error", "reason", "cpu_seconds", "gpu_seconds", "channel")


class Output:
    """The folder of a run's rows: at an address of this machine or of fsspec."""

    def __init__(self, address: str, about: dict[str, Any], suffix: str = ".parquet"):
        """`about` is what all rows have in common: "model", "checksum", "version". Raises InputError when the folder
        cannot be written, holds rows of something else, or another run on this machine is writing there."""
        self.address = address.removeprefix("file://").rstrip("/")
        self._files: Any = None
        self._folder = self.address if is_remote(self.address) else os.path.abspath(self.address)
        if is_remote(self.address):
            self._files, self._folder = file_system(self.address)
        self._suffix = suffix
        self._about = {"format": FORMAT, **about, "rows": suffix.lstrip(".")}
        self._run = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
        self._number = 0
        self._open()

    def _open(self) -> None:
        if not self._files:
            self._guard(os.makedirs, self._folder, exist_ok=True)
        if (found := self._json(ABOUT)) is not None:
            self._compare(found)
        elif self.parts():
            raise InputError(f"{self.address} holds parts of something else. Give another --output.", "output")
        if not self._files:
            self._lock = _locked(self._folder)
            self._remove_partial()
        self._write(RUN, _as_json({"run": self._run, "host": socket.gethostname(), "process": os.getpid()}))
        self._write(ABOUT, _as_json(self._about))

    def _compare(self, found: dict) -> None:
        if found == self._about:
            return
        differing = [key for key in self._about if found.get(key) != self._about[key]]
        there, here = (", ".join(f"{key} {str(of.get(key))[:40]}" for key in differing) for of in (found, self._about))
        raise InputError(
            f"{self.address} holds rows of another kind: {there}; this run has {here}. To go on there, run with the "
            "same model, version of lid and form of rows; to begin anew, give another --output.",
            "output",
        )

    def parts(self) -> list[str]:
        """The names of the files with rows, in order."""
        try:
            if not self._files:
                names = os.listdir(self._folder)
            elif self._files.exists(self._folder):
                names = [str(name).rpartition("/")[2] for name in self._files.ls(self._folder, detail=False)]
            else:
                names = []
        except Exception as error:
            raise unreachable(self.address, error) from error
        return sorted(name for name in names if name.startswith(PART) and not name.endswith(PARTIAL))

    def tables(self, columns: list[str] | None = None) -> Iterator[tuple[str, pa.Table]]:
        """Each file's name and rows, all columns by default."""
        for name in self.parts():
            content = self._read(name)
            yield name, self._parse(name, content, columns)

    def write(self, rows: pa.Table) -> None:
        """Write rows as the next file. Raises InputError when there is no room, or another run took over."""
        if (found := self._json(RUN)) is None or found["run"] != self._run:
            raise InputError(f"Another run has begun to write to {self.address}; this one ends.", "output")
        self._write(f"{PART}{self._run}-{self._number:06}{self._suffix}", self._content(rows))
        self._number += 1

    def write_summary(self, told: dict) -> None:
        self._write(SUMMARY, _as_json(told))

    def drop_errors(self) -> int:
        """Take out the rows that have an error, so that they are tried again; how many these were."""
        dropped = 0
        for name, rows in self.tables():
            kept = rows.filter(pc.is_null(rows["error"]))
            dropped += len(rows) - len(kept)
            if not len(kept):
                self._guard(self._files.rm_file if self._files else os.remove, self._place(name))
            elif len(kept) < len(rows):
                self._write(name, self._content(kept))
        return dropped

    def _content(self, rows: pa.Table) -> bytes:
        if self._suffix == ".jsonl":
            return "".join(f"{as_line(row)}\n" for row in rows.to_pylist()).encode()
        buffer = io.BytesIO()
        parquet.write_table(rows, buffer, compression="zstd")
        return buffer.getvalue()

    def _parse(self, name: str, content: bytes, columns: list[str] | None) -> pa.Table:
        try:
            if name.endswith(".jsonl"):
                rows = pa.Table.from_pylist([json.loads(line) for line in content.splitlines()], schema=SCHEMA)
                return rows.select(columns) if columns else rows
            return parquet.read_table(io.BytesIO(content), columns=columns)
        except (pa.ArrowException, ValueError) as error:
            raise InputError(
                f"{self.address}/{name} is damaged ({error}). Delete it: its recordings are then answered again.",
                "output",
            ) from error

    def _place(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def _json(self, name: str) -> dict | None:
        try:
            return json.loads(self._read(name))
        except InputError as error:
            if error.reason == "missing":
                return None
            raise
        except ValueError as error:
            raise InputError(f"{self.address}/{name} is damaged. Give another --output.", "output") from error

    def _read(self, name: str) -> bytes:
        try:
            if self._files:
                return self._files.cat_file(self._place(name))
            with open(self._place(name), "rb") as file:
                return file.read()
        except Exception as error:
            raise unreachable(f"{self.address}/{name}", error) from error

    def _write(self, name: str, content: bytes) -> None:
        self._guard(self._files.pipe_file if self._files else _replace, self._place(name), content)

    def _guard(self, work: Any, *arguments: Any, **options: Any) -> None:
        try:
            work(*arguments, **options)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise InputError(
                    f"There is no room left at {self.address}. All rows written before are whole: make room, and the "
                    "same command goes on from there.",
                    "full",
                ) from error
            raise unreachable(self.address, error) from error
        except Exception as error:
            raise unreachable(self.address, error) from error

    def _remove_partial(self) -> None:
        """What a killed run left half written."""
        if not self._files:
            for name in os.listdir(self._folder):
                if name.endswith(PARTIAL):
                    os.remove(self._place(name))


class Seen:
    """Which addresses were met before, in eight bytes each. Two addresses of a hundred million are taken for one with a
    probability of 1 in 3,700, of a million with 1 in 37 million."""

    def __init__(self) -> None:
        self._sorted = np.zeros(0, np.uint64)

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, paths: list[str]) -> list[bool]:
        """Whether each address is new: not added before, nor earlier in `paths`."""
        digests, first = np.unique(np.array([_digest(path) for path in paths], np.uint64), return_index=True)
        places = np.searchsorted(self._sorted, digests)
        inside = places < len(self._sorted)
        known = np.zeros(len(digests), bool)
        known[inside] = self._sorted[places[inside]] == digests[inside]
        self._sorted = np.insert(self._sorted, places[~known], digests[~known])
        new = np.zeros(len(paths), bool)
        new[first[~known]] = True
        return new.tolist()


def as_line(row: dict) -> str:
    """A row as one line of JSON, as `lid --json` would write it."""
    return json.dumps(_without_empty(row), ensure_ascii=False)


def _without_empty(told: Any) -> Any:
    if isinstance(told, list):
        return [_without_empty(one) for one in told]
    if not isinstance(told, dict):
        return told
    empty = set(OPTIONAL) if told.get("error") is None else set(told)  # without an answer there is nothing to say
    return {key: _without_empty(value) for key, value in told.items() if value is not None or key not in empty}


def _digest(path: str) -> int:
    return int.from_bytes(blake2b(path.encode(), digest_size=8).digest(), "little")


def _as_json(told: dict) -> bytes:
    return (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode()


def _replace(place: str, content: bytes) -> None:
    partial = os.path.join(os.path.dirname(place), f".{os.path.basename(place)}{PARTIAL}")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, place)
    except OSError:
        if os.path.exists(partial):
            os.remove(partial)
        raise


def _locked(folder: str) -> Any:
    """A file that nobody else has locked; the lock ends with this process. Raises InputError where somebody has it."""
    file = open(os.path.join(folder, LOCK), "w")  # noqa: SIM115 - held for as long as the run
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise InputError(
                    f"Another run is writing to {folder}. Wait for it, or give another --output.", "output"
                ) from error
    return file
