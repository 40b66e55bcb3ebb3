"""Our copy of Silero's network hears what the package's own does."""

import numpy as np
import pytest
import torch

from lid import audio, vad
from tests.conftest import EXAMPLES


@pytest.fixture(scope="module")
def package():
    """Silero's own network, through ONNX Runtime."""
    pytest.importorskip("onnxruntime", reason="Silero's own network needs onnxruntime to compare with")
    threads = torch.get_num_threads()
    import silero_vad

    torch.set_num_threads(threads)
    return silero_vad.load_silero_vad(sequence=True).audio_forward


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    return audio.decode(EXAMPLES / "uzbek.mp3")


@pytest.mark.parametrize("samples", [0, 1, 512, 513, 40_000, 100_001])
def test_equals_the_package(package, spoken, samples):
    np.testing.assert_allclose(vad.probabilities(spoken[:samples]), package(spoken[:samples]), atol=1e-3)


def test_blocks_are_one_stream(package, spoken, monkeypatch):
    monkeypatch.setattr(vad, "BLOCK", 7)
    np.testing.assert_allclose(vad.probabilities(spoken[:50_000]), package(spoken[:50_000]), atol=1e-3)


def test_gain_is_a_factor(spoken):
    np.testing.assert_allclose(vad.probabilities(spoken * 0.5), vad.probabilities(spoken, 0.5), atol=1e-5)
