"""How messages come must not matter: all at once, or the end of a stream late."""

import pytest

from tests.browser.visitor import example

pytestmark = pytest.mark.browser

STREAM = "**/gradio_api/queue/data*"


def test_pictures_are_drawn_when_all_messages_come_at_once(open_page):
    page = open_page()
    page.route(STREAM, lambda route: route.fulfill(response=route.fetch()))
    example(page, "Russian")
    for picture in ("evidence", "mel", "attention"):
        page.locator(f"#{picture} .xtitle").wait_for()


def test_a_call_made_as_the_stream_ends_is_answered(open_page):
    page = open_page()
    held = []
    page.route(STREAM, lambda route: route.continue_() if held else held.append(route))
    example(page, "Russian")
    while not held:
        page.wait_for_timeout(50)
    first = held[0].fetch()  # the answer, and the end of the stream
    with page.expect_response("**/gradio_api/queue/join*"):
        example(page, "English")
    page.wait_for_timeout(500)
    held[0].fulfill(response=first)
    page.locator("#answer [data-kind=en]").wait_for()
    page.locator("#attention .xtitle").wait_for()
    example(page, "Russian")  # and the page goes on
    page.locator("#answer [data-kind=ru]").wait_for()
