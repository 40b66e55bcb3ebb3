"""Several recordings: the table says what the cards would, and the CSV holds the numbers."""

import base64
import csv
import io
import re

from lid.ui import table
from lid.ui.texts import ENGLISH, RUSSIAN
from tests.ui.predictions import TURKISH, make_prediction

ROWS = [
    table.Row("a.mp3", make_prediction([0.97, 0.02, 0.01])),
    table.Row("<b>.wav", make_prediction([0.5, 0.3, 0.2], ".....")),
    table.Row("=cmd.wav", error="This file is empty."),
    table.Row("quiet.wav", make_prediction([1 / 3] * 3, "")),
    table.Row("cut.mp3", make_prediction([0.3, 0.62, 0.08], "rrrr.uuu"), damaged=True),
]


def read(text: str) -> list[dict]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_csv_holds_what_the_json_does():
    uzbek, unsure, failed, silent, cut = read(table.as_csv(ROWS))
    assert (uzbek["file"], uzbek["language"], uzbek["uz"], uzbek["error"]) == ("a.mp3", "uz", "0.97", "")
    assert unsure["language"] == "uz"  # the most likely, as in the JSON
    assert (cut["language"], cut["uz"]) == ("ru uz", "")  # of several languages, no one's probability
    assert float(cut["speech_share_uz"]) + float(cut["speech_share_ru"]) == 1
    assert failed["error"] == "This file is empty."
    assert (silent["language"], silent["duration_seconds"]) == ("", "10.0")
    verdicts = [(row["verdict"], row["languages"], row["damaged"]) for row in (uzbek, unsure, failed, silent, cut)]
    assert verdicts == [
        ("language", "uz", "false"),
        ("not_sure", "", "false"),
        ("", "", ""),
        ("no_speech", "", "false"),
        ("several", "ru uz", "true"),
    ]


REFUSED = table.Row("t.wav", make_prediction([0.97, 0.02, 0.01], known=False, sounds_like=TURKISH), damaged=True)


def test_csv_tells_what_another_language_sounds_like():
    uzbek, failed, turkish = read(table.as_csv([ROWS[0], ROWS[2], REFUSED]))
    assert (turkish["known"], turkish["sounds_like"], turkish["sounds_like_probability"]) == ("false", "tr", "0.71")
    assert [row["sounds_like"] + row["sounds_like_probability"] for row in (uzbek, failed)] == ["", ""]


def test_the_table_tells_it_in_words():
    notes = "<p class='lid-fine'>It sounds like Turkish.</p><p class='lid-fine'>part of the file could not be read</p>"
    assert f"<td>None of the three{notes}</td>" in table.as_html([REFUSED], ENGLISH)
    assert "Похоже на турецкий." in table.as_html([REFUSED], RUSSIAN)


def test_a_file_name_is_no_formula():
    assert read(table.as_csv(ROWS))[2]["file"] == "'=cmd.wav"


def test_table_names_a_language_only_when_the_card_would():
    html = table.as_html(ROWS, ENGLISH)
    assert "5 recordings" in html
    assert "<td>Not sure</td>" in html
    assert "<td>No speech heard</td>" in html
    assert "<td>Russian and Uzbek<p class='lid-fine'>part of the file could not be read</p></td>" in html
    assert "&lt;b&gt;.wav" in html
    assert "Трудно сказать" in table.as_html(ROWS, RUSSIAN)


def test_the_link_carries_the_csv_once_all_is_done():
    link = re.search(r"base64,([^']+)'", table.as_html(ROWS, ENGLISH))
    assert link
    assert base64.b64decode(link[1]).decode() == table.as_csv(ROWS)
    assert "data-kind='working'" in (waiting := table.as_html([*ROWS, table.Row("later.wav")], ENGLISH))
    assert "href" not in waiting
