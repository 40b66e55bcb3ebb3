"""Averaging long arrays down to what a screen can show."""

import numpy as np

MAX_COLUMNS = 600  # cells along time: about one for each pixel on a laptop


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
