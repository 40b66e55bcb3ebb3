"""Many clients at once and a visitor among them, and what else befalls a server: clients that go, a full disk, SIGTERM,
the queue's loop killed, a damaged model.

    python benchmarks/load.py --write              # twice three minutes of load, numbers into docs/ROBUSTNESS.md

app.py runs as a process of its own. Every clip has a length of its own, so that an answer meant for another is noticed,
and its right answer is asked for beforehand, alone. What is done to a disk is done to a small one in memory, which only
root may mount; for others that part says that it was left out.
"""

import argparse
import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.benchmark_docs import replace_section  # noqa: E402
from benchmarks.served import App, Visitor, ask, form, of_upload, request, served, start, upload  # noqa: E402
from lid import audio  # noqa: E402
from lid.ui.gradio_patches import request_guard, shutdown  # noqa: E402

EXAMPLES = [ROOT / "assets" / "examples" / name for name in ("uzbek.mp3", "russian.ogg", "english.m4a")]
LONGEST_WAIT = 600.0  # s for one answer; a request that gets none by then counts as lost
QUARTERS = 4  # after each of which memory is looked at: it must not go on growing
VISITOR_PAUSE = 5.0  # s between a visitor's answer and the next recording
IN_TIME = 10.0  # s in which it should be answered
KILLS = 20  # of the queue's loop
GONE = 50  # clients that leave in the midst of a request
DISK_MB = 160  # of the small disk; request_guard.MIN_FREE_DISK_BYTES of it must be free


def clips() -> list[bytes]:
    """A dozen clips of speech, each of another length, 2 to 6.4 s."""
    made = []
    for index in range(12):
        waveform = audio.decode(EXAMPLES[index % 3])[: int((2.0 + 0.4 * index) * audio.SAMPLE_RATE)]
        file = io.BytesIO()
        soundfile.write(file, waveform, audio.SAMPLE_RATE, format="FLAC")
        made.append(file.getvalue())
    return made


def identify(app: App, data: bytes) -> tuple[int, str, object]:
    return ask(app, of_upload(upload(app, data, f"{len(data)}.flac")), timeout=LONGEST_WAIT)


def load(app: App, clients: int, seconds: float) -> dict:
    """Clients that ask one clip after another, and are told the truth or that the server is busy; beside them one with
    the page open, who records five seconds now and then. All have the same address."""
    sounds = clips()
    page, over = _visitor(app), threading.Event()
    recorded: list[tuple[bool, float]] = []

    def visit() -> None:
        while not over.wait(VISITOR_PAUSE):
            recorded.append(page())

    visiting = threading.Thread(target=visit)
    visiting.start()
    right = [identify(app, data)[2][0] for data in sounds]
    counts: Counter = Counter()
    waits: list[float] = []
    memory, peak = [app.memory()], [0.0]

    def client(number: int, end: float) -> None:
        rng = random.Random(number)
        while time.monotonic() < end:
            which, began = rng.randrange(len(sounds)), time.monotonic()
            try:
                status, name, data = identify(app, sounds[which])
            except (OSError, RuntimeError, ValueError) as error:
                counts["lost"] += 1
                print(f"lost: {error!r}", file=sys.stderr)
                continue
            peak[0] = max(peak[0], app.memory())
            if status == 503:
                counts["busy"] += 1
                time.sleep(rng.uniform(0.5, 2.0))
            elif name != "complete":
                counts["lost"] += 1
                print(f"lost: {status} {name} {data}", file=sys.stderr)
            else:
                waits.append(time.monotonic() - began)
                counts["right" if same(data[0], right[which]) else "wrong or another's"] += 1

    for _ in range(QUARTERS):
        ends = [time.monotonic() + seconds / QUARTERS] * clients
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(client, range(clients), ends))
        memory.append(app.memory())
    over.set()
    visiting.join()
    in_time = sum(answered and took <= IN_TIME for answered, took in recorded)
    return {
        "clients at once": clients,
        "seconds": round(seconds),
        "requests": sum(counts.values()),
        "answered as alone": counts["right"],
        "told that the server is busy (503)": counts["busy"],
        "answered wrongly, or with another's answer": counts["wrong or another's"],
        "lost": counts["lost"],
        "s for an answer: median, longest": _seconds(waits),
        "a page visitor's recordings of 5 s": len(recorded),
        f"of these answered within {IN_TIME:.0f} s": in_time,
        "s for a page visitor's answer: median, longest": _seconds([took for _, took in recorded]),
        "MB of memory before, and after each quarter": ", ".join(f"{megabytes:.0f}" for megabytes in memory),
        "MB of memory at most": round(peak[0]),
    }


