"""Whisper + LoRA: the model to train, and the loop that trains it.

The loop is plain PyTorch under Accelerate rather than a Trainer, because a run must survive kill -9 at any moment and
end with the weights it would have had: its whole state (trainable weights, their average, optimizer, step) goes into
one safetensors file, and everything random is seeded by the step.

Beside the languages, two things are learned so that little of what Whisper knows is forgotten on few voices. A second
head learns what the base model's decoder says of each clip (`lid.training.teacher`), in whatever language. And the
encoder's mean states of a clip as it was recorded are held near those of the base model: where weights may go, but not
what they do (as L2-SP does with weights, Li et al. 2018, arXiv:1802.01483). The base model is the same one with LoRA
switched off.
"""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from accelerate import Accelerator
from peft.peft_model import PeftModel
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from lid.errors import InputError
from lid.model import checkpoint, precision, whisper
from lid.training.config import Optimisation, before

if TYPE_CHECKING:
    from transformers import WhisperForAudioClassification

# What the weights depend on, but for the data and the model: a resumed run must share these with the first.
DECISIVE = (
    "steps",
    "learning_rate",
    "head_learning_rate",
    "weight_decay",
    "warmup",
    "label_smoothing",
    "average_decay",
    "validate_every",
    "patience",
    "seed",
    "distil",
    "anchor",
)
VARIANCE_BATCHES = 8  # the first of a run, which are asked how far apart clips' mean states lie


def train(
    model: PeftModel,
    batches: Dataset,
    validate: Callable[[PeftModel], dict[str, float]],
    options: Optimisation,
    folder: Path,
    accelerator: Accelerator,
    workers: int = 0,
) -> list[dict]:
    """Train in place, leave the best averaged weights in `model`, and return the history of validations.

    `batches[step]` is a dict with `mel` and `labels`, and with `posterior` and `clean` where the options' `distil` and
    `anchor` are not 0; `validate(model)` returns at least `accuracy` and `loss`. State is kept in `folder` every
    `save_every` steps, and a run finding one there goes on from it. `workers` other processes make batches.
    """
    bf16 = not options.fp32 and precision.supports_bf16(accelerator.device)
    model.to(accelerator.device)
    if options.gradient_checkpointing:
        checkpoint.inside(model).gradient_checkpointing_enable()
    run = Run(model, options, folder, bf16)
    forward = accelerator.prepare(_Heads(model))
    if options.anchor and run.variance is None:
        run.variance = _variance(model, _loader(batches, 0, min(VARIANCE_BATCHES, options.steps), workers), accelerator)
    bar = tqdm(
        total=options.steps, initial=run.step, unit="step", mininterval=2, disable=not accelerator.is_main_process
    )
    for batch in _loader(batches, run.step, options.steps, workers):
        if run.out_of_patience():
            break
        torch.manual_seed(options.seed * 1_000_003 + run.step)  # LoRA's dropout
        model.train()
        batch = {name: tensor.to(accelerator.device) for name, tensor in batch.items()}
        with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=bf16):
            base = _base_states(model, batch["clean"]) if options.anchor else None
            heard = forward(batch["mel"])
        loss = nn.functional.cross_entropy(heard.logits, batch["labels"], label_smoothing=options.label_smoothing)
        if heard.sounds is not None:
            said = heard.sounds.log_softmax(dim=-1)
            loss = loss + options.distil * nn.functional.kl_div(said, batch["posterior"], reduction="batchmean")
        if base is not None:
            loss = loss + options.anchor * (heard.states - base).square().mean() / run.variance
        accelerator.backward(loss)
        run.update(float(accelerator.reduce(loss.detach(), "mean")))
        bar.update()
        bar.set_postfix(loss=f"{run.loss:.3f}", best=f"{run.best_accuracy:.4f}", refresh=False)
        if run.step % options.validate_every == 0 or run.step == options.steps:
            run.validate(validate)
            if accelerator.is_main_process:
                tqdm.write(json.dumps(run.history[-1]))
        if accelerator.is_main_process and (run.step % options.save_every == 0 or run.step == options.steps):
            run.save()
    bar.close()
    run.load_best()
    return run.history


