"""Whisper's encoder under a classification head, as a graph.

In: `input_features`, log-mel, float32 (batch, mels, 2 * frames); frames up to the model's window. Out, by the names of
Optimum and Transformers: `logits` (batch, labels), their mean over the frames; beside it `frame_logits` (batch, frames,
labels), `embedding` (batch, width), the mean of the classifier's input, and `attentions.0`, `attentions.1`, ...
(batch, heads, frames, frames), one of each layer, whose rows sum to 1. Those are empty unless the input
`output_attentions`, which may be left out, is true.

Quantised, the products with weights are of 8-bit numbers. One scale for all frames would let the loudest frame decide
how coarse the others are, so each frame has its own: it is divided by its largest number before the product, and the
product multiplied by it. Weights have 7 bits and a scale for each column: with 8 bits, sums of two products overflow on
CPUs without VNNI. docs/LOG.md has what other arrangements cost in time and accuracy.
"""

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from onnxscript import GraphBuilder

from lid.model import graphs

NORM_EPSILON = 1e-5  # PyTorch's default, and so Whisper's
TINY = 1e-12  # the least scale of a frame
GELU_LEAST = 0.17  # GELU is never below -0.17, so the largest number of a frame or this bounds all of them
WEIGHT_LEVELS = 63  # 7 bits with a sign
CUT = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)  # of the largest weight, kept
INPUT_LEVELS = 127
MIDDLE = 128  # stands for 0 in a frame's numbers
LAST = 2**62  # the end of a slice that goes on to the end


def build(weights: Mapping[str, np.ndarray], config: Mapping, quantised: bool) -> bytes:
    """The graph of a `WhisperForAudioClassification`, by its weights and its config.json."""
    encoder = _Encoder({name: np.asarray(values, np.float32) for name, values in weights.items()}, config, quantised)
    labels = [config["id2label"][key] for key in sorted(config["id2label"], key=int)]
    about = {
        "labels": labels,
        "layers": encoder.layers,
        "heads": encoder.heads,
        "mels": config["num_mel_bins"],
        "window_frames": config["max_source_positions"],
        "width": len(encoder.weights["projector.bias"]),
        "d_model": encoder.width,
        "quantised": quantised,
    }
    return graphs.build("encoder", encoder.describe, about)


