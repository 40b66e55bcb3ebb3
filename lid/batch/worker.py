"""What one worker process does: it loads the model once, then fetches, decodes and answers one batch after another.

Files of the next recordings are fetched and decoded while one is answered. A recording that ends the process (memory,
a fault in a library) is found out: after a batch was cut off, each of its recordings is announced to `Tries` first, and
one that was announced too often is set aside.
"""

import os
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psutil
import pyarrow as pa
import ray

from lid import audio, runtime
from lid.audio import Limits, Recording
from lid.batch import sharing
from lid.batch.listing import file_system, is_remote, unreachable
from lid.batch.results import SCHEMA
from lid.errors import InputError, as_input_error
from lid.identify import LanguageIdentifier, Prediction, folder_of
from lid.model import checksums
from lid.verdict import is_damaged

MOST_TRIES = 2  # of a recording alone, after it was among those of a batch that was cut off
IN_MEMORY = 64 * 1024**2  # bytes of a file of another machine; larger ones are fetched to the disk
FETCHES = 3  # how often an address is tried
PAUSE = 2.0  # seconds before the second fetch; twice as long before the third
TOGETHER = 600.0  # seconds of audio that a GPU answers at once
WORKER_DIED, STOPPED = "worker_died", "stopped"


@dataclass(frozen=True)
class Task:
    """What all workers do alike. `threads` read files ahead in each of them."""

    model: str
    name: str
    checksum: str
    device: str
    limits: Limits
    threads: int = 1


class Tries:
    """Which batches and recordings were begun, and how often: beside the workers, so that it outlives them."""

    def __init__(self) -> None:
        self._batches: Counter = Counter()
        self._recordings: Counter = Counter()

    def begin_batch(self, batch: bytes) -> int:
        self._batches[batch] += 1
        return self._batches[batch]

    def end_batch(self, batch: bytes) -> None:
        del self._batches[batch]

    def begin(self, path: bytes) -> int:
        self._recordings[path] += 1
        return self._recordings[path]

    def end(self, path: bytes) -> None:
        del self._recordings[path]


@dataclass
class _Read:
    """A file that was read: a recording, or why there is none. `seconds` on the clock. `parts` are what several workers
    heard of it, if it was shared among them."""

    path: bytes
    size: int | None
    recording: Recording | None = None
    error: InputError | None = None
    seconds: float = 0.0
    parts: list[sharing.Part] | None = None


