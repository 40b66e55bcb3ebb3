"""Averaging long arrays down to what a screen can show."""

import numpy as np

from lid.languages import CODES

MAX_COLUMNS = 600  # cells along time: about one for each pixel on a laptop
MAX_ENTRIES = 240  # columns of the timeline


def pool(array: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Average neighbouring rows until at most `limit` are left.

    Returns the float array (rows, ...) and the row indices between which each average was taken, int (rows + 1,).
    """
    count = min(len(array), limit)
    edges = np.linspace(0, len(array), count + 1).round().astype(int)
    if count == 0:
        return np.asarray(array, np.float64), edges
    sizes = np.diff(edges).reshape(-1, *[1] * (array.ndim - 1))
    return np.add.reduceat(array, edges[:-1], axis=0) / sizes, edges


def peaks(sound: np.ndarray, limit: int = MAX_COLUMNS) -> np.ndarray:
    """The highest absolute value in each of at most `limit` equal stretches of a sound (samples,): float32."""
    count = max(1, min(len(sound), limit))
    starts = np.linspace(0, len(sound), count, endpoint=False).astype(int)
    if not len(sound):
        return np.zeros(1, np.float32)
    return np.maximum(np.maximum.reduceat(sound, starts), -np.minimum.reduceat(sound, starts)).astype(np.float32)


def merged(entries: list[dict], start: float, end: float, limit: int = MAX_ENTRIES) -> list[dict]:
    """Timeline entries between two times in seconds; where there are more than `limit`, those of each of so many equal
    stretches are averaged into one, each weighing what it lasts."""
    if len(entries) <= limit:
        return entries
    groups: dict[int, list[dict]] = {}
    for entry in entries:
        groups.setdefault(int((entry["start"] - start) / (end - start) * limit), []).append(entry)
    return [_average(group) for group in groups.values()]


def _average(group: list[dict]) -> dict:
    lengths = [entry["end"] - entry["start"] for entry in group]
    shares = {code: [entry["probabilities"][code] for entry in group] for code in CODES}
    return {
        "start": group[0]["start"],
        "end": group[-1]["end"],
        "probabilities": {code: float(np.average(values, weights=lengths)) for code, values in shares.items()},
    }
