"""The number format in which the encoder's matrices are multiplied: whatever this CPU really does fastest.

Only the encoder's matrix products change. What runs from layer to layer, the norms, the head and the logits stay
float32. `bfloat16` halves the time where the CPU has AVX512-BF16 or AMX and lengthens it elsewhere. `int8` keeps
weights in 8 bits with a scale for each row, and inputs in 8 bits with one scale a call; it needs VNNI, without which
sums of products overflow. It is quicker still, but benchmarks/precision.py finds that it loses more than a tenth of a
point of accuracy, so it has to be asked for.
"""

import time
import warnings
from collections.abc import Callable
from functools import cache

import torch
from torch import nn

from lid.encoder import Attention, WhisperClassifier
from lid.errors import InputError

PRECISIONS = ("float32", "bfloat16", "int8")
WORTH_IT = 1.3  # how many times faster a coarser format must be to be taken
TRIAL = (250, 512, 2048)  # 5 s of speech through a layer of whisper-base: rows, inputs, outputs
TRIALS = 5


def apply(model: WhisperClassifier, precision: str) -> WhisperClassifier:
    """Turn a float32 model's encoder into this precision, in place; "auto" measures. Raises InputError for others."""
    if precision == "auto":
        precision = fastest() if model.device.type == "cpu" else "float32"
    if precision not in PRECISIONS:
        raise InputError(f"There is no precision {precision}; there are auto, {', '.join(PRECISIONS)}.", "precision")
    if precision == "int8" and not _has_int8():
        raise InputError("This machine's CPU does not multiply in int8 (VNNI). Use auto.", "precision")
    if precision != "float32":
        make = Int8Linear if precision == "int8" else CastLinear
        model.encoder.conv1.bfloat16()
        model.encoder.conv2.bfloat16()
        for layer in model.encoder.layers:
            layer.self_attn = FusedAttention(layer.self_attn, make)
            layer.fc1, layer.fc2 = make(layer.fc1), make(layer.fc2)
    model.precision = precision
    return model


@cache
def fastest() -> str:
    """The precision for this CPU, by one product of Whisper's size in each; takes about a tenth of a second."""
    rows, inputs, outputs = TRIAL
    x = torch.randn(rows, inputs)
    linear = nn.Linear(inputs, outputs).requires_grad_(False)
    layers = {"float32": linear, "bfloat16": CastLinear(linear)}  # int8 is quicker still, and not for free
    seconds = {name: min(times) for name, times in _in_turns(layers, x).items()}
    chosen = "float32"
    for precision in layers:
        if seconds[precision] * WORTH_IT < seconds[chosen]:
            chosen = precision
    return chosen


class CastLinear(nn.Linear):
    """A linear layer in bfloat16, for inputs of any type."""

    def __init__(self, linear: nn.Linear):
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight = nn.Parameter(linear.weight.bfloat16(), requires_grad=False)
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.bfloat16(), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.to(self.weight.dtype))


class Int8Linear(nn.Module):
    """A linear layer with int8 weights and 8-bit inputs; the result is float32."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        weight = linear.weight.detach().float()
        scales = (weight.abs().amax(dim=1) / 127).clamp(min=1e-12)
        with warnings.catch_warnings():  # of the successor of these operators, which is a package more
            warnings.simplefilter("ignore")
            quantised = torch.quantize_per_channel(
                weight, scales, torch.zeros(len(weight), dtype=torch.int64), 0, torch.qint8
            )
        bias = None if linear.bias is None else linear.bias.detach().float()
        self.packed = torch.ops.quantized.linear_prepack(quantised, bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.quantized.linear_dynamic(x.float(), self.packed, False)


class FusedAttention(nn.Module):
    """Attention with query, key and value from one product; the weights' precision is `make`'s, the rest bfloat16."""

    def __init__(self, attention: Attention, make: Callable[[nn.Linear], nn.Module]):
        super().__init__()
        self.heads = attention.heads
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        width = attention.q_proj.out_features
        joined = nn.Linear(attention.q_proj.in_features, 3 * width)
        with torch.no_grad():
            joined.weight.copy_(torch.cat([p.weight for p in projections]))
            joined.bias.copy_(torch.cat([torch.zeros(width) if p.bias is None else p.bias for p in projections]))
            joined.weight[:width] *= (width // self.heads) ** -0.5  # a power of two in every Whisper, so exact
            joined.bias[:width] *= (width // self.heads) ** -0.5
        self.joined, self.out_proj = make(joined), make(attention.out_proj)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(batch, frames, width) -> the same shape."""
        query, key, value = self._heads(hidden)
        mixed = (query @ key.transpose(2, 3)).softmax(dim=-1) @ value
        return self.out_proj(mixed.transpose(1, 2).flatten(2))

    def weights(self, hidden: torch.Tensor) -> torch.Tensor:
        """(batch, frames, width) -> float32 (batch, heads, frames, frames): where each frame looks; rows sum to 1."""
        query, key, _ = self._heads(hidden)
        return (query.float() @ key.float().transpose(2, 3)).softmax(dim=-1)

    def _heads(self, hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Query, key and value, each bfloat16 (batch, heads, frames, width / heads); the query is scaled."""
        joined = self.joined(hidden).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return joined.to(torch.bfloat16, memory_format=torch.contiguous_format).unbind(0)


def _in_turns(layers: dict[str, nn.Module], x: torch.Tensor) -> dict[str, list[float]]:
    """CPU seconds of a few calls of each, the first left out. Not seconds: other programs' work must not decide."""
    times: dict[str, list[float]] = {name: [] for name in layers}
    with torch.inference_mode():
        for turn in range(TRIALS + 1):
            for name, layer in layers.items():
                start = time.process_time()
                layer(x)
                if turn:
                    times[name].append(time.process_time() - start)
    return times


def _has_int8() -> bool:
    return getattr(torch.cpu, "_is_vnni_supported", lambda: False)()
