"""What a clip's embedding says, as a graph: the logits of the three languages and, by `lid.model.open_set`, whether it
is speech, any of the three at all, and what else it sounds like.

In: `embedding`, float32 (batch, width), the mean over the clip's frames. Out: `logits` (batch, 3) in the order uz, ru,
en; `speech_score`, `known_score` (batch,) and `sounds_like` (batch, languages), probabilities among the languages
beside the three. The last three are there where the detector can tell. The thresholds and names that go with them are
in the metadata.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
from onnxscript import GraphBuilder

from lid.languages import CODES, label_order
from lid.model import graphs
from lid.model.open_set import ENOUGH, NO_SPEECH, OpenSetDetector

if TYPE_CHECKING:
    from transformers import WhisperForAudioClassification


def build(weight: np.ndarray, bias: np.ndarray, detector: OpenSetDetector | None) -> bytes:
    """The graph of a classifier's rows (3, width) and (3,) in the order uz, ru, en, and what lies beside it."""
    about: dict[str, Any] = {"width": weight.shape[1], "can_reject": bool(detector and detector.can_reject)}
    if detector:
        about |= {
            "languages": list(detector.languages),
            "threshold": detector.threshold,
            "speech_threshold": detector.speech_threshold,
            "faint_threshold": detector.faint_threshold,
            "sounds_languages": list(detector.others),
        }

    def describe(builder: GraphBuilder) -> None:
        embedding = builder.input("embedding", ir.DataType.FLOAT, ["batch", weight.shape[1]])
        graph = _Decision(builder, embedding)
        logits = graph.linear("classifier", weight, bias)
        builder.add_output(logits, "logits")
        if detector:
            graph.describe(detector, logits)

    return graphs.build("decision", describe, about)


