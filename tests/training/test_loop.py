"""The trainer: it learns, survives being killed, and saves what plain Transformers loads."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from peft import PeftModel
from transformers import AutoModelForAudioClassification

from lid import InputError
from lid.data.clip import Clip
from lid.data.parts import Part
from lid.evaluation import evaluate
from lid.languages import CODES
from lid.model import checkpoint
from lid.model.checkpoint import Checkpoint
from lid.training import loop
from lid.training.batches import BalancedBatches, BatchOptions
from lid.training.config import Optimisation
from tests.conftest import ROOT, no_room

RATE = 16_000
TONES = (300.0, 1000.0, 3000.0)


@pytest.fixture(scope="module")
def base(miniature):
    return miniature


@pytest.fixture(scope="module")
def corpus() -> Part:
    return tones()


def tones() -> Part:
    """Three "languages" that are three pitches, five voices each."""
    rng = np.random.default_rng(0)
    waveforms, labels, speakers = [], [], []
    for i in range(30):
        label = i % 3
        times = np.arange(RATE * 2) / RATE
        tone = 0.2 * np.sin(2 * np.pi * TONES[label] * times) + rng.normal(0, 0.01, len(times))
        waveforms.append(tone.astype(np.float32))
        labels.append(label)
        speakers.append(f"{label}-{i % 5}")
    clips = [Clip("", None, CODES[label], speaker) for label, speaker in zip(labels, speakers, strict=True)]
    return Part(clips, waveforms)


def run(base, corpus, folder, steps, augmented=True, **options):
    torch.manual_seed(0)
    model = checkpoint.add_lora(checkpoint.load_base(str(base), window=2.0), rank=2, dropout=0.1)
    drawn = BatchOptions(size=6, longest=2.0, speaker_cap=40, seed=0, augmented=augmented)
    batches = BalancedBatches(corpus, [], drawn, steps=steps)
    held_out = {"all": (corpus.speech, np.asarray(corpus.labels))}
    defaults = {"warmup": 2, "validate_every": 4, "save_every": 2, "fp32": True}
    settings = Optimisation(steps=steps, **{**defaults, **options})
    history = loop.train(
        model,
        batches,
        lambda current: evaluate.score(current.base_model.model, held_out),
        settings,
        folder,
        Accelerator(cpu=True),
    )
    return model, history


def trainable(model) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def test_head_and_lora_learn_and_the_rest_is_frozen(base, corpus, tmp_path):
    before = checkpoint.add_lora(checkpoint.load_base(str(base), window=2.0), rank=2, dropout=0.0)
    names = set(trainable(before))
    assert any("projector" in name for name in names)
    assert any("classifier" in name for name in names)
    assert any("lora_" in name for name in names)
    assert not any("conv" in name or "embed_positions" in name for name in names)
    rates = {"learning_rate": 1e-2, "head_learning_rate": 1e-2, "average_decay": 0.5}
    _, history = run(base, corpus, tmp_path, 40, augmented=False, validate_every=40, save_every=40, **rates)
    assert history[-1]["accuracy"] > 0.9
    assert history[-1]["loss"] < 0.5


def test_a_killed_run_ends_with_the_weights_of_an_unbroken_one(base, corpus, tmp_path):
    unbroken, history = run(base, corpus, tmp_path / "unbroken", 12)
    script = (
        "import os, sys, pathlib; sys.path.insert(0, '.')\n"
        "from lid.training import loop\n"
        "from tests.training.test_loop import run, tones\n"
        "save = loop.Run.save\n"
        "def save_and_die(self):\n"
        "    save(self)\n"
        "    if self.step == 6: os.kill(os.getpid(), 9)\n"
        "loop.Run.save = save_and_die\n"
        "run(sys.argv[1], tones(), pathlib.Path(sys.argv[2]), 12)\n"
    )
    command = [sys.executable, "-c", script, str(base), str(tmp_path / "killed")]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == -9
    resumed, again = run(base, corpus, tmp_path / "killed", 12)
    assert again == history
    for name, expected in trainable(unbroken).items():
        assert torch.equal(expected, trainable(resumed)[name]), name


def test_a_half_written_state_is_never_taken(base, corpus, tmp_path):
    run(base, corpus, tmp_path, 4)
    (tmp_path / "state.partial").write_bytes(b"half")
    _, history = run(base, corpus, tmp_path, 4)
    assert [entry["step"] for entry in history] == [4]


def test_a_full_disk_is_a_sentence_and_the_last_state_stays(base, corpus, tmp_path):
    run(base, corpus, tmp_path, 2)
    saved = (tmp_path / "state.safetensors").read_bytes()
    model = checkpoint.add_lora(checkpoint.load_base(str(base), window=2.0), rank=2, dropout=0.1)
    options = Optimisation(steps=2, warmup=2, validate_every=4, save_every=2)
    resumed = loop.Run(model, options, tmp_path)
    with no_room(), pytest.raises(InputError, match="Make room"):
        resumed.save()
    assert (tmp_path / "state.safetensors").read_bytes() == saved
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state.safetensors"]


def test_a_run_with_other_settings_is_not_resumed(base, corpus, tmp_path):
    run(base, corpus, tmp_path, 2)
    with pytest.raises(InputError, match="other settings"):
        run(base, corpus, tmp_path, 2, learning_rate=1.0)
    model = checkpoint.add_lora(checkpoint.load_base(str(base), window=2.0), rank=4, dropout=0.0)
    with pytest.raises(InputError, match="other settings"):
        loop.Run(model, Optimisation(steps=2), tmp_path)


def test_training_stops_when_nothing_gets_better(base, corpus, tmp_path):
    _, history = run(base, corpus, tmp_path, 400, learning_rate=0.0, head_learning_rate=1.0, patience=2)
    ranks = [(entry["accuracy"], -entry["loss"]) for entry in history]
    assert len(history) < 100
    assert max(ranks) in ranks[:-2]


def test_saved_checkpoint_is_plain_transformers_and_equals_adapter_on_base(base, corpus, tmp_path):
    model, _ = run(base, corpus, tmp_path / "run", 8)
    mel = torch.randn(2, 80, 200)
    with torch.inference_mode():
        expected = model(input_features=mel).logits
    model.save_pretrained(tmp_path / "adapter")
    adapted = PeftModel.from_pretrained(checkpoint.load_base(str(base), window=2.0), str(tmp_path / "adapter")).eval()
    Checkpoint.merged(model).save(tmp_path / "merged")
    merged = AutoModelForAudioClassification.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    with torch.inference_mode():
        torch.testing.assert_close(adapted(input_features=mel).logits, expected)
        torch.testing.assert_close(merged(input_features=mel).logits, expected, atol=0.02, rtol=0.02)
    assert merged.config.id2label == {0: "uz", 1: "ru", 2: "en"}
    assert json.loads((tmp_path / "merged" / "preprocessor_config.json").read_text())["chunk_length"] == 2
    assert not [file for file in tmp_path.rglob("*") if file.suffix in {".bin", ".pt", ".pth", ".pkl"}]
