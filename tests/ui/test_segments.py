"""Segments of one language each, from seconds that are not all sure."""

from dataclasses import replace

import pytest

from lid.ui import segments
from tests.ui.predictions import make_prediction


def languages(prediction) -> list[tuple[str, float, float]]:
    return [(one.language, one.start, one.end) for one in segments.find(prediction)]


def test_a_change_of_language_is_a_new_segment():
    found = segments.find(make_prediction([0.4, 0.0, 0.6], "uuuueeeeee"))
    assert [(one.language, one.start, one.end, one.speech) for one in found] == [("uz", 0, 4, 4), ("en", 4, 10, 6)]
    assert found[0].sure == pytest.approx(0.98)
    assert segments.shares(found) == pytest.approx({"uz": 0.4, "ru": 0.0, "en": 0.6})


def test_a_single_second_is_no_segment():
    assert languages(make_prediction([0.9, 0.1, 0.0], "uuuruuu.uu")) == [("uz", 0, 10)]
    assert languages(make_prediction([0.9, 0.1, 0.0], "uuurrrruuu")) == [("uz", 0, 3), ("ru", 3, 7), ("uz", 7, 10)]


def test_a_long_silence_ends_a_segment_and_a_pause_does_not():
    prediction = make_prediction([0.9, 0.1, 0.0], "uuuuuu")
    timeline = [entry for entry in prediction.timeline if entry["start"] != 1]
    moved = [{**entry, "start": entry["start"] + 5, "end": entry["end"] + 5} for entry in timeline[3:]]
    assert languages(replace(prediction, timeline=timeline[:3] + moved)) == [("uz", 0, 4), ("uz", 9, 11)]


def test_each_channel_has_its_own():
    first = make_prediction([0.9, 0.1, 0.0], "uuuu").timeline
    second = make_prediction([0.1, 0.9, 0.0], "rrrr").timeline
    timeline = [{**entry, "channel": 1} for entry in first] + [{**entry, "channel": 2} for entry in second]
    found = segments.find(make_prediction([0.5, 0.5, 0.0], "uu", timeline=timeline))
    assert [(one.language, one.channel) for one in found] == [("uz", 1), ("ru", 2)]


def test_none_of_the_three_and_no_speech_have_none():
    assert segments.find(make_prediction([0.9, 0.1, 0.0], known=False)) == []
    assert segments.find(make_prediction([1 / 3] * 3, "")) == []
    assert segments.shares([]) == {"uz": 0.0, "ru": 0.0, "en": 0.0}
