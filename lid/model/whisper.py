"""Whisper's encoder under a classification head: the network in plain PyTorch, and the functions that run it.

The checkpoint is a stock `WhisperForAudioClassification`. Transformers' own forward insists on one fixed length and
averages over padding as well; the functions here run the same modules on just the frames there are, of Transformers'
class in training and of `WhisperClassifier` in serving. The head is linear, so a clip's logits are exactly the mean of
its frames' logits.

`WhisperClassifier` has the same parts under the same names as Transformers' class. Serving uses it because importing
that class takes longer than everything else from start to answer (benchmarks/speed.py), and because the weights may be
kept in another precision. The tests hold the two to the same answers.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from lid.errors import InputError
from lid.features import FRAME_SECONDS

if TYPE_CHECKING:
    from transformers import WhisperForAudioClassification


@dataclass(frozen=True)
class Config:
    """The part of a checkpoint's config.json that serving needs; defaults are those of Transformers' WhisperConfig."""

    d_model: int = 384
    encoder_layers: int = 4
    encoder_attention_heads: int = 6
    encoder_ffn_dim: int = 1536
    num_mel_bins: int = 80
    max_source_positions: int = 1500
    classifier_proj_size: int = 256
    use_weighted_layer_sum: bool = False
    id2label: dict[int, str] = field(default_factory=lambda: {0: "LABEL_0", 1: "LABEL_1"})

    @classmethod
    def load(cls, folder: Path) -> "Config":
        """Read a folder's config.json. Raises InputError when there is none or it is not Whisper's."""
        try:
            settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(not_loaded(folder, error), "model") from error
        kind = settings.get("model_type") if isinstance(settings, dict) else None
        if kind != "whisper":
            raise InputError(f"{folder} is a {kind} model; a Whisper one is needed.", "model")
        if settings.get("activation_function", "gelu") != "gelu":
            raise InputError(f"{folder} is no usual Whisper: its activation function is not GELU.", "model")
        return cls.of(settings)

    @classmethod
    def of(cls, settings: dict) -> "Config":
        """Of all that config.json holds, or Transformers' `config.to_dict()`."""
        settings = {name: settings[name] for name in (f.name for f in fields(cls)) if name in settings}
        if "id2label" in settings:
            settings["id2label"] = {int(index): label for index, label in settings["id2label"].items()}
        return cls(**settings)


class _Unset:
    """No random numbers for weights that a checkpoint's replace at once. (PyTorch's own way to that, the meta device,
    imports nine hundred modules: as much time as importing PyTorch takes.)"""

    def reset_parameters(self) -> None:
        pass


class Linear(_Unset, nn.Linear):
    pass


class Conv1d(_Unset, nn.Conv1d):
    pass


class Embedding(_Unset, nn.Embedding):
    pass


class Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj = Linear(width, width)
        self.k_proj = Linear(width, width, bias=False)
        self.v_proj = Linear(width, width)
        self.out_proj = Linear(width, width)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(batch, frames, width) -> the same shape."""
        query, key, value = (self.split(proj(hidden)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))

    def weights(self, hidden: torch.Tensor) -> torch.Tensor:
        """(batch, frames, width) -> float32 (batch, heads, frames, frames): where each frame looks; rows sum to 1."""
        query, key = (self.split(proj(hidden)).float() for proj in (self.q_proj, self.k_proj))
        return (query @ key.transpose(2, 3) * query.shape[-1] ** -0.5).softmax(dim=-1)

    def split(self, projected: torch.Tensor) -> torch.Tensor:
        """(batch, frames, width) -> (batch, heads, frames, width / heads)."""
        return projected.unflatten(2, (self.heads, -1)).transpose(1, 2)


class Layer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        width = config.d_model
        self.self_attn = Attention(width, config.encoder_attention_heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = Linear(width, config.encoder_ffn_dim)
        self.fc2 = Linear(config.encoder_ffn_dim, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, hidden: torch.Tensor, mask: None = None) -> torch.Tensor:
        """(batch, frames, width) -> the same shape; the mask is there because Transformers' layers have one."""
        hidden = hidden + self.self_attn(self.self_attn_layer_norm(hidden))
        return hidden + self.fc2(nn.functional.gelu(self.fc1(self.final_layer_norm(hidden))))


