"""Waveform -> the log-mel spectrogram Whisper was trained on, at any length and in batches."""

from functools import cache

import numpy as np
import torch

from lid.audio import SAMPLE_RATE

# Whisper's front end (openai/whisper, audio.py): 25 ms Hann windows every 10 ms.
N_FFT = 400
HOP = 160
MEL_SECONDS = HOP / SAMPLE_RATE
TOP = 8000.0  # Hz: where the highest band ends
FRAME_SAMPLES = 2 * HOP  # the encoder's second convolution halves the rate: one encoder frame is 20 ms
FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE


@cache
def _mel_filters(n_mels: int) -> torch.Tensor:
    """Triangles, float32 (n_mels, 201), of equal area and evenly spaced on Slaney's mel scale, as in his Auditory
    Toolbox (1998): librosa's default, and so Whisper's."""
    hertz = np.linspace(0.0, SAMPLE_RATE / 2, 1 + N_FFT // 2)
    edges = _slaney_hertz(np.linspace(0.0, _SLANEY_KNEE + np.log(TOP / 1000.0) / _SLANEY_STEP, n_mels + 2))
    rising = (hertz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hertz) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return torch.from_numpy(triangles).float()


_SLANEY_KNEE = 15.0  # mel, at 1000 Hz: linear below, logarithmic above
_SLANEY_STEP = np.log(6.4) / 27.0  # natural logarithm of frequency a mel, above


def _slaney_hertz(mel: np.ndarray) -> np.ndarray:
    above = 1000.0 * np.exp(_SLANEY_STEP * (mel - _SLANEY_KNEE))
    return np.where(mel < _SLANEY_KNEE, mel * 1000.0 / _SLANEY_KNEE, above)


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
