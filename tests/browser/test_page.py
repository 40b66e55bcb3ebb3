"""What a visitor does: record, drop a file, click an example; and what they then read."""

import pytest

from lid import InputError, audio
from lid.languages import NAMES

pytestmark = pytest.mark.browser


def answer(page) -> str:
    """The text of the answer, once there is one."""
    card = page.locator("#answer [data-kind]:not([data-kind=waiting])")
    card.wait_for()
    return card.inner_text()


def upload(page, clip) -> str:
    page.locator("#upload input[type=file]").set_input_files(clip)
    return answer(page)


def test_microphone(open_page):
    page = open_page()
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(3000)
    page.locator("#microphone .stop-button").click()
    assert any(name in answer(page) for name in NAMES.values())
    page.locator("#attention .heatmaplayer image").wait_for()


@pytest.mark.parametrize("name", ["speech", "webm", "truncated", "stereo_192k", "unnamed"])
def test_upload_says_what_the_model_says(open_page, clips, identifier, name):
    said = upload(open_page(), clips[name])
    prediction = identifier.identify(audio.decode(clips[name]))
    assert said.startswith(NAMES[prediction.language])
    assert ("could not be read" in said) == (name == "truncated")


@pytest.mark.parametrize("name", ["text", "empty", "short"])
def test_bad_file_gets_our_sentence(open_page, clips, name):
    page = open_page()
    with pytest.raises(InputError) as error:
        audio.decode(clips[name])
    assert str(error.value) in upload(page, clips[name])
    assert not page.locator("#mel").is_visible()


def test_silence(open_page, clips):
    page = open_page()
    assert upload(page, clips["silence"]).startswith("No speech heard")
    page.locator("#mel .heatmaplayer image").wait_for()
    assert not page.locator("#bars").is_visible()
    assert not page.locator("#attention").is_visible()


def test_pictures_have_axes_and_attention_can_be_chosen(open_page):
    page = open_page()
    page.get_by_role("button", name="Russian", exact=True).click()
    answer(page)
    for picture, along, up in (
        ("bars", "Probability (%)", ""),
        ("timeline", "Time (s)", "Probability (%)"),
        ("evidence", "Time (s)", "Evidence (logit)"),
        ("mel", "Time (s)", "Frequency (Hz)"),
        ("attention", "Looking at (s)", "From (s)"),
    ):
        assert page.locator(f"#{picture} .xtitle").text_content() == along
        assert not up or page.locator(f"#{picture} .ytitle").text_content() == up
    image = page.locator("#attention .heatmaplayer image")
    before = image.get_attribute("href")
    page.get_by_label("Attention head").click()
    page.get_by_role("option", name="3", exact=True).click()
    page.wait_for_function(
        "before => document.querySelector('#attention .heatmaplayer image').getAttribute('href') !== before", arg=before
    )


def test_clearing_the_file_clears_the_answer(open_page, clips):
    page = open_page()
    upload(page, clips["speech"])
    page.locator("#upload").get_by_label("Clear").click()
    page.locator("#answer [data-kind=waiting]").wait_for()
    assert not page.locator("#mel").is_visible()


def test_keyboard_and_screen_reader(open_page):
    page = open_page()
    page.locator("#answer[aria-live=polite]").wait_for()  # screen readers speak what appears here
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "English":
            break
    page.keyboard.press("Enter")
    answer(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_width(open_page, scheme):
    page = open_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.get_by_role("button", name="Uzbek", exact=True).click()
    answer(page)
    page.locator("#attention .heatmaplayer image").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    brightness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    assert (brightness > 128) == (scheme == "light")
