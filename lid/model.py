"""Whisper's encoder with a classification head, run on clips of any length up to its window.

The checkpoint is a stock `WhisperForAudioClassification`. Its own forward insists on one fixed length and averages over
padding as well; these functions run the same modules on just the frames there are, of that class in training and of
`lid.encoder`'s in serving. The head is linear, so a clip's logits are exactly the mean of its frames' logits.
"""

import torch
from torch import nn

from lid.features import FRAME_SECONDS


def window_seconds(model: nn.Module) -> float:
    """The longest stretch of audio the model takes at once."""
    return model.config.max_source_positions * FRAME_SECONDS


def embed(model: nn.Module, mel: torch.Tensor) -> torch.Tensor:
    """Log-mel (batch, mels, 2 * frames) -> the first layer's input (batch, frames, width)."""
    encoder = model.encoder
    hidden = nn.functional.gelu(encoder.conv1(mel.to(encoder.conv1.weight.dtype)))
    hidden = nn.functional.gelu(encoder.conv2(hidden)).permute(0, 2, 1).contiguous()  # or every sum inherits the order
    return hidden + encoder.embed_positions.weight[: hidden.shape[1]]


def encode(model: nn.Module, mel: torch.Tensor) -> torch.Tensor:
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


def project(model: nn.Module, mel: torch.Tensor) -> torch.Tensor:
    """Log-mel (batch, mels, 2 * frames) -> the classifier's input for each 20 ms frame (batch, frames, width)."""
    return model.projector(encode(model, mel))


def frame_logits(model: nn.Module, mel: torch.Tensor) -> torch.Tensor:
    """Log-mel (batch, mels, 2 * frames) -> float32 logits of each 20 ms frame (batch, frames, labels)."""
    return model.classifier(project(model, mel)).float()


def attention(model: nn.Module, mel: torch.Tensor, layer: int = -1) -> torch.Tensor:
    """Self-attention of one layer of a `lid.encoder` model for log-mel (1, mels, 2 * frames): float32 (heads, frames,
    frames), rows sum to 1. Only this layer's weights are formed; the layers below run as usual."""
    layers = model.encoder.layers
    index = range(len(layers))[layer]
    hidden = embed(model, mel)
    for below in layers[:index]:
        hidden = below(hidden, None)
    return layers[index].self_attn.weights(layers[index].self_attn_layer_norm(hidden))[0]