class _Decision:
    def __init__(self, builder: GraphBuilder, embedding: ir.Value):
        self.builder, self.op, self.embedding = builder, builder.op, embedding
        # Made once, for all that look at them; None where the detector has none.
        self.rows: ir.Value | None = None
        self.sounds: ir.Value | None = None
        self.normalised: ir.Value | None = None

    def describe(self, detector: OpenSetDetector, logits: ir.Value) -> None:
        op = self.op
        if detector.speech_weight is not None:
            speech = self.linear("speech", detector.speech_weight[None], np.zeros(1))
            self.builder.add_output(op.Squeeze(speech, [1]), "speech_score")
        if len(detector.languages):
            self.rows = self.linear("rows", detector.weight, detector.bias)
        if detector.sounds_weight is not None and detector.sounds_bias is not None:
            self.sounds = self.linear("sounds", detector.sounds_weight, detector.sounds_bias)
            self.builder.add_output(self._shares(detector), "sounds_like")
        if detector.can_reject:
            self.builder.add_output(op.Max(self._score(detector, logits), NO_SPEECH), "known_score")

    def linear(self, name: str, weight: np.ndarray, bias: np.ndarray) -> ir.Value:
        """(batch, width) -> (batch, rows), of weight (rows, width) and bias (rows,)."""
        product = self.op.MatMul(self.embedding, self._constant(f"{name}.weight", weight.T))
        return self.op.Add(product, self._constant(f"{name}.bias", bias))

    def _shares(self, detector: OpenSetDetector) -> ir.Value:
        """Of `OpenSetDetector.sounds_like`, the shares of all its languages."""
        op, others = self.op, detector.others
        whispers = [place for place, code in enumerate(detector.sounds_languages) if code not in CODES]
        shares = op.Softmax(op.Gather(self.sounds, whispers, axis=1), axis=-1)
        if not detector.asks_rows:
            return shares
        places = np.zeros((len(detector.languages), len(others)), np.float32)
        places[np.arange(len(detector.languages)), [others.index(code) for code in detector.languages]] = 1
        told = op.MatMul(op.Softmax(self.rows, axis=-1), self._constant("rows.places", places))
        return op.Mul(op.Add(op.Pad(shares, [0, 0, 0, len(others) - len(whispers)]), told), 0.5)

    def _score(self, detector: OpenSetDetector, logits: ir.Value) -> ir.Value:
        """`OpenSetDetector.score`."""
        if not detector.score_parts:
            return self._relative_distance(detector)
        parts = []
        for place, name in enumerate(detector.score_parts):
            part = self._part(name, detector, logits)
            middle, spread, share = (
                float(values[place])
                for values in (detector.score_middle, detector.score_spread, detector.score_share)
                if values is not None
            )
            parts.append(self.op.Mul(self.op.Sub(part, middle), share / spread))
        return self.op.Sum(*parts)

    def _part(self, name: str, detector: OpenSetDetector, logits: ir.Value) -> ir.Value:
        op = self.op
        if name == "distance":
            return self._relative_distance(detector)
        if name == "regression":
            return self._regression(detector)
        if name == "rows":
            return op.Sub(op.ReduceLogSumExp(logits, [1], keepdims=0), op.ReduceLogSumExp(self.rows, [1], keepdims=0))
        if self.sounds is None:
            raise ValueError("The score has a part of the second head, and there is none.")
        return self._agreement(detector, logits, self.sounds)

    def _agreement(self, detector: OpenSetDetector, logits: ir.Value, sounds: ir.Value) -> ir.Value:
        """`OpenSetDetector.agreement`: for each of the three, then the one of the likeliest."""
        op = self.op
        columns = []
        for code in CODES:
            if code in detector.sounds_trusted:
                place = detector.sounds_languages.index(code)
                rest = [other for other in range(len(detector.sounds_languages)) if other != place]
                against = op.ReduceLogSumExp(op.Gather(sounds, rest, axis=1), [1], keepdims=1)
                odds = op.Sub(op.Gather(sounds, [place], axis=1), against)
                columns.append(op.Sub(op.Min(odds, ENOUGH), ENOUGH))
            else:
                columns.append(op.Mul(op.Gather(sounds, [0], axis=1), 0.0))
        likeliest = op.ArgMax(logits, axis=1, keepdims=1)
        return op.Squeeze(op.GatherElements(op.Concat(*columns, axis=1), likeliest, axis=1), [1])

    def _relative_distance(self, detector: OpenSetDetector) -> ir.Value:
        """`OpenSetDetector.relative_distance`."""
        op, normalised = self.op, self._normalised(detector)
        language = self._squared(normalised, "language", detector.language_means, detector.language_precision)
        background = self._squared(normalised, "background", detector.background_mean, detector.background_precision)
        nearest = op.ReduceMin(language, [1], keepdims=0)
        return op.Div(op.Sub(op.Squeeze(background, [1]), nearest), 2.0)

    def _regression(self, detector: OpenSetDetector) -> ir.Value:
        """`OpenSetDetector.regression`."""
        weight = None if detector.regression_weight is None else detector.regression_weight[:, None]
        product = self.op.MatMul(self._normalised(detector), self._constant("regression.weight", weight))
        return self.op.Squeeze(self.op.Add(product, self._constant("regression.bias", detector.regression_bias)), [1])

    def _normalised(self, detector: OpenSetDetector) -> ir.Value:
        """The embeddings, centred, at length 1."""
        if self.normalised is None:
            op = self.op
            centred = op.Sub(self.embedding, self._constant("global_mean", detector.global_mean))
            self.normalised = op.Div(centred, op.Max(op.ReduceL2(centred, [1], keepdims=1), 1e-9))
        return self.normalised

    def _squared(self, rows: ir.Value, name: str, means: np.ndarray | None, precision: np.ndarray | None) -> ir.Value:
        """Squared Mahalanobis distances (batch, means) from means (means, width), or from one (width,)."""
        op = self.op
        of = None if means is None else np.atleast_2d(means)
        away = op.Sub(op.Unsqueeze(rows, [1]), self._constant(f"{name}_means", of))
        product = op.MatMul(away, self._constant(f"{name}_precision", precision))
        return op.Max(op.ReduceSum(op.Mul(product, away), [2], keepdims=0), 0.0)

    def _constant(self, name: str, values: np.ndarray | None) -> ir.Value:
        if values is None:
            raise ValueError(f"The detector has no {name}.")
        return graphs.constant(self.builder, values, name, exact=values.ndim < 2)  # matrices in float16: half the file


def of(model: "WhisperForAudioClassification", detector: OpenSetDetector | None) -> bytes:
    """The graph for a model in memory and its detector."""
    from lid.model import whisper

    order = label_order(whisper.labels(model))
    head = model.classifier
    weight, bias = (tensor.detach().float().cpu().numpy()[order] for tensor in (head.weight, head.bias))
    return build(weight, bias, detector)
