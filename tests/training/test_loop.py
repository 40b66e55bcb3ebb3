"""The trainer: it learns, survives being killed, and saves what plain Transformers loads."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoModelForAudioClassification

from lid import InputError
from lid.data.clip import Clip
from lid.data.parts import Part
from lid.evaluation import evaluate
from lid.evaluation.embeddings import clip_embeddings, clip_means
from lid.languages import CODES
from lid.model import checkpoint, whisper
from lid.model.calibration import softmax
from lid.model.checkpoint import Checkpoint
from lid.model.open_set import OpenSetDetector
from lid.model.whisper import TorchModel
from lid.training import loop, tracking
from lid.training.batches import BalancedBatches, BatchOptions
from lid.training.config import Optimisation
from tests.conftest import ROOT, no_room

RATE = 16_000
SOUNDS = ("tr", "kk", "az")
TONES = (300.0, 1000.0, 3000.0, 600.0)  # the last is another language


@pytest.fixture(scope="module")
def base(miniature):
    return miniature


@pytest.fixture(scope="module")
def corpus() -> Part:
    return tones()


def tones(languages=3) -> Part:
    """Three or four "languages" that are pitches, ten clips each, of two to five voices."""
    rng = np.random.default_rng(0)
    waveforms, labels, speakers = [], [], []
    for i in range(10 * languages):
        label = i % languages
        times = np.arange(RATE * 2) / RATE
        tone = 0.2 * np.sin(2 * np.pi * TONES[label] * times) + rng.normal(0, 0.01, len(times))
        waveforms.append(tone.astype(np.float32))
        labels.append(label)
        speakers.append(f"{label}-{i % 5}")
    clips = [Clip("", None, (*CODES, "kk")[label], speaker) for label, speaker in zip(labels, speakers, strict=True)]
    return Part(clips, waveforms)


def said(corpus) -> np.ndarray:
    """A teacher that takes the first "language" for Turkish, the others for Kazakh or Azerbaijani."""
    return np.array([[0.9, 0.05, 0.05], *[[0.0, 0.5, 0.5]] * 3], np.float16)[corpus.labels]


def tunable(base, rank=2, dropout=0.1, sounds=True, languages=CODES):
    torch.manual_seed(0)
    model = checkpoint.add_lora(checkpoint.load_base(str(base), 2.0, languages), rank=rank, dropout=dropout)
    if sounds:
        checkpoint.add_sounds(model, SOUNDS)
    return model


class Interrupted(torch.utils.data.Dataset):
    """Batches that end in an interruption after so many of them."""

    def __init__(self, batches, after):
        self.batches, self.after = batches, after

    def longest(self):
        return self.batches.longest()

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, step):
        if step == self.after:
            raise KeyboardInterrupt
        return self.batches[step]


def run(base, corpus, folder, steps, augmented=True, accelerator=None, at_once=None, dropout=0.1, **options):
    model = tunable(base, dropout=dropout, sounds=options.get("distil", 1.0) > 0, languages=corpus.languages)
    drawn = BatchOptions(size=6, longest=2.0, speaker_cap=40, seed=0, augmented=augmented, clean=True)
    batches = BalancedBatches(corpus, [], drawn, steps=steps, posteriors=said(corpus))
    own = corpus.where(lambda clip: clip.language in CODES)
    held_out = {"all": evaluate.HeldOut(own.speech, np.asarray(own.labels))}
    defaults = {"warmup": 2, "validate_every": 4, "save_every": 2, "fp32": True}
    settings = Optimisation(steps=steps, **{**defaults, **options})
    trained = loop.train(
        model,
        batches,
        lambda current: evaluate.score(current.base_model.model, held_out),
        settings,
        folder,
        accelerator or Accelerator(cpu=True),
        at_once=at_once,
    )
    return model, trained.history


def trainable(model) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def test_head_and_lora_learn_and_the_rest_is_frozen(base, corpus, tmp_path):
    names = set(trainable(tunable(base)))
    assert any("projector" in name for name in names)
    assert any("classifier" in name for name in names)
    assert any("sounds" in name for name in names)
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


@pytest.fixture
def float16():
    """Accelerate as it is on a card without bfloat16: products in float16, and gradients scaled. On a CPU it leaves
    both out, so they are put in."""
    AcceleratorState._reset_state(True)

    def make() -> Accelerator:
        made = Accelerator(cpu=True, mixed_precision="fp16")
        made.native_amp, made.scaler = True, torch.amp.GradScaler("cpu")
        return made

    yield make
    AcceleratorState._reset_state(True)


def test_float16_with_scaled_gradients_learns_like_float32(base, corpus, tmp_path, float16):
    rates = {"learning_rate": 1e-2, "head_learning_rate": 1e-2, "average_decay": 0.5, "validate_every": 10}
    _, exact = run(base, corpus, tmp_path / "32", 30, augmented=False, **rates)
    AcceleratorState._reset_state(True)
    accelerator = float16()
    _, rounded = run(base, corpus, tmp_path / "16", 30, augmented=False, accelerator=accelerator, **rates)
    assert exact[-1]["train_loss"] < 0.9 * exact[0]["train_loss"]
    for one, other in zip(exact, rounded, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=0.02)
    assert rounded != exact


def test_a_step_that_overflows_in_float16_is_left_out_and_the_scale_falls(base, corpus, tmp_path, float16):
    accelerator = float16()
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)  # no gradient of the head stays finite
    before = trainable(tunable(base))
    after, _ = run(base, corpus, tmp_path, 4, accelerator=accelerator)
    assert accelerator.scaler.get_scale() == 2.0**36
    for name, weight in trainable(after).items():
        assert torch.equal(weight, before[name]), name


def test_a_run_in_float16_goes_on_with_its_scale(base, corpus, tmp_path, float16):
    unbroken, _ = run(base, corpus, tmp_path / "unbroken", 8, accelerator=float16())
    AcceleratorState._reset_state(True)
    first = float16()
    batches = BalancedBatches(corpus, [], BatchOptions(6, 2.0, 40, 0, clean=True), 8, posteriors=said(corpus))
    options = Optimisation(steps=8, warmup=2, validate_every=4, save_every=2, fp32=True)
    with pytest.raises(KeyboardInterrupt):
        loop.train(
            tunable(base), Interrupted(batches, 5), lambda _: {"accuracy": 0.0, "loss": 0.0}, options, tmp_path, first
        )
    AcceleratorState._reset_state(True)
    resumed, _ = run(base, corpus, tmp_path, 8, accelerator=float16())
    for name, expected in trainable(unbroken).items():
        assert torch.equal(expected, trainable(resumed)[name]), name


def test_batches_in_pieces_come_to_the_same_weights(base, corpus, tmp_path):
    """Without dropout, whose draws differ."""
    results = []
    for at_once in (6, 4, 1):
        model, _ = run(base, corpus, tmp_path / str(at_once), 6, at_once=at_once, dropout=0.0)
        results.append(trainable(model))
    for name, expected in results[0].items():
        for other in results[1:]:
            torch.testing.assert_close(other[name], expected, atol=1e-5, rtol=1e-3)


def test_a_tracker_gets_the_losses_and_the_validations(base, corpus, tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accelerator = Accelerator(cpu=True, **tracking.options("tensorboard", tmp_path))
    tracking.start(accelerator, "run", {"steps": 8, "languages": ("uz", "ru")})
    _, history = run(base, corpus, tmp_path, 8, accelerator=accelerator)
    accelerator.end_training()
    (folder,) = {file.parent for file in (tmp_path / "run").glob("events.*")}
    events = event_accumulator.EventAccumulator(str(folder)).Reload()
    assert [event.step for event in events.Scalars("train_loss")] == list(range(1, 9))
    tracked = [event.value for event in events.Scalars("validation/loss")]
    assert tracked == pytest.approx([entry["loss"] for entry in history])


def test_a_tracker_that_is_not_there_is_a_sentence(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="--track is one of tensorboard"):
        tracking.options("paper", tmp_path)
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="wandb is not installed: pip install wandb"):
        tracking.options("wandb", tmp_path)
    assert tracking.options(None, tmp_path) == {}


def test_a_half_written_state_is_never_taken(base, corpus, tmp_path):
    run(base, corpus, tmp_path, 4)
    (tmp_path / "state.partial").write_bytes(b"half")
    _, history = run(base, corpus, tmp_path, 4)
    assert [entry["step"] for entry in history] == [4]


def test_a_full_disk_is_a_sentence_and_the_last_state_stays(base, corpus, tmp_path):
    run(base, corpus, tmp_path, 2)
    saved = (tmp_path / "state.safetensors").read_bytes()
    options = Optimisation(steps=2, warmup=2, validate_every=4, save_every=2)
    resumed = loop.Run(tunable(base), options, tmp_path, Accelerator(cpu=True))
    with no_room(), pytest.raises(InputError, match="Make room"):
        resumed.save()
    assert (tmp_path / "state.safetensors").read_bytes() == saved
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state.safetensors"]


def test_a_run_with_other_settings_is_not_resumed(base, corpus, tmp_path):
    run(base, corpus, tmp_path, 2)
    with pytest.raises(InputError, match=r"other settings \(learning_rate was 0.0004\)"):
        run(base, corpus, tmp_path, 2, learning_rate=1.0)
    with pytest.raises(InputError, match="other settings"):
        loop.Run(tunable(base, rank=4), Optimisation(steps=2), tmp_path, Accelerator(cpu=True))


def test_a_run_from_before_there_was_a_teacher_goes_on_without_one(base, corpus, tmp_path):
    plain = {"distil": 0.0, "anchor": 0.0, "outlier_exposure": 0.0}
    _, history = run(base, corpus, tmp_path / "unbroken", 4, **plain)
    with safe_open(tmp_path / "unbroken" / "state.safetensors", "pt") as file:
        about = json.loads(file.metadata()["run"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    del about["variance"], about["settings"]["distil"], about["settings"]["anchor"]
    del about["settings"]["outlier_exposure"]
    save_file(tensors, tmp_path / "state.safetensors", {"run": json.dumps(about)})
    _, again = run(base, corpus, tmp_path, 4, **plain)
    assert again == history
    with pytest.raises(InputError, match=r"distil was 0.0, anchor was 0.0"):
        run(base, corpus, tmp_path, 4)


def test_the_second_head_learns_what_the_teacher_says(base, corpus, tmp_path):
    rates = {"head_learning_rate": 1e-2, "distil": 5.0, "anchor": 0.0, "average_decay": 0.5}
    model, _ = run(base, corpus, tmp_path / "run", 60, augmented=False, validate_every=60, save_every=60, **rates)
    trained = Checkpoint.merged(model)
    detector = trained.detector
    assert detector.sounds_languages == SOUNDS
    embeddings = clip_embeddings(TorchModel(trained.model.float()), corpus.speech)
    heard = softmax(embeddings @ detector.sounds_weight.T + detector.sounds_bias)
    np.testing.assert_allclose(heard, said(corpus), atol=0.15)


def test_the_anchor_holds_mean_states_near_those_of_the_base_model(base, corpus, tmp_path):
    before = clip_means(whisper.encode, checkpoint.load_base(str(base), window=2.0).eval(), corpus.speech)
    moved = []
    for anchor in (0.0, 30.0):
        rates = {"learning_rate": 1e-2, "anchor": anchor, "average_decay": 0.5}
        model, _ = run(base, corpus, tmp_path / str(anchor), 20, augmented=False, save_every=20, **rates)
        after = clip_means(whisper.encode, model.base_model.model, corpus.speech)
        moved.append(np.square(after - before).mean())
    assert moved[1] < 0.3 * moved[0]


def test_where_another_language_is_heard_the_three_become_alike(base, tmp_path):
    """How sure the model is of one of the three, on clips in a fourth language and on their own."""
    corpus, sure = tones(languages=4), {}
    for exposure in (0.0, 1.0):
        rates = {"learning_rate": 1e-2, "head_learning_rate": 1e-2, "average_decay": 0.5, "outlier_exposure": exposure}
        rates |= {"validate_every": 60, "save_every": 60}
        model, _ = run(base, corpus, tmp_path / str(exposure), 60, augmented=False, **rates)
        logits = clip_means(whisper.frame_logits, checkpoint.inside(model), corpus.speech)[:, : len(CODES)]
        foreign = np.asarray(corpus.labels) == len(CODES)
        largest = softmax(logits).max(axis=1)
        sure[exposure] = largest[foreign].mean(), largest[~foreign].mean()
    assert sure[0.0][0] > 0.6
    assert sure[1.0][0] < 0.45  # even odds are 0.33
    assert sure[1.0][1] > sure[1.0][0] + 0.15


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
    for file in ("merged/model.safetensors", "adapter/adapter_model.safetensors"):
        with safe_open(tmp_path / file, "pt") as weights:
            assert not [name for name in weights.keys() if "sounds" in name]  # noqa: SIM118 - not a dict
    assert OpenSetDetector.load(tmp_path / "merged").sounds_languages == SOUNDS
    assert json.loads((tmp_path / "merged" / "preprocessor_config.json").read_text())["chunk_length"] == 2
    assert not [file for file in tmp_path.rglob("*") if file.suffix in {".bin", ".pt", ".pth", ".pkl"}]
