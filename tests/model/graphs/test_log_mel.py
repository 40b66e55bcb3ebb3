"""The log-mel front end is Whisper's own, at any length, as a graph and in PyTorch."""

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from lid import runtime
from lid.model import whisper
from lid.model.graphs import log_mel


def as_graph(waveforms: np.ndarray, mels: int) -> np.ndarray:
    session, about = runtime.session(log_mel.build(mels), "log_mel")
    assert about["mels"] == mels
    return session.run(["input_features"], {"waveforms": waveforms})[0]


def in_pytorch(waveforms: np.ndarray, mels: int) -> np.ndarray:
    return whisper.log_mel(torch.from_numpy(waveforms), mels).numpy()


@pytest.mark.parametrize("made", [as_graph, in_pytorch])
@pytest.mark.parametrize("mels", [80, 128])
def test_equals_the_feature_extractor(made, mels):
    waveform = np.random.default_rng(0).normal(0, 0.1, 160_000).astype(np.float32)
    waveform[90_000:] = 0.0
    extractor = WhisperFeatureExtractor(feature_size=mels, chunk_length=10)
    expected = extractor(waveform, sampling_rate=16_000, return_tensors="np").input_features
    np.testing.assert_allclose(made(waveform[None], mels), expected, atol=1e-4)


@pytest.mark.parametrize("samples", [320, 321, 479, 16_159])
def test_graph_and_pytorch_agree_at_any_length_and_in_batches(samples):
    waveforms = np.random.default_rng(samples).normal(0, 0.1, (2, samples)).astype(np.float32)
    found = as_graph(waveforms, 80)
    assert found.shape == (2, 80, samples // 160)
    np.testing.assert_allclose(found, in_pytorch(waveforms, 80), atol=1e-4)


def test_gain_hardly_matters():
    waveform = np.random.default_rng(0).normal(0, 0.1, (1, 16_000)).astype(np.float32)
    apart = as_graph(waveform, 80) - as_graph(waveform * np.float32(0.1), 80)
    np.testing.assert_allclose(apart, 0.5, atol=1e-3)  # 20 dB is 2 / 4 in these units