def _visitor(app: App) -> Callable[[], tuple[bool, float]]:
    """Records five seconds of Russian with the page open: whether that was the answer, and after how many seconds."""
    file = io.BytesIO()
    clip = audio.decode(EXAMPLES[1])[: 5 * audio.SAMPLE_RATE]
    soundfile.write(file, clip, audio.SAMPLE_RATE, format="WAV")
    visitor = Visitor(app, "a-page-that-is-open")

    def record() -> tuple[bool, float]:
        began = time.monotonic()
        try:
            path = upload(app, file.getvalue(), "audio.wav")
            outcome, shown = visitor.record(path, LONGEST_WAIT)
        except (OSError, RuntimeError, ValueError) as error:
            print(f"the visitor: {error!r}", file=sys.stderr)
            return False, time.monotonic() - began
        if outcome != "complete" or "lid-ru" not in shown:
            print(f"the visitor: {outcome} {shown[:200]}", file=sys.stderr)
        return outcome == "complete" and "lid-ru" in shown, time.monotonic() - began

    return record


def _seconds(waits: list[float]) -> str:
    return f"{np.median(waits):.1f}, {max(waits):.1f}" if waits else "none"


def loops() -> dict:
    """The loop of the queue that starts calls, killed again and again while clients wait."""
    code = """
import asyncio, gc, signal
from lid.ui.gradio_patches import fair_queue
def kill(number, frame):
    for queue in gc.get_objects():
        if isinstance(queue, fair_queue.FairQueue) and "start_processing" in queue.loops:
            task = queue.loops["start_processing"]
            task.get_loop().call_soon_threadsafe(task.cancel)
signal.signal(signal.SIGUSR1, kill)
import app; app.main()
"""
    with served(code=code) as app:
        sounds = clips()
        right = [identify(app, data)[2][0] for data in sounds]
        with ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(identify, app, sounds[n % len(sounds)]) for n in range(60)]
            for kill in range(KILLS):
                time.sleep(0.3)
                app.process.send_signal(signal.SIGUSR1)
                while app.printed.count("start_processing ended") <= kill:
                    time.sleep(0.05)
            answers = [one.result() for one in asked]
        good = sum(
            name == "complete" and same(data[0], right[n % len(right)]) for n, (_, name, data) in enumerate(answers)
        )
        ended = app.printed.count("start_processing ended")
    return {
        "times the loop was ended, and started again": ended,
        "calls meanwhile": len(answers),
        "lost, or answered wrongly": len(answers) - good,
    }


def same(answer: dict, expected: dict) -> bool:
    """The same clip's answer, to the millisecond of its length. Probabilities may differ by a hundredth: on a busy
    machine ONNX Runtime shares its sums out otherwise."""
    told = ("verdict", "language", "duration_seconds", "speech_seconds")
    near = all(abs(answer["probabilities"][code] - share) < 0.01 for code, share in expected["probabilities"].items())
    return near and all(answer[name] == expected[name] for name in told)


