"""Is it speech, and any of the three languages at all?

While training, the head has a row for each background language beside the three. The checkpoint keeps the three alone,
so that it stays an ordinary one; what else it knows lies beside it in `background.safetensors`: those rows, a row that
tells speech from noise and music, and where training clips of the three languages and of the background languages lie,
the last two fitted once training is over. All look at the mean of a clip's projected states. The score is how much
nearer that is to the nearest of the three languages than to the background as a whole (relative Mahalanobis distance,
Ren et al. 2021, arXiv:2106.09022): what is odd about a clip's voice, room or length moves both distances alike. Only
its direction counts, seen from the middle of the three (Müller and Hein 2025, arXiv:2505.18032): how far out a clip
lies says how clear it is, not what it is.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lid.errors import InputError
from lid.model import checksums

FILE_NAME = "background.safetensors"
NO_SPEECH = -10_000.0  # the score of a clip without speech, and the lowest there is
KEPT = 0.98  # share of the three languages' own validation clips that the threshold lets pass
HEARD = 0.998  # share of speech that counts as speech
FITTED = ("speech", "middle", "centres", "precision", "rest_centre", "rest_precision")  # once training is over


@dataclass(frozen=True)
class Background:
    """What lies beside a checkpoint.

    `weight` float32 (languages, width) and `bias` (languages,) are the rows of the background `languages`. `middle`
    (width,) is where directions are seen from. Of the directions of the three languages' clips, `centres` (3, width)
    are the means and `precision` (width, width) the inverse of the covariance around them; `rest_centre` (width,) and
    `rest_precision` (width, width) are the same of all background languages together. A clip is one of the three when
    its score reaches `threshold`. `speech` (width,) is the row for speech, against noise, and `speech_threshold` what
    its product with a clip's states must reach; without it all is speech.
    """

    languages: tuple[str, ...]
    weight: np.ndarray
    bias: np.ndarray
    threshold: float = 0.0
    speech: np.ndarray | None = None
    speech_threshold: float = 0.0
    middle: np.ndarray | None = None
    centres: np.ndarray | None = None
    precision: np.ndarray | None = None
    rest_centre: np.ndarray | None = None
    rest_precision: np.ndarray | None = None

    @property
    def judges(self) -> bool:
        """Whether it can tell the three languages from others."""
        return self.middle is not None

    def score(self, states: np.ndarray) -> float:
        """Of a clip's mean projected state (width,): half the squared distance of its direction from the background
        languages, less half that from the nearest of the three; nats of evidence but for a constant. Higher is more
        surely one of them."""
        direction = _directions(states, self.middle)
        nearest = _distances(direction, self.centres, self.precision).min()
        rest = _distances(direction, self.rest_centre[None], self.rest_precision)[0]
        return float(max((rest**2 - nearest**2) / 2, NO_SPEECH))

    def nearness(self, states: np.ndarray) -> float:
        """Minus the distance from the nearest of the three languages alone (Lee et al. 2018), to compare with."""
        return -float(_distances(_directions(states, self.middle), self.centres, self.precision).min())

    def log_odds(self, logits: np.ndarray, states: np.ndarray) -> float:
        """Log-odds (nats) of the three languages, by their logits (3,), against all background languages, by the
        clip's mean projected state (width,): what the rows alone would say."""
        return float(np.logaddexp.reduce(logits) - np.logaddexp.reduce(self.weight @ states + self.bias))

    def with_centres(self, states: np.ndarray, labels: np.ndarray, rest: np.ndarray) -> "Background":
        """Fit centres and precisions on mean projected states (clips, width) of the three languages, with labels
        (clips,), and on those of the background, `rest`."""
        from sklearn.covariance import LedoitWolf

        labels = np.unique(labels, return_inverse=True)[1]
        middle = _means(states, labels).mean(axis=0)
        states, rest = _directions(states, middle), _directions(rest, middle)
        centres = _means(states, labels)
        known = LedoitWolf(assume_centered=True).fit(states - centres[labels])
        background = LedoitWolf().fit(rest)
        fitted = {
            "middle": middle,
            "centres": centres,
            "precision": known.precision_,
            "rest_centre": background.location_,
            "rest_precision": background.precision_,
        }
        return replace(self, **{name: values.astype(np.float32) for name, values in fitted.items()})

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

    def averaged(self, others: list["Background"]) -> "Background":
        """The mean of the background languages' rows over several checkpoints; what was fitted on each is dropped."""
        if any(other.languages != self.languages for other in others):
            raise InputError("The checkpoints were trained with different background languages.", "model")
        rows = [(one.weight, one.bias) for one in (self, *others)]
        return Background(self.languages, *(np.mean(part, axis=0) for part in zip(*rows, strict=True)))

    def save(self, folder: str | os.PathLike) -> None:
        """Write the file beside a checkpoint."""
        about = {name: json.dumps(getattr(self, name)) for name in ("languages", "threshold", "speech_threshold")}
        tensors = {"weight": self.weight.astype(np.float32), "bias": self.bias.astype(np.float32)}
        fitted = {name: getattr(self, name) for name in FITTED}
        tensors |= {name: tensor for name, tensor in fitted.items() if tensor is not None}
        save_file(tensors, Path(folder) / FILE_NAME, about)
        checksums.write(folder)

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


def _means(states: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean (labels, width) of the states (clips, width) of each label, counted from 0."""
    return np.stack([states[labels == label].mean(axis=0) for label in range(labels.max() + 1)])


def _directions(states: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """States (..., width) as seen from `middle`, all at distance 1."""
    away = states - middle
    return away / np.linalg.norm(away, axis=-1, keepdims=True).clip(1e-9)


def _distances(states: np.ndarray, centres: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Mahalanobis distances, (centres,), of one state (width,) from centres (centres, width)."""
    away = states - centres
    return np.sqrt(np.einsum("ci,ij,cj->c", away, precision, away).clip(0))
