"""The ONNX graphs that serving runs, built operator by operator from weights, so that each is laid out for speed.

All are standard ONNX but for the int8 products, which are ONNX Runtime's own. `lid export` writes those of a checkpoint
(encoder, decision); those that belong to no checkpoint (log_mel, voice) lie in lid/graphs. Building needs the packages
onnx and onnxscript, running only ONNX Runtime.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
from onnxscript import GraphBuilder

from lid.errors import InputError
from lid.model import checksums, onnx

if TYPE_CHECKING:
    from transformers import WhisperForAudioClassification

    from lid.model.open_set import OpenSetDetector

FORMAT = 1  # of what lid/runtime.py expects; a graph says its own
OPSET = 23  # the first with Attention
IR_VERSION = 10
PRODUCER = "lid"


def build(name: str, describe: Callable[[GraphBuilder], None], about: Mapping[str, Any]) -> bytes:
    """A serialised model: what `describe` adds to an empty graph, with `about` as its metadata, values in JSON."""
    graph = ir.Graph([], [], nodes=[], opset_imports={"": OPSET, "com.microsoft": 1}, name=name)
    describe(GraphBuilder(graph))
    told = {"format": FORMAT, "graph": name, **about}
    model = ir.Model(
        graph,
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
        metadata_props={key: json.dumps(value, ensure_ascii=False) for key, value in told.items()},
    )
    return ir.to_proto(model).SerializeToString()


def of(model: "WhisperForAudioClassification", quantised: bool = True) -> tuple[bytes, bytes]:
    """The graphs of encoder and log-mel for a model in memory."""
    from lid.model.graphs import encoder, log_mel

    weights = {name: tensor.detach().float().cpu().numpy() for name, tensor in model.state_dict().items()}
    return encoder.build(weights, model.config.to_dict(), quantised), log_mel.build(model.config.num_mel_bins)


def write(
    folder: Path, model: "WhisperForAudioClassification", detector: "OpenSetDetector | None", exact: bool = False
) -> None:
    """Write the graphs of a model in memory and its detector into a checkpoint's folder, and the checksums anew.
    `exact`: also the encoder in the weights' own precision. Raises InputError where they cannot be written."""
    from lid.model.graphs import decision

    place = folder / onnx.FOLDER
    encoder, log_mel = of(model)
    files = {onnx.QUANTISED: encoder, onnx.LOG_MEL: log_mel, onnx.DECISION: decision.of(model, detector)}
    if exact:
        files[onnx.EXACT] = of(model, quantised=False)[0]
    try:
        place.mkdir(exist_ok=True)
        for name, data in files.items():
            partial = place / f"{name}.partial"
            partial.write_bytes(data)
            partial.replace(place / name)
        checksums.write(folder)
    except OSError as error:
        raise InputError(
            f"{place} could not be written ({error}). Make room and give the same command again.", "disk"
        ) from error


def constant(builder: GraphBuilder, values: np.ndarray, name: str, exact: bool = False) -> ir.Value:
    """Numbers in the graph. Float ones are stored in float16, unless `exact`; ONNX Runtime widens them as it loads."""
    values = np.ascontiguousarray(values)
    if values.dtype.kind == "f" and not exact:
        stored = builder.initializer(ir.tensor(values.astype(np.float16), name=f"{name}.float16"))
        return builder.op.Cast(stored, to=ir.DataType.FLOAT)
    if values.dtype.kind == "f":
        values = values.astype(np.float32)
    return builder.initializer(ir.tensor(values, name=name))


def folded(op, windows: ir.Value, size: int) -> tuple[ir.Value, ir.Value]:
    """Real and imaginary part (..., size / 2 + 1) of the Fourier transform of Hann windows over `windows` (..., size),
    as products with half a matrix each: a window's sample n and sample size - n share their cosine and have opposite
    sines, so their sum and their difference are all it takes.

    The matrices are described, not stored: ONNX Runtime computes them as it loads.
    """
    half = size // 2
    samples = op.Unsqueeze(op.Range(1, half + 1, 1), [1])
    bins = op.Unsqueeze(op.Range(0, half + 1, 1), [0])
    step = 2 * float(np.pi) / size
    turns = op.Mul(op.Cast(op.Mod(op.Mul(samples, bins), size), to=ir.DataType.FLOAT), step)
    hann = op.Sub(0.5, op.Mul(op.Cos(op.Mul(op.Cast(samples, to=ir.DataType.FLOAT), step)), 0.5))
    cosines, sines = op.Mul(op.Cos(turns), hann), op.Slice(op.Mul(op.Sin(turns), hann), [0], [-1], [0])
    early, late = op.Slice(windows, [1], [half], [-1]), op.Slice(windows, [size - 1], [half], [-1], [-1])
    even = op.Concat(op.Add(early, late), op.Slice(windows, [half], [half + 1], [-1]), axis=-1)
    return op.MatMul(even, cosines), op.MatMul(op.Sub(early, late), sines)
