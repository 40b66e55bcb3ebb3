"""The shortcut classifier: it finds what gives a language away, and augmentation takes it away."""

import numpy as np
import pytest

from lid.data.clip import Clip
from lid.data.parts import Part
from lid.evaluation import shortcuts
from lid.languages import CODES
from lid.training.batches import BalancedBatches, BatchOptions

RATE = 16_000


@pytest.fixture(scope="module")
def batches() -> BalancedBatches:
    """Three "languages" of one and the same noise, told apart by how loud it was recorded."""
    rng = np.random.default_rng(0)
    labels = [i % 3 for i in range(60)]
    waveforms = [rng.normal(0, 0.002 * 6**label, int(1.2 * RATE)).astype(np.float32) for label in labels]
    clips = [Clip("", None, CODES[label], f"{label}-{i // 3 % 10}") for i, label in enumerate(labels)]
    options = BatchOptions(size=6, longest=1.2, speaker_cap=9, seed=0)
    return BalancedBatches(Part(clips, waveforms), [], options, steps=50)


def test_a_recorded_shortcut_is_found_and_trained_away(batches):
    result = shortcuts.compare(batches, clips=60)
    assert result["as_recorded"]["accuracy"] > 0.9
    assert result["as_trained"]["accuracy"] < 0.6
    assert result["as_trained"]["chance"] == pytest.approx(1 / 3, abs=0.01)
