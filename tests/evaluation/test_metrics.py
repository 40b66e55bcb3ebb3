"""Metrics against values worked out by hand or known from the literature."""

import numpy as np
import pytest

from lid.evaluation import metrics


def test_wilson_interval():
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662
    assert metrics.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert metrics.wilson(10, 10)[1] == 1.0
    assert metrics.wilson(0, 0) == (0.0, 1.0)


def test_ece_is_zero_when_confidence_is_right_and_the_gap_when_not():
    probabilities = np.array([[0.75, 0.25, 0.0]] * 4)
    assert metrics.ece(probabilities, [0, 0, 0, 1]) == pytest.approx(0.0)
    assert metrics.ece(probabilities, [0, 1, 1, 1]) == pytest.approx(0.5)


def test_brier_and_nll_of_a_coin():
    even = np.full((4, 2), 0.5)
    assert metrics.brier(even, [0, 1, 0, 1]) == pytest.approx(0.5)
    assert metrics.nll(np.zeros((4, 2)), [0, 1, 0, 1]) == pytest.approx(np.log(2))


def test_one_voice_that_fails_counts_as_one_in_the_bootstrap():
    right = np.r_[np.ones(90), np.zeros(10)]
    one_voice = [*(f"s{i}" for i in range(90)), *["bad"] * 10]
    low, high = metrics.bootstrap_by_speaker(right, one_voice)
    assert high == 1.0  # the voice is left out of more than 2.5 % of draws
    assert low < metrics.wilson(90, 100)[0]


def test_detection_of_separate_and_of_equal_scores():
    apart = metrics.detection([2.0, 3.0, 4.0], [0.0, 1.0])
    assert (apart["auroc"], apart["fpr95"], apart["clips"]) == (1.0, 0.0, 2)
    same = metrics.detection([1.0, 2.0], [1.0, 2.0])
    assert same["auroc"] == pytest.approx(0.5)
    assert same["fpr95"] == 1.0


def test_roc_is_stored_at_fixed_rates():
    """Half of the foreign scores lie above one of four known ones, and the other half below all."""
    curve = dict(zip(metrics.ROC_GRID, metrics.roc([3.0, 3.0, 3.0, 1.0], [2.0, 0.0]), strict=True))
    assert curve[0.0] == 0.75
    assert curve[1.0] == 1.0
    assert min(kept for false, kept in curve.items() if false >= 0.5) == 1.0
    assert max(kept for false, kept in curve.items() if false < 0.5) == 0.75


def test_rates_have_an_interval_for_each_language():
    result = metrics.rates([0, 1, 1, -1], [0, 0, 1, 2])
    assert result["recall"] == {"uz": 0.5, "ru": 1.0, "en": 0.0}
    assert result["languages"]["uz"]["clips"] == 2
    assert result["languages"]["uz"]["accuracy_95"] == pytest.approx(metrics.wilson(1, 2), abs=1e-5)
