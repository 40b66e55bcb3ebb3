"""Whisper's log-mel spectrogram as a graph, equal to `WhisperFeatureExtractor`'s at any length.

In: `waveforms`, float32 (batch, samples) at 16 kHz, at least 320 samples. Out: `input_features` (batch, mels,
samples // 160). Each clip is floored 8 log10 units (80 dB) under its own loudest bin, as Whisper does.
"""

import numpy as np
import onnx_ir as ir
from onnxscript import GraphBuilder

from lid.features import HOP, N_FFT, mel_filters
from lid.model import graphs

HALF = N_FFT // 2
SMALLEST = 1e-10  # power; Whisper's
RANGE = 8.0  # log10 units under the loudest that are told apart
LAST = 2**62  # the end of a slice that goes on to the end


def build(mels: int) -> bytes:
    """The graph for 80 bands, or 128 (whisper-large-v3)."""
    return graphs.build("log_mel", lambda builder: _describe(builder, mels), {"mels": mels})


def _describe(builder: GraphBuilder, mels: int) -> None:
    op = builder.op
    waveforms = builder.input("waveforms", ir.DataType.FLOAT, ["batch", "samples"])
    frames = _frames(op, waveforms)
    real, imaginary = graphs.folded(op, frames, N_FFT)
    power = op.Add(op.Mul(real, real), op.Mul(imaginary, imaginary))
    bands = op.MatMul(power, graphs.constant(builder, mel_filters(mels).T, "filters", exact=True))
    logarithm = op.Div(op.Log(op.Max(bands, SMALLEST)), float(np.log(10)))
    loudest = op.ReduceMax(logarithm, [1, 2], keepdims=1)
    floored = op.Max(logarithm, op.Sub(loudest, RANGE))
    scaled = op.Div(op.Add(floored, 4.0), 4.0)
    features = op.Transpose(scaled, perm=[0, 2, 1])
    features.shape = ir.Shape(["batch", mels, "frames"])
    builder.add_output(features, "input_features")


def _frames(op, waveforms: ir.Value) -> ir.Value:
    """Windows (batch, frames, 400), one every 160 samples, the first around sample 0: its left half is mirrored."""
    padded = op.Pad(waveforms, [0, HALF, 0, HALF], mode="reflect")
    blocks = op.Div(op.Shape(waveforms, start=1, end=2), [HOP])
    length = op.Mul(op.Add(blocks, [2]), [HOP])  # a window is two blocks of 160 and half of the next
    rows = op.Reshape(op.Slice(op.Pad(padded, [0, 0, 0, HOP]), [0], length, [1]), [0, -1, HOP])
    beside = [op.Slice(rows, [start], [end], [1]) for start, end in ((0, -2), (1, -1), (2, LAST))]
    beside[2] = op.Slice(beside[2], [0], [N_FFT - 2 * HOP], [2])
    return op.Concat(*beside, axis=-1)
