"""Decoder processes, kept for the next file: each reads one file at a time, within the limits of `lid.audio.limits`.

FFmpeg meets hostile files there and not in this process. A worker that passes a limit is ended by the kernel, or from
here where it gives nothing for too long; the file gets a sentence, and the next file another worker. There are as many
as files are read at once, at most MOST; they start on first use, or with `prepare`, and end with this process.
"""

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from typing import cast

import numpy as np

from lid.audio import messages
from lid.audio.limits import (
    CPU_PER_SECOND,
    CPU_SECONDS,
    IDLE_SECONDS,
    SAMPLE_RATE,
    Limits,
    check_size,
    open_file,
    too_costly,
)
from lid.audio.messages import End, Tracks
from lid.errors import InputError

MOST = max(2, os.cpu_count() or 1)
# Paths are this process's: a program may have made `lid` importable in any way.
START = "import sys; sys.path[:] = sys.argv[1:]; from lid.audio.worker import main; main()"
SET_PIPE_SIZE, PIPE_BYTES = 1031, 1024**2  # Linux's F_SETPIPE_SZ: a clip fits, and nobody waits for the other
OVER_THE_LIMIT = ("SIGXCPU", "SIGABRT")  # processor time; libraries abort where they get no memory


class Cost:
    """CPU seconds that files may still take before they give sound: one file with all its tracks, or several together.

    What sound pays for by itself (CPU_PER_SECOND) is not counted.
    """

    def __init__(self, seconds: float = CPU_SECONDS):
        self.left = seconds

    def spend(self, seconds: float) -> None:
        self.left = max(0.0, self.left - max(0.0, seconds))


def decode(
    source: str | os.PathLike | bytes, limits: Limits, cost: Cost, track: int | None = None
) -> Iterator[Tracks | np.ndarray | End]:
    """As `lid.audio.decoding.decode`, in a worker."""
    if isinstance(source, bytes | bytearray | memoryview):
        check_size(len(source), limits)
    else:
        open_file(source, limits).close()  # a worker need not be asked for a file that nobody can open
    worker = _POOL.take()
    try:
        yield from worker.decode(source, limits, cost, track)
    finally:
        _POOL.give_back(worker)


def prepare(count: int = 1) -> None:
    """Start so many workers now, which takes a fifth of a second of another core: before a model is loaded, or before
    visitors come."""
    _POOL.fill(count)


class Worker:
    """One decoder process."""

    def __init__(self) -> None:
        paths = [str(Path(path).resolve()) for path in sys.path]
        one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, *paths],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **one_thread},
            start_new_session=True,  # Ctrl-C is for this process; the worker ends with it
        )
        self._requests, self._answers = cast(FileIO, self._process.stdin), cast(FileIO, self._process.stdout)
        if sys.platform == "linux":
            import fcntl

            for pipe in (self._requests, self._answers):
                with contextlib.suppress(OSError):
                    fcntl.fcntl(pipe, SET_PIPE_SIZE, PIPE_BYTES)
        self.usable = True

    @property
    def pid(self) -> int:
        return self._process.pid

    def decode(
        self, source: str | os.PathLike | bytes, limits: Limits, cost: Cost, track: int | None
    ) -> Iterator[Tracks | np.ndarray | End]:
        self.usable = False  # until the answer is complete
        request = {"limits": asdict(limits), "track": track, "cpu": cost.left}
        if isinstance(source, bytes | bytearray | memoryview):
            kind, payload = messages.DATA, source
        else:
            kind, payload = messages.PATH, os.fsencode(os.path.abspath(source))
        try:
            messages.send(self._requests, messages.REQUEST, json.dumps(request).encode())
            messages.send(self._requests, kind, payload)
            yield from self._answer(cost, track)
        except (EOFError, OSError) as error:
            cost.spend(cost.left)
            raise self._ended() from error

    def _answer(self, cost: Cost, track: int | None) -> Iterator[Tracks | np.ndarray | End]:
        samples = 0
        while True:
            self._wait()
            kind, content = messages.receive(self._answers, messages.MOST_BYTES)
            if kind in (messages.SOUND, messages.PAIR):
                sound = np.frombuffer(content, np.float32).reshape(2 if kind == messages.PAIR else 1, -1)
                samples += sound.shape[1]
                yield sound
                continue
            if kind == messages.FAILED:
                self.usable = True
                raise RuntimeError(f"The decoder failed: {content.decode(errors='replace')}")
            facts = json.loads(content)
            cost.spend(facts.pop("cpu", 0.0) - samples / SAMPLE_RATE * CPU_PER_SECOND)
            if kind == messages.TRACKS:
                tracks = Tracks(**facts)
                self.usable = track is None and len(tracks.numbers) > 1
                yield tracks
            elif kind == messages.END:
                self.usable = True
                yield End(**facts)
            else:
                self.usable = True
                raise InputError(facts["message"], facts["reason"])
            if self.usable:
                return

    def _wait(self) -> None:
        """Until the worker says something. Raises EOFError, and ends it, when that takes too long."""
        if os.name == "posix" and not select.select([self._answers], [], [], IDLE_SECONDS)[0]:
            self._process.send_signal(signal.SIGXCPU)

    def _ended(self) -> Exception:
        """Why the process is gone, for whoever sent the file."""
        self.close()
        code = self._process.returncode
        name = signal.Signals(-code).name if code < 0 else ""
        if name in OVER_THE_LIMIT:
            return too_costly()
        if name == "SIGKILL":  # not by us: by the kernel where memory ran out, or by a person
            return InputError("The decoder was stopped in the middle of this file. Send it again.", "stopped")
        if name:
            return InputError("No sound could be read from this file. Record or export it again.", "unreadable")
        return RuntimeError(f"The decoder process ended with status {code}: see what it printed.")

    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """End the process, if it has not ended by itself."""
        self.usable = False
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)
        self._process.kill()
        self._process.wait()

    def forget(self) -> None:
        """Close the pipes only: the process is that of a process which this one was forked from."""
        for pipe in (self._requests, self._answers):
            pipe.close()
        self._process.returncode = 0


class _Pool:
    """Workers that wait for a file, and how many there are in all."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._waiting: list[Worker] = []
        self._count = 0

    def take(self) -> Worker:
        """A worker for one file; waits while MOST are at work."""
        with self._free:
            while True:
                while self._waiting:
                    worker = self._waiting.pop()
                    if worker.alive():
                        return worker
                    worker.close()
                    self._count -= 1
                if self._count < MOST:
                    self._count += 1
                    break
                self._free.wait()
        return self._start()

    def give_back(self, worker: Worker) -> None:
        if not worker.usable:
            worker.close()
        with self._free:
            if worker.usable:
                self._waiting.append(worker)
            else:
                self._count -= 1
            self._free.notify()

    def fill(self, count: int) -> None:
        with self._free:
            wanted = max(0, min(count, MOST) - self._count)
            self._count += wanted
        for _ in range(wanted):
            self.give_back(self._start())

    def _start(self) -> Worker:
        try:
            return Worker()
        except BaseException:
            with self._free:
                self._count -= 1
                self._free.notify()
            raise

    def close(self) -> None:
        with self._free:
            workers, self._waiting = self._waiting, []
            self._count -= len(workers)
        for worker in workers:
            worker.close()

    def forget(self) -> None:
        for worker in self._waiting:
            worker.forget()
        self.__init__()  # type: ignore[misc]  # the lock may be held by a thread that this process does not have


_POOL = _Pool()
atexit.register(_POOL.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_POOL.forget)
