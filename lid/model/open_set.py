"""Open-set detection: is it speech, and any of the three languages at all?

While training, the head has a row for each background language beside the three. The checkpoint keeps the three alone,
so that it stays an ordinary one; what else it knows lies beside it in `background.safetensors`: those rows, a row that
tells speech from noise and music, and where training clips of the three languages and of the background languages lie,
the last two fitted once training is over. All look at a clip's embedding: the mean over its frames of the classifier's
input. Four things are read from it, each higher for what is more surely one of the three; the score is the weighted sum
of those that there are, or in older checkpoints the distance alone:

- "rows": log-odds of the three languages against the background languages, by the rows of the head.
- "distance": how much nearer the embedding is to the nearest of the three than to the background as a whole (relative
  Mahalanobis distance, Ren et al. 2021, arXiv:2106.09022): what is odd about a clip's voice, room or length moves both
  distances alike. Embeddings are centred and scaled to length 1 first (Müller and Hein 2025, arXiv:2505.18032): how far
  out a clip lies says how clear it is, not what it is.
- "regression": log-odds of the three languages against the background by a logistic regression on such embeddings, of
  clips as recorded and through channels: what tells all three from the background, where rows and distance look for the
  nearest of them.
- "sounds": what a second head says, which learnt from Whisper itself to tell Whisper's 99 languages apart (knowledge
  distillation, Hinton et al. 2015, arXiv:1503.02531).

What another language sounds like, second head and rows say together: the one knows more languages, the others were told
which is which.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lid.errors import InputError
from lid.languages import CODES
from lid.model.calibration import NO_SPEECH, softmax

if TYPE_CHECKING:
    from lid.identify import LanguageIdentifier

FILE_NAME = "background.safetensors"
KEPT = 0.98  # share of each of the three languages' own validation clips that the threshold lets pass
NOT_FITTED = "This detector cannot reject: `with_distances` was not called."
HEARD = 0.998  # share of speech that counts as speech
NUMBERS = ("threshold", "speech_threshold", "faint_threshold")
LISTS = ("sounds_languages", "sounds_trusted", "score_parts")  # in the file only where they are not empty
# The share of each part in the score, once it is centred and scaled. The first three know different things, and none is
# much better than another. What Whisper says adds most on languages that were never trained on and takes from
# neighbours that were; half a nat for each of its nats keeps both.
SHARES = {"rows": 1.0, "distance": 1.0, "regression": 1.0, "sounds": 0.5}
ENOUGH = 4.0  # nats; that Whisper is surer than that of a language says no more
REGRESSION_C = 10.0  # scikit-learn's C; from 1 to 100 it makes no difference (docs/LOG.md)
ROWS_ASKED = 10  # background languages; of fewer, one always seems likely, so their rows are not asked what a clip is
TRUSTED = 0.5  # share of a language's validation clips that the second head must name for its word to count there
STORED_AS = {  # field -> name of the tensor in the file, which is older than the field's name
    "weight": "weight",
    "bias": "bias",
    "speech_weight": "speech",
    "global_mean": "middle",
    "language_means": "centres",
    "language_precision": "precision",
    "background_mean": "rest_centre",
    "background_precision": "rest_precision",
    "regression_weight": "regression_weight",
    "regression_bias": "regression_bias",
    "sounds_weight": "sounds_weight",
    "sounds_bias": "sounds_bias",
    "score_middle": "score_middle",
    "score_spread": "score_spread",
    "score_share": "score_share",
}


@dataclass(frozen=True)
class OpenSetDetector:
    """What lies beside a checkpoint. Arrays are float32.

    `weight` (languages, width) and `bias` (languages,) are the head's rows of the background `languages`. A clip is
    speech when the product of `speech_weight` (width,) with its embedding reaches `speech_threshold`, or where voice
    detection finds none `faint_threshold`, if there is one; without that row everything is speech. A clip is one of the
    three when its score reaches `threshold`. The score needs `global_mean` (width,), which centres embeddings; of the
    centred ones at length 1 the mean of each of the three, `language_means` (3, width), and the inverse of the
    covariance around them, `language_precision` (width, width); and `background_mean` (width,) and
    `background_precision` (width, width) of all background languages together. `regression_weight` (width,) and
    `regression_bias` (1,) are a logistic regression on the same centred embeddings of length 1, if there is one.

    `sounds_weight` (sounds_languages, width) and `sounds_bias` (sounds_languages,) are the second head, if there is
    one; `sounds_languages` are Whisper's codes. Of `sounds_trusted`, some of the three, its word counts in the score.
    The score is the sum over `score_parts` of `score_share` times the part less its `score_middle`, divided by its
    `score_spread`, (parts,) each; without them it is the distance.
    """

    languages: tuple[str, ...]
    weight: np.ndarray
    bias: np.ndarray
    threshold: float = 0.0
    speech_weight: np.ndarray | None = None
    speech_threshold: float = 0.0
    faint_threshold: float | None = None
    global_mean: np.ndarray | None = None
    language_means: np.ndarray | None = None
    language_precision: np.ndarray | None = None
    background_mean: np.ndarray | None = None
    background_precision: np.ndarray | None = None
    regression_weight: np.ndarray | None = None
    regression_bias: np.ndarray | None = None
    sounds_languages: tuple[str, ...] = ()
    sounds_weight: np.ndarray | None = None
    sounds_bias: np.ndarray | None = None
    sounds_trusted: tuple[str, ...] = ()
    score_parts: tuple[str, ...] = ()
    score_middle: np.ndarray | None = None
    score_spread: np.ndarray | None = None
    score_share: np.ndarray | None = None

    def __post_init__(self):
        """Raises ValueError where lists and arrays do not belong together."""
        for names, arrays in (
            (self.sounds_languages, (self.sounds_weight, self.sounds_bias)),
            (self.score_parts, (self.score_middle, self.score_spread, self.score_share)),
        ):
            if any((0 if array is None else len(array)) != len(names) for array in arrays):
                raise ValueError("a list and its numbers differ in length")
        if unknown := set(self.score_parts) - set(SHARES):
            raise ValueError(f"no part of a score: {', '.join(sorted(unknown))}")

    @property
    def can_reject(self) -> bool:
        """Whether it can tell the three languages from others: whether `with_distances` has been called."""
        return self.global_mean is not None

    def score(self, logits: np.ndarray, embedding: np.ndarray) -> float:
        """How surely a clip is one of the three, by their logits (3,) and its embedding (width,). Higher is surer."""
        if not self.score_parts:
            return max(self.relative_distance(embedding), NO_SPEECH)
        parts = [self.part(name, logits, embedding) for name in self.score_parts]
        scaled = (np.array(parts) - self.score_middle) / self.score_spread
        return float(max(self.score_share @ scaled, NO_SPEECH))

    def part(self, name: str, logits: np.ndarray, embedding: np.ndarray) -> float:
        """A part of the score, by its name in SHARES, of a clip's logits (3,) and embedding (width,), as it is."""
        if name == "rows":
            return self.log_odds(logits, embedding)
        if name == "distance":
            return self.relative_distance(embedding)
        return self.regression(embedding) if name == "regression" else self.agreement(logits, embedding)

    def regression(self, embedding: np.ndarray) -> float:
        """Log-odds (nats) of the three languages against the background by the logistic regression, of an embedding
        (width,). Raises ValueError where that is not fitted."""
        if self.regression_weight is None or self.regression_bias is None:
            raise ValueError("This detector has no regression: `with_regression` was not called.")
        return float(_normalised(embedding, self.global_mean) @ self.regression_weight + self.regression_bias[0])

    def relative_distance(self, embedding: np.ndarray) -> float:
        """Of a clip's embedding (width,): half its squared distance from the background languages, less half that from
        the nearest of the three; nats of evidence but for a constant."""
        centred = _normalised(embedding, self.global_mean)
        nearest = _distances(centred, self.language_means, self.language_precision).min()
        background = _distances(centred, self.background_mean, self.background_precision)[0]
        return float((background**2 - nearest**2) / 2)

    def agreement(self, logits: np.ndarray, embedding: np.ndarray) -> float:
        """Log-odds (nats) that the second head gives the likeliest of the three, by their logits (3,), against all its
        other languages, by the clip's embedding (width,), less ENOUGH: 0 where it agrees, below 0 where it does not. 0
        also for a language of which its word does not count."""
        code = CODES[int(np.argmax(logits))]
        if code not in self.sounds_trusted:
            return 0.0
        sounds, place = self._sounds(embedding), self.sounds_languages.index(code)
        return float(min(sounds[place] - np.logaddexp.reduce(np.delete(sounds, place)), ENOUGH) - ENOUGH)

    @property
    def others(self) -> tuple[str, ...]:
        """The languages that a clip in none of the three may be said to sound like; none without a second head."""
        whispers = tuple(code for code in self.sounds_languages if code not in CODES)
        return whispers + tuple(code for code in self.languages if self.asks_rows and code not in whispers)

    @property
    def asks_rows(self) -> bool:
        """Whether the rows have a say in `sounds_like`."""
        return bool(self.sounds_languages) and len(self.languages) >= ROWS_ASKED

    def sounds_like(self, embedding: np.ndarray) -> tuple[str, float] | None:
        """The likeliest of `others`, of a clip's embedding (width,), and its probability among them. None where there
        are none. It is the mean of what second head and rows say, each of the languages that it has."""
        others = self.others
        if not others:
            return None
        shares = np.zeros(len(others))
        whispers = [place for place, code in enumerate(self.sounds_languages) if code not in CODES]
        shares[: len(whispers)] = softmax(self._sounds(embedding)[whispers])
        if self.asks_rows:
            rows = softmax((self.weight @ embedding + self.bias).astype(np.float64))
            shares /= 2
            shares[[others.index(code) for code in self.languages]] += rows / 2
        likeliest = int(np.argmax(shares))
        return others[likeliest], float(shares[likeliest])

    def _sounds(self, embedding: np.ndarray) -> np.ndarray:
        """Logits of the second head, float64 (sounds_languages,)."""
        return (self.sounds_weight @ embedding + self.sounds_bias).astype(np.float64)

    def distance(self, embedding: np.ndarray) -> float:
        """Mahalanobis distance of an embedding (width,) from the nearest of the three (Lee et al. 2018), to compare
        with."""
        centred = _normalised(embedding, self.global_mean)
        return float(_distances(centred, self.language_means, self.language_precision).min())

    def log_odds(self, logits: np.ndarray, embedding: np.ndarray) -> float:
        """Log-odds (nats) of the three languages, by their logits (3,), against all background languages, by the
        clip's embedding (width,): what the head's rows alone would say."""
        return float(np.logaddexp.reduce(logits) - np.logaddexp.reduce(self.weight @ embedding + self.bias))

    def is_speech(self, embedding: np.ndarray, faint: bool = False) -> bool:
        """Whether there is speech in a clip, by its embedding (width,). `faint`: voice detection found none in it."""
        if self.speech_weight is None:
            return True
        needed = self.faint_threshold if faint and self.faint_threshold is not None else self.speech_threshold
        return float(self.speech_weight @ embedding) >= needed

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
        arrays: dict[str, Any] = {name: values.astype(np.float32) for name, values in fitted.items()}
        return replace(self, **arrays)

    def with_regression(self, embeddings: np.ndarray, background: np.ndarray) -> "OpenSetDetector":
        """Fit the logistic regression on embeddings (clips, width) of the three languages and of the background
        languages (other clips, width). `with_distances` comes first: it centres them."""
        from sklearn.linear_model import LogisticRegression

        seen = _normalised(np.concatenate([embeddings, background]), self.global_mean)
        scale = seen.std(axis=0) + 1e-6
        fitted = LogisticRegression(C=REGRESSION_C, class_weight="balanced", max_iter=5000).fit(
            seen / scale, np.repeat([1, 0], [len(embeddings), len(background)])
        )
        weight = (fitted.coef_[0] / scale).astype(np.float32)
        return replace(self, regression_weight=weight, regression_bias=fitted.intercept_.astype(np.float32))

    def with_rows(self, weight: np.ndarray, bias: np.ndarray) -> "OpenSetDetector":
        """With other rows for the same background languages: `weight` (languages, width) and `bias` (languages,)."""
        return replace(self, weight=np.asarray(weight, np.float32), bias=np.asarray(bias, np.float32))

    def with_sounds(self, languages: Sequence[str], weight: np.ndarray, bias: np.ndarray) -> "OpenSetDetector":
        """With a second head: `languages` are Whisper's codes, `weight` (languages, width) and `bias` (languages,) a
        linear layer on embeddings. Whether its word counts, `with_score` finds out."""
        weight, bias = np.asarray(weight, np.float32), np.asarray(bias, np.float32)
        return replace(self, sounds_languages=tuple(languages), sounds_weight=weight, sounds_bias=bias)

    def with_score(self, logits: np.ndarray, embeddings: np.ndarray, labels: np.ndarray) -> "OpenSetDetector":
        """Fit which languages the second head is trusted with, and the score's parts, on validation clips of the three:
        logits (clips, 3), embeddings (clips, width) and labels (clips,), indices into CODES.

        All but "sounds" are counted from their median, in halves of the range from the 16th to the 84th percentile,
        which is a standard deviation where they are normally distributed. The part "sounds" stays as it is: it is 0 for
        most clips, so it has no spread to go by. The threshold is to be fitted anew.
        """
        trusted = tuple(code for label, code in enumerate(CODES) if self._named(code, embeddings[labels == label]))
        fitted = replace(self, sounds_trusted=trusted)
        middle, spread = {"sounds": 0.0}, {"sounds": 1.0}
        spread_out = ("rows", "distance") if self.regression_weight is None else ("rows", "distance", "regression")
        for name in spread_out:
            values = [fitted.part(name, *one) for one in zip(logits, embeddings, strict=True)]
            low, middle[name], high = np.quantile(values, (0.16, 0.5, 0.84))
            spread[name] = max((high - low) / 2, 1e-6)
        parts = tuple(name for name in SHARES if name in spread_out or (name == "sounds" and trusted))
        numbers = {"score_middle": middle, "score_spread": spread, "score_share": SHARES}
        arrays: dict[str, Any] = {
            field: np.array([of[name] for name in parts], np.float32) for field, of in numbers.items()
        }
        return replace(fitted, score_parts=parts, **arrays)

    def _named(self, code: str, embeddings: np.ndarray) -> bool:
        """Whether the second head names `code` for TRUSTED of these embeddings (clips, width)."""
        if code not in self.sounds_languages or not len(embeddings):
            return False
        place = self.sounds_languages.index(code)
        return bool(np.mean([self._sounds(one).argmax() == place for one in embeddings]) >= TRUSTED)

    def with_threshold(self, scores: np.ndarray, labels: np.ndarray) -> "OpenSetDetector":
        """The threshold that keeps KEPT of each language's scores (clips,), by their labels (clips,). One that kept so
        much of all together would refuse the language whose voices differ most far more often than the others."""
        lowest = min(np.quantile(scores[labels == label], 1 - KEPT) for label in np.unique(labels))
        return replace(self, threshold=round(float(lowest), 4))

    def with_speech(
        self, speech: np.ndarray, noise: np.ndarray, clips: np.ndarray, crops: np.ndarray
    ) -> "OpenSetDetector":
        """Fit the row for speech on embeddings (clips, width) of speech and of noise. HEARD of `clips` and `crops`,
        speech held out as it was recorded and altered, pass its threshold. Voice detection finds none in nearly all
        noise and in hardly any speech: where it does, a sound has to be as clearly speech as HEARD of `clips` alone."""
        from sklearn.linear_model import LogisticRegression

        scale = np.concatenate([speech, noise]).std(axis=0) + 1e-6
        fitted = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000).fit(
            np.concatenate([speech, noise]) / scale, np.repeat([1, 0], [len(speech), len(noise)])
        )
        row = (fitted.coef_[0] / scale).astype(np.float32)
        lowest = [float(np.quantile(of @ row, 1 - HEARD)) for of in (np.concatenate([clips, crops]), clips)]
        return replace(self, speech_weight=row, speech_threshold=lowest[0], faint_threshold=lowest[1])

    def unfitted(self) -> "OpenSetDetector":
        """With what was trained alone: rows and second head, without what is fitted once training is over."""
        bare = OpenSetDetector(self.languages, self.weight, self.bias)
        if self.sounds_weight is None or self.sounds_bias is None:
            return bare
        return bare.with_sounds(self.sounds_languages, self.sounds_weight, self.sounds_bias)

    def scaled(self, temperature: float) -> "OpenSetDetector":
        """The same beside a head whose logits were divided by `temperature`. The score's parts are left out: "rows" has
        changed, and `with_score` is to be called again. The second head has no part in the logits and stays."""
        weight, bias = self.weight / temperature, self.bias / temperature
        none = replace(self, score_parts=(), score_middle=None, score_spread=None, score_share=None)
        return replace(none, weight=weight, bias=bias)

    def save(self, folder: str | os.PathLike) -> None:
        """Write the file beside a checkpoint. Its checksums are the caller's to renew."""
        lists = [name for name in LISTS if getattr(self, name)]
        about = {name: json.dumps(getattr(self, name)) for name in ("languages", *NUMBERS, *lists)}
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
            lists = {name: tuple(about[name]) for name in ("languages", *LISTS) if name in about}
            return cls(**about | tensors | lists)
        except (SafetensorError, OSError, KeyError, AttributeError, TypeError, ValueError) as error:
            raise InputError(
                f"{FILE_NAME} of {folder} is damaged. Copy the checkpoint again. ({error})", "model"
            ) from error


def fitted(identifier: "LanguageIdentifier") -> OpenSetDetector:
    """An identifier's detector as it was fitted, not its graph. Raises InputError where it has none."""
    if not isinstance(identifier.detector, OpenSetDetector):
        raise InputError(f"{identifier.name} has no {FILE_NAME} beside its weights.", "model")
    return identifier.detector


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
