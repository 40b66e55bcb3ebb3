"""The bounds that spare most comparisons never cost a pair."""

import random

import numpy as np
import pytest
from rapidfuzz import fuzz, process

from lid.data.curation import pairs


def strings(count: int, seed: int) -> list[str]:
    """Sentences of few words, of which every third is another with some letters changed, left out or put in."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abdeghiklmnoprstuvxyzўқғш", k=draw.randint(1, 9))) for _ in range(60)]
    made: set[str] = {"", "a"}
    while len(made) < count:
        letters = list(" ".join(draw.choices(words, k=draw.randint(1, 9))))
        if len(made) % 3 == 0:
            letters = list(draw.choice(sorted(made)))
            for _ in range(len(letters) // draw.randint(4, 12)):
                letters[draw.randrange(len(letters))] = draw.choice(["", "a", "ў", "bo"])
        made.add("".join(letters))
    return draw.sample(sorted(made), count)


def found(*arguments) -> dict[tuple[int, int], float]:
    return {
        (int(i), int(j)): float(score) for some in pairs.alike(*arguments) for i, j, score in zip(*some, strict=True)
    }


@pytest.mark.parametrize("threshold", [0.5, 0.85, 0.95, 1.0])
def test_every_pair_of_two_lists_is_found(threshold):
    left, right = strings(700, 0), strings(900, 1)
    scores = process.cdist(left, right, scorer=fuzz.ratio, dtype=np.float64) / 100
    expected = {(int(i), int(j)): float(scores[i, j]) for i, j in np.argwhere(scores >= threshold)}
    assert len(expected) > 1
    assert found(left, right, threshold) == pytest.approx(expected)


def test_within_one_list_each_pair_comes_once():
    some = strings(1200, 2)
    scores = process.cdist(some, some, scorer=fuzz.ratio, dtype=np.float64) / 100
    expected = {frozenset(map(int, pair)) for pair in np.argwhere(np.triu(scores >= 0.85, 1))}
    assert len(expected) > 20
    once = found(some, some, 0.85)
    assert {frozenset(pair) for pair in once} == expected
    assert len(once) == len(expected)


def test_a_threshold_that_rises_on_the_way_leaves_the_best():
    left, right = strings(700, 3), strings(700, 4)
    best = [0.0]
    for *_, scores in pairs.alike(left, right, lambda: best[0]):
        best[0] = max(best[0], float(scores.max()))
    assert best[0] == pytest.approx(process.cdist(left, right, scorer=fuzz.ratio, dtype=np.float64).max() / 100)


def test_nothing_is_like_nothing():
    assert found([], ["a"], 0.5) == found(["a"], [], 0.5) == {}
