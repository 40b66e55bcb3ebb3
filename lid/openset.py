"""Is it speech, and any of the three languages at all?

While training, the head has a row for each background language beside the three. The checkpoint keeps the three alone,
so that it stays an ordinary one; the other rows lie beside it in `background.safetensors`, and so does a row that tells
speech from noise and music, fitted once training is over. All are applied to the same projected states, and all are
linear, so a clip's scores need only the mean of its projected states.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lid.errors import InputError

FILE_NAME = "background.safetensors"
NO_SPEECH = -30.0  # the score of a clip without speech, and the lowest there is
KEPT = 0.98  # share of the three languages' own validation clips that the threshold lets pass
HEARD = 0.995  # share of speech that counts as speech


@dataclass(frozen=True)
class Background:
    """Rows of the background languages: `weight` float32 (languages, width) and `bias` (languages,). A clip is one of
    the three languages when its score reaches `threshold`. `speech` (width,) is the row for speech, against noise, and
    `speech_threshold` what its product with a clip's states must reach; without one, everything passes for speech."""

    languages: tuple[str, ...]
    weight: np.ndarray
    bias: np.ndarray
    threshold: float = 0.0
    speech: np.ndarray | None = None
    speech_threshold: float = 0.0

    def score(self, logits: np.ndarray, states: np.ndarray) -> float:
        """Log-odds (nats) of the three languages, by their logits (3,), against all background languages, by the
        clip's mean projected state (width,). Higher is more surely one of the three."""
        against = self.weight @ states + self.bias
        return float(np.clip(np.logaddexp.reduce(logits) - np.logaddexp.reduce(against), NO_SPEECH, -NO_SPEECH))

    def with_threshold(self, scores: np.ndarray) -> "Background":
        """The threshold that keeps KEPT of these scores, which are of clips in the three languages."""
        return replace(self, threshold=round(float(np.quantile(scores, 1 - KEPT)), 4))

    def is_speech(self, states: np.ndarray) -> bool:
        """Whether there is speech in a clip, by its mean projected state (width,)."""
        return self.speech is None or float(self.speech @ states) >= self.speech_threshold

    def with_speech(self, speech: np.ndarray, noise: np.ndarray, held_out: np.ndarray) -> "Background":
        """Fit the row for speech on mean projected states (clips, width) of speech and of noise, and set its threshold
        where HEARD of the speech held out passes."""
        from sklearn.linear_model import LogisticRegression

        scale = np.concatenate([speech, noise]).std(axis=0) + 1e-6
        fitted = LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000).fit(
            np.concatenate([speech, noise]) / scale, np.repeat([1, 0], [len(speech), len(noise)])
        )
        row = (fitted.coef_[0] / scale).astype(np.float32)
        return replace(self, speech=row, speech_threshold=float(np.quantile(held_out @ row, 1 - HEARD)))

    def cooled(self, temperature: float) -> "Background":
        """The same after the head was divided by `temperature`."""
        return replace(self, weight=self.weight / temperature, bias=self.bias / temperature)

    def save(self, folder: str | os.PathLike) -> None:
        """Write the file beside a checkpoint."""
        about = {name: json.dumps(getattr(self, name)) for name in ("languages", "threshold", "speech_threshold")}
        tensors = {"weight": self.weight.astype(np.float32), "bias": self.bias.astype(np.float32)}
        if self.speech is not None:
            tensors["speech"] = self.speech
        save_file(tensors, Path(folder) / FILE_NAME, about)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "Background | None":
        """Read the file beside a checkpoint; None where there is none. Raises InputError when it is damaged."""
        path = Path(folder) / FILE_NAME
        if not path.is_file():
            return None
        try:
            with safe_open(path, "np") as file:
                about = {name: json.loads(value) for name, value in file.metadata().items()}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            return cls(**about | tensors | {"languages": tuple(about["languages"])})
        except (SafetensorError, OSError, KeyError, AttributeError, TypeError, ValueError) as error:
            raise InputError(
                f"{FILE_NAME} of {folder} is damaged. Copy the checkpoint again. ({error})", "model"
            ) from error
