"""The page without a server in Chromium: what is downloaded, how long an answer takes, what memory an hour takes.

    python benchmarks/browser.py --write   # needs Chromium and playwright; numbers into docs/BENCHMARKS.md
    python benchmarks/browser.py --hour    # an hour of MP3 as well, some minutes

Times are from the sound at 16 kHz to everything that the page shows: speech, answer, spectrogram.
"""

import argparse
import functools
import http.server
import importlib.util
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.benchmark_docs import replace_section  # noqa: E402
from benchmarks.long_recording import CHROMIUM, LONGEST_WAIT, MINUTES, hour  # noqa: E402
from lid import audio  # noqa: E402

SECONDS = (2, 5, 10)
FLAGS = ["--no-sandbox", "--disable-gpu"]
MEASURE = """async ([threads, clips, rounds]) => {
  const worker = new Worker("/web/worker.js", {type: "module"});
  let id = 0;
  const ask = (message) => new Promise((done, fail) => {
    worker.onmessage = ({data}) => {
      if (data.kind === "problem") fail(new Error(data.reason));
      if (["ready", "answer"].includes(data.kind)) done();
    };
    worker.postMessage({...message, id: ++id});
  });
  const began = performance.now();
  await ask({kind: "load", threads});
  const load = performance.now() - began, times = clips.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [place, clip] of clips.entries()) {
      const planes = [Float32Array.from(clip)], start = performance.now();
      await ask({kind: "planes", planes});
      if (round) times[place].push(performance.now() - start);
    }
  }
  worker.terminate();
  return {load, times, isolated: crossOriginIsolated};
}"""


class Served:
    """The repository as web/serve.py serves it, with the bytes that were sent of each file."""

    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("serve", ROOT / "web" / "serve.py")
        module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        spec.loader.exec_module(module)  # type: ignore[union-attr]
        module.fetch()
        sent: dict[str, int] = {}

        class Counting(module.Handler):
            def copyfile(self, source, outputfile) -> None:
                data = source.read()
                sent[self.path] = sent.get(self.path, 0) + len(data)
                outputfile.write(data)

        self.sent = sent
        handler = functools.partial(Counting, directory=str(ROOT))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/web/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def speech(seconds: int) -> list[float]:
    """Synthetic speech at 16 kHz, repeated where it is too short."""
    voice = audio.decode(ROOT / "assets" / "examples" / "uzbek.mp3")
    return np.resize(voice, seconds * audio.SAMPLE_RATE).tolist()


def answers(driver, served: Served, rounds: int) -> list[str]:
    """Rows of a table: threads, then median and least ms for each length."""
    rows = []
    for threads in (1, 2):
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(LONGEST_WAIT)
        page.goto(f"{served.url}style.css")  # a document of the site that does nothing by itself
        told = page.evaluate(MEASURE, [threads, [speech(one) for one in SECONDS], rounds])
        cells = [f"{statistics.median(one):.0f} ({min(one):.0f})" for one in told["times"]]
        rows.append(f"| {threads} | {' | '.join(cells)} | {told['load']:.0f} |")
        browser.close()
    return rows


def memory(pid: int) -> float:
    """MB that a process and those it started hold: proportional set size, so that shared memory counts once."""
    children: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        children.setdefault(parent, []).append(int(place.name))
    total, left = 0, [pid]
    while left:
        one = left.pop()
        left += children.get(one, [])
        try:
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            total += int(rollup.split("Pss:")[1].split()[0])
        except (OSError, IndexError):
            continue
    return total / 1000


def an_hour(driver, served: Served) -> dict[str, str]:
    """What an hour of MP3 takes."""
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    page = browser.new_page(locale="en-GB")
    page.set_default_timeout(LONGEST_WAIT)
    page.goto(served.url)
    page.locator("#answer [data-kind=waiting]").wait_for()
    megabytes = [memory(os.getpid())]
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "hour.mp3"
        hour(file)
        began = time.monotonic()
        page.locator("#files").set_input_files(file)
        while not page.locator("#mel").count():
            megabytes.append(memory(os.getpid()))
            page.wait_for_timeout(1000)
        took = time.monotonic() - began
    headline = page.locator(".lid-headline").first.inner_text().split("\n")[0]
    browser.close()
    return {
        "minutes of audio": str(MINUTES),
        "s from the drop to the answer": f"{took:.0f}",
        "headline": headline,
        "MB of all of Chromium's processes before, and at most": f"{megabytes[0]:.0f}, {max(megabytes):.0f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--hour", action="store_true", help="also an hour of MP3")
    parser.add_argument("--write", action="store_true", help="put the numbers into docs/BENCHMARKS.md")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    served, load = Served(), os.getloadavg()[0]
    with sync_playwright() as driver:
        rows = answers(driver, served, options.rounds)
        sent = {path: size / 2 for path, size in served.sent.items()}  # two visits
        graphs = sum(size for path, size in sent.items() if path.endswith(".onnx")) / 1e6
        long = an_hour(driver, served) if options.hour else {}
    heads = " | ".join(f"{one} s" for one in SECONDS)
    command = "python benchmarks/browser.py" + (" --hour" if options.hour else "")
    text = (
        f"`{command} --write`: ms from sound to all that the page shows, medians of {options.rounds} rounds (and the "
        f"least), in Chromium. Load before the run: {load:.1f}. Downloaded on the first visit: {graphs:.1f} MB of "
        f"graphs, {sum(sent.values()) / 1e6:.1f} MB in all.\n\n"
        f"| threads | {heads} | until ready |\n|--:|{'--:|' * (len(SECONDS) + 1)}\n" + "\n".join(rows)
    )
    if long:
        text += "\n\n| an hour | |\n|---|--:|\n" + "\n".join(f"| {what} | {number} |" for what, number in long.items())
    print(text)
    if options.write:
        replace_section("The page without a server", text)


if __name__ == "__main__":
    main()
