"""Whisper's front end in numbers: its frames, and the mel scale both ways.

The spectrogram itself is made by the graph of lid/model/graphs/log_mel.py in serving, and by
`lid.model.whisper.log_mel` in training and on GPUs. The tests hold both to Transformers' own.
"""

from functools import cache

import numpy as np

from lid.audio import SAMPLE_RATE

# Whisper's front end (openai/whisper, audio.py): 25 ms Hann windows every 10 ms.
N_FFT = 400
HOP = 160
MEL_SECONDS = HOP / SAMPLE_RATE
TOP_HERTZ = 8000.0  # where the highest band ends
FRAME_SAMPLES = 2 * HOP  # the encoder's second convolution halves the rate: one encoder frame is 20 ms
FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE


# Slaney's mel scale, as in his Auditory Toolbox (1998): linear up to 1000 Hz, logarithmic above. librosa's default, and
# so Whisper's.
KNEE_HERTZ = 1000.0
KNEE_MEL = 15.0
LOG_STEP = np.log(6.4) / 27.0  # natural logarithm of frequency in one mel, above the knee


def mel_of_hertz(hertz: float | np.ndarray) -> np.ndarray:
    """Frequency in Hz, at least 0 -> mels, of the same shape."""
    above = KNEE_MEL + np.log(np.maximum(hertz, KNEE_HERTZ) / KNEE_HERTZ) / LOG_STEP
    return np.where(np.less(hertz, KNEE_HERTZ), np.multiply(hertz, KNEE_MEL / KNEE_HERTZ), above)


def hertz_of_mel(mel: float | np.ndarray) -> np.ndarray:
    """Mels, at least 0 -> frequency in Hz, of the same shape."""
    above = KNEE_HERTZ * np.exp(LOG_STEP * np.subtract(mel, KNEE_MEL))
    return np.where(np.less(mel, KNEE_MEL), np.multiply(mel, KNEE_HERTZ / KNEE_MEL), above)


@cache
def mel_filters(n_mels: int) -> np.ndarray:
    """Triangles of equal area, evenly spaced in mels: float32 (n_mels, 201)."""
    hertz = np.linspace(0.0, SAMPLE_RATE / 2, 1 + N_FFT // 2)
    edges = hertz_of_mel(np.linspace(0.0, mel_of_hertz(TOP_HERTZ), n_mels + 2))
    rising = (hertz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hertz) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return triangles.astype(np.float32)
