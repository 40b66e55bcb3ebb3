"""What is shown of recordings in several languages, of calls, of long ones and of several at once; and what is kept."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lid import audio
from tests.browser.visitor import answer, example, send, source, upload
from tests.browser.voices import voice

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def call(tmp_path_factory) -> Path:
    """A call: Uzbek on the left, English on the right, by turns."""
    one, two = voice("uz"), voice("en")
    silence = np.zeros(max(len(one), len(two)), np.float32)
    left, right = np.concatenate([one, silence]), np.concatenate([np.zeros_like(one), two])
    length = max(len(left), len(right))
    both = np.stack([np.pad(side, (0, length - len(side))) for side in (left, right)], axis=1)
    soundfile.write(clip := tmp_path_factory.mktemp("call") / "call.wav", both, audio.SAMPLE_RATE)
    return clip


@pytest.fixture(scope="module")
def minutes(tmp_path_factory) -> Path:
    """Two minutes, the first of them in Uzbek."""
    speech = np.concatenate([np.tile(voice(one), 20)[: 60 * audio.SAMPLE_RATE] for one in ("uz", "en")])
    soundfile.write(clip := tmp_path_factory.mktemp("minutes") / "minutes.flac", speech, audio.SAMPLE_RATE)
    return clip


def bars(page) -> dict[str, str]:
    names, numbers = (page.locator(f"#answer .lid-bars {part}").all_inner_texts() for part in ("dt", "dd"))
    return dict(zip(names, (number.strip() for number in numbers), strict=True))


def test_several_languages_have_shares_and_segments(open_page, clips):
    page = open_page()
    upload(page, clips["webm"])
    assert bars(page).keys() == {"Uzbek", "English"}
    assert sum(int(number.removesuffix(" %")) for number in bars(page).values()) in (99, 100, 101)
    rows = page.locator(".lid-segments tbody tr")
    assert [re.split(r"\t", row)[2].strip() for row in rows.all_inner_texts()] == ["Uzbek", "English"]
    page.wait_for_function("document.querySelector('#answer audio').readyState >= 1")
    rows.nth(1).get_by_role("button").click()
    page.wait_for_function("document.querySelector('#answer audio').currentTime > 5")


def test_a_call_has_shares_for_each_channel(open_page, call):
    page = open_page()
    upload(page, call)
    assert [heading.split(":")[0] for heading in page.locator("#answer h3").all_inner_texts()] == [
        "Channel 1",
        "Channel 2",
    ]
    assert bars(page) == {"Uzbek": "100 %", "English": "100 %"}
    assert page.locator(".lid-strip-row svg").count() == 2


def test_segments_are_saved_for_other_programs(open_page, clips):
    page = open_page()
    upload(page, clips["webm"])
    for label, ending, holds in (
        ("CSV", "csv", "language"),
        ("SRT", "srt", "-->"),
        ("Audacity", "txt", "\tEnglish"),
        ("Praat TextGrid", "TextGrid", "IntervalTier"),
    ):
        with page.expect_download() as saved:
            page.get_by_role("link", name=label, exact=True).click()
        assert saved.value.suggested_filename == f"{clips['webm'].stem}.{ending}"
        assert holds in Path(saved.value.path()).read_text(encoding="utf-8")


def test_the_answer_is_saved_as_a_page_that_needs_nothing(open_page, clips):
    page = open_page()
    upload(page, clips["webm"])
    page.locator("#attention .heatmaplayer image").wait_for()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a page").click()
    text = Path(saved.value.path()).read_text(encoding="utf-8")
    assert "Uzbek and English" in text
    assert "<svg" in text
    assert not re.search(r"(src|href)=\"?https?:|url\([^)]*https?:|<script", text)


@pytest.mark.parametrize("width", [390, 1180])
def test_a_part_of_a_long_recording_is_chosen_and_analysed_alone(open_page, minutes, width):
    page = open_page(viewport={"width": width, "height": 844})
    assert upload(page, minutes).startswith("Uzbek and English")
    ticks = page.locator(".lid-ticks span")
    ticks.first.wait_for()
    assert ticks.first.inner_text() == "0:00"
    assert all(re.fullmatch(r"\d:\d\d", tick) for tick in ticks.all_inner_texts())
    scale = page.locator(".lid-strip-scale")
    scale.scroll_into_view_if_needed()
    box = scale.bounding_box()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 30, steps=4)
    page.mouse.up()
    page.locator(".lid-part").click()
    page.get_by_text("Only 1:1").wait_for()
    assert answer(page).startswith("English")
    assert page.locator("#evidence .xtick text").first.text_content() == "1:15"
    page.get_by_role("button", name="Back to the whole recording").click()
    page.locator("#answer [data-kind=several]").wait_for()


def test_the_timeline_zooms(open_page, minutes):
    page = open_page(viewport={"width": 390, "height": 844})
    upload(page, minutes)
    page.locator(".lid-ticks span").first.wait_for()
    before = page.locator(".lid-ticks span").count()
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    assert page.locator(".lid-ticks span").count() > 2 * before
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_row_opens_its_answer(open_page, clips):
    page = open_page(viewport={"width": 390, "height": 844})
    upload(page, [clips["speech"], clips["webm"], clips["text"]])
    page.locator("#answer [data-kind=files]").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name=clips["webm"].name).click()
    page.locator("#answer [data-kind=several]").wait_for()
    page.locator("#mel .heatmaplayer image").wait_for()
    page.wait_for_function("document.querySelector('#answer audio').readyState >= 1")
    page.locator("#earlier summary").click()
    page.locator("[data-earlier]").first.click()
    page.locator("#answer [data-kind=files]").wait_for()  # back at the table, whose rows still open
    page.get_by_role("button", name=clips["speech"].name).click()
    page.locator("#answer [data-kind=uz]").wait_for()


def test_earlier_answers_stay_at_hand_and_can_be_compared(open_page):
    page = open_page()
    heard = []
    for name, kind in (("Uzbek", "uz"), ("Russian", "ru")):
        example(page, name)
        page.locator(f"#answer [data-kind={kind}]").wait_for()
        page.locator("#attention .heatmaplayer image").wait_for()
        page.wait_for_timeout(500)
        heard.append(page.locator("#mel .heatmaplayer image").get_attribute("href"))
    page.locator("#earlier summary").click()
    page.get_by_role("button", name="Compare").click()
    dialog = page.locator("dialog")
    assert [card.split("\n")[0] for card in dialog.locator(".lid-card").all_inner_texts()] == ["Uzbek", "Russian"]
    dialog.get_by_role("button", name="Close").click()
    page.locator("[data-earlier]").first.click()
    page.locator("#answer [data-kind=uz]").wait_for()
    shown = "document.querySelector('#mel .heatmaplayer image')?.getAttribute('href')"
    page.wait_for_function(f"(heard) => {shown} === heard", arg=heard[0])


def test_a_reload_keeps_the_last_answer(open_page, clips):
    page = open_page()
    upload(page, clips["webm"])
    page.locator("#attention .heatmaplayer image").wait_for()
    page.reload()
    page.locator("#answer [data-kind=several]").wait_for()
    assert source(page) == clips["webm"].name
    page.locator("#mel .heatmaplayer image").wait_for()
    page.wait_for_function("document.querySelector('#answer audio').readyState >= 1")


def test_a_player_whose_file_is_gone_says_so(open_page, app, clips):
    page = open_page(told=403)
    upload(page, clips["speech"])
    page.wait_for_function("document.querySelector('#answer audio').readyState >= 1")
    for kept in app.uploads.rglob(clips["speech"].name):
        kept.unlink()
    page.evaluate("document.querySelector('#answer audio').src += '?again'")  # not what the browser keeps of it
    page.get_by_text("has been deleted from the server").wait_for()


def test_this_is_wrong_saves_the_numbers_and_nothing_else(open_page, clips):
    page = open_page()
    upload(page, clips["speech"])
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_download() as saved:
        page.get_by_role("link", name="Russian", exact=True).click()
    told = json.loads(Path(saved.value.path()).read_text(encoding="utf-8"))
    assert told["spoken"] == "ru"
    assert told["answer"]["language"] == "uz"
    assert clips["speech"].name not in json.dumps(told)
    assert not [address for address in asked if address.startswith("http")]


def test_a_phone_shows_the_progress_of_an_upload(open_page, minutes):
    page = open_page(viewport={"width": 390, "height": 844})
    send(page, minutes)
    page.locator("#answer .lid-progress").wait_for()
    page.wait_for_function(
        "(({top, bottom}) => top >= 0 && bottom <= innerHeight)"
        "(document.querySelector('#answer .lid-progress').getBoundingClientRect())"
    )
    answer(page)
