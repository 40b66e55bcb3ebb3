"""A checkpoint's exported graphs, in onnx/ beside its weights: what serving on CPUs runs. No PyTorch is needed.

`lid export` writes them (lid/release/export.py), and lid/model/graphs says what is in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lid import runtime
from lid.errors import InputError
from lid.features import FRAME_SAMPLES

FOLDER = "onnx"
LOG_MEL, DECISION = "log_mel.onnx", "decision.onnx"
QUANTISED, EXACT = "model_quantized.onnx", "model.onnx"  # Optimum's and transformers.js's names
SERVED = (QUANTISED, LOG_MEL, DECISION)


@dataclass(frozen=True)
class Graphs:
    """What a checkpoint is served from: three graphs, as bytes."""

    encoder: bytes
    log_mel: bytes
    decision: bytes

    @classmethod
    def read(cls, folder: Path) -> "Graphs":
        """Of a checkpoint folder. Raises InputError when they are not all there."""
        try:
            return cls(*((folder / FOLDER / name).read_bytes() for name in SERVED))
        except OSError as error:
            raise InputError(
                f"{folder} has no graph to serve on a CPU ({error}). Make it with `lid export {folder}`.", "model"
            ) from error


def is_in(folder: Path) -> bool:
    """Whether a checkpoint folder holds graphs to serve from."""
    return all((folder / FOLDER / name).is_file() for name in SERVED)


class OnnxModel:
    """Whisper's encoder under its head: what lid.identify asks of a model, on CPUs. Has the attributes and methods of
    `lid.model.whisper.TorchModel`."""

    device = "cpu"
    precision = "int8"

    def __init__(self, encoder: bytes, log_mel: bytes, threads: int | None = None):
        self._encoder, about = runtime.session(encoder, "encoder", threads)
        # Several threads would split its sums differently each time, and rounding to 8 bits makes last digits matter.
        self._log_mel, mel = runtime.session(log_mel, "log_mel", 1)
        try:
            if mel["mels"] != about["mels"]:
                raise InputError("The graphs of log-mel and encoder are not of one checkpoint. Copy it again.", "model")
            self.labels: tuple[str, ...] = tuple(about["labels"])
            self.layers, self.heads = int(about["layers"]), int(about["heads"])
            self.width, self.d_model = int(about["width"]), int(about["d_model"])
            self.window_samples = int(about["window_frames"]) * FRAME_SAMPLES
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"The encoder's graph does not say what it is ({error}). Copy it again.", "model"
            ) from error

    def log_mel(self, waveforms: np.ndarray) -> np.ndarray:
        """Float32 (batch, samples) at 16 kHz, at least 320 of them -> (batch, mels, samples // 160)."""
        return self._log_mel.run(["input_features"], {"waveforms": np.ascontiguousarray(waveforms, np.float32)})[0]

    def hear(self, waveforms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Float32 (batch, samples) at 16 kHz, no more than `window_samples` -> frame logits (batch, frames, labels) and
        the mean over the frames of the classifier's input, (batch, width)."""
        features = {"input_features": self.log_mel(waveforms)}
        logits, embedding = runtime.run(self._encoder, ["frame_logits", "embedding"], features)
        return logits, embedding

    def hear_all(self, waveforms: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """As `hear`, of waveforms (samples,) of any lengths: of each its frame logits (frames, labels) and the mean,
        (width,). One after another: a core gains nothing by several."""
        heard = (self.hear(waveform[None]) for waveform in waveforms)
        return [(logits[0], embedding[0]) for logits, embedding in heard]

    def attention(self, waveform: np.ndarray, layer: int) -> np.ndarray:
        """Self-attention of one layer, from 0, over float32 (samples,): (heads, frames, frames), rows sum to 1."""
        inputs = {"input_features": self.log_mel(waveform[None]), "output_attentions": np.array(True)}
        return runtime.run(self._encoder, [f"attentions.{layer}"], inputs)[0][0]


class OnnxDetector:
    """What `lid.model.open_set.OpenSetDetector` decides, from the graph; and the classifier on its embeddings."""

    def __init__(self, decision: bytes):
        self._session, about = runtime.session(decision, "decision", 1)  # one product of a row is no work for two
        self._told = {output.name for output in self._session.get_outputs()}
        self.languages = tuple(about.get("languages", ()))
        self.can_reject = bool(about.get("can_reject"))
        self.threshold = float(about.get("threshold", 0.0))
        self._speech_threshold = float(about.get("speech_threshold", 0.0))
        faint = about.get("faint_threshold")  # older checkpoints have none
        self._faint_threshold = self._speech_threshold if faint is None else float(faint)
        self._sounds_languages = tuple(about.get("sounds_languages", ()))

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """Of embeddings (clips, width): the logits (clips, 3) in the order uz, ru, en."""
        return self._run("logits", embeddings)

    def score(self, logits: np.ndarray, embedding: np.ndarray) -> float:
        """See `OpenSetDetector.score`; the logits follow from the embedding."""
        return float(self._run("known_score", embedding[None])[0])

    def is_speech(self, embedding: np.ndarray, faint: bool = False) -> bool:
        """See `OpenSetDetector.is_speech`."""
        if "speech_score" not in self._told:
            return True
        needed = self._faint_threshold if faint else self._speech_threshold
        return bool(self._run("speech_score", embedding[None])[0] >= needed)

    def sounds_like(self, embedding: np.ndarray) -> tuple[str, float] | None:
        """See `OpenSetDetector.sounds_like`."""
        if "sounds_like" not in self._told:
            return None
        shares = self._run("sounds_like", embedding[None])[0]
        likeliest = int(shares.argmax())
        return self._sounds_languages[likeliest], float(shares[likeliest])

    def _run(self, output: str, embeddings: np.ndarray) -> np.ndarray:
        rows = np.ascontiguousarray(embeddings, np.float32)
        return runtime.run(self._session, [output], {"embedding": rows})[0]
