"""Silero's network as one graph hears what the package does in blocks, and speech is cut as the package cuts it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lid import audio, runtime, vad
from lid.model.graphs import voice
from tests.conftest import EXAMPLES


@pytest.fixture(scope="module")
def package():
    """Silero's own package."""
    threads = torch.get_num_threads()
    import silero_vad

    torch.set_num_threads(threads)
    return silero_vad


@pytest.fixture(scope="module")
def forward(package):
    """Its network, through ONNX Runtime."""
    return package.load_silero_vad(sequence=True).audio_forward


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    return audio.decode(EXAMPLES / "uzbek.mp3")


@pytest.mark.parametrize("samples", [0, 1, 512, 513, 40_000, 100_001])
def test_equals_the_package(forward, spoken, samples):
    np.testing.assert_allclose(vad.probabilities(spoken[:samples]), forward(spoken[:samples]), atol=0.02)


def test_blocks_are_one_stream(forward, spoken, monkeypatch):
    monkeypatch.setattr(vad, "BLOCK", 7)
    np.testing.assert_allclose(vad.probabilities(spoken[:50_000]), forward(spoken[:50_000]), atol=0.02)


def test_gain_is_a_factor(spoken):
    np.testing.assert_allclose(vad.probabilities(spoken * 0.5), vad.probabilities(spoken, 0.5), atol=1e-5)


def test_the_graph_is_what_the_code_makes_of_the_packages_weights():
    assert voice.build(voice.packaged_weights()) == (runtime.GRAPHS / "silero_vad.onnx").read_bytes()


@given(
    st.lists(
        st.sampled_from([0.0, 0.2, 0.34, 0.36, 0.49, 0.5, 0.9]).flatmap(
            lambda p: st.tuples(st.just(p), st.integers(1, 14))
        )
    ),
    st.integers(0, 511),
    st.sampled_from([vad.THRESHOLD, vad.FAINT]),
)
def test_speech_is_cut_as_the_package_cuts_it(runs, missing, threshold):
    """Probabilities in runs of frames; the last frame may be shorter than the others."""
    import silero_vad

    found = np.repeat([p for p, _ in runs], [count for _, count in runs]).astype(np.float32)
    samples = max(0, len(found) * vad.FRAME - missing)
    expected = silero_vad.get_speech_timestamps_from_probs(
        found.tolist(),
        threshold=threshold,
        min_speech_duration_ms=int(vad.MIN_SPEECH * 1000),
        min_silence_duration_ms=int(vad.MIN_SILENCE * 1000),
        speech_pad_ms=int(vad.PADDING * 1000),
        audio_length_samples=samples,
    )
    assert vad.spans(found, samples, threshold) == [(span["start"], span["end"]) for span in expected]
