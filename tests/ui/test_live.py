"""Live mode's buffer: bounded, and answered no more than once a second."""

import numpy as np
import pytest

from lid.audio import SAMPLE_RATE
from lid.ui.live import Buffer
from lid.ui.settings import LIVE_EVERY, LIVE_SECONDS


def test_only_the_last_seconds_are_kept():
    buffer = Buffer()
    for second in range(LIVE_SECONDS + 5):
        buffer.add(np.full(SAMPLE_RATE, second / 100, np.float32))
    assert len(buffer.waveform) == LIVE_SECONDS * SAMPLE_RATE
    assert buffer.waveform[0] == pytest.approx(0.05, abs=1e-3)
    assert buffer.waveform[-1] == pytest.approx((LIVE_SECONDS + 4) / 100, abs=1e-3)
    assert buffer.waveform.dtype == np.float32


def test_answers_keep_their_distance_and_wait_for_something_to_hear():
    buffer = Buffer()
    assert not buffer.due(0.0)
    buffer.add(np.zeros(SAMPLE_RATE, np.float32))
    assert buffer.due(0.0)
    buffer.answered = 10.0
    assert not buffer.due(10.0 + LIVE_EVERY / 2)
    assert buffer.due(10.0 + LIVE_EVERY)
