"""Silero VAD's network as a graph over a whole recording at once: its own file takes 32 ms at a time.

In: `waveform`, float32 (frames * 512,) at 16 kHz; and what a call leaves for the next block of the same recording:
`context` (64,), its last samples, `hidden` and `cell` (1, 1, 128), zeros for the first block. Out: `probabilities` of
speech (frames,), `hidden_after` and `cell_after`.

    python -m lid.model.graphs.voice    # writes lid/graphs/silero_vad.onnx from the package silero-vad

Weights: Silero VAD, MIT licence (lid/graphs/LICENSE.silero-vad).
"""

import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx_ir as ir
from onnxscript import GraphBuilder

from lid.model import graphs

FRAME = 512  # samples: one probability each
CONTEXT = 64  # samples of the frame before that a frame is heard with
MIRRORED = 64  # samples mirrored at the frame's end
WINDOW, HOP = 256, 128  # samples: the transform's window and its step
STEPS = (CONTEXT + FRAME + MIRRORED - WINDOW) // HOP + 1  # spectra of a frame: 4
WIDTH = 128


def build(weights: Mapping[str, np.ndarray]) -> bytes:
    """The graph, with weights by their names in Silero's own file."""
    return graphs.build("voice", lambda builder: _describe(builder, weights), {"frame_samples": FRAME})


def _describe(builder: GraphBuilder, weights: Mapping[str, np.ndarray]) -> None:
    op = builder.op
    waveform = builder.input("waveform", ir.DataType.FLOAT, ["samples"])
    context = builder.input("context", ir.DataType.FLOAT, [CONTEXT])
    state = [builder.input(name, ir.DataType.FLOAT, [1, 1, WIDTH]) for name in ("hidden", "cell")]

    def linear(rows: ir.Value, name: str, matrix: np.ndarray) -> ir.Value:
        product = op.MatMul(rows, graphs.constant(builder, matrix, f"{name}.weight"))
        return op.Relu(op.Add(product, graphs.constant(builder, weights[f"{_LAYERS[name]}.bias"], f"{name}.bias")))

    def taps(name: str, *chosen: int) -> np.ndarray:
        """A convolution's kernel (outputs, inputs, 3) as a matrix (taps * inputs, outputs), of some of its taps."""
        kernel = weights[f"{_LAYERS[name]}.weight"].transpose(2, 1, 0)[list(chosen)]
        return kernel.reshape(-1, kernel.shape[-1])

    spectra = _spectra(op, waveform, context)
    # Four steps become four, two, one and one. Steps beyond the first and the last are zeros.
    padded = op.Pad(spectra, [0, 1, 0, 0, 1, 0])
    beside = [op.Slice(padded, [tap], [tap + STEPS], [1]) for tap in range(3)]
    rows = linear(op.Concat(*beside, axis=-1), "conv1", taps("conv1", 0, 1, 2))
    padded = op.Pad(rows, [0, 1, 0, 0, 0, 0])
    beside = [op.Slice(padded, [tap], [tap + 3], [1], [2]) for tap in range(3)]
    rows = linear(op.Concat(*beside, axis=-1), "conv2", taps("conv2", 0, 1, 2))
    rows = linear(op.Reshape(rows, [-1, 2 * _outputs(weights, "conv2")]), "conv3", taps("conv3", 1, 2))
    rows = linear(rows, "conv4", taps("conv4", 1))
    found = _lstm(builder, op, op.Unsqueeze(rows, [1]), state, weights)
    output = weights[f"{_LAYERS['output']}.weight"].reshape(WIDTH, 1)
    logits = op.MatMul(op.Relu(op.Reshape(found[0], [-1, WIDTH])), graphs.constant(builder, output, "output.weight"))
    bias = graphs.constant(builder, weights[f"{_LAYERS['output']}.bias"], "output.bias")
    builder.add_output(op.Reshape(op.Sigmoid(op.Add(logits, bias)), [-1]), "probabilities")
    builder.add_output(found[1], "hidden_after")
    builder.add_output(found[2], "cell_after")


def _outputs(weights: Mapping[str, np.ndarray], name: str) -> int:
    """How many channels a convolution puts out."""
    return len(weights[f"{_LAYERS[name]}.bias"])


def _spectra(op, waveform: ir.Value, context: ir.Value) -> ir.Value:
    """Magnitudes (frames, 4, 129) of each frame's four windows."""
    frames = op.Reshape(waveform, [-1, FRAME])
    tails = op.Slice(frames, [FRAME - CONTEXT], [FRAME], [1])
    before = op.Concat(op.Reshape(context, [1, CONTEXT]), op.Slice(tails, [0], [-1], [0]), axis=0)
    mirrored = op.Slice(frames, [FRAME - 2], [FRAME - 2 - MIRRORED], [1], [-1])
    blocks = op.Reshape(op.Concat(before, frames, mirrored, axis=1), [-1, STEPS + 1, HOP])
    windows = op.Concat(op.Slice(blocks, [0], [STEPS], [1]), op.Slice(blocks, [1], [STEPS + 1], [1]), axis=-1)
    real, imaginary = graphs.folded(op, windows, WINDOW)
    return op.Sqrt(op.Add(op.Mul(real, real), op.Mul(imaginary, imaginary)))


def _lstm(builder: GraphBuilder, op, rows: ir.Value, state: list[ir.Value], weights: Mapping[str, np.ndarray]):
    """(frames, 1, 128) -> outputs of each frame, and both parts of the state after the last."""

    def gates(kind: str) -> np.ndarray:
        """PyTorch has them as input, forget, cell, output; ONNX as input, output, forget, cell."""
        given = np.split(weights[f"{_LSTM}.{kind}"], 4)
        return np.concatenate([given[0], given[3], given[1], given[2]])

    tables = [graphs.constant(builder, gates(kind)[None], kind) for kind in ("weight_ih", "weight_hh")]
    bias = np.concatenate([gates("bias_ih"), gates("bias_hh")])[None]
    return op.LSTM(rows, *tables, graphs.constant(builder, bias, "bias"), None, *state, hidden_size=WIDTH, _outputs=3)


# A layer here -> its name in Silero's TorchScript file, which holds the 16 kHz network as `_model`.
_LAYERS = {f"conv{i + 1}": f"_model.encoder.{i}.reparam_conv" for i in range(4)} | {
    "output": "_model.decoder.decoder.2"
}
_LSTM = "_model.decoder.rnn"


def packaged_weights() -> dict[str, np.ndarray]:
    """The weights of `silero_vad.jit` in the package silero-vad. (Its silero_vad_16k.safetensors is another one.)"""
    import torch

    package = find_spec("silero_vad")  # not imported: that sets torch to one thread for the whole process
    if package is None or package.origin is None:
        raise ModuleNotFoundError("Building the graph of voice detection needs silero-vad.", name="silero_vad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # only the weights are taken: no TorchScript is run
        state = torch.jit.load(Path(package.origin).parent / "data" / "silero_vad.jit", "cpu").state_dict()
    return {name: tensor.numpy() for name, tensor in state.items()}


if __name__ == "__main__":
    from lid.runtime import GRAPHS

    (GRAPHS / "silero_vad.onnx").write_bytes(build(packaged_weights()))
