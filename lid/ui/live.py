"""Live mode: the last seconds of a visitor's speech, and when to identify them again."""

from dataclasses import dataclass, field

import numpy as np

from lid.audio import SAMPLE_RATE
from lid.ui.settings import LIVE_EVERY, LIVE_SECONDS


@dataclass
class Buffer:
    """The last LIVE_SECONDS of a microphone: int16 (samples,) at 16 kHz, so that a visitor takes under a megabyte."""

    samples: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int16))
    answered: float = -np.inf  # when the last answer was started, in seconds of the clock given to `due`
    language: str = ""  # of the page; only the first piece of a stream carries it

    def add(self, waveform: np.ndarray) -> None:
        """Append what the microphone sent, float32 (samples,) at 16 kHz, in [-1, 1]."""
        new = (waveform * 32767).astype(np.int16)
        self.samples = np.concatenate([self.samples, new])[-LIVE_SECONDS * SAMPLE_RATE :]

    def due(self, now: float) -> bool:
        """Whether there is enough sound, and the last answer is long enough ago. `now` is in seconds."""
        return len(self.samples) >= SAMPLE_RATE // 2 and now - self.answered >= LIVE_EVERY

    @property
    def waveform(self) -> np.ndarray:
        """Float32 (samples,) at 16 kHz, in [-1, 1]."""
        return self.samples.astype(np.float32) / 32767
