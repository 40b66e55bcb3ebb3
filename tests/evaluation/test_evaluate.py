"""What is counted as right, and in which slice."""

from dataclasses import replace

import numpy as np
import pytest

from lid import LanguageIdentifier, audio
from lid.data.clip import Clip
from lid.data.parts import Part
from lid.evaluation import embeddings, evaluate
from lid.identify import Prediction
from lid.languages import CODES
from lid.model import checkpoint
from lid.model.whisper import TorchModel
from tests.conftest import EXAMPLES


def prediction(language: str | None, sure: float, seconds: float) -> Prediction:
    probabilities = {code: sure if code == language else (1 - sure) / 2 for code in ("uz", "ru", "en")}
    return Prediction(language, probabilities, seconds, seconds, [], np.zeros((0, 3)), np.zeros(0))


def test_training_is_judged_by_other_languages_too_where_it_has_rows_for_them(miniature):
    rng = np.random.default_rng(0)
    clips = [rng.normal(0, scale, 16_000).astype(np.float32) for scale in (0.01, 0.02, 0.05, 0.1)]
    held_out = {name: evaluate.HeldOut(clips[:2], np.array(of)) for name, of in (("clean", [0, 1]), ("short", [1, 1]))}
    model = checkpoint.load_base(str(miniature), 2.0, ("uz", "ru", "en", "kk")).eval()
    alone = evaluate.score(model, held_out)
    assert set(alone) == {"accuracy", "loss", "clean", "short"}
    both = evaluate.score(model, held_out, clips[2:])
    assert both["accuracy"] == alone["accuracy"]
    assert both["score"] == pytest.approx(both["accuracy"] + both["auroc"])
    assert evaluate.score(model, held_out, clips[:2])["auroc"] == 0.5
    three = checkpoint.load_base(str(miniature), 2.0).eval()
    assert "auroc" not in evaluate.score(three, held_out, clips[2:])


def test_each_group_of_a_copy_counts_alike(miniature):
    """Three clips of one recording condition, and one of another, which the model gets wrong."""
    rng = np.random.default_rng(0)
    clips = [rng.normal(0, 0.1, 16_000).astype(np.float32)] * 4
    model = checkpoint.load_base(str(miniature), 2.0).eval()
    named = int(embeddings.clip_logits(TorchModel(model), clips[:1]).argmax())
    labels = np.array([named, named, named, (named + 1) % 3])
    plain = evaluate.score(model, {"clean": evaluate.HeldOut(clips, labels)})
    grouped = evaluate.score(model, {"clean": evaluate.HeldOut(clips, labels, np.array([5, 5, 5, 7]))})
    assert (plain["accuracy"], grouped["accuracy"]) == (0.75, 0.5)
    assert grouped["worst_group"] == 0.0
    assert "worst_group" not in plain


def test_copies_keep_the_group_of_each_clip():
    clips = [np.full(16_000, i / 10, np.float32) for i in range(9)]
    for waveforms, labels, groups in evaluate.copies(clips, [0, 1, 2] * 3, 0, most=2, groups=range(9)).values():
        assert len(waveforms) == len(labels) == len(groups) == 6
        assert [group % 3 for group in groups] == labels.tolist()


def test_mistakes_come_surest_first(tmp_path):
    clips = [Clip(f"{i}.mp3", b"", language, "s") for i, language in enumerate(("uz", "uz", "ru", "en"))]
    answers = [
        prediction("uz", 0.9, 1.0),
        prediction("ru", 0.6, 4.0),
        prediction("en", 0.9, 4.0),
        prediction(None, 1 / 3, 0.0),
    ]
    evaluate.write_predictions(tmp_path / "predictions.tsv", clips, answers)
    assert [row["path"] for row in evaluate.mistakes(tmp_path / "predictions.tsv")] == ["2.mp3", "1.mp3", "3.mp3"]


def test_an_identifier_on_another_device_answers_alike(miniature):
    """ "cpu:0" takes the way that a card would."""
    model = checkpoint.load_base(str(miniature), 2.0).eval()
    speech = audio.decode(EXAMPLES / "uzbek.mp3")[:48_000]
    one, other = (LanguageIdentifier.of(model, device=device).identify(speech) for device in ("cpu", "cpu:0"))
    np.testing.assert_allclose(one.logits, other.logits, atol=0.05)


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


def test_a_verdict_is_none_of_the_three_where_the_likeliest_is_refused():
    refused = replace(prediction("uz", 0.99, 3.0), known=False)
    unknown = replace(prediction("ru", 0.9, 3.0), known=None)
    counted = evaluate.verdicts([refused, unknown, prediction(None, 1 / 3, 0.0), prediction("uz", 0.9, 3.0)])
    assert counted == {"uz": 1, "ru": 1, "en": 0, "none": 1, "no_speech": 1}


def test_calibration_is_told_apart_by_language():
    clips = [Clip(str(i), b"", language, "s") for i, language in enumerate(("uz", "uz", "ru"))]
    result = evaluate.report([prediction("uz", 1.0, 3.0)] * 2 + [prediction("uz", 1.0, 3.0)], clips)
    assert result["calibration_by_language"]["uz"]["ece"] == 0.0
    assert result["calibration_by_language"]["ru"]["ece"] == 1.0
    assert result["calibration_by_language"]["en"] == {"ece": None, "nll": None}


def test_lengths_end_with_whole_clips():
    identifier = LanguageIdentifier.load()
    speech = [audio.decode(EXAMPLES / name)[8_000:56_000] for name in ("uzbek.mp3", "russian.ogg", "english.m4a")]
    part = Part([Clip("", None, code, code) for code in CODES], [speech[0][:24_000], *speech[1:]])
    result = evaluate.by_length(identifier.model, part, (1.0, 2.0))
    assert {name: rate["clips"] for name, rate in result.items()} == {"1": 3, "2": 2, "whole": 3}
    assert result["2"]["languages"]["uz"]["clips"] == 0
    assert len(result["whole"]["accuracy_95_by_speaker"]) == 2
