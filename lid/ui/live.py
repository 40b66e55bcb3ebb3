"""Live mode: what a visitor has said of late, and when to listen to it again."""

from dataclasses import dataclass, field

import numpy as np

from lid.audio import SAMPLE_RATE
from lid.ui.settings import LIVE_EVERY, LIVE_SECONDS


@dataclass
class Buffer:
    """The last LIVE_SECONDS of a microphone, int16 (samples,) at 16 kHz to keep a visitor under a megabyte."""

    samples: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int16))
    answered: float = -np.inf  # the clock when an answer was last begun, s
    language: str = ""  # of the page; only the first chunk of a stream comes with it

    def add(self, waveform: np.ndarray) -> None:
        """Append what the microphone sent, float32 (samples,) at 16 kHz, in [-1, 1]."""
        new = (waveform * 32767).astype(np.int16)
        self.samples = np.concatenate([self.samples, new])[-LIVE_SECONDS * SAMPLE_RATE :]

    def due(self, now: float) -> bool:
        """Whether there is something to answer, and the last answer is long enough ago. `now` is in seconds."""
        return len(self.samples) >= SAMPLE_RATE // 2 and now - self.answered >= LIVE_EVERY

    @property
    def waveform(self) -> np.ndarray:
        """Float32 (samples,) at 16 kHz, in [-1, 1]."""
        return self.samples.astype(np.float32) / 32767
