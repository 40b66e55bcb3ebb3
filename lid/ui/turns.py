"""The model works for everybody in turns of one window each, so that a long recording holds up nobody."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

Step = TypeVar("Step")


class Turns:
    """Whoever has waited longest is next (first in, first out, which threading.Lock does not promise)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for a turn; it is over when the block ends."""
        self._take()
        try:
            yield
        finally:
            self._give()

    def each(self, steps: Iterator[Step]) -> Iterator[Step]:
        """The same steps, each made in a turn of its own. Closing this closes `steps`."""
        try:
            while True:
                with self.taken():
                    try:
                        step = next(steps)
                    except StopIteration:
                        return
                yield step
        finally:
            if hasattr(steps, "close"):
                steps.close()

    def _take(self) -> None:
        mine = threading.Event()
        with self._lock:
            if not self._taken and not self._waiting:
                self._taken = True
                return
            self._waiting.append(mine)
        mine.wait()

    def _give(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()  # the turn goes straight to the next
            else:
                self._taken = False
