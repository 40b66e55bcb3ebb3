"""Whisper + LoRA: the model to train, and the loop that trains it.

The loop is plain PyTorch under Accelerate rather than a Trainer, because a run must survive kill -9 at any moment and
end with the weights it would have had: its whole state (trainable weights, their average, optimizer, step) goes into
one safetensors file, and everything random is seeded by the step.
"""

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from peft import LoraConfig, get_peft_model
from peft.peft_model import PeftModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm
from transformers import WhisperFeatureExtractor, WhisperForAudioClassification

from lid import manifest
from lid import model as whisper
from lid.errors import InputError
from lid.features import FRAME_SECONDS
from lid.languages import CODES
from lid.openset import Background

LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
HEAD = ("projector", "classifier")


@dataclass(frozen=True)
class TrainingOptions:
    """The loop's settings. Steps are optimizer steps; learning rates are peaks, reached after `warmup` steps."""

    steps: int = 2000
    learning_rate: float = 3e-4
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 100
    label_smoothing: float = 0.05
    average_decay: float = 0.99  # of the running average of the weights, which is what is validated and kept
    validate_every: int = 250
    patience: int = 4  # validations without a better one before the run ends
    save_every: int = 50
    workers: int = 1
    seed: int = 0
    bf16: bool = True
    gradient_checkpointing: bool = False


def load_base(
    base_model: str, window: float = 10.0, labels: Sequence[str] = CODES, layers: int | None = None
) -> WhisperForAudioClassification:
    """A Whisper checkpoint's encoder under a new head for `labels`, its window cut to `window` seconds, and of
    its layers the first `layers` kept (None: all).

    The position table is sinusoids, the same at any length, so a shorter window just needs fewer of its rows.
    Raises InputError when there is no Whisper model at `base_model` (a Hub id or a folder).
    """
    try:
        model = WhisperForAudioClassification.from_pretrained(
            base_model,
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={label: index for index, label in enumerate(labels)},
            dtype=torch.float32,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # a head of other labels is replaced
        )
    except (OSError, ValueError) as error:
        raise InputError(f"No Whisper model could be loaded from {base_model}. ({error})", "model") from error
    if layers is not None:
        keep_layers(model, layers)
    return shorten(model, window)


def keep_layers(model: WhisperForAudioClassification, layers: int) -> None:
    """Keep the encoder's first `layers`, in place. The norm behind the last one stays, for LoRA and head to fit."""
    if not 1 <= layers <= len(model.encoder.layers):
        raise InputError(f"This model has {len(model.encoder.layers)} encoder layers, not {layers}.", "layers")
    model.encoder.layers = model.encoder.layers[:layers]
    model.config.encoder_layers = layers


def shorten(model: WhisperForAudioClassification, window: float) -> WhisperForAudioClassification:
    """Cut the model's window to `window` seconds, in place."""
    positions = round(window / FRAME_SECONDS)
    table = model.encoder.embed_positions.weight
    if positions > len(table):
        raise InputError(f"This model hears at most {len(table) * FRAME_SECONDS:.0f} s at once.", "window")
    model.encoder.embed_positions = nn.Embedding.from_pretrained(table[:positions].detach().clone(), freeze=True)
    model.encoder.max_source_positions = model.config.max_source_positions = positions
    return model


def add_lora(model: WhisperForAudioClassification, rank: int = 16, dropout: float = 0.05) -> PeftModel:
    """Freeze the encoder, put LoRA of this rank on its attention and feed-forward layers, and train the head whole.

    No `task_type`: SEQ_CLS would leave the projector frozen at its random start.
    """
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=dropout,
        target_modules=list(LORA_TARGETS),
        modules_to_save=list(HEAD),
        use_rslora=False,
    )
    return get_peft_model(model, config)


def average_with_base(model: nn.Module, base_model: str, share: float) -> None:
    """Make the encoder's weights `share` of the base model's and the rest its own, in place; the head stays.

    On voices and rooms unlike those of training the average may do better than either (Wortsman et al. 2022,
    arXiv:2109.01903). LoRA is scaled, so that an adapter saved later amounts to the same. Raises InputError when
    `base_model` is not what `model` was made from.
    """
    encoder = next(module for name, module in model.named_modules() if name.endswith("encoder"))
    window, layers = model.config.max_source_positions * FRAME_SECONDS, model.config.encoder_layers
    base = dict(load_base(base_model, window, layers=layers).encoder.named_parameters())
    with torch.no_grad():
        for name, weight in encoder.named_parameters():
            if ".lora_" in name:
                weight.mul_(1.0 - share if ".lora_B." in name else 1.0)
                continue
            original = base.get(name.replace(".base_layer.", "."))
            if original is None or original.shape != weight.shape:
                raise InputError(f"The model is not made from {base_model}; its {name} differs.", "model")
            weight.lerp_(original.to(weight), share)


