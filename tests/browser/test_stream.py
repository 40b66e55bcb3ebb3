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
