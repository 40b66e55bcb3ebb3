"""Numbers from logits, probabilities and scores: pure functions, no model and no audio."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score, roc_curve

from lid.languages import CODES
from lid.model.calibration import softmax

CONFIDENCE = math.erf(1.96 / math.sqrt(2))  # 95 %, with the 1.96 that all figures reported so far were made with
ROC_GRID = np.round(np.linspace(0, 1, 51) ** 2, 4)  # false positive rates; dense where a threshold is chosen
Labels = Sequence[int] | np.ndarray  # class indices (clips,)
BINS = 15  # of confidence, equally wide (Guo et al. 2017)


def wilson(right: int, total: int) -> tuple[float, float]:
    """95 % Wilson score interval of a proportion (Wilson 1927); (0, 1) of nothing."""
    if not total:
        return 0.0, 1.0
    low, high = binomtest(right, total).proportion_ci(CONFIDENCE, method="wilson")
    return float(low), float(high)


def rate(right: np.ndarray) -> dict:
    """How many of these are true: clips, accuracy (None of none), and its Wilson interval."""
    low, high = wilson(int(right.sum()), len(right))
    return {
        "clips": len(right),
        "accuracy": round(float(right.mean()), 5) if len(right) else None,
        "accuracy_95": [round(low, 5), round(high, 5)],
    }


def rates(named: np.ndarray, labels: np.ndarray) -> dict:
    """Accuracy with its interval, of all clips and of each of the three `languages`, from class indices (clips,).
    `recall` is the accuracy of each language alone, without its interval."""
    named, labels = np.asarray(named), np.asarray(labels)
    of = {code: rate((named == i)[labels == i]) for i, code in enumerate(CODES)}
    recall = {code: one["accuracy"] for code, one in of.items()}
    return {**rate(named == labels), "recall": recall, "languages": of}


def bootstrap_by_speaker(right: np.ndarray, speakers: Sequence[str], seed: int = 0, draws: int = 2000) -> list[float]:
    """95 % interval of accuracy when whole speakers are drawn with replacement: clips of one voice stand or fall
    together, which an interval over clips does not know."""
    names, which = np.unique(np.asarray(speakers), return_inverse=True)
    hits = np.bincount(which, weights=right, minlength=len(names))
    clips = np.bincount(which, minlength=len(names))
    drawn = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    low, high = np.quantile(hits[drawn].sum(axis=1) / clips[drawn].sum(axis=1), (0.025, 0.975))
    return [round(float(low), 5), round(float(high), 5)]


def nll(logits: np.ndarray, labels: Labels) -> float:
    """Mean negative log-likelihood in nats."""
    rows = np.arange(len(labels))
    return float(-np.log(softmax(np.asarray(logits, np.float64))[rows, labels].clip(1e-12)).mean())


def brier(probabilities: np.ndarray, labels: Labels) -> float:
    """Mean squared distance of probabilities (clips, classes) from the truth, 0 to 2 (Brier 1950)."""
    truth = np.eye(probabilities.shape[1])[np.asarray(labels)]
    return float(np.square(probabilities - truth).sum(axis=1).mean())


def reliability(probabilities: np.ndarray, labels: Labels, bins: int = BINS) -> list[dict]:
    """For each bin of confidence that has clips: how sure the named class was on average, and how often right."""
    probabilities = np.asarray(probabilities)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == np.asarray(labels)
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "clips": int((which == b).sum()),
            "confidence": round(float(confidence[which == b].mean()), 5),
            "accuracy": round(float(right[which == b].mean()), 5),
        }
        for b in np.unique(which)
    ]


def ece(probabilities: np.ndarray, labels: Labels, bins: int = BINS) -> float:
    """Expected calibration error of the named class over equal-width bins of confidence (Guo et al. 2017)."""
    gaps = (abs(one["confidence"] - one["accuracy"]) * one["clips"] for one in reliability(probabilities, labels, bins))
    return float(sum(gaps) / len(labels))


def calibration(logits: np.ndarray, labels: Labels) -> dict:
    """ECE, NLL (nats), Brier score and reliability of logits (clips, classes)."""
    probabilities = softmax(np.asarray(logits, np.float64))
    return {
        "ece": round(ece(probabilities, labels), 5),
        "nll": round(nll(logits, labels), 5),
        "brier": round(brier(probabilities, labels), 5),
        "reliability": reliability(probabilities, labels),
    }


def roc(known: Sequence[float], foreign: Sequence[float]) -> list[float]:
    """The ROC curve of scores, higher for what is known, at the points of ROC_GRID: the largest share of the `known`
    that is kept while no more than that share of the `foreign` is let through."""
    truth = np.r_[np.ones(len(known)), np.zeros(len(foreign))]
    false, true, _ = roc_curve(truth, np.r_[np.asarray(known, np.float64), np.asarray(foreign, np.float64)])
    kept = true[np.searchsorted(false, ROC_GRID, side="right") - 1]
    return [round(float(share), 4) for share in kept]


def detection(known: Sequence[float], foreign: Sequence[float]) -> dict[str, float]:
    """How well scores, higher for what is known, keep `known` apart from `foreign`: the area under the ROC curve, and
    the share of foreign clips let through by the threshold that keeps 95 % of the known ones."""
    truth = np.r_[np.ones(len(known)), np.zeros(len(foreign))]
    scores = np.r_[np.asarray(known, np.float64), np.asarray(foreign, np.float64)]
    false, true, _ = roc_curve(truth, scores)
    return {
        "clips": len(foreign),
        "auroc": round(float(roc_auc_score(truth, scores)), 5),
        "fpr95": round(float(false[np.argmax(true >= 0.95)]), 5),
    }
