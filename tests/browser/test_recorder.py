"""The microphone: recorded by a click or by keys, and what is said when it cannot be used."""

import pytest

from lid.ui import texts
from tests.browser.visitor import answer, slow, tab_to

pytestmark = pytest.mark.browser

RECORD, STOP = "#microphone .record-button", "#microphone .stop-button"


@pytest.mark.parametrize("locale", ["en-GB", "ru-RU", "uz-UZ"])
@pytest.mark.parametrize("problem", ["denied", slow("absent")])
def test_a_microphone_that_cannot_be_used_is_told_of(open_page, problem, locale):
    page = open_page(hearing=problem, locale=locale, permissions=[])
    words = texts.choose(locale)
    for recorder in ("#microphone", "#live"):
        page.locator(f"{recorder} .record-button").click()
        headline, note = words.microphone[problem]
        said = answer(page)
        assert said.startswith(headline)
        assert note in said
        assert (words.allow_microphone["chrome"] in said) == (problem == "denied")
        assert page.locator(f"{recorder} .record-button").is_visible()  # to try again
        page.get_by_role("tab", name=words.live).click()
        page.evaluate("document.querySelector('#answer').firstElementChild.replaceChildren()")


@pytest.mark.slow
def test_a_busy_microphone_is_told_of(open_page):
    page = open_page()
    page.locator(RECORD).wait_for()
    page.evaluate("document.querySelector('#microphone select').remove()")
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotReadableError'))"
    )
    page.reload()
    page.locator(RECORD).click()
    assert answer(page).startswith("The microphone is busy")


@pytest.mark.slow
def test_enter_records_and_a_second_enter_stops(open_page):
    page = open_page()
    tab_to(page, ".record-button")
    page.keyboard.press("Enter")
    page.locator(STOP).wait_for()
    page.wait_for_timeout(3000)
    page.keyboard.press("Enter")
    answer(page)
    page.wait_for_function("document.activeElement.matches('.record-button')")


@pytest.mark.slow
def test_a_key_starts_and_stops_recording(open_page):
    page = open_page()
    page.locator(RECORD).wait_for()
    page.keyboard.press("Alt+KeyR")
    page.locator(STOP).wait_for()
    page.wait_for_timeout(3000)
    page.keyboard.press("Alt+KeyR")
    answer(page)


@pytest.mark.slow
def test_a_recording_ends_when_its_tab_is_left(open_page):
    page = open_page()
    page.locator(RECORD).click()
    page.locator(STOP).wait_for()
    page.wait_for_timeout(2500)
    page.locator(".lid-hearing").wait_for(state="attached")
    page.get_by_role("tab", name="Live").click()
    page.locator(".lid-hearing").wait_for(state="detached")
    answer(page)


@pytest.mark.slow
def test_a_recording_has_one_player(open_page):
    page = open_page()
    page.locator(RECORD).click()
    page.locator(STOP).wait_for()
    page.wait_for_timeout(2500)
    page.locator(STOP).click()
    answer(page)
    page.wait_for_function("document.querySelector('#answer audio').readyState >= 1")
    assert page.locator("audio:visible").count() == 1
    assert page.locator("#microphone .record-button").is_visible()
    assert not page.locator("#microphone .waveform-container").is_visible()
