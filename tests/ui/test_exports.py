"""The files that other programs read."""

import base64
import csv
import io
import re

import pytest

from lid.ui import exports
from lid.ui.segments import Segment
from lid.ui.texts import ENGLISH, RUSSIAN

FOUND = [Segment(0.5, 4.25, "uz", 0.98, 3.5), Segment(4.25, 3725.5, "en", 0.9, 3000.0)]
CALL = [Segment(0.5, 4.0, "uz", 0.98, 3.5, 1), Segment(3.5, 8.0, "ru", 0.97, 4.0, 2)]


def test_csv_has_seconds_and_codes():
    rows = list(csv.DictReader(io.StringIO(exports.as_csv(FOUND).removeprefix("\ufeff"))))
    assert [(row["start"], row["end"], row["language"], row["channel"]) for row in rows] == [
        ("0.500", "4.250", "uz", ""),
        ("4.250", "3725.500", "en", ""),
    ]


def test_srt():
    assert exports.as_srt(FOUND, ENGLISH) == (
        "1\n00:00:00,500 --> 00:00:04,250\nUzbek\n\n2\n00:00:04,250 --> 01:02:05,500\nEnglish\n"
    )


def test_labels_for_audacity():
    assert exports.as_labels(CALL, RUSSIAN).splitlines() == [
        "0.500000\t4.000000\tУзбекский (Канал 1)",
        "3.500000\t8.000000\tРусский (Канал 2)",
    ]


@pytest.mark.parametrize(("found", "tiers"), [(FOUND, 1), (CALL, 2)])
def test_a_textgrid_has_no_gaps(found, tiers):
    text = exports.as_textgrid(found, 4000.0)
    assert int(re.search(r"^size = (\d+)", text, re.M)[1]) == tiers
    for tier in text.split("item [")[2:]:
        told = re.findall(r"xmin = ([\d.]+)\s+xmax = ([\d.]+)\s+text = \"(\w*)\"", tier)
        assert int(re.search(r"intervals: size = (\d+)", tier)[1]) == len(told)
        assert [end for _, end, _ in told[:-1]] == [start for start, _, _ in told[1:]]
        assert (told[0][0], told[-1][1]) == ("0.000", "4000.000")
    assert re.findall(r'text = "(\w+)"', text) == [one.language for one in found]


def test_links_carry_the_files():
    html = exports.links(FOUND, 4000.0, "a<b", ENGLISH)
    names = re.findall("download='(.*?)'", html)
    assert names == ["a&lt;b.csv", "a&lt;b.srt", "a&lt;b.txt", "a&lt;b.TextGrid"]
    texts = [base64.b64decode(data).decode() for data in re.findall("base64,([^']+)'", html)]
    assert texts[1] == exports.as_srt(FOUND, ENGLISH)