class Encoder(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.conv1 = Conv1d(config.num_mel_bins, config.d_model, kernel_size=3, padding=1)
        self.conv2 = Conv1d(config.d_model, config.d_model, kernel_size=3, stride=2, padding=1)
        self.embed_positions = Embedding(config.max_source_positions, config.d_model)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(config.d_model)


class Classifier(Protocol):
    """What the functions below need of a model. `WhisperClassifier` has it, and Transformers'
    `WhisperForAudioClassification`, whose parts are of other classes with the same names."""

    config: Any
    encoder: Any
    projector: Any
    classifier: Any
    layer_weights: Any  # where `config.use_weighted_layer_sum`

    def parameters(self) -> Iterator[nn.Parameter]: ...


class WhisperClassifier(nn.Module):
    """The parts; the functions below run them."""

    precision = "float32"  # of the encoder's products: see `lid.model.precision`

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        if config.use_weighted_layer_sum:
            self.layer_weights = nn.Parameter(torch.zeros(config.encoder_layers + 1))
        self.projector = Linear(config.d_model, config.classifier_proj_size)
        self.classifier = Linear(config.classifier_proj_size, len(config.id2label))

    @property
    def device(self) -> torch.device:
        return self.projector.weight.device


def load(folder: Path) -> WhisperClassifier:
    """A checkpoint folder's model in float32, on the CPU. Raises InputError when there is no usable one."""
    config = Config.load(folder)
    try:
        model = WhisperClassifier(config)
        wanted = set(model.state_dict())
        weights = {name: tensor.float() for file in _files(folder) for name, tensor in _tensors(file, wanted)}
        model.load_state_dict(weights, assign=True)
    except (OSError, RuntimeError, SafetensorError, ValueError, KeyError) as error:
        raise InputError(not_loaded(folder, error), "model") from error
    return model.requires_grad_(False).eval()


def of(model: "WhisperForAudioClassification") -> WhisperClassifier:
    """What serves a `WhisperForAudioClassification` in memory: the same weights in float32, on the CPU."""
    served = WhisperClassifier(Config.of(model.config.to_dict()))
    weights = model.state_dict()
    served.load_state_dict({name: weights[name].float().cpu() for name in served.state_dict()}, assign=True)
    return served.requires_grad_(False).eval()


def _files(folder: Path) -> list[Path]:
    """The one file of weights, or all that an index of a large model names."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return [folder / "model.safetensors"]
    return [folder / Path(name).name for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))]


def _tensors(file: Path, wanted: set[str]) -> list[tuple[str, torch.Tensor]]:
    with safe_open(file, "pt") as opened:
        return [(name, opened.get_tensor(name)) for name in wanted & set(opened.keys())]


def not_loaded(source: str | Path, error: Exception) -> str:
    """What to tell whoever named a checkpoint that cannot be used."""
    return (
        f"No model could be loaded from {source}. Give a folder or a Hub id of a Whisper audio-classification "
        f"checkpoint in safetensors. ({error})"
    )


def window_seconds(model: Classifier) -> float:
    """The longest stretch of audio the model takes at once."""
    return model.config.max_source_positions * FRAME_SECONDS


def embed(model: Classifier, mel: torch.Tensor) -> torch.Tensor:
    """Log-mel (batch, mels, 2 * frames) -> the first layer's input (batch, frames, width)."""
    encoder = model.encoder
    hidden = nn.functional.gelu(encoder.conv1(mel.to(encoder.conv1.weight.dtype)))
    hidden = nn.functional.gelu(encoder.conv2(hidden)).permute(0, 2, 1).contiguous()  # or every sum inherits the order
    return hidden + encoder.embed_positions.weight[: hidden.shape[1]]


def encode(model: Classifier, mel: torch.Tensor) -> torch.Tensor:
    """Log-mel (batch, mels, 2 * frames) -> encoder states (batch, frames, width); mixed over layers if it says so."""
    hidden = embed(model, mel)
    states = [hidden]
    for layer in model.encoder.layers:
        hidden = layer(hidden, None)
        states.append(hidden)
    states[-1] = model.encoder.layer_norm(hidden)
    if not model.config.use_weighted_layer_sum:
        return states[-1]
    weights = model.layer_weights.softmax(dim=-1)
    return sum(weight * state for weight, state in zip(weights, states, strict=True))


def project(model: Classifier, mel: torch.Tensor) -> torch.Tensor:
    """Log-mel (batch, mels, 2 * frames) -> the classifier's input for each 20 ms frame (batch, frames, width)."""
    return model.projector(encode(model, mel))


def frame_logits(model: Classifier, mel: torch.Tensor) -> torch.Tensor:
    """Log-mel (batch, mels, 2 * frames) -> float32 logits of each 20 ms frame (batch, frames, labels)."""
    return model.classifier(project(model, mel)).float()


def attention(model: Classifier, mel: torch.Tensor, layer: int = -1) -> torch.Tensor:
    """Self-attention of one layer of a `WhisperClassifier` for log-mel (1, mels, 2 * frames): float32 (heads, frames,
    frames), rows sum to 1. Only this layer's weights are formed; the layers below run as usual."""
    layers = model.encoder.layers
    index = range(len(layers))[layer]
    hidden = embed(model, mel)
    for below in layers[:index]:
        hidden = below(hidden, None)
    return layers[index].self_attn.weights(layers[index].self_attn_layer_norm(hidden))[0]
