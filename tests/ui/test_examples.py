"""An example is heard once, and its attention looked at once; other people's recordings are not kept."""

from pathlib import Path

import numpy as np

from lid.ui.examples import Examples
from lid.ui.recording import Heard, Opening, Step
from tests.ui.predictions import make_prediction

CLIP, OTHER = Path("a.mp3"), Path("b.mp3")


class Model:
    """Counts what it is asked."""

    def __init__(self):
        self.heard, self.looked = [], []

    def hear(self, path):
        self.heard.append(path)
        yield Step(1.0, "uz")
        yield Heard(make_prediction([0.9, 0.1, 0.0]), np.zeros((80, 1)), Opening(np.zeros(1), 0.0), False)

    def look(self, opening, layer, head):
        self.looked.append((layer, head))
        return np.eye(2), opening.start


def test_the_second_click_does_not_ask_the_model():
    model = Model()
    examples = Examples(model.hear, model.look)
    assert CLIP not in examples
    first = list(examples.hear(CLIP))
    assert first[0] == Step(1.0, "uz")
    assert CLIP in examples
    assert list(examples.hear(CLIP)) == [first[-1]]
    assert OTHER not in examples
    list(examples.hear(OTHER))
    assert model.heard == [CLIP, OTHER]


def test_each_view_of_an_examples_attention_is_made_once():
    model = Model()
    examples = Examples(model.hear, model.look)
    opening = list(examples.hear(CLIP))[-1].opening
    for layer, head in ((6, 0), (6, 0), (6, 3)):
        examples.look(opening, layer, head)
    assert model.looked == [(6, 0), (6, 3)]


def test_a_visitors_recording_is_not_kept():
    model = Model()
    examples = Examples(model.hear, model.look)
    visitors = Opening(np.zeros(1), 0.0)
    for _ in range(2):
        examples.look(visitors, 6, 0)
    assert model.looked == [(6, 0), (6, 0)]


def test_a_click_that_was_given_up_is_heard_again():
    model = Model()
    examples = Examples(model.hear, model.look)
    left = examples.hear(CLIP)
    next(left)
    left.close()
    assert isinstance(list(examples.hear(CLIP))[-1], Heard)
    assert model.heard == [CLIP, CLIP]
