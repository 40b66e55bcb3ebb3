"""Open-set detection: is it speech, and any of the three languages at all?

While training, the head has a row for each background language beside the three. The checkpoint keeps the three alone,
so that it stays an ordinary one; what else it knows lies beside it in `background.safetensors`: those rows, a row that
tells speech from noise and music, and where training clips of the three languages and of the background languages lie,
the last two fitted once training is over. All look at a clip's embedding: the mean over its frames of the classifier's
input. The score is how much nearer that is to the nearest of the three languages than to the background as a whole
(relative Mahalanobis distance, Ren et al. 2021, arXiv:2106.09022): what is odd about a clip's voice, room or length
moves both distances alike. Embeddings are centred and scaled to length 1 first (Müller and Hein 2025,
arXiv:2505.18032): how far out a clip lies says how clear it is, not what it is.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lid.errors import InputError

FILE_NAME = "background.safetensors"
NO_SPEECH = -10_000.0  # the score of a clip without speech, and the lowest there is
KEPT = 0.98  # share of the three languages' own validation clips that the threshold lets pass
NOT_FITTED = "This detector cannot reject: `with_distances` was not called."
HEARD = 0.998  # share of speech that counts as speech
NUMBERS = ("threshold", "speech_threshold")
STORED_AS = {  # field -> name of the tensor in the file, which is older than the field's name
    "weight": "weight",
    "bias": "bias",
    "speech_weight": "speech",
    "global_mean": "middle",
    "language_means": "centres",
    "language_precision": "precision",
    "background_mean": "rest_centre",
    "background_precision": "rest_precision",
}


@dataclass(frozen=True)
class OpenSetDetector:
    """What lies beside a checkpoint. Arrays are float32.

    `weight` (languages, width) and `bias` (languages,) are the head's rows of the background `languages`. A clip is
    speech when the product of `speech_weight` (width,) with its embedding reaches `speech_threshold`; without that row
    everything is speech. A clip is one of the three when its score reaches `threshold`. The score needs `global_mean`
    (width,), which centres embeddings; of the centred ones at length 1 the mean of each of the three,
    `language_means` (3, width), and the inverse of the covariance around them, `language_precision` (width, width);
    and `background_mean` (width,) and `background_precision` (width, width) of all background languages together.
    """

    languages: tuple[str, ...]
    weight: np.ndarray
    bias: np.ndarray
    threshold: float = 0.0
    speech_weight: np.ndarray | None = None
    speech_threshold: float = 0.0
    global_mean: np.ndarray | None = None
    language_means: np.ndarray | None = None
    language_precision: np.ndarray | None = None
    background_mean: np.ndarray | None = None
    background_precision: np.ndarray | None = None

    @property
    def can_reject(self) -> bool:
        """Whether it can tell the three languages from others: whether `with_distances` has been called."""
        return self.global_mean is not None

    def score(self, embedding: np.ndarray) -> float:
        """Of a clip's embedding (width,): half its squared distance from the background languages, less half that from
        the nearest of the three; nats of evidence but for a constant. Higher is more surely one of them."""
        centred = _normalised(embedding, self.global_mean)
        nearest = _distances(centred, self.language_means, self.language_precision).min()
        background = _distances(centred, self.background_mean, self.background_precision)[0]
        return float(max((background**2 - nearest**2) / 2, NO_SPEECH))

    def distance(self, embedding: np.ndarray) -> float:
        """Mahalanobis distance of an embedding (width,) from the nearest of the three (Lee et al. 2018), to compare
        with."""
        centred = _normalised(embedding, self.global_mean)
        return float(_distances(centred, self.language_means, self.language_precision).min())

    def log_odds(self, logits: np.ndarray, embedding: np.ndarray) -> float:
        """Log-odds (nats) of the three languages, by their logits (3,), against all background languages, by the
        clip's embedding (width,): what the head's rows alone would say."""
        return float(np.logaddexp.reduce(logits) - np.logaddexp.reduce(self.weight @ embedding + self.bias))

    def is_speech(self, embedding: np.ndarray) -> bool:
        """Whether there is speech in a clip, by its embedding (width,)."""
        return self.speech_weight is None or float(self.speech_weight @ embedding) >= self.speech_threshold

    def with_distances(self, embeddings: np.ndarray, labels: np.ndarray, background: np.ndarray) -> "OpenSetDetector":
        """Fit means and precisions on embeddings (clips, width) of the three languages, with labels (clips,), and on
        those of the background languages (other clips, width)."""
        from sklearn.covariance import LedoitWolf

        labels = np.unique(labels, return_inverse=True)[1]
        global_mean = _means(embeddings, labels).mean(axis=0)
        embeddings, background = _normalised(embeddings, global_mean), _normalised(background, global_mean)
        means = _means(embeddings, labels)
        within = LedoitWolf(assume_centered=True).fit(embeddings - means[labels])
        around = LedoitWolf().fit(background)
        fitted = {
            "global_mean": global_mean,
            "language_means": means,
            "language_precision": within.precision_,
            "background_mean": around.location_,
            "background_precision": around.precision_,
        }
        return replace(self, **{name: values.astype(np.float32) for name, values in fitted.items()})

    def with_threshold(self, scores: Sequence[float]) -> "OpenSetDetector":
        """The threshold that keeps KEPT of these scores, which are of clips in the three languages."""
        return replace(self, threshold=round(float(np.quantile(scores, 1 - KEPT)), 4))

    def with_speech(self, speech: np.ndarray, noise: np.ndarray, held_out: np.ndarray) -> "OpenSetDetector":
        """Fit the row for speech on embeddings (clips, width) of speech and of noise, and set its threshold where HEARD
        of the speech held out passes."""
        from sklearn.linear_model import LogisticRegression

        scale = np.concatenate([speech, noise]).std(axis=0) + 1e-6
        fitted = LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000).fit(
            np.concatenate([speech, noise]) / scale, np.repeat([1, 0], [len(speech), len(noise)])
        )
        row = (fitted.coef_[0] / scale).astype(np.float32)
        return replace(self, speech_weight=row, speech_threshold=float(np.quantile(held_out @ row, 1 - HEARD)))

    def scaled(self, temperature: float) -> "OpenSetDetector":
        """The same beside a head whose logits were divided by `temperature`."""
        return replace(self, weight=self.weight / temperature, bias=self.bias / temperature)

    def save(self, folder: str | os.PathLike) -> None:
        """Write the file beside a checkpoint. Its checksums are the caller's to renew."""
        about = {name: json.dumps(getattr(self, name)) for name in ("languages", *NUMBERS)}
        tensors = {stored: getattr(self, name) for name, stored in STORED_AS.items()}
        tensors = {name: np.asarray(values, np.float32) for name, values in tensors.items() if values is not None}
        save_file(tensors, Path(folder) / FILE_NAME, about)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "OpenSetDetector | None":
        """Read the file beside a checkpoint; None where there is none. Raises InputError when it is damaged."""
        path = Path(folder) / FILE_NAME
        if not path.is_file():
            return None
        named = {stored: name for name, stored in STORED_AS.items()}
        try:
            with safe_open(path, "np") as file:
                about = {name: json.loads(value) for name, value in file.metadata().items()}
                tensors = {named[stored]: file.get_tensor(stored) for stored in file.keys()}  # noqa: SIM118 - no dict
            return cls(**about | tensors | {"languages": tuple(about["languages"])})
        except (SafetensorError, OSError, KeyError, AttributeError, TypeError, ValueError) as error:
            raise InputError(
                f"{FILE_NAME} of {folder} is damaged. Copy the checkpoint again. ({error})", "model"
            ) from error


