"""An hour through the page: a real Chromium uploads it, and its bar, its answer and the server's memory are looked at.

    python benchmarks/long_recording.py --write        # needs Chromium and playwright; numbers into docs/BENCHMARKS.md

The hour is the synthetic examples in turn, five minutes of each language at a time, as one MP3.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.benchmark_docs import replace_section  # noqa: E402
from benchmarks.served import App, served  # noqa: E402
from lid import audio  # noqa: E402

CHROMIUM = "/usr/bin/chromium"
MINUTES = 59  # an hour is the most that is taken; frames of an MP3 may add to it
TURN = 5 * 60  # s of one language
LONGEST_WAIT = 15 * 60_000  # ms


def hour(path: Path) -> None:
    """Write the recording."""
    voices = [audio.decode(ROOT / "assets" / "examples" / name) for name in ("uzbek.mp3", "russian.ogg", "english.m4a")]
    turns = [np.resize(voice, TURN * audio.SAMPLE_RATE) for voice in voices]
    samples = np.concatenate([turns[number % 3] for number in range(12)])[: MINUTES * 60 * audio.SAMPLE_RATE]
    soundfile.write(path, samples, audio.SAMPLE_RATE, format="MP3")


def watch(app: App, done: threading.Event, megabytes: list[float]) -> None:
    """Memory of the server, until it is done."""
    while not done.wait(0.2):
        megabytes.append(app.memory())


def measure(page, app: App, file: Path) -> dict:
    """What a visitor sees and waits for."""
    page.set_default_timeout(LONGEST_WAIT)
    page.goto(app.url)
    page.locator("#answer [data-kind=waiting]").wait_for()
    megabytes, done, shares = [app.memory()], threading.Event(), set()
    watcher = threading.Thread(target=watch, args=(app, done, megabytes))
    watcher.start()
    try:
        began = time.monotonic()
        page.locator("#upload input[type=file]").set_input_files(file)
        bar, answer = page.locator(".lid-progress"), page.locator("#answer [data-kind] audio")
        bar.wait_for()
        first = time.monotonic() - began
        while not answer.count():
            if bar.count():
                shares.add(bar.get_attribute("aria-valuenow"))
            page.wait_for_timeout(100)
        took = time.monotonic() - began
        page.locator("#timeline .js-plotly-plot").wait_for()
    finally:
        done.set()
        watcher.join()
    return {
        "minutes of audio": MINUTES,
        "s from the drop to the first sign of progress": f"{first:.1f}",
        "different lengths of the bar that were seen": len(shares),
        "s from the drop to the answer": f"{took:.0f}",
        "headline": page.locator(".lid-headline").first.inner_text().split("\n")[0],
        "MB of the server's memory before, most, afterwards": ", ".join(
            f"{one:.0f}" for one in (megabytes[0], max(megabytes), app.memory())
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screenshot", type=Path, help="picture of the page with its answer")
    parser.add_argument("--write", action="store_true", help="put the numbers into docs/BENCHMARKS.md")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as place, served() as app, sync_playwright() as driver:
        file = Path(place) / "hour.mp3"
        hour(file)
        page = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]).new_page()
        measured = measure(page, app, file)
        if options.screenshot:
            page.screenshot(path=options.screenshot, full_page=True)
    rows = "\n".join(f"| {what} | {number} |" for what, number in measured.items())
    text = f"`python benchmarks/long_recording.py --write`: the page in Chromium.\n\n| | |\n|---|--:|\n{rows}"
    print(text)
    if options.write:
        replace_section("An hour through the page", text)


if __name__ == "__main__":
    main()
