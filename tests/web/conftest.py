"""A real Chromium on the page without a server, which must stay clean: no error, no request to another host."""

from collections.abc import Iterator

import pytest

from lid import LanguageIdentifier
from tests.browser.conftest import WAIT, _failed, _foreign, chromium  # noqa: F401  (a fixture)
from tests.conftest import MODEL
from tests.web.site import Site, need_runtime


@pytest.fixture(scope="session")
def python() -> LanguageIdentifier:
    """The same graphs in Python."""
    return LanguageIdentifier.load(MODEL)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    need_runtime()
    with Site() as served:
        yield served


@pytest.fixture(scope="module")
def open_web(chromium) -> Iterator:  # noqa: F811
    """Call with a site's address to open the page and wait until the model is there; keywords go to the browser
    context. `troubles`: what may be said on the console, as part of a message."""
    contexts, found = [], []

    def open_web(address: str, hearing: str = "uz", state: str = "waiting", troubles: tuple[str, ...] = (), **options):
        permissions = ["microphone", "clipboard-read", "clipboard-write"]
        context = chromium(hearing).new_context(**{"locale": "en-GB", "permissions": permissions, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("console", lambda message: _said(message, troubles, found))
        page.on("pageerror", lambda error: found.append(f"exception: {error}"))
        page.on("request", lambda request: _foreign(request, found))
        if not troubles:
            page.on("requestfailed", lambda request: _failed(request, found))
        page.goto(address)
        page.locator(f"#answer [data-kind={state}]").wait_for()
        return page

    yield open_web
    for context in contexts:
        context.close()
    assert found == []


def _said(message, expected: tuple[str, ...], found: list[str]) -> None:
    if message.type in ("error", "warning") and not any(part in message.text for part in expected):
        found.append(f"console: {message.text}")


@pytest.fixture(scope="module")
def page(site, open_web):
    """One page for all tests that only drop files on it."""
    return open_web(site.url)