def save_merged(model: PeftModel, folder: Path, dtype: torch.dtype = torch.float16) -> Background:
    """Fold LoRA into the weights and write a plain Transformers folder of the three languages that needs no PEFT
    to load. Returns the head's other rows. Ends the training of `model`: its layers are changed in place."""
    merged = model.merge_and_unload()
    background = _take_background(merged)
    window = merged.config.max_source_positions * FRAME_SECONDS
    extractor = WhisperFeatureExtractor(feature_size=merged.config.num_mel_bins, chunk_length=round(window))
    with writing(folder):
        extractor.save_pretrained(folder)
        _save(merged.to(dtype), folder)
    return background


def _take_background(model: WhisperForAudioClassification) -> Background:
    """Cut the head down to the three languages and return the rows cut off."""
    labels = [model.config.id2label[i] for i in range(model.config.num_labels)]
    head = model.classifier
    weight, bias = head.weight.detach(), head.bias.detach()
    of_codes = [labels.index(code) for code in CODES]
    rest = [i for i, label in enumerate(labels) if label not in CODES]
    model.classifier = nn.Linear(head.in_features, len(CODES))
    with torch.no_grad():
        model.classifier.weight.copy_(weight[of_codes])
        model.classifier.bias.copy_(bias[of_codes])
    model.config.id2label = dict(enumerate(CODES))
    model.config.label2id = {code: index for index, code in enumerate(CODES)}
    model.num_labels = len(CODES)
    return Background(
        tuple(labels[i] for i in rest), weight[rest].float().cpu().numpy(), bias[rest].float().cpu().numpy()
    )


def fold_temperature(folder: Path, temperature: float) -> None:
    """Divide a saved checkpoint's logits by `temperature`, in its weights: the last layer is linear, so that is exact,
    and whoever loads the checkpoint, with our code or without, gets calibrated probabilities."""
    with _rewritten(folder) as model:
        _cool(model, temperature)


def _cool(model: WhisperForAudioClassification, temperature: float) -> None:
    with torch.no_grad():
        model.classifier.weight /= temperature
        model.classifier.bias /= temperature


def average_checkpoint(folder: Path, base_model: str, share: float) -> None:
    """`average_with_base` for a saved checkpoint."""
    with _rewritten(folder) as model:
        average_with_base(model, base_model, share)


def average_checkpoints(folder: Path, others: list[Path]) -> list[float]:
    """Make every weight of a saved checkpoint its mean over that checkpoint and others, runs that began alike.

    Often better on the unfamiliar than the best of them (Wortsman et al. 2022, arXiv:2203.05482). Heads are brought to
    one length first, for each has a temperature of its own folded in; returned is by what the others' were divided.
    Raises InputError when the checkpoints are not of one shape.
    """
    temperatures = []
    with _rewritten(folder) as model:
        summed = {name: weight.double() for name, weight in model.state_dict().items()}
        length = model.classifier.weight.norm().item()
        for other in others:
            run = WhisperForAudioClassification.from_pretrained(other, use_safetensors=True)
            temperatures.append(run.classifier.weight.norm().item() / length)
            _cool(run, temperatures[-1])
            weights = run.state_dict()
            if {name: weight.shape for name, weight in weights.items()} != {n: w.shape for n, w in summed.items()}:
                raise InputError(
                    f"{other} has not the shape of {folder}; only runs of one shape are averaged.", "model"
                )
            for name, weight in weights.items():
                summed[name] += weight
        model.load_state_dict({name: weight / (len(others) + 1) for name, weight in summed.items()})
    return temperatures


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Where results are saved: a full disk, or one that may not be written, is an InputError."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{place} could not be written ({error}); the run's state as last saved is still there. Make room and give "
            "the same command again.",
            "disk",
        ) from error