class _Encoder:
    def __init__(self, weights: Mapping[str, np.ndarray], config: Mapping, quantised: bool):
        self.weights = weights
        self.width: int = config["d_model"]
        self.heads: int = config["encoder_attention_heads"]
        self.layers: int = config["encoder_layers"]
        self.mels: int = config["num_mel_bins"]
        self.mixed: bool = config.get("use_weighted_layer_sum", False)
        self.quantised = quantised

    def describe(self, builder: GraphBuilder) -> None:
        self.builder, self.op = builder, builder.op
        self.middle = graphs.constant(builder, np.array(MIDDLE, np.uint8), "middle")
        mel = builder.input("input_features", ir.DataType.FLOAT, ["batch", self.mels, "mel_frames"])
        off = ir.tensor(np.array(False), name="output_attentions")
        self.wanted = builder.input("output_attentions", ir.DataType.BOOL, [], const_value=off)
        hidden = self._embed(mel)
        states, attentions = [hidden], []
        for layer in range(self.layers):
            hidden, attention = self._layer(hidden, f"encoder.layers.{layer}")
            states.append(hidden)
            attentions.append(attention)
        states[-1] = self._norm(hidden, "encoder.layer_norm")
        self._head(self._mix(states) if self.mixed else states[-1])
        for layer, attention in enumerate(attentions):
            builder.add_output(attention, f"attentions.{layer}")

    def _embed(self, mel: ir.Value) -> ir.Value:
        """Both convolutions, as products: each frame beside its neighbours, times the kernel."""
        op = self.op
        padded = op.Pad(op.Transpose(mel, perm=[0, 2, 1]), [0, 1, 0, 0, 1, 0])
        beside = [op.Slice(padded, [start], [end], [1]) for start, end in ((0, -2), (1, -1), (2, LAST))]
        bias = self._constant("encoder.conv1.bias")
        first = op.Gelu(op.Add(op.MatMul(op.Concat(*beside, axis=-1), self._kernel("encoder.conv1")), bias))
        padded = op.Pad(first, [0, 1, 0, 0, 1, 0])
        pairs = op.Reshape(op.Slice(padded, [0], [-2], [1]), [0, -1, 2 * self.width])
        beside = [pairs, op.Slice(padded, [2], [LAST], [1], [2])]
        hidden = op.Gelu(self._product(op.Concat(*beside, axis=-1), "encoder.conv2", self._taps("encoder.conv2"), True))
        frames = op.Shape(hidden, start=1, end=2)
        return op.Add(hidden, op.Slice(self._constant("encoder.embed_positions.weight"), [0], frames, [0]))

    def _layer(self, hidden: ir.Value, name: str) -> tuple[ir.Value, ir.Value]:
        op = self.op
        query, key, value = self._queries_keys_values(self._norm(hidden, f"{name}.self_attn_layer_norm"), name)
        heads = {"q_num_heads": self.heads, "kv_num_heads": self.heads}
        heard = op.Attention(query, key, value, scale=1.0, **heads)
        hidden = op.Add(hidden, self._linear(heard, f"{name}.self_attn.out_proj"))
        inner = op.Gelu(self._linear(self._norm(hidden, f"{name}.final_layer_norm"), f"{name}.fc1"))
        hidden = op.Add(hidden, self._linear(inner, f"{name}.fc2", after_gelu=True))
        return hidden, self._attention(query, key, name)

    def _queries_keys_values(self, hidden: ir.Value, name: str) -> tuple[ir.Value, ...]:
        """All three from one product. The query is scaled, by a power of two in every Whisper, so exactly."""
        scale = (self.width // self.heads) ** -0.5
        parts = [self.weights[f"{name}.self_attn.{part}_proj.weight"].T for part in "qkv"]
        bias = {part: self.weights.get(f"{name}.self_attn.{part}_proj.bias", np.zeros(self.width)) for part in "qkv"}
        weight = np.concatenate([parts[0] * scale, *parts[1:]], axis=1)
        biases = np.concatenate([bias["q"] * scale, bias["k"], bias["v"]])
        joined = self._product(hidden, f"{name}.self_attn.joined", weight, bias=biases)
        return tuple(self.op.Split(joined, num_outputs=3, axis=-1, _outputs=3))

    def _attention(self, query: ir.Value, key: ir.Value, name: str) -> ir.Value:
        """Where each frame looks, if wanted; computed anew, because the fast operator does not tell."""

        def by_head(op, rows: ir.Value) -> ir.Value:
            return op.Transpose(op.Reshape(rows, [0, 0, self.heads, -1]), perm=[0, 2, 1, 3])

        def told(op) -> ir.Value:
            transposed = op.Transpose(by_head(op, key), perm=[0, 1, 3, 2])
            return op.Softmax(op.MatMul(by_head(op, query), transposed), axis=-1)

        def untold(op) -> ir.Value:
            return op.ConstantOfShape(op.Constant(value_ints=[0, 0, 0, 0]))

        def branch(trace, kind: str) -> ir.Graph:
            return self.builder.subgraph(trace, [], [ir.val(f"{name}.attention.{kind}", ir.DataType.FLOAT)], name=kind)

        return self.op.If(self.wanted, then_branch=branch(told, "told"), else_branch=branch(untold, "untold"))

    def _head(self, hidden: ir.Value) -> None:
        """Projector and classifier are linear, so one product gives the logits of a frame, and the embedding is the
        projection of the mean."""
        op = self.op
        weight, bias, projection, offset = (
            self.weights[f"{layer}.{kind}"].astype(np.float64)
            for layer in ("classifier", "projector")
            for kind in ("weight", "bias")
        )
        frames = op.MatMul(hidden, self._exact("head.weight", (weight @ projection).T))
        frames = op.Add(frames, self._exact("head.bias", weight @ offset + bias))
        mean = op.ReduceMean(hidden, [1], keepdims=0)
        embedding = op.MatMul(mean, self._exact("projector.weight", projection.T))
        self.builder.add_output(op.ReduceMean(frames, [1], keepdims=0), "logits")
        self.builder.add_output(frames, "frame_logits")
        self.builder.add_output(op.Add(embedding, self._exact("projector.bias", offset)), "embedding")

    def _mix(self, states: list[ir.Value]) -> ir.Value:
        """The weighted sum of all layers' states."""
        weights = np.exp(self.weights["layer_weights"].astype(np.float64))
        shares = [float(share) for share in weights / weights.sum()]
        return self.op.Sum(*(self.op.Mul(state, share) for state, share in zip(states, shares, strict=True)))

    def _norm(self, hidden: ir.Value, name: str) -> ir.Value:
        scale, bias = (self._exact(f"{name}.{kind}", self.weights[f"{name}.{kind}"]) for kind in ("weight", "bias"))
        return self.op.LayerNormalization(hidden, scale, bias, axis=-1, epsilon=NORM_EPSILON)

    def _linear(self, values: ir.Value, name: str, after_gelu: bool = False) -> ir.Value:
        return self._product(values, name, self.weights[f"{name}.weight"].T, after_gelu)

    def _product(
        self, values: ir.Value, name: str, weight: np.ndarray, after_gelu: bool = False, bias: np.ndarray | None = None
    ) -> ir.Value:
        """values @ weight + bias, weight (inputs, outputs); quantised where the graph is. `after_gelu`: the values are
        GELU's, so that how far they reach below 0 is known."""
        op = self.op
        bias = self._exact(f"{name}.bias", self.weights[f"{name}.bias"] if bias is None else bias)
        if not self.quantised:
            return op.Add(op.MatMul(values, graphs.constant(self.builder, weight, f"{name}.weight")), bias)
        largest = op.ReduceMax(values if after_gelu else op.Abs(values), [-1], keepdims=1)
        largest = op.Max(largest, GELU_LEAST if after_gelu else TINY)
        whole, scales = _rounded(weight)
        product = op.MatMulIntegerToFloat(
            op.QuantizeLinear(op.Div(values, largest), 1 / INPUT_LEVELS, self.middle),
            graphs.constant(self.builder, whole, f"{name}.weight.int8"),
            1 / INPUT_LEVELS,
            self._exact(f"{name}.scales", scales),
            self.middle,
            _domain="com.microsoft",
        )
        return op.Add(op.Mul(product, largest), bias)

    def _taps(self, name: str) -> np.ndarray:
        """A convolution's kernel (outputs, inputs, 3) as a matrix (3 * inputs, outputs)."""
        kernel = self.weights[f"{name}.weight"]
        return kernel.transpose(2, 1, 0).reshape(-1, len(kernel))

    def _kernel(self, name: str) -> ir.Value:
        return graphs.constant(self.builder, self._taps(name), f"{name}.weight")

    def _constant(self, name: str) -> ir.Value:
        return graphs.constant(self.builder, self.weights[name], name)

    def _exact(self, name: str, values: np.ndarray) -> ir.Value:
        return graphs.constant(self.builder, values, name, exact=True)


def _rounded(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A matrix (inputs, outputs) in whole numbers up to WEIGHT_LEVELS, and the scale of each column, (outputs,): of
    several, which cut the largest weights off or do not, the one with the least squared error."""
    largest = np.maximum(np.abs(weight).max(axis=0), TINY)
    tried = [largest * share / WEIGHT_LEVELS for share in CUT]
    whole = [np.clip(np.round(weight / scales), -WEIGHT_LEVELS, WEIGHT_LEVELS) for scales in tried]
    errors = [np.square(one * scales - weight).sum(axis=0) for one, scales in zip(whole, tried, strict=True)]
    best = np.argmin(errors, axis=0)
    columns = np.arange(weight.shape[1])
    return np.stack(whole)[best, :, columns].T.astype(np.int8), np.stack(tried)[best, columns]
