"""A long recording on several workers: each decodes all of it and hears some of its windows, and the last one answers.

So the row is what one worker alone would write. Decoding and finding speech, a small part of the work, is done by each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lid.audio import Recording
from lid.features import FRAME_SAMPLES
from lid.identify import Heard, LanguageIdentifier, Model, Prediction


@dataclass(frozen=True)
class Part:
    """What one worker heard: windows by their number in the recording; or why it heard none, sentence and reason. What
    that took is in seconds."""

    windows: dict[int, Heard] = field(default_factory=dict)
    error: tuple[str, str] | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class Shelf:
    """The parts that were heard: beside the workers, so that it outlives them."""

    def __init__(self) -> None:
        self._parts: dict[bytes, dict[int, Part]] = {}
        self._last: dict[bytes, int] = {}

    def put(self, path: bytes, number: int, of: int, part: Part) -> list[Part] | None:
        """All parts, for the one that came last, also where its worker is lost and it comes again."""
        parts = self._parts.setdefault(path, {})
        parts[number] = part
        if len(parts) == of and self._last.setdefault(path, number) == number:
            return list(parts.values())
        return None


def hear(identifier: LanguageIdentifier, recording: Recording, number: int, of: int) -> dict[int, Heard]:
    """The windows of part `number`, from 0, `of` how many."""
    windows = _Windows(identifier.model, {}, lambda window: window % of == number)
    identifier.identify_heard_by(recording, windows)
    return windows.heard


def answer(identifier: LanguageIdentifier, recording: Recording, parts: Sequence[Part]) -> Prediction:
    """What `identify` says, by what was heard in all parts."""
    heard = {window: one for part in parts for window, one in part.windows.items()}
    return identifier.identify_heard_by(recording, _Windows(identifier.model, heard, lambda window: True))


class _Windows:
    """Hears windows, and numbers them as they are asked for. One that is `heard` already is not heard again. One that
    is not `wanted` is zeros: whoever leaves windows out does not look at the answer."""

    def __init__(self, model: Model, heard: dict[int, Heard], wanted: Callable[[int], bool]):
        self.heard = heard
        self._model, self._wanted, self._asked = model, wanted, 0

    def __call__(self, windows: Sequence[np.ndarray]) -> list[Heard]:
        return [self._hear(window) for window in windows]

    def _hear(self, window: np.ndarray) -> Heard:
        number, self._asked = self._asked, self._asked + 1
        if number not in self.heard and self._wanted(number):
            (self.heard[number],) = self._model.hear_all([window])
        if number in self.heard:
            return self.heard[number]
        frames, labels = len(window) // FRAME_SAMPLES, len(self._model.labels)
        return np.zeros((frames, labels), np.float32), np.zeros(self._model.width, np.float32)