@contextmanager
def _rewritten(folder: Path) -> Iterator[WhisperForAudioClassification]:
    """A saved checkpoint, to change; saved again in its own precision afterwards."""
    model = WhisperForAudioClassification.from_pretrained(folder, use_safetensors=True)
    yield model
    with writing(folder):
        _save(model, folder)


def train(
    model: PeftModel,
    batches: Dataset,
    validate: Callable[[nn.Module], dict[str, float]],
    options: TrainingOptions,
    folder: Path,
    accelerator: Accelerator,
) -> list[dict]:
    """Train in place, leave the best averaged weights in `model`, and return the history of validations.

    `batches[step]` is a dict with `mel` and `labels`; `validate(model)` returns at least `accuracy` and `loss`. State
    is kept in `folder` every `save_every` steps, and a run finding one there goes on from it.
    """
    model.to(accelerator.device)
    if options.gradient_checkpointing:
        model.base_model.model.gradient_checkpointing_enable()
    run = Run(model, options, folder)
    forward = accelerator.prepare(_ClipLogits(model))
    bar = tqdm(
        total=options.steps, initial=run.step, unit="step", mininterval=2, disable=not accelerator.is_main_process
    )
    for batch in _loader(batches, run.step, options):
        if run.out_of_patience():
            break
        torch.manual_seed(options.seed * 1_000_003 + run.step)  # LoRA's dropout
        model.train()
        with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=options.bf16):
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

    def __init__(self, model: PeftModel, options: TrainingOptions, folder: Path):
        self.model, self.options, self.file = model, options, Path(folder) / "state.safetensors"
        self.weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(self._groups(), weight_decay=options.weight_decay)
        self.average = {name: p.detach().clone() for name, p in self.weights.items()}
        self.best = dict(self.average)
        self.step, self.loss, self.history = 0, float("nan"), []
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

    def validate(self, validate: Callable[[nn.Module], dict[str, float]]) -> None:
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
        about = {"step": self.step, "loss": self.loss, "history": self.history, "settings": self._settings()}
        try:
            with writing(self.file):
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
        if kept != shapes or about["settings"] != self._settings():
            raise InputError(f"{self.file} is of a run with other settings. Give another --output.", "resume")
        self.step, self.loss, self.history = about["step"], about["loss"], about["history"]
        self.average, self.best = kinds["average"], kinds["best"]
        self._put(kinds["weights"])
        for kind, values in kinds.items():
            if kind.startswith("adam/"):
                for name, value in values.items():
                    self.optimizer.state[self.weights[name]][kind.removeprefix("adam/")] = value

    def _settings(self) -> dict:
        """What a resumed run must share with the first: all that the weights depend on."""
        harmless = {"workers", "save_every", "gradient_checkpointing"}
        return {name: value for name, value in asdict(self.options).items() if name not in harmless}

    def _put(self, values: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(values[name])

    def _groups(self) -> list[dict]:
        head = [p for name, p in self.weights.items() if any(part in name for part in HEAD)]
        lora = [p for name, p in self.weights.items() if not any(part in name for part in HEAD)]
        options = self.options
        return [{"params": lora, "peak": options.learning_rate}, {"params": head, "peak": options.head_learning_rate}]


def _save(model: WhisperForAudioClassification, folder: Path) -> None:
    model.save_pretrained(folder)
    for file in Path(folder).glob("*.safetensors"):
        file.chmod(0o644)  # save_pretrained leaves it to its owner alone
    manifest.write(folder)


class _ClipLogits(nn.Module):
    """Log-mel -> clip logits, as a module for Accelerate to wrap."""

    def __init__(self, model: PeftModel):
        super().__init__()
        self.model = model

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        return whisper.frame_logits(self.model.base_model.model, mel).mean(dim=1)


def _loader(batches: Dataset, start: int, options: TrainingOptions) -> DataLoader:
    rest = Subset(batches, range(start, options.steps))
    prefetch = 8 if options.workers else None
    return DataLoader(rest, batch_size=None, num_workers=options.workers, prefetch_factor=prefetch)


def _schedule(step: int, options: TrainingOptions) -> float:
    """Linear warm-up, then half a cosine down to a tenth."""
    if step < options.warmup:
        return (step + 1) / options.warmup
    progress = (step - options.warmup) / max(1, options.steps - options.warmup)
    return 0.55 + 0.45 * math.cos(math.pi * progress)


def _rank(entry: dict) -> tuple[float, float]:
    return entry["accuracy"], -entry["loss"]
