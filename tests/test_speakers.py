"""Two speakers as one prediction."""

from dataclasses import replace

import numpy as np
import pytest

from lid import speakers
from lid.features import FRAME_SECONDS
from tests.ui.predictions import make_prediction


def speaker(shares: list[float], seconds: float, start: float = 0.0, known: bool | None = True):
    """Somebody who speaks without a pause."""
    frames = round(seconds / FRAME_SECONDS)
    made = make_prediction(shares)
    entry = {"start": start, "end": start + seconds, "probabilities": made.probabilities}
    return replace(
        made,
        speech_seconds=seconds,
        timeline=[entry],
        frame_starts=start + np.arange(frames) * FRAME_SECONDS,
        frame_logits=np.tile(np.log(np.float32(shares)), (frames, 1)),
        known=known,
        known_score=None if known is None else 10.0 * known,
    )


def test_who_speaks_longer_counts_for_more():
    both = speakers.together({1: speaker([0.9, 0.05, 0.05], 2.0), 2: speaker([0.1, 0.8, 0.1], 6.0, 1.0)})
    assert both.language == "ru"
    assert list(both.probabilities.values()) == pytest.approx([0.3, 0.6125, 0.0875])
    assert both.speech_seconds == pytest.approx(7.0)  # from 0 to 7 somebody speaks
    assert [entry["channel"] for entry in both.timeline] == [1, 2]
    assert both.channels.heard == (1, 2)


def test_evidence_of_what_is_said_at_once_is_the_mean():
    one, other = speaker([0.9, 0.05, 0.05], 2.0), speaker([0.1, 0.8, 0.1], 2.0, 1.0)
    both = speakers.together({1: one, 2: other})
    middle = both.frame_logits[np.searchsorted(both.frame_starts, 1.5)]
    assert middle == pytest.approx((one.frame_logits[0] + other.frame_logits[0]) / 2, abs=1e-5)
    assert both.frame_logits[0] == pytest.approx(one.frame_logits[0])
    assert both.frame_logits[-1] == pytest.approx(other.frame_logits[0])


def test_another_language_does_not_count_beside_one_of_the_three():
    stranger = speaker([0.98, 0.01, 0.01], 20.0, known=False)
    both = speakers.together({1: stranger, 2: speaker([0.1, 0.8, 0.1], 2.0)})
    assert both.language == "ru"
    assert both.known
    assert [entry["channel"] for entry in both.timeline] == [2]
    assert [one["known"] for one in speakers.as_json(both)] == [False, True]
    assert both.speech_seconds == pytest.approx(20.0)


def test_nobody_known_and_nobody_judged():
    unknown = speaker([0.9, 0.05, 0.05], 2.0, known=False)
    assert speakers.together({1: unknown, 2: unknown}).known is False
    unjudged = speaker([0.9, 0.05, 0.05], 2.0, known=None)
    assert speakers.together({1: unjudged, 2: unjudged}).known is None


def test_a_call_sounds_like_what_all_its_speakers_sound_like():
    def stranger(code: str, probability: float, seconds: float):
        sounds_like = {"language": code, "probability": probability}
        return replace(speaker([0.9, 0.05, 0.05], seconds, known=False), sounds_like=sounds_like)

    both = speakers.together({1: stranger("tr", 0.9, 2.0), 2: stranger("tr", 0.5, 6.0)})
    assert both.sounds_like == {"language": "tr", "probability": pytest.approx(0.6)}
    assert [one["sounds_like"]["probability"] for one in speakers.as_json(both)] == [0.9, 0.5]
    assert speakers.together({1: stranger("tr", 0.9, 2.0), 2: stranger("fa", 0.9, 2.0)}).sounds_like is None
    uzbek = speaker([0.9, 0.05, 0.05], 2.0)
    assert speakers.together({1: stranger("tr", 0.9, 2.0), 2: uzbek}).sounds_like is None
