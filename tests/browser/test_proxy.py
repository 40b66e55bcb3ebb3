"""The page behind a reverse proxy under a path, with GRADIO_ROOT_PATH set to that path."""

import json
from collections.abc import Iterator

import pytest
from gradio_client import Client, handle_file

from benchmarks.served import served
from tests.browser.visitor import answer
from tests.conftest import MODEL
from tests.reverse_proxy import proxied

PATH = "/tools/languages"


@pytest.fixture(scope="module")
def address(identifier) -> Iterator[str]:
    with served(MODEL_ID=str(MODEL), GRADIO_ROOT_PATH=PATH) as app, proxied(app.url, PATH) as address:
        yield f"{address}/"


@pytest.mark.browser
def test_a_file_is_dropped_and_heard(open_page, address, clips):
    page = open_page(address)
    page.locator("#upload input[type=file]").set_input_files(clips["speech"])
    assert answer(page).startswith("Uzbek")
    page.locator("#mel .heatmaplayer image").wait_for()
    page.wait_for_function("document.querySelector('#answer audio').readyState >= 1")
    page.get_by_role("button", name="Russian", exact=True).click()
    page.locator("#answer [data-kind=ru]").wait_for()
    assert answer(page).startswith("Russian")


def test_a_program_calls_it(address, clips):
    told = Client(address, verbose=False).predict(handle_file(clips["speech"]), api_name="/identify")
    assert json.loads(json.dumps(told))["languages"] == ["uz"]
