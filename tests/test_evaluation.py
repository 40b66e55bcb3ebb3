"""Metrics against values worked out by hand or known from the literature."""

import numpy as np
import pytest

from lid import evaluation
from lid.data.rows import Clip
from lid.identify import Prediction


def test_wilson_interval():
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662
    assert evaluation.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert evaluation.wilson(10, 10)[1] == 1.0
    assert evaluation.wilson(0, 0) == (0.0, 1.0)


def test_ece_is_zero_when_confidence_is_right_and_the_gap_when_not():
    probabilities = np.array([[0.75, 0.25, 0.0]] * 4)
    assert evaluation.ece(probabilities, [0, 0, 0, 1]) == pytest.approx(0.0)
    assert evaluation.ece(probabilities, [0, 1, 1, 1]) == pytest.approx(0.5)


def prediction(language: str | None, sure: float, seconds: float) -> Prediction:
    probabilities = {code: sure if code == language else (1 - sure) / 2 for code in ("uz", "ru", "en")}
    return Prediction(language, probabilities, seconds, seconds, [], np.zeros((0, 3)), np.zeros(0))


def test_report_counts_what_was_right():
    clips = [Clip(str(i), b"", language, f"s{i % 2}") for i, language in enumerate(("uz", "uz", "ru", "en"))]
    predictions = [
        prediction("uz", 0.9, 1.0),
        prediction("ru", 0.6, 4.0),
        prediction("ru", 0.9, 4.0),
        prediction(None, 1 / 3, 0.0),
    ]
    result = evaluation.report(predictions, clips)
    assert (result["clips"], result["speakers"], result["accuracy"], result["no_speech"]) == (4, 2, 0.5, 1)
    assert result["recall"]["uz"]["accuracy"] == 0.5
    assert result["confusion"]["uz"] == {"uz": 1, "ru": 1, "en": 0}
    assert result["by_speech_seconds"]["3-5"]["clips"] == 2
