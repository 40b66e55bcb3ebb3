"""Voice activity: speech is found where it is, and nothing is found in silence or noise."""

import numpy as np
import pytest

from lid import audio, vad
from tests.conftest import EXAMPLES

RATE = audio.SAMPLE_RATE


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    return audio.decode(EXAMPLES / "uzbek.mp3")


def test_speech_between_silences(spoken):
    silence = np.zeros(2 * RATE, np.float32)
    spans = vad.find(np.concatenate([silence, spoken, silence]))
    assert 1.5 < spans[0][0] < 3.0
    assert spans[-1][1] < 2.0 + len(spoken) / RATE + 0.5
    assert sum(end - start for start, end in spans) > 0.5 * len(spoken) / RATE


def test_quiet_speech_is_found_as_well(spoken):
    loud, quiet = vad.find(spoken), vad.find(spoken * 0.003)
    np.testing.assert_allclose(quiet, loud, atol=0.1)


@pytest.mark.parametrize("level", [0.0, 1e-5, 0.01, 0.3])
def test_no_speech_in_noise(level):
    noise = np.random.default_rng(0).normal(0, 1, 5 * RATE).astype(np.float32)
    assert vad.find(noise * level) == []