def gone(app: App) -> dict:
    """Clients that leave: in the midst of an upload, after a call, and while they wait for its answer."""
    data = clips()[5]
    path = upload(app, data)
    body = json.dumps({"data": [of_upload(path)]}).encode()
    kind = {"Content-Type": "application/json"}
    for number in range(GONE):
        sent, headers = form(data)
        with socket.create_connection(("127.0.0.1", app.port)) as half:
            head = f"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: {len(sent)}\r\n"
            half.sendall(head.encode() + f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + sent[:5000])
        status, _, answer = request(app, "POST", "/gradio_api/call/identify", body, kind)
        if status == 200 and number % 2:
            with socket.create_connection(("127.0.0.1", app.port)) as waiting:
                event = json.loads(answer)["event_id"]
                waiting.sendall(f"GET /gradio_api/call/identify/{event} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                time.sleep(0.05)
    answer, tries = identify(app, data), 1
    while answer[0] == 503 and tries < 300:
        time.sleep(1)
        answer, tries = identify(app, data), tries + 1
    # Gradio makes an empty file, too, for every call that names one; these go with the next sweep.
    parts = [file for file in app.uploads.glob("tmp*") if file.is_file() and file.stat().st_size]
    return {
        "clients that left while sending or waiting": 2 * GONE,
        "pieces of their uploads left": len(parts),
        "the next client": "answered" if answer[1] == "complete" else str(answer),
    }


def disk() -> dict:
    """A disk that fills up, refuses to be written, and gets well again."""
    with tempfile.TemporaryDirectory() as place:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", place]
        if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
            return {"a full disk": "left out: only root may mount one"}
        try:
            with served(GRADIO_TEMP_DIR=f"{place}/uploads") as app:
                return _on_small_disk(app, Path(place))
        finally:
            subprocess.run(["umount", "-l", place], check=True)


def _on_small_disk(app: App, place: Path) -> dict:
    sound = clips()[0]
    told = {"at first": _outcome(app, sound)}
    status, _, said = request(app, "POST", "/gradio_api/upload", *form(bytes((DISK_MB + 20) * 1024**2)))
    told["an upload that fills it"] = f"{status} {said.decode()}"
    told["the next"] = _outcome(app, sound)
    filler = place / "filler"
    filler.write_bytes(bytes(DISK_MB * 1024**2 - request_guard.MIN_FREE_DISK_BYTES))
    status, _, said = request(app, "POST", "/gradio_api/upload", *form(sound))
    told["when it is full"] = f"{status} {said.decode()}"
    filler.unlink()
    told["when there is room again"] = _outcome(app, sound)
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    status, _, said = request(app, "POST", "/gradio_api/upload", *form(sound))
    told["when it may not be written"] = f"{status} {said.decode()}"
    subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
    told["when it may"] = _outcome(app, sound)
    return told


def _outcome(app: App, data: bytes) -> str:
    try:
        status, name, answer = identify(app, data)
    except RuntimeError as error:
        return str(error)
    return "answered" if name == "complete" else f"{status} {answer}"


def terminated() -> dict:
    """SIGTERM while clients wait, and the start after it."""
    whole = io.BytesIO()
    soundfile.write(whole, np.tile(audio.decode(EXAMPLES[0]), 60), audio.SAMPLE_RATE, format="FLAC")
    with served() as app:
        path = upload(app, whole.getvalue(), "long.flac")
        with ThreadPoolExecutor(5) as pool:
            waiting = [pool.submit(ask, app, of_upload(path)) for _ in range(5)]
            time.sleep(5)
            sent = time.monotonic()
            app.process.send_signal(signal.SIGTERM)
            code = app.process.wait(60)
            took = time.monotonic() - sent
            answers = [one.result() for one in waiting if not one.exception()]
        told = sum(name == "error" and shutdown.SENTENCE in str(data) for _, name, data in answers)
        done = sum(name == "complete" for _, name, _ in answers)
    return {
        "clients waiting at SIGTERM": len(waiting),
        "told so, or answered before": told + done,
        "s until the end, exit status": f"{took:.1f}, {code}",
    }


def refuses_to_start() -> dict:
    """What is said when the model is damaged, or uploads cannot be kept."""
    told = {}
    with tempfile.TemporaryDirectory() as place:
        model = Path(shutil.copytree(ROOT / "assets" / "model", Path(place) / "model"))
        weights = model / "onnx" / "model_quantized.onnx"
        weights.write_bytes(weights.read_bytes()[:1_000_000])
        for name, environment in (
            ("a model cut off in the middle", {"MODEL_ID": str(model)}),
            ("a folder for uploads that cannot be made", {"GRADIO_TEMP_DIR": "/proc/uploads"}),
        ):
            folder = Path(place) / name
            folder.mkdir()
            app = start(folder, **environment)
            code = app.process.wait(900)
            lines = app.printed.strip().splitlines()
            told[f"{name}: exit status"] = code
            told[f"{name}: lines said, tracebacks"] = f"{len(lines)}, {app.printed.count('Traceback')}"
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=[50, 200], nargs="+")
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--write", action="store_true", help="put the numbers into docs/ROBUSTNESS.md")
    options = parser.parse_args()
    results: dict[str, dict] = {}

    def measure(name: str, work: Callable[[], dict]) -> None:
        results[name] = work()
        print(name, json.dumps(results[name]), file=sys.stderr, flush=True)
        if options.write:
            replace_section("Load and trouble", as_markdown(results), ROOT / "docs" / "ROBUSTNESS.md")

    for clients in options.clients:
        with served() as app:
            measure(f"{clients} clients", lambda app=app, clients=clients: load(app, clients, options.seconds))
            if clients == options.clients[0]:
                measure("Clients that go", lambda app=app: gone(app))
    measure("The queue killed", loops)
    measure("SIGTERM", terminated)
    measure("The disk", disk)
    measure("The start", refuses_to_start)
    print(as_markdown(results))
    many = [results[f"{clients} clients"] for clients in options.clients]
    wrong = ("lost", "answered wrongly, or with another's answer")
    return int(
        any(one[name] for one in many for name in wrong) or results["The queue killed"]["lost, or answered wrongly"] > 0
    )


def as_markdown(results: dict[str, dict]) -> str:
    rows = [f"| {name} | {what} | {number} |" for name, result in results.items() for what, number in result.items()]
    return "`python benchmarks/load.py --write`: `app.py` as a process.\n\n| | | |\n|---|---|--:|\n" + "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
