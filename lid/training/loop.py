"""Whisper + LoRA: the model to train, and the loop that trains it.

The loop is plain PyTorch under Accelerate rather than a Trainer, because a run must survive kill -9 at any moment and
end with the weights it would have had: its whole state (trainable weights, their average, optimizer, step) goes into
one safetensors file, and everything random is seeded by the step.
"""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

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
from lid.training.config import Optimisation

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
)


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

    `batches[step]` is a dict with `mel` and `labels`; `validate(model)` returns at least `accuracy` and `loss`. State
    is kept in `folder` every `save_every` steps, and a run finding one there goes on from it. `workers` other processes
    make batches.
    """
    bf16 = not options.fp32 and precision.supports_bf16(accelerator.device)
    model.to(accelerator.device)
    if options.gradient_checkpointing:
        checkpoint.inside(model).gradient_checkpointing_enable()
    run = Run(model, options, folder, bf16)
    forward = accelerator.prepare(_ClipLogits(model))
    bar = tqdm(
        total=options.steps, initial=run.step, unit="step", mininterval=2, disable=not accelerator.is_main_process
    )
    for batch in _loader(batches, run.step, options.steps, workers):
        if run.out_of_patience():
            break
        torch.manual_seed(options.seed * 1_000_003 + run.step)  # LoRA's dropout
        model.train()
        with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=bf16):
            logits = forward(batch["mel"].to(accelerator.device))
        labels = batch["labels"].to(accelerator.device)
        loss = nn.functional.cross_entropy(logits, labels, label_smoothing=options.label_smoothing)
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
        if kept != shapes or about["settings"] != self.settings:
            raise InputError(f"{self.file} is of a run with other settings. Give another --output.", "resume")
        self.step, self.loss, self.history = about["step"], about["loss"], about["history"]
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
        head = [p for name, p in self.weights.items() if any(part in name for part in checkpoint.HEAD)]
        lora = [p for name, p in self.weights.items() if not any(part in name for part in checkpoint.HEAD)]
        options = self.options
        return [{"params": lora, "peak": options.learning_rate}, {"params": head, "peak": options.head_learning_rate}]


class _ClipLogits(nn.Module):
    """Log-mel -> clip logits, as a module for Accelerate to wrap."""

    def __init__(self, model: PeftModel):
        super().__init__()
        self.model = model

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        return whisper.frame_logits(checkpoint.inside(self.model), mel).mean(dim=1)


def _loader(batches: Dataset, start: int, steps: int, workers: int) -> DataLoader:
    rest = Subset(batches, range(start, steps))
    return DataLoader(rest, batch_size=None, num_workers=workers, prefetch_factor=8 if workers else None)


def _schedule(step: int, options: Optimisation) -> float:
    """Linear warm-up, then half a cosine down to a tenth."""
    if step < options.warmup:
        return (step + 1) / options.warmup
    progress = (step - options.warmup) / max(1, options.steps - options.warmup)
    return 0.55 + 0.45 * math.cos(math.pi * progress)


def _rank(entry: dict) -> tuple[float, float]:
    return entry["accuracy"], -entry["loss"]
