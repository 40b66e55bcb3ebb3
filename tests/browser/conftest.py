"""A real Chromium with a fake microphone, and a page that must stay clean: no error, no request to another host."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import pytest

WAIT = 600_000  # ms before a wait counts as hung; a busy machine is slow, not broken
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@pytest.fixture(scope="session")
def browser(spoken_wav):
    playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need: pip install playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"browser tests need {CHROMIUM}: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        flags = [*FLAGS, f"--use-file-for-fake-audio-capture={spoken_wav}"]
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def spoken_wav(clips, tmp_path_factory) -> Path:
    """What the fake microphone hears, over and over. Chromium reads WAV only."""
    import wave

    from lid import audio

    path = tmp_path_factory.mktemp("microphone") / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(audio.SAMPLE_RATE)
        file.writeframes((audio.decode(clips["speech"]) * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture
def open_page(browser, app_url) -> Iterator:
    """Call to open the page (keywords go to the browser context). Afterwards: nothing may have gone wrong unseen."""
    contexts, troubles = [], []

    def open_page(**options):
        options = {"locale": "en-GB", **options}
        context = browser.new_context(permissions=["microphone", "clipboard-read", "clipboard-write"], **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("console", lambda message: message.type == "error" and troubles.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"exception: {error}"))
        page.on("requestfailed", lambda request: _failed(request, troubles))
        page.on("response", lambda reply: reply.status >= 400 and troubles.append(f"{reply.status}: {reply.url}"))
        page.on("request", lambda request: _foreign(request, troubles))
        page.on("websocket", lambda socket: _foreign(socket, troubles))
        page.goto(app_url)
        page.locator("#answer [data-kind=waiting]").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def _failed(request, troubles: list[str]) -> None:
    # Leaving a page breaks off its open event stream and a player's download: the browser's doing, not a failure.
    if request.failure != "net::ERR_ABORTED":
        troubles.append(f"failed: {request.url} {request.failure}")


def _foreign(request, troubles: list[str]) -> None:
    address = urlparse(request.url)
    if address.scheme in ("http", "https", "ws", "wss") and address.hostname != "127.0.0.1":
        troubles.append(f"request to another host: {request.url}")
