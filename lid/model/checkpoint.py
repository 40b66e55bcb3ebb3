"""Checkpoints: a Whisper base under a new head, LoRA on it, merged, averaged, and saved as a Transformers folder."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from peft.peft_model import PeftModel
from safetensors import SafetensorError
from torch import nn
from transformers import WhisperFeatureExtractor, WhisperForAudioClassification

from lid.errors import InputError
from lid.features import FRAME_SECONDS
from lid.languages import CODES
from lid.model import checksums
from lid.model.open_set import Background

LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
HEAD = ("projector", "classifier")


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


def _save(model: WhisperForAudioClassification, folder: Path) -> None:
    model.save_pretrained(folder)
    for file in Path(folder).glob("*.safetensors"):
        file.chmod(0o644)  # save_pretrained leaves it to its owner alone
    checksums.write(folder)
