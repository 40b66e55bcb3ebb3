"""The log-mel front end is Whisper's own, at any length."""

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor
from transformers.audio_utils import hertz_to_mel

from lid.features import hertz_of_mel, log_mel, mel_of_hertz


@pytest.mark.parametrize("mels", [80, 128])
def test_equals_the_feature_extractor(mels):
    waveform = np.random.default_rng(0).normal(0, 0.1, 160_000).astype(np.float32)
    waveform[90_000:] = 0.0
    extractor = WhisperFeatureExtractor(feature_size=mels, chunk_length=10)
    expected = extractor(waveform, sampling_rate=16_000, return_tensors="np").input_features
    np.testing.assert_allclose(log_mel(torch.from_numpy(waveform)[None], mels).numpy(), expected, atol=1e-4)


def test_gain_hardly_matters():
    waveform = torch.randn(1, 16_000) * 0.1
    quiet, loud = log_mel(waveform * 0.1), log_mel(waveform)
    assert torch.allclose(loud - quiet, torch.full_like(loud, 0.5), atol=1e-3)  # 20 dB is 2 / 4 in these units


def test_the_mel_scale_goes_both_ways_and_is_slaneys():
    hertz = np.array([0.0, 200.0, 999.9, 1000.0, 1234.5, 8000.0])
    np.testing.assert_allclose(hertz_of_mel(mel_of_hertz(hertz)), hertz, atol=1e-9)
    np.testing.assert_allclose(mel_of_hertz(hertz), hertz_to_mel(hertz, "slaney"))
