"""The timeline: its colours, its list, and a row for each channel."""

import re
from dataclasses import replace

import numpy as np
import pytest

from lid.audio import Channels
from lid.ui import strip
from lid.ui.colours import LANGUAGES as COLOURS
from lid.ui.texts import ALL, ENGLISH
from tests.ui.predictions import make_prediction

PEAKS = np.ones((1, 100), np.float32)


def drawn(prediction, span=(0.0, 10.0), peaks=PEAKS, part=False, words=ENGLISH, key="clip.wav") -> str:
    return strip.as_html(prediction, peaks, span, "clip", part, key, words)


def columns(html: str, colour: str) -> list[int]:
    """The columns of the sound that have a colour: each is a bar one wide."""
    paths = re.findall(f"<path d='([^']*)' fill='{colour}'/>", html)
    return [int(column) for path in paths for column in re.findall(r"M(\d+) [\d.]+h1v", path)]


def test_the_sound_has_the_colour_of_its_language():
    html = drawn(make_prediction([0.4, 0.0, 0.6], "uuuueeee"))
    assert columns(html, COLOURS["uz"]) == list(range(40))
    assert columns(html, COLOURS["en"]) == list(range(40, 80))
    assert columns(html, COLOURS["ru"]) == []
    assert len(re.findall(r"M\d+ ", re.search("<path d='([^']*)' class='lid-silence'/>", html)[1])) == 20


def test_a_part_has_the_times_of_its_file():
    prediction = make_prediction([0.9, 0.1, 0.0], "uuuu")
    later = [{**entry, "start": entry["start"] + 300, "end": entry["end"] + 300} for entry in prediction.timeline]
    html = drawn(replace(prediction, timeline=later), (300.0, 304.0), part=True)
    assert columns(html, COLOURS["uz"]) == list(range(100))
    assert "data-start='300.000' data-end='304.000'" in html
    assert ENGLISH.whole in html


def test_long_recordings_have_times_as_on_a_clock():
    assert "data-seek='0.000'>0.0 s</button>" in drawn(make_prediction([0.9, 0.1, 0.0]))
    assert "data-seek='0.000'>0:00</button></td><td>0:06</td>" in drawn(make_prediction([0.9, 0.1, 0.0]), (0.0, 1200.0))


def test_each_channel_has_a_row():
    one, two = make_prediction([0.9, 0.1, 0.0], "uuuu"), make_prediction([0.1, 0.9, 0.0], "rrrr")
    timeline = [{**entry, "channel": 1} for entry in one.timeline] + [{**entry, "channel": 2} for entry in two.timeline]
    call = replace(one, timeline=timeline, channels=Channels("two", (1, 2), 2), speakers=(one, two))
    html = drawn(call, peaks=np.ones((2, 100), np.float32))
    first, second = html.split("lid-strip-row")[1:3]
    assert columns(first, COLOURS["uz"]) == columns(second, COLOURS["ru"]) == list(range(40))
    assert not columns(first, COLOURS["ru"])
    assert "Channel 2" in second


@pytest.mark.parametrize("words", ALL.values(), ids=ALL)
def test_it_is_a_control_with_a_name(words):
    html = drawn(make_prediction([0.9, 0.1, 0.0]), words=words)
    assert f"role='slider' tabindex='0' aria-label='{words.timeline}'" in html
    for head in words.segment_columns:
        assert f"<th scope='col'>{head}</th>" in html


def test_an_hour_is_light():
    hour = make_prediction([0.9, 0.1, 0.0], (50 * "u" + 10 * "r") * 60)
    assert len(drawn(hour, (0.0, 3600.0), np.random.default_rng(0).random((1, 600)))) < 200_000


def test_no_part_can_be_chosen_where_no_file_is_kept():
    assert "data-part=''" in drawn(make_prediction([0.9, 0.1, 0.0]), key="")
