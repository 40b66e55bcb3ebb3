"""The teacher: Whisper's own word on each clip, asked for once."""

import numpy as np
import pytest
import torch
from transformers import GenerationConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from lid.data.clip import Clip
from lid.data.parts import Part
from lid.training import teacher


@pytest.fixture
def part() -> Part:
    rng = np.random.default_rng(0)
    speech = [rng.normal(0, 0.1, 16_000 * (1 + i)).astype(np.float32) for i in range(3)]
    return Part([Clip(f"{i}", bytes([i]), "tr", f"s{i}") for i in range(3)], speech)


def test_languages_are_in_the_order_of_their_tokens(talking):
    assert teacher.language_tokens(str(talking)) == {"uz": 90, "ru": 91, "en": 92, "tr": 95}


def test_without_a_list_a_vocabulary_of_the_usual_size_has_the_usual_order(talking, tmp_path):
    WhisperForConditionalGeneration.config_class(
        vocab_size=51_865, architectures=["WhisperForConditionalGeneration"]
    ).save_pretrained(tmp_path)
    tokens = teacher.language_tokens(str(tmp_path))
    assert len(tokens) == 99
    assert (tokens["en"], tokens["uz"], tokens["su"]) == (50_259, 50_337, 50_357)  # openai/whisper, tokenizer.py


def test_no_teacher_is_a_model_without_a_decoder_or_without_languages(miniature, talking, tmp_path, part):
    assert teacher.prepare(part, str(miniature), tmp_path, progress=False) is None
    WhisperForConditionalGeneration.from_pretrained(talking).save_pretrained(tmp_path / "english")
    GenerationConfig().save_pretrained(tmp_path / "english")
    assert teacher.prepare(part, str(tmp_path / "english"), tmp_path, progress=False) is None


def test_probabilities_are_those_of_whisper_s_first_token(talking, part, tmp_path):
    said = teacher.prepare(part, str(talking), tmp_path / "cache", progress=False)
    assert said.languages == ("uz", "ru", "en", "tr")
    model = WhisperForConditionalGeneration.from_pretrained(talking).eval()
    features = WhisperFeatureExtractor()(part.speech, sampling_rate=16_000, return_tensors="pt").input_features
    with torch.inference_mode():
        logits = model(features, decoder_input_ids=torch.ones((3, 1), dtype=torch.long)).logits[:, 0]
    expected = logits[:, [90, 91, 92, 95]].softmax(dim=-1).numpy()
    assert expected.std(axis=0).max() > 1e-3  # it does not say the same of every clip
    np.testing.assert_allclose(said.probabilities, expected, atol=0.01)  # bfloat16 where the machine has it


def test_after_an_interruption_only_the_missing_clips_are_asked_for(talking, part, tmp_path):
    whole = np.array(teacher.prepare(part, str(talking), tmp_path, progress=False).probabilities)
    file = next(tmp_path.glob("*.npy"))
    partly = whole.copy()
    partly[0], partly[1] = 0.125, np.nan  # the first was asked for, it says
    with file.with_suffix(".partial").open("wb") as partial:
        np.save(partial, partly)
    file.unlink()
    again = teacher.prepare(part, str(talking), tmp_path, progress=False).probabilities
    assert (again[0] == 0.125).all()
    np.testing.assert_array_equal(again[2], whole[2])
    np.testing.assert_allclose(again[1], whole[1], atol=0.002)
    assert [other.suffix for other in sorted(tmp_path.iterdir())] == [".lock", ".npy"]


def test_other_clips_and_other_weights_are_asked_anew(talking, part, tmp_path):
    for base, asked in ((talking, part), (talking, part.take([0, 1])), (tmp_path / "other", part)):
        if not base.exists():
            model = WhisperForConditionalGeneration.from_pretrained(talking)
            model.model.decoder.layer_norm.bias.data += 1
            model.save_pretrained(base)
        teacher.prepare(asked, str(base), tmp_path / "cache", progress=False)
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 3
