"""The examples are identified once; their results are kept until the app ends, because they never change."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from lid.ui.recording import FirstSegment, ProgressUpdate, RecordingResult

MAX_ATTENTION_PICTURES = 32  # kept, of a megabyte each


class Examples:
    """`analyse(path)` works as `recording.analyse`; `attention(first_segment, layer, head)` gives the weights to
    draw."""

    def __init__(
        self,
        analyse: Callable[[Path], Iterator[ProgressUpdate | RecordingResult]],
        attention: Callable[[FirstSegment, int, int], tuple[np.ndarray, float]],
    ):
        self._analyse, self._attention = analyse, attention
        self._attention_once = lru_cache(MAX_ATTENTION_PICTURES)(attention)
        self._results: dict[Path, RecordingResult] = {}

    def __contains__(self, path: Path) -> bool:
        """Whether its result is kept."""
        return path in self._results

    def analyse(self, path: Path) -> Iterator[ProgressUpdate | RecordingResult]:
        """The first time, everything that `analyse` gives; after that, the RecordingResult alone."""
        if path not in self._results:
            for update in self._analyse(path):
                if isinstance(update, RecordingResult):
                    self._results[path] = update
                else:
                    yield update
        yield self._results[path]

    def attention(self, first_segment: FirstSegment, layer: int, head: int) -> tuple[np.ndarray, float]:
        """What `attention` gives. Of an example it is computed once; of a visitor's recording nothing is kept."""
        ours = any(first_segment is result.first_segment for result in self._results.values())
        return (self._attention_once if ours else self._attention)(first_segment, layer, head)
