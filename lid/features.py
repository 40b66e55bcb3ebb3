"""Waveform -> the log-mel spectrogram Whisper was trained on, at any length and in batches."""

from functools import cache

import numpy as np
import torch

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
def _mel_filters(n_mels: int) -> torch.Tensor:
    """Triangles of equal area, evenly spaced in mels: float32 (n_mels, 201)."""
    hertz = np.linspace(0.0, SAMPLE_RATE / 2, 1 + N_FFT // 2)
    edges = hertz_of_mel(np.linspace(0.0, mel_of_hertz(TOP_HERTZ), n_mels + 2))
    rising = (hertz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hertz) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return torch.from_numpy(triangles).float()


def log_mel(waveforms: torch.Tensor, n_mels: int = 80) -> torch.Tensor:
    """Float (batch, samples) at 16 kHz -> (batch, n_mels, samples // 160), equal to WhisperFeatureExtractor's.

    Each clip is floored 8 log10 units (80 dB) under its own loudest bin, as Whisper does, so gain hardly matters.
    """
    window = torch.hann_window(N_FFT, device=waveforms.device)
    spectrum = torch.stft(waveforms, N_FFT, HOP, window=window, return_complex=True)[..., :-1]
    power = spectrum.real.square() + spectrum.imag.square()
    mel = (_mel_filters(n_mels).to(waveforms.device) @ power).clamp(min=1e-10).log10()
    mel = torch.maximum(mel, mel.amax(dim=(1, 2), keepdim=True) - 8.0)
    return (mel + 4.0) / 4.0
