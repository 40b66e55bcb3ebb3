"""What a visitor does: record, drop a file, click an example; and what they then read."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.served import served
from lid import InputError, audio
from lid.ui import texts, wording
from tests.browser.visitor import answer, press, slow, upload
from tests.browser.voices import CODECS, encode, voice
from tests.conftest import MODEL

pytestmark = pytest.mark.browser


def copied_json(page) -> dict:
    """What *Copy as JSON* puts on the clipboard."""
    page.get_by_role("button", name="Copy as JSON").click()
    page.wait_for_function("navigator.clipboard.readText().then(text => text.startsWith('{'))")
    return json.loads(page.evaluate("navigator.clipboard.readText()"))


def place(page, selector: str) -> float:
    """How far down the page an element begins, however far that is scrolled."""
    return page.evaluate("(it) => document.querySelector(it).getBoundingClientRect().top + scrollY", selector)


@pytest.mark.parametrize("language", ["uz", slow("ru"), slow("en")])
def test_microphone(open_page, language):
    page = open_page(hearing=language)
    page.locator("#microphone .record-button").wait_for()  # Gradio fetches its recorder a moment after the rest
    page.locator(".lid-keys").wait_for()
    page.wait_for_timeout(1000)  # the list of microphones comes last
    below = place(page, "#upload")
    page.locator("#microphone .record-button").click()
    page.wait_for_timeout(4000)
    assert place(page, "#upload") == pytest.approx(below, abs=2)
    page.locator("#microphone .stop-button").click()
    answer(page)
    # Not the headline: where a recording of a made-up voice starts decides whether it passes for one of the three.
    said = copied_json(page)
    assert said["language"] == language, said
    page.locator("#attention .heatmaplayer image").wait_for()
    assert place(page, "#upload") == pytest.approx(below, abs=2)
    page.wait_for_function("document.querySelector('#answer audio').readyState >= 1")  # it can be heard again


def test_upload_says_what_the_model_says(open_page, clips, identifier):
    page = open_page()
    for name in ("speech", "truncated", "stereo_192k", "unnamed"):
        said = upload(page, clips[name])
        prediction = identifier.identify(audio.decode(clips[name]))
        assert said.startswith(wording.verdict(prediction)[0]), name
        assert ("could not be read" in said) == (name == "truncated")


@pytest.mark.slow
def test_every_container_is_heard(open_page, containers):
    page = open_page()
    for ending, clip in containers.items():
        assert upload(page, clip).startswith("Uzbek"), ending


@pytest.mark.slow
def test_a_recording_that_switches_shows_both_languages(open_page, clips):
    page = open_page()
    assert upload(page, clips["webm"]).startswith("Uzbek and English")


@pytest.mark.slow
def test_a_long_recording_is_followed_on_a_bar(open_page, tmp_path):
    speech = np.tile(np.concatenate([voice("uz"), voice("en")]), 12)
    clip = encode(speech, tmp_path / "long.flac", *CODECS["flac"])
    page = open_page()
    page.evaluate(
        """window.colours = new Set();
        new MutationObserver(() => {
          document.querySelectorAll("#answer .lid-progress span").forEach((part) => colours.add(part.style.background));
        }).observe(document.querySelector("#answer"), {childList: true, subtree: true});"""
    )
    assert upload(page, clip).startswith("Uzbek and English")
    assert page.evaluate("colours.size") >= 2


def test_an_example_is_heard_once(open_page):
    page = open_page()
    page.get_by_role("button", name="Russian", exact=True).click()
    page.locator("#attention .heatmaplayer image").wait_for()
    page.get_by_role("button", name="English", exact=True).click()
    page.locator("#answer [data-kind=en]").wait_for()
    page.get_by_role("button", name="Russian", exact=True).click()
    page.locator("#answer [data-kind=ru]").get_by_text("kept from an earlier click").wait_for()


@pytest.mark.slow
def test_a_full_queue_is_said_where_the_answer_goes(open_page, busy_url):
    for locale in ("en-GB", "ru-RU", "uz-UZ"):
        page = open_page(busy_url, told=503, locale=locale)
        page.locator(".lid-examples button").first.click()
        assert answer(page).startswith(texts.choose(locale).busy)
        assert not page.locator(".toast-item").is_visible()  # Gradio's own note, in English


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["ru-RU", "uz-UZ"])
def test_a_place_in_the_queue_is_told_in_the_pages_language(open_page, narrow_url, tmp_path, locale):
    words, long = texts.choose(locale), tmp_path / "long.flac"
    soundfile.write(long, np.tile(voice("uz"), 200), audio.SAMPLE_RATE)
    pages = [open_page(narrow_url, locale=locale) for _ in range(2)]
    for page in pages:
        page.locator("#upload input[type=file]").set_input_files(long)
        page.locator("#answer .lid-progress").wait_for()
    pages[1].locator("#answer").get_by_text(f"{words.queued}: 1/1").wait_for()
    for page in reversed(pages):
        page.keyboard.press("Escape")
        page.locator("#answer [data-kind=waiting]").wait_for()


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["ru-RU", "uz-UZ"])
def test_a_restart_is_told_in_the_pages_language(chromium, tmp_path, locale):
    words, long = texts.choose(locale), tmp_path / "long.flac"
    soundfile.write(long, np.tile(voice("uz"), 200), audio.SAMPLE_RATE)
    with served(MODEL_ID=str(MODEL)) as app, chromium("uz").new_context(locale=locale) as context:
        pages = [context.new_page() for _ in range(2)]
        for page in pages:
            page.goto(app.url)
            page.locator("#answer [data-kind=waiting]").wait_for()
            page.locator("#upload input[type=file]").set_input_files(long)
            page.locator("#answer .lid-progress").wait_for()
        app.process.terminate()
        for page in pages:
            assert words.restarting in answer(page)


@pytest.mark.slow
def test_bad_file_gets_our_sentence(open_page, clips):
    page = open_page()
    for name in ("text", "empty", "short"):
        with pytest.raises(InputError) as error:
            audio.decode(clips[name])
        assert str(error.value) in upload(page, clips[name])
        assert not page.locator("#mel").is_visible()


def test_silence(open_page, clips):
    page = open_page()
    assert upload(page, clips["silence"]).startswith("No speech heard")
    page.locator("#mel .heatmaplayer image").wait_for()
    assert not page.locator("#answer .lid-bars").count()
    assert not page.locator("#attention").is_visible()


def test_pictures_have_axes_and_attention_can_be_chosen(open_page):
    page = open_page()
    page.get_by_role("button", name="Russian", exact=True).click()
    answer(page)
    for picture, along, up in (
        ("evidence", "Time (s)", "Evidence (logit)"),
        ("mel", "Time (s)", "Frequency (Hz)"),
        ("attention", "Looking at (s)", "From (s)"),
    ):
        assert page.locator(f"#{picture} .xtitle").text_content() == along
        assert not up or page.locator(f"#{picture} .ytitle").text_content() == up
    image = page.locator("#attention .heatmaplayer image")
    before = image.get_attribute("href")
    page.get_by_label("Attention head", exact=False).click()
    page.get_by_role("option", name="3", exact=True).click()
    page.wait_for_function(
        "before => document.querySelector('#attention .heatmaplayer image').getAttribute('href') !== before", arg=before
    )


@pytest.mark.slow
def test_keyboard_alone(open_page):
    page = open_page()
    page.locator("#answer[aria-live=polite]").wait_for()  # screen readers speak what appears here
    press(page, "#microphone .record-button")
    page.wait_for_timeout(2000)
    press(page, "#microphone .stop-button")
    answer(page)
    press(page, ".lid-examples button:nth-of-type(3)")
    page.locator("#answer [data-kind=en]").wait_for()
    press(page, "#answer .lid-copy")
    page.get_by_role("button", name="Copied").wait_for()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_width(open_page, scheme):
    page = open_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.get_by_role("button", name="Uzbek", exact=True).click()
    answer(page)
    page.locator("#attention .heatmaplayer image").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    brightness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    assert (brightness > 128) == (scheme == "light")


@pytest.mark.slow
def test_a_table_on_a_phone_scrolls_in_its_box(open_page, clips):
    page = open_page(viewport={"width": 390, "height": 844})
    upload(page, [clips[name] for name in ("speech", "truncated", "webm", "text")])
    page.locator("#answer [data-kind=files]").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert "part of the file could not be read" in page.locator("#answer tbody tr").nth(1).inner_text()


@pytest.mark.slow
def test_live_answers_while_one_talks_and_once_more_at_the_end(open_page):
    page = open_page()
    page.get_by_role("tab", name="Live").click()
    page.locator("#live").get_by_role("button", name="Record", exact=True).click()
    answer(page)
    assert not page.locator("#mel").is_visible()  # pictures come at the end
    page.locator("#live .stop-button").click()
    page.locator("#mel .heatmaplayer image").wait_for()
    answer(page)


def test_several_files_make_a_table_and_a_csv(open_page, clips):
    page = open_page()
    said = upload(page, [clips["speech"], clips["text"], clips["silence"]])
    assert said.startswith("3 recordings")
    rows = page.locator("#answer tbody tr").all_inner_texts()
    assert [row.split("\t")[0] for row in rows] == [clips[name].name for name in ("speech", "text", "silence")]
    assert "Uzbek" in rows[0]
    assert "not audio" in rows[1]
    assert "No speech heard" in rows[2]
    assert not page.locator("#mel").is_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert download.value.suggested_filename == "languages.csv"
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert [row["language"] for row in csv.DictReader(io.StringIO(text))] == ["uz", "", ""]


@pytest.mark.slow
def test_the_numbers_can_be_copied(open_page, clips, identifier):
    page = open_page()
    upload(page, clips["speech"])
    page.get_by_role("button", name="Copy the numbers").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    prediction = identifier.identify(audio.decode(clips["speech"]))
    assert copied == wording.numbers(prediction)
    copied = copied_json(page)
    assert copied.keys() == prediction.to_dict().keys()
    assert copied["probabilities"] == pytest.approx(prediction.probabilities, abs=0.02)


def test_a_click_in_a_picture_plays_from_there_and_the_line_goes_along(open_page):
    page = open_page()
    page.get_by_role("button", name="Russian", exact=True).click()
    answer(page)
    page.locator("#mel .heatmaplayer image").wait_for()
    page.wait_for_function("document.querySelector('#answer audio').readyState >= 1")
    page.locator("#timeline .lid-strip-scale").click()  # in the middle
    page.wait_for_function("document.querySelector('#answer audio').currentTime > 0.5")
    page.locator("#mel .js-plotly-plot").click()
    for picture in ("timeline", "evidence", "mel"):
        page.locator(f"#{picture} .lid-playhead").wait_for()


@pytest.mark.parametrize("locale", ["uz-UZ", "ru-RU", "de-DE"])
def test_the_page_speaks_the_browsers_language(open_page, clips, identifier, locale):
    page = open_page(locale=locale)
    words = texts.choose(locale)
    page.get_by_role("heading", level=1, name=words.title).wait_for()
    page.get_by_role("tab", name=words.live).wait_for()
    page.get_by_role("button", name=words.upload).wait_for()
    for name in words.example_names.values():
        page.get_by_role("button", name=name, exact=True).wait_for()
    said = upload(page, clips["speech"])
    assert said.startswith(wording.verdict(identifier.identify(audio.decode(clips["speech"])), words)[0])
    assert page.locator("#evidence .xtitle").text_content() == words.labels.time
    page.get_by_role("heading", name=words.pictures["timeline"][0]).wait_for()
    assert "__i18n__" not in page.locator("body").inner_text()  # every placeholder found its words
    assert (words.problems.get("empty") or "This file is empty") in upload(page, clips["empty"])


@pytest.mark.parametrize("scheme", ["light", slow("dark")])
def test_axe_finds_nothing_serious(open_page, clips, scheme):
    page = open_page(color_scheme=scheme)
    page.add_script_tag(path=Path(__file__).parent / "axe" / "axe.min.js")
    serious(page, "waiting")
    for state, sent in (("problem", clips["text"]), ("files", [clips["speech"], clips["silence"]])):
        upload(page, sent)
        serious(page, state)
    page.get_by_role("button", name="Uzbek", exact=True).click()
    page.locator("#attention .heatmaplayer image").wait_for()
    serious(page, "answer")


def serious(page, state: str) -> None:
    """Fails with what axe finds fault with."""
    page.wait_for_timeout(500)  # fades end
    found = page.evaluate("axe.run()")["violations"]
    found = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    assert not found, (state, [(rule["id"], [node["html"][:300] for node in rule["nodes"]]) for rule in found])


@pytest.mark.slow
def test_nothing_above_the_answer_moves_when_it_comes(open_page):
    page = open_page(viewport={"width": 1180, "height": 900})
    page.locator("#microphone .record-button").wait_for()
    before = page.locator("#upload").bounding_box()
    page.get_by_role("button", name="English", exact=True).click()
    answer(page)
    assert page.locator("#upload").bounding_box() == before
