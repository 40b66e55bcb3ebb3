"""Live mode: a whole button, a level, words before there is enough speech, and the answer in view on a phone."""

import pytest

from lid.ui import texts
from tests.browser.visitor import answer, example, seen, states

pytestmark = pytest.mark.browser


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["en-GB", "ru-RU", "uz-UZ"])
def test_the_button_is_whole(open_page, locale):
    page = open_page(locale=locale)
    page.get_by_role("tab", name=texts.choose(locale).live).click()
    record = page.locator("#live .record-button")
    record.wait_for()
    for button in (record, page.locator("#live .stop-button")):
        assert button.evaluate("it => it.scrollWidth <= it.clientWidth + 1 && it.scrollHeight <= it.clientHeight + 1")
        around = page.locator("#live").bounding_box()
        box = button.bounding_box()
        assert around["x"] <= box["x"]
        assert box["x"] + box["width"] <= around["x"] + around["width"]
        button.click()
        if button is record:
            page.locator("#live .stop-button").wait_for()
            page.locator(".lid-hearing").wait_for(state="attached")


def test_it_may_be_started_before_its_encoder_is_there(open_page):
    page = open_page()
    page.route("**/assets/module-*.js", lambda route: (page.wait_for_timeout(1500), route.continue_()))
    page.get_by_role("tab", name="Live").click()
    page.locator("#live .record-button").click()
    answer(page)


def test_it_listens_before_it_judges_and_the_answer_is_in_view(open_page):
    page = open_page(viewport={"width": 390, "height": 844})
    states(page)
    page.get_by_role("tab", name="Live").click()
    page.locator("#live .record-button").click()
    page.locator(".lid-hearing").wait_for(state="attached")  # it shows how loud it is
    page.locator("#answer [data-kind=listening]").wait_for()
    for part in ("#answer .lid-headline", "#live .stop-button"):  # both in view on a phone
        box = page.locator(part).first.bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 844
    answer(page)
    assert next(kind for kind in seen(page) if kind != "waiting") == "listening"
    page.locator("#live .stop-button").click()
    page.locator("#mel .heatmaplayer image").wait_for()


@pytest.mark.slow
def test_an_example_clicked_while_it_listens_stays(open_page):
    page = open_page()
    page.get_by_role("tab", name="Live").click()
    page.locator("#live .record-button").click()
    page.locator("#answer [data-kind=uz]").wait_for()
    example(page, "Russian")
    page.locator("#answer [data-kind=ru]").wait_for()
    page.locator(".lid-hearing").wait_for(state="detached")
    page.wait_for_timeout(2000)
    assert page.locator("#answer [data-kind=ru]").is_visible()
