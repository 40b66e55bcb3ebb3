"""Waveform -> the log-mel spectrogram Whisper was trained on, at any length and in batches."""

from functools import cache

import torch
from transformers.audio_utils import mel_filter_bank

from lid.audio import SAMPLE_RATE

# Whisper's front end (openai/whisper, audio.py): 25 ms Hann windows every 10 ms.
N_FFT = 400
HOP = 160
MEL_SECONDS = HOP / SAMPLE_RATE
FRAME_SAMPLES = 2 * HOP  # the encoder's second convolution halves the rate: one encoder frame is 20 ms
FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE


@cache
def _mel_filters(n_mels: int) -> torch.Tensor:
    filters = mel_filter_bank(1 + N_FFT // 2, n_mels, 0.0, 8000.0, SAMPLE_RATE, norm="slaney", mel_scale="slaney")
    return torch.from_numpy(filters.T).float()


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
