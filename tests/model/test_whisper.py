"""Serving in PyTorch: many windows of different lengths together."""

import numpy as np
import pytest

from lid.model import whisper
from tests.conftest import MODEL
from tests.recordings import voice

LENGTHS = (10.0, 9.3, 8.1, 2.0, 1.98, 10.0, 0.32)  # seconds


@pytest.fixture(scope="module")
def waveforms():
    speech = voice("en", 30)
    return [speech[: int(seconds * 16_000) // 320 * 320] for seconds in LENGTHS]


def test_windows_are_heard_together_as_they_are_alone(waveforms):
    model = whisper.TorchModel(whisper.load(MODEL))
    together = model.hear_all(waveforms)
    for waveform, (logits, embedding) in zip(waveforms, together, strict=True):
        alone_logits, alone_embedding = model.hear(waveform[None])
        assert logits.shape == (len(waveform) // 320, 3)
        np.testing.assert_allclose(logits, alone_logits[0], atol=1e-3)
        np.testing.assert_allclose(embedding, alone_embedding[0], atol=1e-3)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_sixteen_bits_say_nearly_the_same(waveforms, precision):
    exact = whisper.TorchModel(whisper.load(MODEL)).hear_all(waveforms[:3])
    short = whisper.TorchModel(whisper.load(MODEL), precision).hear_all(waveforms[:3])
    for (logits, _), (others, _) in zip(exact, short, strict=True):
        assert np.abs(logits.mean(axis=0) - others.mean(axis=0)).max() < 0.1
        assert others.dtype == np.float32


def test_groups_are_of_about_one_length_and_no_larger_than_a_gpu_holds(monkeypatch):
    monkeypatch.setattr(whisper, "MOST_FRAMES", 1000)
    lengths = [500, 20, 480, 500, 410, 300, 21]
    groups = whisper.alike(lengths)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        held = [lengths[index] for index in group]
        assert len(held) * max(held) <= 1000
        assert min(held) >= whisper.LEAST_FILLED * max(held)