class Worker:
    """The callable that Ray Data keeps in each worker process. `tries` and `shelf` are handles of one `Tries` and one
    `sharing.Shelf` for all of them."""

    def __init__(self, task: Task, tries: Any, shelf: Any):
        runtime.use_threads(1)
        runtime.spare_memory()
        self._task, self._tries, self._shelf = task, tries, shelf
        self._on_gpu = task.device != "cpu"
        precision = _precision(task.device) if self._on_gpu else "float32"
        self._identifier = LanguageIdentifier.load(task.model, task.device, precision)
        if checksums.of(folder_of(task.model)) != task.checksum:
            raise InputError(f"{task.model} is another model on the machine {os.uname().nodename}.", "model")
        self._pool = ThreadPoolExecutor(task.threads)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """A batch of paths and sizes -> a row of `SCHEMA` for each. `part` and `of`, in each row, tell which part of a
        shared recording is meant; the row of such a one comes from the worker that hears its last part."""
        files = list(zip(batch["path"].to_pylist(), batch["size"].to_pylist(), strict=True))
        part, of = batch["part"][0].as_py(), batch["of"][0].as_py()
        name = _part_name(files[0][0], part)  # a recording, or a part of it, is in one batch only
        before = _cpu_seconds()
        cut_off = ray.get(self._tries.begin_batch.remote(name)) > 1
        if of > 1:
            rows, elsewhere = self._part(*files[0], part, of, cut_off)
        else:
            rows, elsewhere = self._one_by_one(files) if cut_off else self._answers(files), 0.0
        _share(rows, "cpu_seconds", _cpu_seconds() - before + elsewhere)
        self._tries.end_batch.remote(name)
        return pa.Table.from_pylist(rows, schema=SCHEMA)

    def _answers(self, files: list[tuple[bytes, int | None]]) -> list[dict]:
        rows: list[dict] = []
        group: list[_Read] = []
        for read in self._read_ahead(files):
            group.append(read)
            if not self._on_gpu or sum(one.recording.seconds for one in group if one.recording) >= TOGETHER:
                rows += self._answer(group)
                group = []
        return rows + self._answer(group)

    def _one_by_one(self, files: list[tuple[bytes, int | None]]) -> list[dict]:
        """A worker was lost in the midst of this batch."""
        rows = []
        for path, size in files:
            rows += self._answer([self._announced(path, path, size)])
            self._tries.end.remote(path)
        return rows

    def _announced(self, name: bytes, path: bytes, size: int | None) -> _Read:
        """A file that is read after its name was announced, unless that was too often."""
        if ray.get(self._tries.begin.remote(name)) > MOST_TRIES:
            died = InputError(f"This recording ended its worker process {MOST_TRIES + 1} times.", WORKER_DIED)
            return _Read(path, size, error=died)
        return self._read(path, size)

    def _part(self, path: bytes, size: int | None, part: int, of: int, cut_off: bool) -> tuple[list[dict], float]:
        """Hear a part of a recording. Its row, from the last part's worker, and the CPU seconds of the others; no row
        from the others."""
        began, before = time.perf_counter(), _cpu_seconds()
        name = _part_name(path, part)
        read = self._announced(name, path, size) if cut_off else self._read(path, size)
        windows = {}
        try:
            if read.recording:
                windows = sharing.hear(self._identifier, read.recording, part, of)
        except Exception as error:
            read.recording, read.error = None, as_input_error(error)
        error = (str(read.error), read.error.reason) if read.error else None
        own = sharing.Part(windows, error, time.perf_counter() - began, _cpu_seconds() - before)
        read.parts = ray.get(self._shelf.put.remote(path, part, of, own))
        rows, elsewhere = [], 0.0
        if read.parts is not None:
            for failed in (one.error for one in read.parts if one.error):
                read.recording, read.error = None, InputError(*failed)
            read.seconds = sum(one.seconds for one in read.parts)
            rows, elsewhere = self._answer([read]), sum(one.cpu_seconds for one in read.parts) - own.cpu_seconds
        self._tries.end.remote(name)
        return rows, elsewhere

    def _read_ahead(self, files: list[tuple[bytes, int | None]]) -> Iterator[_Read]:
        """In order; no more wait than there are threads."""
        waiting: deque[Future[_Read]] = deque()
        for file in files:
            waiting.append(self._pool.submit(self._read, *file))
            if len(waiting) > self._task.threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _read(self, path: bytes, size: int | None) -> _Read:
        began = time.perf_counter()
        read = _Read(path, size)
        for left in reversed(range(MOST_TRIES)):
            try:
                read.size, read.recording = _fetch(os.fsdecode(path), size, self._task.limits)
            except Exception as error:
                read.error = as_input_error(error)
                if read.error.reason == STOPPED and left:  # the system ended the decoder: perhaps for another's memory
                    continue
            break
        read.seconds = time.perf_counter() - began
        return read

    def _answer(self, group: list[_Read]) -> list[dict]:
        began = time.perf_counter()
        told = self._identify(group)
        seconds = time.perf_counter() - began
        rows = [
            {
                "path": display(read.path),
                "size": read.size,
                **one,
                "model": self._task.name,
                "checksum": self._task.checksum,
            }
            for read, one in zip(group, told, strict=True)
        ]
        _share(rows, "seconds", seconds)
        if self._on_gpu:
            _share(rows, "gpu_seconds", seconds)
        for read, row in zip(group, rows, strict=True):
            row["seconds"] = round(row["seconds"] + read.seconds, 4)
            read.recording = None
        return rows

    def _identify(self, group: list[_Read]) -> list[dict]:
        """What is said of each: its prediction, or its error."""
        try:
            predictions = iter(self._predictions(group))
            return [
                next(predictions).to_dict(is_damaged(read.recording)) if read.recording else _refusal(read.error)
                for read in group
            ]
        except Exception as error:
            if len(group) == 1:
                return [_refusal(as_input_error(error))]
            return [self._identify([read])[0] for read in group]

    def _predictions(self, group: list[_Read]) -> list[Prediction]:
        """Of those that could be read."""
        if group[0].recording and group[0].parts is not None:  # it is alone
            return [sharing.answer(self._identifier, group[0].recording, group[0].parts)]
        recordings = [read.recording for read in group if read.recording]
        return self._identifier.identify_batch(recordings, self._task.threads if self._on_gpu else 1)


def _part_name(path: bytes, part: int) -> bytes:
    return b"%b/%d" % (path, part)


def _precision(device: str) -> str:
    import torch

    from lid.model.precision import supports_bf16

    return "bfloat16" if supports_bf16(torch.device(device)) else "float16"


def display(path: bytes) -> str:
    """A path as it is written in a row: what is not UTF-8 in it as escapes."""
    return path.decode(errors="backslashreplace")


def _refusal(error: InputError | None) -> dict:
    return {"error": str(error), "reason": error.reason if error else None}


def _fetch(path: str, size: int | None, limits: Limits) -> tuple[int | None, Recording]:
    """A file's size in bytes and what is in it. Raises InputError, with the reason "unreachable" where it is the way to
    the file that fails."""
    if not is_remote(path):
        return size, audio.read(path, limits)
    files, inside = file_system(path)
    for number in range(FETCHES):
        try:
            size = files.size(inside) if size is None else size
            if size is None or size <= IN_MEMORY:
                content = files.cat_file(inside)
                return len(content), audio.read(content, limits)
            if size > limits.max_bytes:
                raise InputError(f"This file has {size / 1e6:.0f} MB, more than is read.", "too_large")
            with tempfile.NamedTemporaryFile() as copy:
                files.get_file(inside, copy.name)
                return size, audio.read(copy.name, limits)
        except InputError:
            raise
        except (FileNotFoundError, PermissionError) as error:
            raise unreachable(path, error) from error
        except Exception as error:
            if number == FETCHES - 1:
                raise unreachable(path, error) from error
            time.sleep(PAUSE * 2**number)
    raise AssertionError("not reached")


def _share(rows: list[dict], column: str, seconds: float) -> None:
    """Divide what rows cost together by how long their audio is."""
    lengths = [row.get("duration_seconds") or 0.0 for row in rows]
    whole = sum(lengths)
    for row, length in zip(rows, lengths, strict=True):
        row[column] = round(seconds * (length / whole if whole else 1 / len(rows)), 4)


def _cpu_seconds() -> float:
    """What this process and its decoders have used."""
    me = psutil.Process()
    total = sum(me.cpu_times()[:4])  # its own, and of children that ended
    for child in me.children():
        try:
            total += sum(child.cpu_times()[:2])
        except psutil.Error:
            continue
    return total
