"""Whisper + LoRA: the model to train, and the loop that trains it.

The loop is plain PyTorch under Accelerate rather than a Trainer, because a run must survive kill -9 at any moment and
end with the weights it would have had: its whole state (trainable weights, their average, optimizer, step) goes into
one safetensors file, and everything random is seeded by the step.

Beside the languages, two things are learned so that little of what Whisper knows is forgotten on few voices. A second
head learns what the base model's decoder says of each clip (`lid.training.teacher`), in whatever language. And the
encoder's mean states of a clip as it was recorded are held near those of the base model: where weights may go, but not
what they do (as L2-SP does with weights, Li et al. 2018, arXiv:1802.01483). The base model is the same one with LoRA
switched off.

Where it is asked for (`outlier_exposure`), the three are to be equally likely where another language is heard
(Hendrycks et al. 2019, arXiv:1812.04606): what the model does not know, it should not be sure of, refused or not.
"""

import json
import math
import os
from collections.abc import Callable
from contextlib import nullcontext
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
from lid.languages import CODES
from lid.model import checkpoint, whisper
from lid.training import hardware
from lid.training.batches import BalancedBatches
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
    "outlier_exposure",
)
CURVE_POINTS = 200  # of losses, over the whole run
VARIANCE_BATCHES = 8  # the first of a run, which are asked how far apart clips' mean states lie


class Trained(NamedTuple):
    """What a run leaves beside its weights: the `history` of validations, the `curve` of losses and learning rates over
    the steps, and the step whose averaged weights were kept."""

    history: list[dict]
    curve: list[dict]
    kept: int


def train(
    model: PeftModel,
    batches: BalancedBatches,
    validate: Callable[[PeftModel], dict[str, float]],
    options: Optimisation,
    folder: Path,
    accelerator: Accelerator,
    workers: int | None = 0,
    at_once: int | None = None,
) -> Trained:
    """Train in place, and leave the best averaged weights in `model`.

    `batches[step]` is a dict with `mel` and `labels`, and with `posterior` and `clean` where the options' `distil` and
    `anchor` are not 0; `validate(model)` returns at least `accuracy` and `loss`. State is kept in `folder` every
    `save_every` steps, and a run finding one there goes on from it. `workers` other processes make batches
    (None: as suits the machine).

    Of each batch, `at_once` rows go through the device together, and their gradients are added up: the result is that
    of a whole batch, in less memory. None tries how many fit. Raises InputError where the memory is too small.
    """
    if workers is None:
        on_card = accelerator.device.type == "cuda"
        workers = hardware.default_workers(accelerator.num_processes) if on_card else 1
    workers = hardware.fitting_workers(workers, sum(tensor.nbytes for tensor in batches.longest().values()))
    model.to(accelerator.device)
    if options.gradient_checkpointing:
        checkpoint.inside(model).gradient_checkpointing_enable()
    run = Run(model, options, folder, accelerator)
    heads = _Heads(model)
    forward = accelerator.prepare(heads)
    if options.anchor and run.variance is None:
        some = _loader(batches, 0, min(VARIANCE_BATCHES, options.steps), workers, accelerator)
        run.variance = _variance(model, some, accelerator)
    step = Step(model, forward, options, run.variance, accelerator)
    if at_once is None:
        at_once = _most_at_once(Step(model, heads, options, run.variance, accelerator), batches, accelerator)
    bar = tqdm(
        total=options.steps, initial=run.step, unit="step", mininterval=2, disable=not accelerator.is_main_process
    )
    for batch in _loader(batches, run.step, options.steps, workers, accelerator):
        if run.out_of_patience():
            break
        torch.manual_seed(options.seed * 1_000_003 + run.step)  # LoRA's dropout
        model.train()
        try:
            loss = step(batch, at_once)
        except torch.OutOfMemoryError as error:
            raise InputError(hardware.out_of_memory(min(at_once, len(batch["labels"]))), "memory") from error
        run.update(accelerator.reduce(loss, "mean"))
        bar.update()
        if run.curve and run.curve[-1]["step"] == run.step:
            bar.set_postfix(loss=f"{run.loss:.3f}", best=f"{run.best_accuracy:.4f}", refresh=False)
            accelerator.log(run.curve[-1], step=run.step)
        if run.step % options.validate_every == 0 or run.step == options.steps:
            run.validate(validate)
            accelerator.log({f"validation/{name}": value for name, value in run.history[-1].items()}, step=run.step)
            if accelerator.is_main_process:
                tqdm.write(json.dumps(run.history[-1]))
        if accelerator.is_main_process and (run.step % options.save_every == 0 or run.step == options.steps):
            run.save()
    bar.close()
    run.load_best()
    return Trained(run.history, run.curve, run.kept)


