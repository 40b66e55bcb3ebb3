"""A real Chromium with a fake microphone, and a page that must stay clean: no error, no request to another host."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlparse

import pytest

from tests.browser.voices import CODECS, encode, voice

WAIT = 180_000  # ms before a wait counts as hung; a busy machine is slow, not broken
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DEVICE, CONSENT = "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"
NO_MICROPHONE = {"denied": [DEVICE, "--deny-permission-prompts"], "absent": [CONSENT]}


@pytest.fixture(scope="module")  # Playwright runs once in a process, and the tests of web/ have this fixture, too
def chromium():
    """Call with a language for a Chromium whose microphone hears that language's example, or with "denied" or "absent"
    for one without; one is started for each."""
    playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need: pip install playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"browser tests need {CHROMIUM}: apt-get install chromium")
    with playwright.sync_playwright() as driver, TemporaryDirectory() as folder:
        started = {}

        def hearing(language: str):
            if language not in started:
                if language in NO_MICROPHONE:
                    flags = [*FLAGS, *NO_MICROPHONE[language]]
                else:
                    wav = encode(voice(language), Path(folder, f"{language}.wav"), *CODECS["wav"])
                    flags = [*FLAGS, DEVICE, CONSENT, f"--use-file-for-fake-audio-capture={wav}"]  # over and over
                started[language] = driver.chromium.launch(executable_path=str(CHROMIUM), args=flags)
            return started[language]

        yield hearing
        for browser in started.values():
            browser.close()


@pytest.fixture(scope="session")
def containers(tmp_path_factory) -> dict[str, Path]:
    """The Uzbek example in every container that people send, by file ending."""
    folder = tmp_path_factory.mktemp("containers")
    return {ending: encode(voice("uz"), folder / f"voice.{ending}", *how) for ending, how in CODECS.items()}


@pytest.fixture
def open_page(chromium, app_url) -> Iterator:
    """Call to open the page (keywords go to the browser context). Afterwards: nothing may have gone wrong unseen, but
    for replies of the status `told`, which the test looks at itself."""
    contexts, troubles = [], []

    def open_page(address: str = app_url, hearing: str = "uz", told: int = 0, **options):
        options = {"locale": "en-GB", "permissions": ["microphone", "clipboard-read", "clipboard-write"], **options}
        context = chromium(hearing).new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("console", lambda message: _said(message, told, troubles))
        page.on("pageerror", lambda error: troubles.append(f"exception: {error}"))
        page.on("requestfailed", lambda request: _failed(request, troubles))
        page.on("response", lambda reply: _answered(reply, told, troubles))
        page.on("request", lambda request: _foreign(request, troubles))
        page.on("websocket", lambda socket: _foreign(socket, troubles))
        page.goto(address)
        page.locator("#answer [data-kind=waiting]").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def _said(message, told: int, troubles: list[str]) -> None:
    if message.type == "error" and not (told and f"status of {told}" in message.text):
        troubles.append(f"console: {message.text}")


def _answered(reply, told: int, troubles: list[str]) -> None:
    if reply.status >= 400 and reply.status != told:
        troubles.append(f"{reply.status}: {reply.url}")


def _failed(request, troubles: list[str]) -> None:
    # Leaving a page breaks off its open event stream and a player's download: the browser's doing, not a failure.
    if request.failure != "net::ERR_ABORTED":
        troubles.append(f"failed: {request.url} {request.failure}")


def _foreign(request, troubles: list[str]) -> None:
    address = urlparse(request.url)
    if address.scheme in ("http", "https", "ws", "wss") and address.hostname != "127.0.0.1":
        troubles.append(f"request to another host: {request.url}")
