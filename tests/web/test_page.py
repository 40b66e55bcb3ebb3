"""The page without a server: what a visitor sees, with and without a network, and when something is wrong."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest

from lid import audio
from lid.ui import texts, wording
from lid.ui.texts import web
from tests.browser.conftest import WAIT
from tests.browser.test_page import press, serious
from tests.browser.voices import CODECS, encode, voice
from tests.conftest import EXAMPLES, ROOT
from tests.web import pages
from tests.web.site import Site, need_runtime

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MODEL = "/assets/model"
ENCODER = f"{MODEL}/onnx/model_quantized.onnx"
NETWORK = ("Failed to load resource", "net::ERR", "Failed to fetch")  # Chromium's own words on the console

WITHOUT_CONTAINERS = b"""
export const ALL_FORMATS = [];
export class BlobSource {}
export class Input {
  async getAudioTracks() { throw new Error("unknown format"); }
  dispose() {}
}
"""


@pytest.fixture
def own_site():
    """A site whose files a test exchanges, or that it stops."""
    need_runtime()
    with Site() as served:
        yield served


def test_it_works_without_a_network_after_one_visit(own_site, open_web):
    page = open_web(own_site.url, troubles=NETWORK)
    page.evaluate("navigator.serviceWorker.ready")
    own_site.stop()
    page.reload()
    page.locator("#answer [data-kind=waiting]").wait_for()
    page.get_by_role("button", name="Russian", exact=True).click()
    assert pages.answer(page).startswith("Russian")
    assert "WebAssembly × 2" in pages.answer(page) or page.evaluate("navigator.hardwareConcurrency") != 2


def test_without_isolation_one_thread_gives_the_same_answer(site, open_web, page):
    alone = open_web(site.url, service_workers="block", troubles=("Service Worker registration blocked",))
    assert not alone.evaluate("crossOriginIsolated")
    assert page.evaluate("crossOriginIsolated")
    answers = []
    for one in (alone, page):
        said = pages.drop(one, EXAMPLES / "uzbek.mp3")
        assert ("WebAssembly × 1" in said) == (one is alone)
        answers.append(pages.copied_json(one))
    assert answers[0] == answers[1]


def test_a_damaged_graph_is_named_before_it_answers(own_site, open_web):
    data = bytearray((ROOT / ENCODER[1:]).read_bytes())
    data[len(data) // 2] ^= 1
    own_site.files[ENCODER] = bytes(data)
    page = open_web(own_site.url, state="problem")
    assert "model_quantized.onnx is not the file that was published" in pages.answer(page)
    page.locator("#files").set_input_files(EXAMPLES / "uzbek.mp3")
    assert "model_quantized.onnx is not the file" in pages.answer(page)
    own_site.files.clear()
    page.reload()  # nothing of it was kept
    page.locator("#answer [data-kind=waiting]").wait_for()


@pytest.mark.parametrize("kind", ["exchanged", "of another version", "no graph"])
def test_another_graph_in_its_place_is_named(own_site, open_web, kind):
    if kind == "exchanged":
        data = (ROOT / MODEL[1:] / "onnx" / "decision.onnx").read_bytes()
    elif kind == "of another version":
        graph = onnx.load_from_string((ROOT / ENCODER[1:]).read_bytes())
        next(entry for entry in graph.metadata_props if entry.key == "format").value = "999"
        data = graph.SerializeToString()
    else:
        data = b"<!doctype html><title>404</title>"
    manifest = json.loads((ROOT / MODEL[1:] / "manifest.json").read_text())
    manifest["sha256"]["onnx/model_quantized.onnx"] = hashlib.sha256(data).hexdigest()
    own_site.files |= {ENCODER: data, f"{MODEL}/manifest.json": json.dumps(manifest).encode()}
    said = pages.answer(open_web(own_site.url, state="problem"))
    expected = "graph of another version" if kind == "of another version" else "damaged or was exchanged"
    assert "model_quantized.onnx" in said
    assert expected in said


@pytest.mark.parametrize(("file", "reason"), [(ENCODER, "no_model"), ("/web/vendor/ort.js", "no_runtime")])
def test_a_file_that_is_missing(own_site, open_web, file, reason):
    own_site.files[file] = None
    page = open_web(own_site.url, state="problem", troubles=NETWORK)
    assert web.ENGLISH.problems[reason].format(file=Path(file).name) in pages.answer(page)


def test_a_browser_without_simd_is_told(site, open_web, chromium):
    with chromium("uz").new_context(locale="ru-RU") as context:
        context.add_init_script("WebAssembly.validate = () => false")
        page = context.new_page()
        page.goto(site.url)
        page.locator("#answer [data-kind=problem]").wait_for(timeout=WAIT)
        assert web.RUSSIAN.problems["no_simd"] in pages.answer(page)


@pytest.mark.parametrize("locale", ["uz-UZ", "ru-RU", "de-DE"])
def test_it_speaks_the_browsers_language_in_the_words_of_the_other_page(site, open_web, python, locale):
    page, words = open_web(site.url, locale=locale), texts.choose(locale)
    page.get_by_role("heading", level=1, name=words.title).wait_for()
    for name in ("uzbek.mp3", "uzbek-then-english.webm"):
        pages.drop(page, EXAMPLES / name)
        prediction = python.identify(audio.read(EXAMPLES / name))
        headline, _ = wording.verdict(prediction, words)
        assert page.locator("#answer .lid-headline span").first.inner_text() == headline
        expected = _text(wording.answer(prediction, texts=words))
        assert page.locator("#answer .lid-lead").inner_text() in expected
        assert page.locator("#answer .lid-fine").inner_text().split(" · ")[0] in expected
    page.get_by_role("heading", name=words.pictures["timeline"][0]).wait_for()
    page.locator("#language").select_option("en")
    page.get_by_role("heading", name=texts.ENGLISH.pictures["timeline"][0]).wait_for()
    page.reload()
    page.get_by_role("heading", level=1, name=texts.ENGLISH.title).wait_for()


def test_the_numbers_can_be_copied(page, python):
    clip = EXAMPLES / "english.m4a"
    pages.drop(page, clip)
    page.get_by_role("button", name="Copy the numbers").click()
    page.get_by_role("button", name="Copied").wait_for()
    prediction = python.identify(audio.read(clip))
    copied = page.evaluate("navigator.clipboard.readText()")
    assert _without_decimals(copied) == _without_decimals(wording.numbers(prediction))
    here, there = pages.copied_json(page), prediction.to_dict()
    assert list(here) == list(there)
    assert [list(entry) for entry in here["timeline"]] == [list(entry) for entry in there["timeline"]]


def test_files_that_cannot_be_used_get_sentences(page, clips):
    problems = web.ENGLISH.problems
    for name, reason in (("text", "not_audio"), ("empty", "empty"), ("short", "too_short")):
        said = pages.drop(page, clips[name])
        assert problems[reason].partition(".")[0] in said, name
        assert not page.locator("#pictures").is_visible()
    assert pages.drop(page, clips["silence"]).startswith("No speech heard")
    assert not page.locator("#bars li").count()
    assert "could not be read" in pages.drop(page, clips["truncated"])


def test_what_the_library_cannot_take_apart_the_browser_decodes_whole(own_site, open_web, python):
    own_site.files["/web/vendor/mediabunny.js"] = WITHOUT_CONTAINERS
    page = open_web(own_site.url)
    pages.drop(page, EXAMPLES / "russian.ogg")
    there = python.identify(audio.read(EXAMPLES / "russian.ogg")).to_dict()
    assert pages.copied_json(page)["probabilities"] == pytest.approx(there["probabilities"], abs=0.02)


def test_several_files_make_a_table(page, clips):
    rows = pages.table(page, [clips["speech"], clips["text"], clips["silence"]])
    assert [row["file"] for row in rows] == [clips[name].name for name in ("speech", "text", "silence")]
    assert [row["verdict"] for row in rows] == ["language", "", "no_speech"]
    assert "cannot read this file" in rows[1]["error"]
    assert not page.locator("#pictures").is_visible()


def test_a_newer_recording_takes_the_place_of_a_long_one(page, tmp_path):
    long = encode(np.tile(voice("uz"), 60), tmp_path / "long.flac", *CODECS["flac"])
    page.locator("#files").set_input_files(long)
    page.locator("#answer [data-kind=working]").wait_for()
    page.locator("#files").set_input_files(EXAMPLES / "russian.ogg")
    page.locator("#answer [data-kind=ru]").wait_for()


def test_the_microphone_is_heard_while_one_talks_and_whole_at_the_end(page):
    page.get_by_role("button", name="Record", exact=True).click()
    page.locator("#answer [data-kind=listening]").wait_for()
    page.locator("#bars li").first.wait_for()
    assert not page.locator("#pictures").is_visible()
    page.get_by_role("button", name="Stop").click()
    page.locator("#mel").wait_for()
    assert pages.copied_json(page)["language"] == "uz"
    page.wait_for_function("document.querySelector('#answer audio').readyState >= 1")


def test_a_click_in_a_picture_plays_from_there(page):
    pages.drop(page, EXAMPLES / "russian.ogg")
    page.wait_for_function("document.querySelector('#answer audio').readyState >= 1")
    page.locator("#timeline .web-frame").click()
    page.wait_for_function("document.querySelector('#answer audio').currentTime > 0.5")
    for picture in ("timeline", "mel"):
        page.locator(f"#{picture} .lid-playhead").wait_for()


def test_keyboard_alone(page):
    page.locator("#answer[aria-live=polite]").wait_for()
    press(page, "#examples button:nth-of-type(3)")
    page.locator("#answer [data-kind=en]").wait_for()
    press(page, "#answer .lid-copy")
    page.get_by_role("button", name="Copied").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_and_axe(site, open_web, clips, scheme):
    page = open_web(site.url, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.add_script_tag(path=ROOT / "tests" / "browser" / "axe" / "axe.min.js")
    serious(page, "waiting")
    for state, sent in (
        ("problem", clips["text"]),
        ("files", [clips[name] for name in ("speech", "truncated", "webm", "text")]),
        ("answer", clips["webm"]),
    ):
        pages.drop(page, sent)
        page.locator(f"#answer [data-kind={'several' if state == 'answer' else state}]").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, state
        serious(page, state)
    brightness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    assert (brightness > 128) == (scheme == "light")


def test_the_service_worker_keeps_every_file_of_the_page():
    kept = (ROOT / "web" / "service_worker.js").read_text()
    for path in (ROOT / "web").glob("*.*"):
        if path.suffix in (".js", ".mjs", ".css") and path.name != "service_worker.js":
            assert f'"{path.name}"' in kept, path.name
    for path in EXAMPLES.iterdir():
        assert path.suffix in (".md", ".sh") or f'"{path.name}"' in kept


def _text(html: str) -> str:
    return re.sub("<[^>]*>", " ", html)


def _without_decimals(text: str) -> str:
    """One count of an 8-bit product may fall to either side on another machine."""
    return re.sub(r"\.\d", "", text)