class Step:
    """Forward and backward for one batch: adds gradients to the model's weights and returns the batch's loss.

    `forward` is a `_Heads`, as Accelerate has wrapped it or bare; `variance` is that of clips' mean states.
    """

    def __init__(
        self,
        model: PeftModel,
        forward: nn.Module,
        options: Optimisation,
        variance: float | None,
        accelerator: Accelerator,
    ):
        self.model, self.forward, self.options = model, forward, options
        self.variance, self.accelerator = variance, accelerator

    def __call__(self, batch: dict[str, torch.Tensor], at_once: int) -> torch.Tensor:
        rows = len(batch["labels"])
        total = torch.zeros((), device=self.accelerator.device)
        for start in range(0, rows, at_once):
            some = {
                name: tensor[start : start + at_once].to(self.accelerator.device, non_blocking=True)
                for name, tensor in batch.items()
            }
            last = start + at_once >= rows  # processes exchange gradients once a batch
            with nullcontext() if last else self.accelerator.no_sync(self.forward):
                loss = self._loss(some) * (len(some["labels"]) / rows)
                self.accelerator.backward(loss)
            total += loss.detach()
        return total

    def _loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        options = self.options
        with self.accelerator.autocast():
            base = _base_states(self.model, batch["clean"]) if options.anchor else None
            heard = self.forward(batch["mel"])
        loss = nn.functional.cross_entropy(heard.logits, batch["labels"], label_smoothing=options.label_smoothing)
        if options.outlier_exposure:
            loss = loss + options.outlier_exposure * _certainty(heard.logits, batch["labels"])
        if heard.sounds is not None:
            said = heard.sounds.log_softmax(dim=-1)
            loss = loss + options.distil * nn.functional.kl_div(said, batch["posterior"], reduction="batchmean")
        if base is not None:
            loss = loss + options.anchor * (heard.states - base).square().mean() / self.variance
        return loss


def _most_at_once(step: Step, batches: BalancedBatches, accelerator: Accelerator) -> int:
    """How many rows of the longest batch there may be fit into this device's memory; all, on a CPU."""
    longest = batches.longest()
    rows = len(longest["labels"])
    if accelerator.device.type != "cuda":
        return rows

    def attempt(clips: int) -> None:
        step.model.train()
        try:
            step({name: tensor[:clips] for name, tensor in longest.items()}, clips)
        finally:
            step.model.zero_grad()

    found = hardware.most_at_once(attempt, rows)
    if found < rows:
        print(f"{found} of {rows} clips go through {torch.cuda.get_device_name(accelerator.device)} at once.")
    return found


