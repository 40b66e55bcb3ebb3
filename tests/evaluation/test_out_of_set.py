"""Sounds that are no speech, and scores on languages left out of training."""

from dataclasses import replace

import numpy as np

from lid import LanguageIdentifier, audio
from lid.evaluation import measure, out_of_set
from lid.identify import EMBEDDED_MODEL, Prediction
from tests.conftest import EXAMPLES


def heard(known: bool, score: float) -> Prediction:
    probabilities = {"uz": 0.8, "ru": 0.1, "en": 0.1}
    return Prediction("uz", probabilities, 3.0, 3.0, [], np.zeros((0, 3)), np.zeros(0), known, score)


def test_served_counts_what_is_refused_by_language():
    result = out_of_set.served(
        [heard(True, 5.0), heard(True, 4.0), heard(False, -1.0), heard(True, 6.0)],
        ["uz", "uz", "ru", "ru"],
        [heard(False, -2.0), heard(True, 4.5)],
        ["kk", "tr"],
        ["tr", "fa"],
    )
    assert result["known_refused"]["accuracy"] == 0.25
    assert result["known_refused"]["languages"]["ru"]["accuracy"] == 0.5
    kazakh = result["foreign"]["kk"]
    assert (kazakh["clips"], kazakh["auroc"], kazakh["fpr95"], kazakh["refused"]) == (1, 1.0, 0.0, 1.0)
    assert (kazakh["trained"], result["foreign"]["tr"]["trained"]) == (False, True)
    assert result["foreign_groups"]["never trained"] == {k: v for k, v in kazakh.items() if k != "trained"}
    assert result["foreign_groups"]["other voices"]["refused"] == 0.0
    assert result["roc"]["kk"][0] == 1.0
    assert set(result["roc"]) == {"false", "kk", "tr", "all"}
    assert result["foreign"]["tr"]["refused"] == 0.0
    assert result["foreign"]["all"]["clips"] == 2


def test_a_confident_error_is_sure_and_not_refused():
    sure, unsure = {"uz": 0.9, "ru": 0.1, "en": 0.0}, {"uz": 0.89, "ru": 0.11, "en": 0.0}
    foreign = [
        replace(heard(True, 1.0), probabilities=sure),
        replace(heard(True, 1.0), probabilities=unsure),
        replace(heard(False, -1.0), probabilities=sure),
        replace(heard(None, 1.0), probabilities=sure),
    ]
    result = out_of_set.served([heard(True, 2.0)], ["uz"], foreign, ["tr"] * 4, [])
    assert result["foreign"]["tr"]["confident_errors"] == 0.5
    assert result["foreign"]["all"]["verdicts"] == {"uz": 3, "ru": 0, "en": 0, "none": 1, "no_speech": 0}


def test_what_refused_clips_are_said_to_sound_like_is_counted_with_the_language_spoken():
    def refused(code: str, probability: float) -> Prediction:
        return replace(heard(False, -1.0), sounds_like={"language": code, "probability": probability})

    foreign = [refused("tr", 0.9), refused("az", 0.9), refused("tr", 0.1), heard(False, -1.0), heard(True, 1.0)]
    result = out_of_set.served([heard(True, 2.0)], ["uz"], foreign, ["tr"] * 5, ["tr"])
    assert result["foreign"]["tr"]["sounds_like"] == {"told": 2, "right": 1}  # the third is not likely enough to say


def test_silence_and_made_up_sounds_are_no_speech():
    found = out_of_set.no_speech(LanguageIdentifier.load(), [], each=4)
    assert found["silence"]["accuracy"] == 1.0
    assert found["all"]["clips"] == 12
    assert "recorded noise" not in found


def test_other_scores_come_beside_ours():
    identifier = measure.load(EMBEDDED_MODEL)
    speech = [
        audio.decode(EXAMPLES / name)[start : start + 24_000]
        for name in ("uzbek.mp3", "russian.ogg", "english.m4a")
        for start in (8_000, 32_000)
    ]
    noise = [np.random.default_rng(seed).normal(0, 0.1, 24_000).astype(np.float32) for seed in range(3)]
    scores = out_of_set.compare(identifier, speech, noise)
    assert set(scores) == {
        "rows, distance, regression, sounds (served)",
        "logistic regression",
        "relative Mahalanobis distance",
        "Mahalanobis distance",
        "background languages",
        "energy",
        "largest probability",
    }
    assert all(0 <= score["auroc"] <= 1 for score in scores.values())
