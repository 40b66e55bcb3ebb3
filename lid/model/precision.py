"""The number format in which the encoder's matrices are multiplied: whatever this CPU really does fastest.

Only the encoder's matrix products change. What runs from layer to layer, the norms, the head and the logits stay
float32. `bfloat16` halves the time where the CPU has AVX512-BF16 or AMX and lengthens it elsewhere. `int8` keeps
weights in 8 bits with a scale for each row, and inputs in 7 bits with a scale for each frame: in 8 bits, sums of
products overflow on CPUs without VNNI, and one scale for all frames lets the loudest frame decide how coarse the
others are, which cost half a point of accuracy. The first layer's attention, where two channels are ten times larger
than the others, makes as much of int8's error as all the rest and stays as it is. Everything that is not a product
with int8 weights is bfloat16 or float32, whichever is faster. benchmarks/precision.py measures what is lost.
"""

import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import torch
from torch import nn

from lid.errors import InputError
from lid.model.whisper import Attention, Linear, WhisperClassifier

PRECISIONS = ("float32", "bfloat16", "int8")
WORTH_IT = 1.2  # how many times faster a coarser format must be to be taken
TRIAL = (125, 512, 2048)  # 2.5 s of speech through a layer of whisper-base: rows, inputs, outputs
TRIALS = 5
HOPELESS = 3.0  # times slower than the fastest


def apply(model: WhisperClassifier, precision: str) -> WhisperClassifier:
    """Turn a float32 model's encoder into this precision, in place; "auto" measures. Raises InputError for others."""
    if precision == "auto":
        precision = fastest() if model.device.type == "cpu" else "float32"
    if precision not in PRECISIONS:
        raise InputError(f"There is no precision {precision}; there are auto, {', '.join(PRECISIONS)}.", "precision")
    if precision == "int8" and "int8" not in _seconds():
        raise InputError("PyTorch has no int8 products for this machine's CPU. Use auto.", "precision")
    if precision != "float32":
        halves = precision == "bfloat16" or _faster("bfloat16", "float32")
        dtype, cast = (torch.bfloat16, CastLinear) if halves else (torch.float32, lambda linear: linear)
        make = Int8Linear if precision == "int8" else CastLinear
        model.encoder.conv1.to(dtype)
        model.encoder.conv2.to(dtype)
        layer: Any  # its parts are exchanged for others
        for index, layer in enumerate(model.encoder.layers):
            layer.self_attn = FusedAttention(layer.self_attn, make if index else cast, dtype)
            layer.fc1, layer.fc2 = make(layer.fc1), make(layer.fc2)
    model.precision = precision
    return model


def fastest() -> str:
    """The precision for this CPU."""
    chosen = "float32"
    for precision in _seconds():
        if _faster(precision, chosen):
            chosen = precision
    return chosen


def _faster(one: str, other: str) -> bool:
    return _seconds()[one] * WORTH_IT < _seconds()[other]


@cache
def _seconds() -> dict[str, float]:
    """CPU seconds of one product of Whisper's size in each precision there is; takes about a tenth of a second."""
    rows, inputs, outputs = TRIAL
    linear = nn.Linear(inputs, outputs).requires_grad_(False)
    layers: dict[str, nn.Module] = {"float32": linear, "bfloat16": CastLinear(linear)}
    with suppress(RuntimeError):  # some CPUs have no kernels for it
        layers["int8"] = Int8Linear(linear)
    return _in_turns(layers, torch.randn(rows, inputs))


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
    """A linear layer with int8 weights and 7-bit inputs, scaled for each output and for each frame; the result is
    float32."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        weight = linear.weight.detach().float()
        scales = (weight.abs().amax(dim=1) / 127).clamp(min=1e-12)
        with warnings.catch_warnings():  # of the successor of these operators, which is a package more
            warnings.simplefilter("ignore")
            quantised = torch.quantize_per_channel(
                weight, scales, torch.zeros(len(weight), dtype=torch.int64), 0, torch.qint8
            )
        self.packed = torch.ops.quantized.linear_prepack(quantised, None)
        self.bias = torch.zeros(len(weight)) if linear.bias is None else linear.bias.detach().float()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.float()
        largest = x.abs().amax(dim=-1, keepdim=True).clamp_(min=1e-12)
        product = torch.ops.quantized.linear_dynamic(x / largest, self.packed, True)  # True: 7 bits
        return torch.addcmul(self.bias, product, largest)


class FusedAttention(nn.Module):
    """Attention with query, key and value from one product; the weights' precision is `make`'s, the rest `dtype`."""

    def __init__(self, attention: Attention, make: Callable[[nn.Linear], nn.Module], dtype: torch.dtype):
        super().__init__()
        self.heads, self.dtype = attention.heads, dtype
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        width = attention.q_proj.out_features
        joined = Linear(attention.q_proj.in_features, 3 * width)
        with torch.no_grad():
            joined.weight.copy_(torch.cat([p.weight for p in projections]))
            joined.bias.copy_(torch.cat([torch.zeros(width) if p.bias is None else p.bias for p in projections]))
            joined.weight[:width] *= (width // self.heads) ** -0.5  # a power of two in every Whisper, so exact
            joined.bias[:width] *= (width // self.heads) ** -0.5
        self.joined, self.out_proj = make(joined), make(attention.out_proj)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(batch, frames, width) -> the same shape."""
        query, key, value = self._heads(hidden)
        if self.dtype == torch.float32:
            mixed = nn.functional.scaled_dot_product_attention(query, key, value, scale=1.0)
        else:  # in bfloat16 the plain products are faster
            mixed = (query @ key.transpose(2, 3)).softmax(dim=-1) @ value
        return self.out_proj(mixed.transpose(1, 2).flatten(2))

    def weights(self, hidden: torch.Tensor) -> torch.Tensor:
        """(batch, frames, width) -> float32 (batch, heads, frames, frames): where each frame looks; rows sum to 1."""
        query, key, _ = self._heads(hidden)
        return (query.float() @ key.float().transpose(2, 3)).softmax(dim=-1)

    def _heads(self, hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Query, key and value, each (batch, heads, frames, width / heads); the query is scaled."""
        joined = self.joined(hidden).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return joined.to(self.dtype, memory_format=torch.contiguous_format).unbind(0)


def _in_turns(layers: dict[str, nn.Module], x: torch.Tensor) -> dict[str, float]:
    """The least CPU seconds of a few calls of each, the first left out; a hopeless one gets no more than that. CPU
    seconds of one thread: other programs' work must not decide, and threads that wait for one another use CPU time."""
    least: dict[str, float] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for turn in range(TRIALS + 1):
                for name, layer in layers.items():
                    if turn > 1 and least[name] > HOPELESS * min(least.values()):
                        continue
                    start = time.thread_time()
                    layer(x)
                    taken = time.thread_time() - start
                    least[name] = taken if turn < 2 else min(taken, least[name])
    finally:
        torch.set_num_threads(threads)
    return least


def supports_bf16(device: torch.device) -> bool:
    """Whether this GPU, or this machine's CPU by AVX512-BF16 or AMX, has instructions for bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # PyTorch has no public way to ask
    return any(getattr(torch.cpu, test, lambda: False)() for test in tests)


def autocast(device: torch.device) -> torch.autocast:
    """A context in which products are in bfloat16 where that is native, and in float32 elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=supports_bf16(device))