class Run:
    """All that a training run is besides its data: step, weights, their average, the best average, the optimizer.

    `save` puts it into one safetensors file, replaced in one move; making a Run where such a file is goes on from it.
    """

    def __init__(self, model: PeftModel, options: Optimisation, folder: Path, accelerator: Accelerator):
        self.model, self.options, self.file = model, options, Path(folder) / "state.safetensors"
        self.accelerator = accelerator
        self.settings = {name: getattr(options, name) for name in DECISIVE}
        self.weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.optimizer = accelerator.prepare(torch.optim.AdamW(self._groups(), weight_decay=options.weight_decay))
        self.average = {name: p.detach().clone() for name, p in self.weights.items()}
        self.best = dict(self.average)
        self.step, self.kept = 0, 0
        self.running = torch.full((), math.nan, dtype=torch.float64, device=accelerator.device)  # mean loss
        self.history: list[dict] = []
        self.curve: list[dict] = []
        self.variance: float | None = None  # of clips' mean states in the base model, once it is measured
        if self.file.exists():
            self._resume()

    @property
    def loss(self) -> float:
        """The running mean of the loss. Waits for the device to finish, so it is not asked for at every step."""
        return float(self.running)

    @property
    def best_accuracy(self) -> float:
        return max((entry["accuracy"] for entry in self.history), default=0.0)

    def out_of_patience(self) -> bool:
        """Whether the last `patience` validations all failed to better those before."""
        ranks = [_rank(entry) for entry in self.history]
        return len(ranks) > self.options.patience and max(range(len(ranks)), key=ranks.__getitem__) < (
            len(ranks) - self.options.patience
        )

    def update(self, loss: torch.Tensor) -> None:
        """One optimizer step on the gradients there are. In float16 one that overflowed is left out, and the scale of
        the gradients halved."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * _schedule(self.step, self.options)
        norm = self.accelerator.clip_grad_norm_(list(self.weights.values()), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        self.running = loss.double() if self.step == 1 else 0.98 * self.running + 0.02 * loss.double()
        decay = min(self.options.average_decay, self.step / (self.step + 10))
        with torch.no_grad():
            for name, weight in self.weights.items():
                self.average[name].lerp_(weight, 1.0 - decay)
        if self.step % max(1, self.options.steps // CURVE_POINTS) == 0:
            rate = self.optimizer.param_groups[0]["lr"]
            point = {"train_loss": self.loss, "learning_rate": rate, "gradient_norm": float(norm)}
            self.curve.append({"step": self.step} | {of: value for of, value in point.items() if math.isfinite(value)})

    def validate(self, validate: Callable[[PeftModel], dict[str, float]]) -> None:
        """Measure the averaged weights, and remember them if they are the best so far."""
        current = {name: p.detach().clone() for name, p in self.weights.items()}
        self._put(self.average)
        self.model.eval()
        measured = {"step": self.step, "train_loss": round(self.loss, 5), **validate(self.model)}
        self._put(current)
        if all(_rank(measured) > _rank(entry) for entry in self.history):
            self.best, self.kept = {name: p.clone() for name, p in self.average.items()}, self.step
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
        about |= {"variance": self.variance, "curve": self.curve, "kept": self.kept}
        if self.accelerator.scaler is not None:
            about["scaler"] = self.accelerator.scaler.state_dict()
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
        settings.pop("bf16", None)  # of older runs: a card of another kind may go on
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
        self.step, self.history = about["step"], about["history"]
        self.running.fill_(about["loss"])
        self.variance, self.curve = about.get("variance"), about.get("curve", [])
        best = max(self.history, key=_rank, default={"step": 0})["step"]
        self.kept = about.get("kept", best)
        if self.accelerator.scaler is not None and "scaler" in about:
            self.accelerator.scaler.load_state_dict(about["scaler"])
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


def _certainty(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """How far from even odds the three are where another language is heard, nats, summed over such rows and divided by
    all: cross-entropy against even odds, less its least value. `logits` (rows, languages), `labels` (rows,)."""
    foreign = (labels >= len(CODES)).float()
    away = -logits[:, : len(CODES)].log_softmax(dim=-1).mean(dim=-1) - math.log(len(CODES))
    return (foreign * away).mean()


def _variance(model: PeftModel, batches: DataLoader, accelerator: Accelerator) -> float:
    """How far apart clips lie: the variance over clips of the base model's mean states, averaged over their width."""
    model.eval()
    states = torch.cat([_base_states(model, batch["clean"].to(accelerator.device)) for batch in batches])
    return float(accelerator.gather(states).var(dim=0).mean())


def _loader(batches: Dataset, start: int, steps: int, workers: int, accelerator: Accelerator) -> DataLoader:
    return DataLoader(
        Subset(batches, range(start, steps)),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=hardware.PREFETCH if workers else None,
        pin_memory=accelerator.device.type == "cuda",  # copied to the card while it computes
    )


def _schedule(step: int, options: Optimisation) -> float:
    """Linear warm-up, then half a cosine down to a tenth."""
    if step < options.warmup:
        return (step + 1) / options.warmup
    progress = (step - options.warmup) / max(1, options.steps - options.warmup)
    return 0.55 + 0.45 * math.cos(math.pi * progress)


def _rank(entry: dict[str, float]) -> tuple[float, float]:
    return entry.get("score", entry["accuracy"]), -entry["loss"]
