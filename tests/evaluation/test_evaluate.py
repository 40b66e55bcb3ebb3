"""What is counted as right, and in which slice."""

import numpy as np
import pytest

from lid.data.clip import Clip
from lid.evaluation import evaluate
from lid.identify import Prediction
from lid.model import checkpoint


def prediction(language: str | None, sure: float, seconds: float) -> Prediction:
    probabilities = {code: sure if code == language else (1 - sure) / 2 for code in ("uz", "ru", "en")}
    return Prediction(language, probabilities, seconds, seconds, [], np.zeros((0, 3)), np.zeros(0))


def test_training_is_judged_by_other_languages_too_where_it_has_rows_for_them(miniature):
    rng = np.random.default_rng(0)
    clips = [rng.normal(0, scale, 16_000).astype(np.float32) for scale in (0.01, 0.02, 0.05, 0.1)]
    held_out = {"clean": (clips[:2], np.array([0, 1])), "short": (clips[:2], np.array([1, 1]))}
    model = checkpoint.load_base(str(miniature), 2.0, ("uz", "ru", "en", "kk")).eval()
    alone = evaluate.score(model, held_out)
    assert set(alone) == {"accuracy", "loss", "clean", "short"}
    both = evaluate.score(model, held_out, clips[2:])
    assert both["accuracy"] == alone["accuracy"]
    assert both["score"] == pytest.approx(both["accuracy"] + both["auroc"])
    assert evaluate.score(model, held_out, clips[:2])["auroc"] == 0.5
    three = checkpoint.load_base(str(miniature), 2.0).eval()
    assert "auroc" not in evaluate.score(three, held_out, clips[2:])


def test_report_counts_what_was_right():
    clips = [Clip(str(i), b"", language, f"s{i % 2}") for i, language in enumerate(("uz", "uz", "ru", "en"))]
    predictions = [
        prediction("uz", 0.9, 1.0),
        prediction("ru", 0.6, 4.0),
        prediction("ru", 0.9, 4.0),
        prediction(None, 1 / 3, 0.0),
    ]
    result = evaluate.report(predictions, clips)
    assert (result["clips"], result["speakers"], result["accuracy"], result["no_speech"]) == (4, 2, 0.5, 1)
    assert result["recall"]["uz"]["accuracy"] == 0.5
    assert result["confusion"]["uz"] == {"uz": 1, "ru": 1, "en": 0}
    assert result["by_speech_seconds"]["3-5"]["clips"] == 2