def mean(detectors: Sequence[OpenSetDetector]) -> OpenSetDetector:
    """The mean of the background languages' rows over several checkpoints; what was fitted on each is left out.

    Raises InputError when they were trained with different background languages.
    """
    if len({one.languages for one in detectors}) > 1:
        raise InputError("The checkpoints were trained with different background languages.", "model")
    rows = [np.mean([getattr(one, name) for one in detectors], axis=0) for name in ("weight", "bias")]
    return OpenSetDetector(detectors[0].languages, *rows)


def _means(embeddings: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean (labels, width) of the embeddings (clips, width) of each label, counted from 0."""
    return np.stack([embeddings[labels == label].mean(axis=0) for label in range(labels.max() + 1)])


def _normalised(embeddings: np.ndarray, mean: np.ndarray | None) -> np.ndarray:
    """Embeddings (..., width) as seen from `mean`, scaled to length 1. Raises ValueError where that is not fitted."""
    if mean is None:
        raise ValueError(NOT_FITTED)
    centred = embeddings - mean
    return centred / np.linalg.norm(centred, axis=-1, keepdims=True).clip(1e-9)


def _distances(embedding: np.ndarray, means: np.ndarray | None, precision: np.ndarray | None) -> np.ndarray:
    """Mahalanobis distances, (means,), of one embedding (width,) from means (means, width), or from one (width,).
    Raises ValueError where these are not fitted."""
    if means is None or precision is None:
        raise ValueError(NOT_FITTED)
    away = embedding - np.atleast_2d(means)
    return np.sqrt(np.einsum("ci,ij,cj->c", away, precision, away).clip(0))
