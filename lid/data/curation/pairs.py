"""Pairs of strings that are nearly the same, with none missed: every string of one list against every one of another.

A corpus of full size has billions of pairs of sentences. Two bounds say of nearly all of them, and cheaply, that they
are not alike: the longest common subsequence of two strings is not longer than the shorter of them, and it has no
letter more often than either has. Only what is left is compared.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from rapidfuzz import fuzz, process

ROWS, CELLS = 512, 1 << 24  # strings, and pairs of them, that are looked at together: 64 MB
LETTERS, TIMES, STATEMENTS = 48, 12, 256  # of `_statements`
ROUNDING = 0.01


def alike(
    left: Sequence[str], right: Sequence[str], threshold: float | Callable[[], float]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """All pairs of similarity >= `threshold`, which may rise on the way: indices in `left`, indices in `right`, and
    similarities, some pairs at a time. Where both are one list, each pair comes once.

    The similarity of two strings is twice the length of their longest common subsequence over the sum of their lengths.
    """
    orders = [np.array(sorted(range(len(of)), key=lambda i: len(of[i])), np.int64) for of in (left, right)]
    rows, columns = ([of[i] for i in order] for of, order in zip((left, right), orders, strict=True))
    statements = _statements([*rows, *columns])
    true = statements.sum(axis=1)
    lengths = np.array([len(string) for string in (*rows, *columns)], np.float32)
    sizes = lengths[len(rows) :]
    start = 0
    while start < len(rows):
        bound = threshold() if callable(threshold) else threshold
        least = bound / (2 - bound)  # where one string is shorter than this share of the other, they are not alike
        end = min(start + ROWS, len(rows))
        low = start if left is right else int(np.searchsorted(sizes, lengths[start] * least - ROUNDING))
        high = int(np.searchsorted(sizes, lengths[end - 1] / max(least, 1e-3) + ROUNDING, "right"))
        end = min(end, start + max(1, CELLS // max(1, high - low)))
        some, others = slice(start, end), slice(len(rows) + low, len(rows) + high)
        # Statements true of one string alone are letters that the other lacks: (1 - bound) of all letters, at most.
        common = statements[some] @ statements[others].T
        common -= (true[some] - (1 - bound) * lengths[some])[:, None] / 2
        common -= (true[others] - (1 - bound) * lengths[others]) / 2
        first, second = np.nonzero(common > -ROUNDING)
        first, second = first + start, second + low
        if left is right:
            first, second = first[first < second], second[first < second]
        pair = [rows[i] for i in first], [columns[i] for i in second]
        scores = process.cpdist(*pair, scorer=fuzz.ratio, dtype=np.float64) / 100
        if (found := scores >= bound).any():
            yield orders[0][first[found]], orders[1][second[found]], scores[found]
        start = end


def _statements(strings: Sequence[str]) -> np.ndarray:
    """Statements like "has three a or more", true (1) or not (0) of each string: float32 (strings, statements), of all
    such statements those that tell strings apart best. The product of two rows is how many are true of both."""
    letters = [letter for letter, _ in Counter("".join(strings)).most_common(LETTERS)]
    shares, columns = [], []
    for letter in letters:
        counts = np.array([string.count(letter) for string in strings])
        for number in range(1, TIMES + 1):
            columns.append(counts >= number)
            shares.append(columns[-1].mean())
    telling = np.argsort([share * (share - 1) for share in shares], kind="stable")[:STATEMENTS]
    result = np.zeros((len(strings), len(telling)), np.float32)
    for place, column in enumerate(telling):
        result[:, place] = columns[column]
    return result
