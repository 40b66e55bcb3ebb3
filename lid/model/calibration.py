"""Logits -> probabilities that mean what they say: a temperature, fitted on validation.

Our own checkpoints have it folded into their last layer and need no file; one of somebody else's can be given a file.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

FILE_NAME = "calibration.json"
NO_SPEECH = -10_000.0  # the known_score of a clip without speech, and the lowest there is


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


@dataclass(frozen=True)
class Calibration:
    """`temperature` divides the logits (Guo et al. 2017, arXiv:1706.04599); 1 leaves the model as it is."""

    temperature: float = 1.0

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Logits (..., classes) -> calibrated probabilities of the same shape."""
        return softmax(np.asarray(logits, np.float64) / self.temperature)

    @classmethod
    def fit(cls, logits: np.ndarray, labels: Sequence[int] | np.ndarray) -> "Calibration":
        """The temperature with the least negative log-likelihood on held-out logits (clips, classes).

        To these clips comes one that is as much of each class (as in Platt 1999): where all clips are right, none would
        be sure enough.
        """
        from scipy.optimize import minimize_scalar  # a third of a second that answering a question need not wait for

        logits, clips = np.asarray(logits, np.float64), len(labels)
        classes = logits.shape[1]
        truth = (np.eye(classes)[np.asarray(labels)] * clips + 1 / classes) / (clips + 1)

        def loss(log_temperature: float) -> float:
            return -(truth * np.log(softmax(logits / np.exp(log_temperature)) + 1e-12)).sum(axis=1).mean()

        return cls(round(float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x)), 4))

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "Calibration":
        """Read the file beside a checkpoint; a checkpoint without one (or a Hub id) is taken as it is."""
        path = Path(folder) / FILE_NAME
        return cls(**json.loads(path.read_text())) if path.is_file() else cls()

    def save(self, folder: str | os.PathLike) -> None:
        """Write the file beside a checkpoint."""
        (Path(folder) / FILE_NAME).write_text(json.dumps(asdict(self), indent=2) + "\n")
