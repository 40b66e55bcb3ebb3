"""Live mode's buffer: bounded, and answered no more than once a second."""

import numpy as np
import pytest

from lid.audio import SAMPLE_RATE
from lid.ui.live import NAMED_AFTER, OTHERS_AFTER, Buffer, card
from lid.ui.settings import LIVE_EVERY, LIVE_SECONDS
from lid.ui.texts import ENGLISH
from tests.ui.predictions import make_prediction


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


@pytest.mark.parametrize(
    ("shares", "fields", "speech", "kind"),
    [
        ([0.98, 0.01, 0.01], {}, NAMED_AFTER - 0.1, "listening"),
        ([0.98, 0.01, 0.01], {}, NAMED_AFTER, "uz"),
        ([0.9, 0.05, 0.05], {}, NAMED_AFTER, "listening"),  # not sure enough for so little speech
        ([0.9, 0.05, 0.05], {}, OTHERS_AFTER, "uz"),
        ([0.97, 0.02, 0.01], {"known": False}, OTHERS_AFTER - 0.1, "listening"),
        ([0.97, 0.02, 0.01], {"known": False}, OTHERS_AFTER, "unknown"),
    ],
)
def test_a_verdict_waits_for_enough_speech_and_a_refusal_for_more(shares, fields, speech, kind):
    said = card(make_prediction(shares, speech_seconds=speech, **fields), ENGLISH)
    assert f"data-kind='{kind}'" in said
    assert ("lid-bars" in said) == (kind != "unknown")


def test_without_speech_it_listens():
    assert ENGLISH.listening_note in card(make_prediction([1 / 3] * 3, ""), ENGLISH)
