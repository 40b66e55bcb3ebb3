"""The trainer: it learns, survives being killed, and saves what plain Transformers loads."""

import copy
import json
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForAudioClassification

from lid import InputError, LanguageIdentifier
from lid.evaluation import evaluate
from lid.model import checkpoint
from lid.training import loop
from lid.training.batches import BalancedBatches, BatchOptions
from tests.conftest import ROOT

RATE = 16_000
TONES = (300.0, 1000.0, 3000.0)


@pytest.fixture(scope="module")
def base(miniature):
    return miniature


@pytest.fixture(scope="module")
def corpus():
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
    return waveforms, labels, speakers


def run(base, corpus, folder, steps, augmented=True, **options):
    torch.manual_seed(0)
    model = checkpoint.add_lora(checkpoint.load_base(str(base), window=2.0), rank=2, dropout=0.1)
    batches = BalancedBatches(*corpus, [], BatchOptions(size=6, longest=2.0, augmented=augmented), steps=steps)
    held_out = {"all": (corpus[0], np.asarray(corpus[1]))}
    defaults = {"warmup": 2, "validate_every": 4, "save_every": 2, "workers": 0, "bf16": False}
    settings = loop.TrainingOptions(steps=steps, **{**defaults, **options})
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


def test_the_upper_layers_can_be_left_out(base):
    whole, cut = (checkpoint.load_base(str(base), window=2.0, layers=layers) for layers in (None, 1))
    assert cut.config.encoder_layers == len(cut.encoder.layers) == 1 < len(whole.encoder.layers)
    assert torch.equal(cut.encoder.layers[0].fc1.weight, whole.encoder.layers[0].fc1.weight)
    with pytest.raises(InputError, match="encoder layers, not 9"):
        checkpoint.load_base(str(base), window=2.0, layers=9)


def test_a_run_can_start_from_another_ones_weights(base, tmp_path):
    first = checkpoint.add_lora(checkpoint.load_base(str(base), window=2.0), rank=2)
    checkpoint.save_merged(first, tmp_path)
    before, after = (
        checkpoint.load_base(str(tmp_path), window=2.0),
        checkpoint.load_base(str(tmp_path), 2.0, (*"abcd",)),
    )
    assert after.classifier.out_features == 4
    for name in ("encoder.layers.0.fc1.weight", "projector.weight"):
        assert torch.equal(before.state_dict()[name], after.state_dict()[name])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_base_averaged_in_is_a_weighted_mean_of_the_encoders(base, tmp_path, share):
    torch.manual_seed(1)
    model = checkpoint.add_lora(checkpoint.load_base(str(base), window=2.0), rank=2)
    with torch.no_grad():  # LoRA's second half starts at zero
        for name, weight in model.named_parameters():
            if ".lora_B." in name:
                weight.normal_()
    checkpoint.save_merged(copy.deepcopy(model), tmp_path, torch.float32)
    original = checkpoint.load_base(str(base), window=2.0)
    tuned, saved = (checkpoint.load_base(str(tmp_path), window=2.0) for _ in range(2))
    checkpoint.average_with_base(model, str(base), share)
    checkpoint.average_with_base(saved, str(base), share)
    merged = model.merge_and_unload()
    for name, expected in tuned.encoder.named_parameters():
        expected = (1 - share) * expected + share * original.encoder.get_parameter(name)
        for averaged in (merged, saved):  # with LoRA still apart, and from a finished checkpoint
            torch.testing.assert_close(averaged.encoder.get_parameter(name), expected, rtol=1e-4, atol=1e-6)
    assert torch.equal(saved.projector.weight, tuned.projector.weight)


def test_the_mean_of_runs_is_the_mean_of_all_their_weights(base, tmp_path):
    folders = [tmp_path / name for name in ("first", "second", "third", "upper")]
    for seed, folder in enumerate(folders):
        torch.manual_seed(seed)
        model = checkpoint.load_base(str(base), 2.0, layers=1 if folder.name == "upper" else None)
        model.projector.weight.data.normal_()
        model.encoder.layers[0].fc1.weight.data.normal_()
        model.classifier.weight.data *= 1 + seed  # a temperature folded in
        checkpoint.save_merged(checkpoint.add_lora(model, rank=2), folder, torch.float32)
    before = [load_file(folder / "model.safetensors") for folder in folders[:3]]
    temperatures = checkpoint.average_checkpoints(folders[0], folders[1:3])
    lengths = [weights["classifier.weight"].norm().item() for weights in before]
    assert temperatures == pytest.approx([lengths[1] / lengths[0], lengths[2] / lengths[0]])
    for weights, temperature in zip(before[1:], temperatures, strict=True):
        for name in ("classifier.weight", "classifier.bias"):
            weights[name] /= temperature
    for name, averaged in load_file(folders[0] / "model.safetensors").items():
        torch.testing.assert_close(averaged, torch.stack([weights[name] for weights in before]).mean(dim=0))
    with pytest.raises(InputError, match="not the shape of"):
        checkpoint.average_checkpoints(folders[0], [folders[3]])


