"""What a visitor did last is what is shown; what was under way before is stopped."""

from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lid import audio
from tests.browser.visitor import answer, example, seen, send, slow, source, states, upload
from tests.browser.voices import voice

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> Path:
    """Ten minutes of two languages: many seconds of work."""
    speech = np.tile(np.concatenate([voice("uz"), voice("en")]), 40)[: 600 * audio.SAMPLE_RATE]
    soundfile.write(clip := tmp_path_factory.mktemp("long") / "long.flac", speech, audio.SAMPLE_RATE)
    return clip


def under_way(page, clip) -> None:
    """Send a file, and wait until part of it is heard."""
    send(page, clip)
    page.locator("#answer .lid-progress span").first.wait_for()


def test_an_example_clicked_during_a_long_file_stays(open_page, long):
    page = open_page()
    under_way(page, long)
    states(page)
    example(page, "Russian")
    page.locator("#answer [data-kind=ru]").wait_for()
    page.locator("#attention .heatmaplayer image").wait_for()
    page.wait_for_timeout(2000)
    assert seen(page)[-1] == "ru"
    assert "several" not in seen(page)


def test_a_second_file_takes_the_place_of_the_first(open_page, long, clips):
    page = open_page()
    under_way(page, long)
    send(page, clips["speech"])
    page.locator("#answer [data-kind=uz]").wait_for()
    assert source(page) == clips["speech"].name
    page.wait_for_timeout(1500)
    assert source(page) == clips["speech"].name


@pytest.mark.parametrize("how", ["button", slow("key")])
def test_stop_leaves_nothing_behind(open_page, long, how):
    page = open_page()
    under_way(page, long)
    if how == "button":
        page.locator("#answer").get_by_role("button", name="Stop").click()
    else:
        page.keyboard.press("Escape")
    page.locator("#answer [data-kind=waiting]").wait_for()
    states(page)
    page.wait_for_timeout(2500)
    assert [*seen(page), "waiting"][-1] == "waiting"
    assert page.locator("#answer [data-kind=waiting]").is_visible()
    assert not page.locator("#mel").is_visible()


def test_an_upload_that_ends_after_something_newer_counts_no_more(open_page, clips):
    page = open_page()
    example(page, "Russian")
    page.locator("#answer [data-kind=ru]").wait_for()
    held = []
    page.route("**/gradio_api/upload*", lambda route: held.append(route))
    send(page, clips["speech"])
    page.wait_for_timeout(500)
    example(page, "English")
    page.locator("#answer [data-kind=en]").wait_for()
    held[0].continue_()
    page.wait_for_timeout(2000)
    assert page.locator("#answer [data-kind=en]").is_visible()


@pytest.mark.slow
def test_a_long_file_holds_up_nobody(open_page, long, clips):
    busy, other = open_page(), open_page()
    under_way(busy, long)
    assert upload(other, clips["speech"]).startswith("Uzbek")
    assert busy.locator("#answer [data-kind=working]").is_visible()  # and it goes on
    assert answer(busy).startswith("Uzbek and English")


@pytest.mark.slow
def test_a_new_file_replaces_and_added_ones_are_said_to_be_added(open_page, clips):
    page = open_page()
    upload(page, clips["speech"])
    assert upload(page, clips["webm"]).startswith("Uzbek and English")
    page.locator("#mel .heatmaplayer image").wait_for()
    page.get_by_role("button", name="Add recordings").wait_for()
    page.locator("#add input[type=file]").set_input_files(clips["speech"])
    page.locator("#answer [data-kind=files]").wait_for()
    rows = page.locator("#answer tbody th").all_inner_texts()
    assert rows == [clips["webm"].name, clips["speech"].name]


DROP = """([name, data]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], name));
  const heading = document.querySelector("h1");
  for (const kind of ["dragover", "drop"]) {
    const event = new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: carried});
    heading.dispatchEvent(event);
    if (!event.defaultPrevented) throw new Error(`the browser would handle ${kind} itself`);
  }
}"""


@pytest.mark.slow
def test_a_drop_anywhere_is_a_drop(open_page, clips):

    page = open_page()
    page.locator("#upload input[type=file]").wait_for(state="attached")
    page.evaluate(DROP, [clips["speech"].name, b64encode(clips["speech"].read_bytes()).decode()])
    assert answer(page).startswith("Uzbek")
    assert source(page) == clips["speech"].name
