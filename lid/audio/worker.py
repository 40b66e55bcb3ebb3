"""The decoder process: it reads requests from its standard input and writes sound to its standard output.

Whatever a hostile file does to FFmpeg happens here, within limits that the kernel keeps: address space, processor time,
no file written. Where the system has no such limits (Windows) the process works without them.
"""

import contextlib
import json
import math
import os
import time
from dataclasses import asdict
from io import FileIO
from types import ModuleType

from lid.audio import decoding, messages
from lid.audio.limits import CPU_PER_SECOND, MEMORY_BYTES, SAMPLE_RATE, Limits, too_costly
from lid.errors import InputError

resource: ModuleType | None
try:
    import resource
except ImportError:
    resource = None


def main() -> None:
    """Answer requests until the other side closes its end."""
    requests, answers = FileIO(0), FileIO(os.dup(1), "w")
    os.dup2(2, 1)  # what prints must not print where messages go
    process = Process()
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            _answer(requests, answers, process)


def _answer(requests: FileIO, answers: FileIO, process: "Process") -> None:
    _, said = messages.receive(requests)
    kind, payload = messages.receive(requests)
    request = json.loads(said)
    process.begin(request["cpu"], len(payload))
    try:
        source = bytes(payload) if kind == messages.DATA else os.fsdecode(bytes(payload))
        del payload
        for part in decoding.decode(source, Limits(**request["limits"]), request["track"]):
            if isinstance(part, messages.Tracks):
                several = request["track"] is None and len(part.numbers) > 1
                cost = {"cpu": process.spent()} if several else {}  # nothing follows
                messages.send(answers, messages.TRACKS, json.dumps({**asdict(part), **cost}).encode())
            elif isinstance(part, messages.End):
                _tell(answers, messages.END, process, **asdict(part))
            else:
                process.earn(part.shape[1])
                messages.send(answers, messages.PAIR if len(part) == 2 else messages.SOUND, part.tobytes())
    except (InputError, MemoryError) as error:
        told = error if isinstance(error, InputError) else too_costly()
        _tell(answers, messages.REFUSED, process, message=str(told), reason=told.reason)
    except BrokenPipeError:
        raise
    except Exception as error:
        messages.send(answers, messages.FAILED, f"{type(error).__name__}: {error}".encode(errors="replace"))


def _tell(answers: FileIO, kind: bytes, process: "Process", **facts) -> None:
    messages.send(answers, kind, json.dumps({**facts, "cpu": process.spent()}).encode())


class Process:
    """The limits of this process, as far as the system has them."""

    def __init__(self) -> None:
        self._mapped = _mapped_bytes()
        self._began = self._until = 0.0
        _limit("RLIMIT_FSIZE", 0)
        _limit("RLIMIT_CORE", 0)

    def begin(self, cpu: float, payload: int) -> None:
        """A file begins, which may take so many seconds before it gives sound. It holds `payload` bytes itself: twice,
        for a moment."""
        self._began = time.process_time()
        self._until = self._began + cpu
        _limit("RLIMIT_CPU", math.ceil(self._until))  # whole seconds
        if self._mapped:
            _limit("RLIMIT_AS", self._mapped + 2 * payload + MEMORY_BYTES)

    def earn(self, samples: int) -> None:
        """Sound at 16 kHz has come out of the file: it may go on for longer."""
        self._until += samples / SAMPLE_RATE * CPU_PER_SECOND
        _limit("RLIMIT_CPU", math.ceil(self._until))

    def spent(self) -> float:
        """CPU seconds since the file was begun."""
        return time.process_time() - self._began


def _limit(name: str, value: int) -> None:
    """Set a soft limit: it moves with each file."""
    if resource is None:
        return
    with contextlib.suppress(AttributeError, ValueError, OSError):  # the system has none, or a lower one already
        kind = getattr(resource, name)
        resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))


def _mapped_bytes() -> int:
    """Address space in use; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
