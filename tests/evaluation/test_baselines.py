"""Baselines on clips whose answer is known."""

from dataclasses import replace

import numpy as np
import torch
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

from lid import LanguageIdentifier, audio
from lid.data.clip import Clip
from lid.data.parts import Part, Parts
from lid.evaluation import baselines, measure
from tests.conftest import EXAMPLES

RATE = 16_000
LANGUAGES = sorted({code for family in baselines.FAMILIES.values() for code in family} | {"fr"})


def tones(hertz: float, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(int(hertz))
    times = np.arange(RATE) / RATE
    return [
        (0.3 * np.sin(2 * np.pi * hertz * times) + rng.normal(0, 0.01, RATE)).astype(np.float32) for _ in range(count)
    ]


def test_a_probe_tells_tones_apart(miniature):
    clips, labels = tones(300, 6) + tones(900, 6) + tones(2700, 6), [0] * 6 + [1] * 6 + [2] * 6
    ((name, named),) = baselines.linear_probe(str(miniature), 2.0, (clips, labels), clips).items()
    assert named.tolist() == labels
    assert "layers 1 and 2 of 2" in name


def test_length_gives_away_what_length_gives_away():
    seconds, labels = [1.0, 4.0, 9.0] * 30, [0, 1, 2] * 30
    (named,) = baselines.length_only((seconds, labels), seconds).values()
    assert named.tolist() == labels


def test_a_checkpoint_without_a_decoder_has_no_zero_shot(miniature):
    assert baselines.zero_shot(str(miniature), tones(300, 1)) == {}


def test_families_are_summed(tmp_path):
    """A decoder that always says Turkish is right about Uzbek once its family counts, and only then."""
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=32,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        vocab_size=60,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=3,
    )
    model = WhisperForConditionalGeneration(config)
    tokens = {f"<|{code}|>": 10 + i for i, code in enumerate(LANGUAGES)}
    with torch.no_grad():  # logits are states @ embeddings: point the Turkish one along the last state
        for parameter in model.parameters():
            parameter.zero_()
        model.model.decoder.layer_norm.bias.fill_(1.0)
        model.proj_out.weight[tokens["<|tr|>"]] = 0.2
        model.proj_out.weight[tokens["<|ru|>"]] = 0.1
    model.generation_config = GenerationConfig(lang_to_id=tokens, decoder_start_token_id=3)
    model.save_pretrained(tmp_path)
    alone, families = baselines.zero_shot(str(tmp_path), tones(300, 2)).values()
    assert 0 not in alone
    assert families.tolist() == [0, 0]


def test_all_are_counted_in_subsets_and_measured_once(miniature, tmp_path):
    clips = [Clip("", None, code, code) for code in ("uz", "ru", "en") for _ in range(6)]
    part = Part(clips, tones(300, 6) + tones(900, 6) + tones(2700, 6))
    parts = Parts(part, Part([], []), part, Part([], []))
    for subsets in ({"first": [0, 1, 2]}, {"last": [17]}):
        results = baselines.compare(parts, str(miniature), 2.0, subsets, None, measure.Once(tmp_path))
        (name,) = subsets
        probe = next(rate for method, rate in results.items() if "logistic regression" in method)
        assert probe["recall"] == {"uz": 1.0, "ru": 1.0, "en": 1.0}
        assert probe["subsets"][name]["clips"] == len(subsets[name])
    assert [file.name for file in tmp_path.iterdir()] == ["baselines.json"]


def test_another_model_is_measured_on_the_same_clips():
    """The embedded model on its examples: in its languages by subset, and on speech held out."""
    names = {"uz": "uzbek.mp3", "ru": "russian.ogg", "en": "english.m4a"}
    clips = [Clip(name, (EXAMPLES / name).read_bytes(), code, code) for code, name in names.items()]
    test = Part(clips, [audio.decode(clip.audio) for clip in clips])
    held_out = Part([replace(clips[0], language="kk")], [test.speech[0]])
    parts = Parts(Part([], []), Part([], []), test, held_out)
    result = baselines.former_model(LanguageIdentifier.load(), parts)
    assert result["named"] == [0, 1, 2]
    assert result["open_set"]["foreign"]["kk"]["confident_errors"] == 1.0
    assert result["open_set"]["known_refused"]["accuracy"] == 0.0
