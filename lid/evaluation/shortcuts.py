"""Could a model tell the languages apart without listening to what is said?

A classifier gets only how a clip was recorded, no speech: if it beats chance on what the trainer sees, the trainer can
cheat as well. The clips as they come are measured beside it, to show what augmentation has to undo.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict

from lid.data.curation.measurements import measure
from lid.evaluation.metrics import wilson
from lid.languages import CODES
from lid.training.batches import BalancedBatches

MEASURES = ("seconds", "loudness", "floor", "bandwidth", "lead")


def channel(waveform: np.ndarray) -> list[float]:
    """MEASURES of one waveform (samples,) at 16 kHz: seconds, dBFS of the speech and of the floor, Hz, seconds."""
    facts = measure(waveform)
    return [getattr(facts, name) for name in MEASURES]


def accuracy(measures: np.ndarray, labels: Sequence[int], groups: Sequence) -> dict:
    """How often measures (clips, 5) alone give the label, cross-validated with each group (a speaker, a batch) on one
    side only. Returns accuracy, its 95 % interval, and what guessing would get."""
    labels = np.asarray(labels)
    model = HistGradientBoostingClassifier(max_iter=100, learning_rate=0.05, random_state=0)
    named = cross_val_predict(model, measures, labels, groups=groups, cv=GroupKFold(5))
    right = int((named == labels).sum())
    shares = np.bincount(labels) / len(labels)
    return {
        "clips": len(labels),
        "accuracy": round(right / len(labels), 4),
        "accuracy_95": [round(bound, 4) for bound in wilson(right, len(labels))],
        "chance": round(float(shares.max()), 4),
    }


def compare(batches: BalancedBatches, clips: int = 900) -> dict[str, dict]:
    """`as_recorded` and `as_trained`: the same number of clips of each language, before and after augmentation."""
    rng = np.random.default_rng(batches.options.seed)
    members = {label: of for label, of in batches.members.items() if label < len(CODES)}
    each = min(clips // len(members), *map(len, members.values()))
    drawn = {label: rng.permutation(of)[:each] for label, of in members.items()}
    chosen = [(label, index) for label, indices in drawn.items() for index in indices]
    part = batches.part
    before = accuracy(
        np.array([channel(part.speech[index]) for _, index in chosen]),
        [label for label, _ in chosen],
        [part.clips[index].speaker for _, index in chosen],
    )
    rows: list[tuple[list[float], int, int]] = []
    for step in itertools.count():
        if len(rows) >= len(chosen):
            break
        named = zip(*batches.rows(step), strict=True)
        rows += [(channel(row), label, step) for row, label in named if label < len(CODES)]
    measures, labels, steps = zip(*rows, strict=True)
    return {"as_recorded": before, "as_trained": accuracy(np.array(measures), labels, steps)}
