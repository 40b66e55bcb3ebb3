"""Live mode: the last seconds of a visitor's speech, when to identify them again, and when to say what was heard."""

from dataclasses import dataclass, field

import numpy as np

from lid.audio import SAMPLE_RATE
from lid.identify import Prediction
from lid.ui import wording
from lid.ui.settings import LIVE_EVERY, LIVE_SECONDS
from lid.ui.texts import Texts
from lid.verdict import LANGUAGE, decide

# Seconds of speech after which a language is named, from which probability on, and after which anything else is said:
# a less sure language, several, none of the three. Of 113 test clips heard second by second, none is then named wrongly
# (docs/LOG.md); it hangs on the temperature of the model, so a new one is to be tried again.
NAMED_AFTER = 1.5
NAMED_FROM = 0.975
OTHERS_AFTER = 4.0


@dataclass
class Buffer:
    """The last LIVE_SECONDS of a microphone: int16 (samples,) at 16 kHz, so that a visitor takes under a megabyte."""

    samples: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int16))
    answered: float = -np.inf  # when the last answer was started, in seconds of the clock given to `due`
    language: str = ""  # of the page; only the first piece of a stream carries it
    action: int = 0  # the visitor's action that began it (Visit.newest)

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


def card(prediction: Prediction, texts: Texts) -> str:
    """The card for what was heard so far: an answer, once there is enough speech for it; before that, bars that firm
    up."""
    sure = decide(prediction).kind == LANGUAGE and max(prediction.probabilities.values()) >= NAMED_FROM
    enough = NAMED_AFTER if sure else OTHERS_AFTER
    if prediction.speech_seconds < enough:
        return wording.listening(texts, prediction, prediction.speech_seconds / OTHERS_AFTER)
    return wording.answer(prediction, texts=texts)
