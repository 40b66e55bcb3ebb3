"""The examples, heard once: what the model said of each is kept until the app ends, since neither can change."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from lid.ui.recording import Heard, Opening, Step

LOOKS = 32  # attention pictures kept, of a megabyte each


class Examples:
    """`hear` tells of a file as `recording.hear` does; `look(opening, layer, head)` gives the attention to draw."""

    def __init__(
        self,
        hear: Callable[[Path], Iterator[Step | Heard]],
        look: Callable[[Opening, int, int], tuple[np.ndarray, float]],
    ):
        self._hear, self._look = hear, look
        self._look_once = lru_cache(LOOKS)(look)
        self._heard: dict[Path, Heard] = {}

    def __contains__(self, path: Path) -> bool:
        """Whether it was heard before."""
        return path in self._heard

    def hear(self, path: Path) -> Iterator[Step | Heard]:
        """As `hear` is, the first time; then the Heard of that time."""
        if path not in self._heard:
            for step in self._hear(path):
                if isinstance(step, Heard):
                    self._heard[path] = step
                else:
                    yield step
        yield self._heard[path]

    def look(self, opening: Opening, layer: int, head: int) -> tuple[np.ndarray, float]:
        """As `look` does; of an example's opening once. Visitors' openings are not kept here."""
        ours = any(opening is heard.opening for heard in self._heard.values())
        return (self._look_once if ours else self._look)(opening, layer, head)
