"""An example is heard once, and its attention looked at once; other people's recordings are not kept."""

from pathlib import Path

import numpy as np

from lid.ui.examples import Examples
from lid.ui.recording import FirstSegment, ProgressUpdate, RecordingResult
from tests.ui.predictions import make_prediction

CLIP, OTHER = Path("a.mp3"), Path("b.mp3")


class Model:
    """Counts what it is asked."""

    def __init__(self):
        self.heard, self.looked = [], []

    def analyse(self, path):
        self.heard.append(path)
        yield ProgressUpdate(1.0, "uz")
        first = FirstSegment(np.zeros(1), 0.0)
        prediction = make_prediction([0.9, 0.1, 0.0])
        yield RecordingResult(prediction, np.zeros((80, 1)), np.zeros((1, 1)), first, False, (0.0, 10.0))

    def attention(self, first_segment, layer, head):
        self.looked.append((layer, head))
        return np.eye(2), first_segment.start


def test_the_second_click_does_not_ask_the_model():
    model = Model()
    examples = Examples(model.analyse, model.attention)
    assert CLIP not in examples
    first = list(examples.analyse(CLIP))
    assert first[0] == ProgressUpdate(1.0, "uz")
    assert CLIP in examples
    assert list(examples.analyse(CLIP)) == [first[-1]]
    assert OTHER not in examples
    list(examples.analyse(OTHER))
    assert model.heard == [CLIP, OTHER]


def test_each_view_of_an_examples_attention_is_made_once():
    model = Model()
    examples = Examples(model.analyse, model.attention)
    first_segment = list(examples.analyse(CLIP))[-1].first_segment
    for layer, head in ((6, 0), (6, 0), (6, 3)):
        examples.attention(first_segment, layer, head)
    assert model.looked == [(6, 0), (6, 3)]


def test_a_visitors_recording_is_not_kept():
    model = Model()
    examples = Examples(model.analyse, model.attention)
    visitors = FirstSegment(np.zeros(1), 0.0)
    for _ in range(2):
        examples.attention(visitors, 6, 0)
    assert model.looked == [(6, 0), (6, 0)]


def test_a_click_that_was_given_up_is_heard_again():
    model = Model()
    examples = Examples(model.analyse, model.attention)
    left = examples.analyse(CLIP)
    next(left)
    left.close()
    assert isinstance(list(examples.analyse(CLIP))[-1], RecordingResult)
    assert model.heard == [CLIP, CLIP]