class Run:
    """All that a training run is besides its data: step, weights, their average, the best average, the optimizer.

    `save` puts it into one safetensors file, replaced in one move; making a Run where such a file is goes on from it.
    """

    def __init__(self, model: PeftModel, options: Optimisation, folder: Path, bf16: bool = False):
        self.model, self.options, self.file = model, options, Path(folder) / "state.safetensors"
        self.settings = {name: getattr(options, name) for name in DECISIVE} | {"bf16": bf16}
        self.weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(self._groups(), weight_decay=options.weight_decay)
        self.average = {name: p.detach().clone() for name, p in self.weights.items()}
        self.best = dict(self.average)
        self.step, self.loss = 0, float("nan")
        self.history: list[dict] = []
        self.variance: float | None = None  # of clips' mean states in the base model, once it is measured
        if self.file.exists():
            self._resume()

    @property
    def best_accuracy(self) -> float:
        return max((entry["accuracy"] for entry in self.history), default=0.0)

    def out_of_patience(self) -> bool:
        """Whether the last `patience` validations all failed to better those before."""
        ranks = [_rank(entry) for entry in self.history]
        return len(ranks) > self.options.patience and max(range(len(ranks)), key=ranks.__getitem__) < (
            len(ranks) - self.options.patience
        )

    def update(self, loss: float) -> None:
        """One optimizer step on the gradients there are."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * _schedule(self.step, self.options)
        nn.utils.clip_grad_norm_(self.weights.values(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        self.loss = loss if self.step == 1 else 0.98 * self.loss + 0.02 * loss
        decay = min(self.options.average_decay, self.step / (self.step + 10))
        with torch.no_grad():
            for name, weight in self.weights.items():
                self.average[name].lerp_(weight, 1.0 - decay)

    def validate(self, validate: Callable[[PeftModel], dict[str, float]]) -> None:
        """Measure the averaged weights, and remember them if they are the best so far."""
        current = {name: p.detach().clone() for name, p in self.weights.items()}
        self._put(self.average)
        self.model.eval()
        measured = {"step": self.step, "train_loss": round(self.loss, 5), **validate(self.model)}
        self._put(current)
        if all(_rank(measured) > _rank(entry) for entry in self.history):
            self.best = {name: p.clone() for name, p in self.average.items()}
        self.history.append(measured)

    def save(self) -> None:
        """Write everything to a temporary file and move it into place: a kill leaves the old state or the new one."""
        tensors = {f"weights/{name}": p.detach() for name, p in self.weights.items()}
        tensors |= {f"average/{name}": p for name, p in self.average.items()}
        tensors |= {f"best/{name}": p for name, p in self.best.items()}
        for name, p in self.weights.items():
            tensors |= {f"adam/{key}/{name}": value for key, value in self.optimizer.state[p].items()}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        partial = self.file.with_suffix(".partial")
        about = {"step": self.step, "loss": self.loss, "history": self.history, "settings": self.settings}
        about["variance"] = self.variance
        try:
            with checkpoint.writing(self.file):
                save_file({k: v.contiguous().clone() for k, v in tensors.items()}, partial, {"run": json.dumps(about)})
        except InputError:
            partial.unlink(missing_ok=True)
            raise
        os.replace(partial, self.file)

    def load_best(self) -> None:
        """Leave the best averaged weights in the model."""
        self._put(self.best)
        self.model.eval()

    def _resume(self) -> None:
        with safe_open(self.file, "pt") as file:
            about = json.loads(file.metadata()["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        kinds: dict[str, dict[str, torch.Tensor]] = {}
        for key, tensor in tensors.items():
            kind, name = key.rsplit("/", 1)
            kinds.setdefault(kind, {})[name] = tensor
        shapes = {name: weight.shape for name, weight in self.weights.items()}
        kept = {name: weight.shape for name, weight in kinds["weights"].items()}
        settings = {name: value for name, value in before(Optimisation).items() if name in DECISIVE} | about["settings"]
        if kept != shapes or settings != self.settings:
            others = [
                f"{name} was {settings.get(name)}"
                for name in self.settings
                if settings.get(name) != self.settings[name]
            ]
            raise InputError(
                f"{self.file} is of a run with other settings ({', '.join(others) or 'another model'}). Give the same "
                "settings or another --output.",
                "resume",
            )
        self.step, self.loss, self.history = about["step"], about["loss"], about["history"]
        self.variance = about.get("variance")
        self.average, self.best = kinds["average"], kinds["best"]
        self._put(kinds["weights"])
        for kind, values in kinds.items():
            if kind.startswith("adam/"):
                for name, value in values.items():
                    self.optimizer.state[self.weights[name]][kind.removeprefix("adam/")] = value

    def _put(self, values: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(values[name])

    def _groups(self) -> list[dict]:
        heads, options = (*checkpoint.HEAD, checkpoint.SOUNDS), self.options
        head = [p for name, p in self.weights.items() if any(part in name for part in heads)]
        lora = [p for name, p in self.weights.items() if not any(part in name for part in heads)]
        return [{"params": lora, "peak": options.learning_rate}, {"params": head, "peak": options.head_learning_rate}]


class _Heard(NamedTuple):
    """What the model makes of a batch, each float32 (clips, ...): mean encoder states, and the logits of both heads."""

    states: torch.Tensor
    logits: torch.Tensor
    sounds: torch.Tensor | None


class _Heads(nn.Module):
    """Log-mel -> `_Heard`, as a module for Accelerate to wrap. The heads are linear: of the mean they make the mean."""

    def __init__(self, model: PeftModel):
        super().__init__()
        self.model = model

    def forward(self, mel: torch.Tensor) -> _Heard:
        whole = checkpoint.inside(self.model)
        states = _mean_states(whole, mel)
        embedding = whole.projector(states)
        second = getattr(whole, checkpoint.SOUNDS, None)
        return _Heard(states, whole.classifier(embedding).float(), second and second(embedding).float())


def _mean_states(model: "WhisperForAudioClassification", mel: torch.Tensor) -> torch.Tensor:
    return whisper.encode(model, mel).float().mean(dim=1)


def _base_states(model: PeftModel, mel: torch.Tensor) -> torch.Tensor:
    """Mean states, float32 (clips, width), as the base model has them."""
    with torch.no_grad(), model.disable_adapter():
        return _mean_states(checkpoint.inside(model), mel)


def _variance(model: PeftModel, batches: DataLoader, accelerator: Accelerator) -> float:
    """How far apart clips lie: the variance over clips of the base model's mean states, averaged over their width."""
    model.eval()
    states = torch.cat([_base_states(model, batch["clean"].to(accelerator.device)) for batch in batches])
    return float(accelerator.gather(states).var(dim=0).mean())


def _loader(batches: Dataset, start: int, steps: int, workers: int) -> DataLoader:
    rest = Subset(batches, range(start, steps))
    return DataLoader(rest, batch_size=None, num_workers=workers, prefetch_factor=8 if workers else None)


def _schedule(step: int, options: Optimisation) -> float:
    """Linear warm-up, then half a cosine down to a tenth."""
    if step < options.warmup:
        return (step + 1) / options.warmup
    progress = (step - options.warmup) / max(1, options.steps - options.warmup)
    return 0.55 + 0.45 * math.cos(math.pi * progress)


def _rank(entry: dict[str, float]) -> tuple[float, float]:
    return entry.get("score", entry["accuracy"]), -entry["loss"]
