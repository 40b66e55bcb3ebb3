"""Photograph the page with the example that switches language, whole in light and in dark, and as much as a phone shows
of it, into this folder: one view in each of the page's languages.

    python assets/figures/make_screenshots.py            # starts app.py; needs playwright and Debian's chromium
    python assets/figures/make_screenshots.py --clip clip.wav --out /tmp

README.md shows them.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[2]
VIEWS = {  # file name -> viewport width and height in px, colour scheme, language, whether to show the whole page
    "page.png": (1180, 820, "light", "en-GB", True),
    "page-dark.png": (1180, 820, "dark", "ru-RU", True),
    "page-phone.png": (390, 844, "light", "uz-UZ", False),
}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clip", type=Path, help="a recording to show in place of the example")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    with running_app() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for name, (width, height, scheme, locale, whole) in VIEWS.items():
            view = {"width": width, "height": height}
            page = browser.new_page(viewport=view, color_scheme=scheme, locale=locale)
            page.set_default_timeout(600_000)  # a busy machine is slow, not broken
            page.goto(address)
            photograph(page, arguments.clip, arguments.out / name, whole)
            page.close()
        browser.close()


@contextmanager
def running_app() -> Iterator[str]:
    """Start app.py on a free port; yield its address once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "GRADIO_SERVER_PORT": str(port)}
    app = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment)
    try:
        address = f"http://127.0.0.1:{port}"
        while not _answers(address):
            if app.poll() is not None:
                sys.exit("app.py ended before it answered")
            time.sleep(0.5)
        yield address
    finally:
        app.terminate()
        app.wait()


def photograph(page: Page, clip: Path | None, target: Path, whole: bool) -> None:
    """Have a clip identified, wait for the last picture, and save the page."""
    if clip:
        page.locator("#upload input[type=file]").set_input_files(clip)
    else:
        page.locator(".lid-examples button").last.click()  # the one that switches language
    page.locator("#answer [data-kind]:not([data-kind=waiting]):not([data-kind=working])").wait_for()
    page.locator("#attention .heatmaplayer image").wait_for()
    page.wait_for_timeout(1500)  # for the pictures' fade-in
    page.screenshot(path=target, full_page=whole)
    Image.open(target).convert("RGB").quantize(256).save(target, optimize=True)  # a third of the size, same to the eye
    print(target, target.stat().st_size // 1000, "kB")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/config"):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


if __name__ == "__main__":
    main()