def test_another_base_is_refused(base, tmp_path):
    model = checkpoint.load_base(str(base), window=2.0)
    model.encoder.layers[0].fc1 = torch.nn.Linear(3, 3)
    with pytest.raises(InputError, match="not made from"):
        checkpoint.average_with_base(model, str(base), 0.5)


def test_head_and_lora_learn_and_the_rest_is_frozen(base, corpus, tmp_path):
    before = checkpoint.add_lora(checkpoint.load_base(str(base), window=2.0), rank=2)
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
        "import numpy as np\n"
        "from lid.training import loop\n"
        "from tests.training.test_loop import run\n"
        "save = loop.Run.save\n"
        "def save_and_die(self):\n"
        "    save(self)\n"
        "    if self.step == 6: os.kill(os.getpid(), 9)\n"
        "loop.Run.save = save_and_die\n"
        "corpus = np.load(sys.argv[2])\n"
        "waveforms, labels, speakers = list(corpus['w']), corpus['l'].tolist(), corpus['s'].tolist()\n"
        "run(sys.argv[1], (waveforms, labels, speakers), pathlib.Path(sys.argv[3]), 12)\n"
    )
    np.savez(tmp_path / "corpus.npz", w=np.stack(corpus[0]), l=corpus[1], s=corpus[2])
    command = [sys.executable, "-c", script, str(base), str(tmp_path / "corpus.npz"), str(tmp_path / "killed")]
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
    options = loop.TrainingOptions(steps=2, warmup=2, validate_every=4, save_every=2, workers=0, bf16=False)
    resumed = loop.Run(model, options, tmp_path)
    with no_room(), pytest.raises(InputError, match="Make room"):
        resumed.save()
    assert (tmp_path / "state.safetensors").read_bytes() == saved
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state.safetensors"]


def test_a_disk_that_is_full_at_the_end_is_a_sentence_and_there_is_another_go(base, corpus, tmp_path):
    model, _ = run(base, corpus, tmp_path, 2)
    with no_room(), pytest.raises(InputError, match="Make room"):
        checkpoint.save_merged(model, tmp_path / "merged")
    with pytest.raises(InputError):
        LanguageIdentifier.load(tmp_path / "merged")
    model, _ = run(base, corpus, tmp_path, 2)
    checkpoint.save_merged(model, tmp_path / "merged")
    whole = (tmp_path / "merged" / "model.safetensors").read_bytes()
    with no_room(), pytest.raises(InputError, match="Make room"):
        checkpoint.fold_temperature(tmp_path / "merged", 2.0)
    checkpoint.fold_temperature(tmp_path / "merged", 1.0)
    assert (tmp_path / "merged" / "model.safetensors").read_bytes() == whole


@contextmanager
def no_room():
    """A limit on file size stands in for a full disk: both refuse to write on."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_run_with_other_settings_is_not_resumed(base, corpus, tmp_path):
    run(base, corpus, tmp_path, 2)
    with pytest.raises(InputError, match="other settings"):
        run(base, corpus, tmp_path, 2, learning_rate=1.0)
    model = checkpoint.add_lora(checkpoint.load_base(str(base), window=2.0), rank=4)
    with pytest.raises(InputError, match="other settings"):
        loop.Run(model, loop.TrainingOptions(steps=2), tmp_path)


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
    checkpoint.save_merged(model, tmp_path / "merged")
    merged = AutoModelForAudioClassification.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    with torch.inference_mode():
        torch.testing.assert_close(adapted(input_features=mel).logits, expected)
        torch.testing.assert_close(merged(input_features=mel).logits, expected, atol=0.02, rtol=0.02)
    assert merged.config.id2label == {0: "uz", 1: "ru", 2: "en"}
    assert json.loads((tmp_path / "merged" / "preprocessor_config.json").read_text())["chunk_length"] == 2
    assert not [file for file in tmp_path.rglob("*") if file.suffix in {".bin", ".pt", ".pth", ".pkl"}]


def test_folding_a_temperature_divides_the_logits(base, tmp_path):
    checkpoint.save_merged(checkpoint.add_lora(checkpoint.load_base(str(base), window=2.0), rank=2), tmp_path)
    mel = torch.randn(2, 80, 200)
    load = AutoModelForAudioClassification.from_pretrained
    with torch.inference_mode():
        before = load(tmp_path, dtype=torch.float32)(input_features=mel).logits
        checkpoint.fold_temperature(tmp_path, 0.5)
        after = load(tmp_path, dtype=torch.float32)(input_features=mel).logits
    torch.testing.assert_close(after, before * 2, atol=1e-2, rtol=1e-2)


def test_a_window_longer_than_the_model_is_refused(base):
    with pytest.raises(InputError, match="at most 10 s"):
        checkpoint.load_base(str(base), window=30.0)


def test_a_base_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="No Whisper model"):
        checkpoint.load_base(str(tmp_path / "nothing"))
