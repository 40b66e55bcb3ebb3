"""Temperature scaling."""

import numpy as np
import pytest

from lid.model.calibration import Calibration, softmax


def overconfident(temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits `temperature` times what would be right, and labels drawn from what is right."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 3))
    labels = np.array([rng.choice(3, p=p) for p in softmax(logits)])
    return logits * temperature, labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_is_found(temperature):
    assert Calibration.fit(*overconfident(temperature)).temperature == pytest.approx(temperature, rel=0.08)


def test_faultless_clips_do_not_make_it_certain():
    labels = np.arange(90) % 3
    confidence = Calibration.fit(4.0 * np.eye(3)[labels], labels).probabilities([4.0, 0.0, 0.0])[0]
    assert confidence == pytest.approx((90 + 1 / 3) / 91, abs=1e-3)


def test_probabilities_sum_to_one_and_keep_their_order():
    logits = np.array([[4.0, 1.0, -2.0], [0.0, 0.0, 0.0]])
    probabilities = Calibration(2.0).probabilities(logits)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert (np.diff(probabilities[0]) < 0).all()


def test_saved_and_loaded(tmp_path):
    assert Calibration.load(tmp_path) == Calibration(1.0)
    Calibration(1.7).save(tmp_path)
    assert Calibration.load(tmp_path) == Calibration(1.7)
