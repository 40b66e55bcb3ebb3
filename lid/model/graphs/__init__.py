"""The ONNX graphs that serving runs, built operator by operator from weights, so that each is laid out for speed.

All are standard ONNX but for the int8 products, which are ONNX Runtime's own. `lid export` writes those of a checkpoint
(encoder, decision); those that belong to no checkpoint (log_mel, voice) lie in lid/graphs. Building needs the packages
onnx and onnxscript, running only ONNX Runtime.
"""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
from onnxscript import GraphBuilder

if TYPE_CHECKING:
    from transformers import WhisperForAudioClassification

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


def constant(builder: GraphBuilder, values: np.ndarray, name: str, exact: bool = False) -> ir.Value:
    """Numbers in the graph. Float ones are stored in float16, unless `exact`; ONNX Runtime widens them as it loads."""
    values = np.ascontiguousarray(values)
    if values.dtype.kind == "f" and not exact:
        stored = builder.initializer(ir.tensor(values.astype(np.float16), name=f"{name}.float16"))
        return builder.op.Cast(stored, to=ir.DataType.FLOAT)
    if values.dtype.kind == "f":
        values = values.astype(np.float32)
    return builder.initializer(ir.tensor(values, name=name))
