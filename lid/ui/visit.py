"""What the server remembers of a visitor: what was asked last, and little more.

Gradio keeps one Visit for each session. An action begins with `begin`, which no queue holds up; whatever was under way
before then finds that it is no longer the newest, and shows nothing more.

It ends only when the newer task has been taken up: Gradio closes a session's stream of answers with its last call, and
a call that is just on its way then would never be answered.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from lid.identify import Prediction
from lid.ui.recording import FirstSegment
from lid.ui.table import Row

Update = TypeVar("Update")
MOST_KNOWN = 200  # recordings of one visitor
HANDOVER_SECONDS = 3.0  # the longest that what was stopped waits for what comes after it


@dataclass(frozen=True)
class Task:
    """Something to be analysed: `kind` says by which of the page's functions, with which arguments."""

    kind: str
    arguments: tuple = ()


class Visit:
    """`newest` counts the visitor's actions. `first_segment` belongs to the answer that is shown; `rows` are those of
    the table. `known` are the recordings that may be asked for again, by what the page calls them: path and name."""

    def __init__(self) -> None:
        self.newest = 0
        self.task: Task | None = None
        self.first_segment: FirstSegment | None = None
        self.rows: list[Row] = []
        self.known: dict[str, tuple[str | Path, str]] = {}
        self._lock = threading.Lock()
        self._taken = threading.Event()

    def begin(self, task: Task | None = None) -> None:
        """The visitor's newest action. Without a task it only stops what is under way."""
        with self._lock:
            self.newest += 1
            self.task = task
            self.first_segment = None
            (self._taken.clear if task else self._taken.set)()

    def remember(self, path: str | Path, name: str) -> str:
        """What the page calls a recording from now on. A visitor's oldest recordings are forgotten."""
        key = path if isinstance(path, str) else path.name  # an example's folder is nobody's business
        self.known[key] = (path, name)
        while len(self.known) > MOST_KNOWN:
            del self.known[next(iter(self.known))]
        return key

    def take(self) -> tuple[Task | None, int]:
        """The task that waits, if nobody has taken it yet, and the number of the action it belongs to."""
        with self._lock:
            task, self.task = self.task, None
            self._taken.set()
            return task, self.newest

    def while_newest(self, action: int, updates: Iterator[Update]) -> Iterator[Update]:
        """The updates for as long as no newer action has begun. Closing this closes `updates`."""
        try:
            for update in updates:
                if self.newest != action:
                    self._taken.wait(HANDOVER_SECONDS)
                    return
                yield update
        finally:
            if hasattr(updates, "close"):
                updates.close()

    def __deepcopy__(self, memo: dict) -> "Visit":
        return Visit()  # Gradio copies a State's first value for each visitor; a lock cannot be copied


def light(prediction: Prediction) -> Prediction:
    """A prediction without what only pictures need: a row of a table takes kilobytes."""
    empty: dict[str, Any] = {"frame_logits": np.zeros((0, 3), np.float32), "frame_starts": np.zeros(0)}
    return replace(prediction, **empty, speakers=tuple(light(one) for one in prediction.speakers))
