"""Attacks on the running app over raw HTTP, on the checkpoint, and a look through the repository's history.

    python benchmarks/security.py --write          # numbers into docs/ROBUSTNESS.md

app.py runs as a process of its own. A file beside its uploads and a server on 127.0.0.1 are bait; a hook inside the app
writes down every host that it looks up or connects to. All traffic stays on 127.0.0.1 and every loop is bounded.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import holding  # noqa: E402
from benchmarks.benchmark_docs import replace_section  # noqa: E402
from benchmarks.holding import AGENT, CLIP, JSON  # noqa: E402
from benchmarks.served import App, Visitor, ask, form, of_upload, request, served, upload  # noqa: E402
from lid import InputError, audio  # noqa: E402
from lid.model import checksums  # noqa: E402
from lid.ui.settings import LIVE_VISITORS  # noqa: E402
from tests import hostile  # noqa: E402

SECRET = b"The bait that no answer may hold."
PREFIXES = (
    "/gradio_api/file=",
    "/gradio_api/file/",
    "/static/",
    "/assets/",
    "/svelte/",
    "/gradio_api/custom_component/",
)
TRAVERSALS = (
    "{secret}",
    "..{secret}",
    "/{secret}",
    "../../../../../../../..{secret}",
    "..%2f..%2f..%2f..%2f..{secret}",
)
TRAVERSALS += ("%2e%2e/%2e%2e/%2e%2e/%2e%2e{secret}", "..%252f..%252f..%252f{secret}", "....//....//....//{secret}")
TRAVERSALS += (
    "{uploads}/../secret.txt",
    "{uploads}/%2e%2e/secret.txt",
    "file://{secret}",
    "{secret}%00.mp3",
    "..\\..\\{secret}",
)
TRAVERSALS += ("/proc/self/environ", "/proc/self/cwd/app.py", "app.py", "lid/ui/page.py", "/etc/passwd")
ADDRESSES = ("http://127.0.0.1:{port}/a.wav", "http://localhost:{port}/a.wav", "http://[::ffff:127.0.0.1]:{port}/a.wav")
ADDRESSES += (
    "HTTP://127.0.0.1:{port}/a.wav",
    "http://0x7f000001:{port}/a",
    "http://127.1:{port}/a",
    "http://2130706433:{port}/a",
)
ADDRESSES += (
    "https://example.com/a.wav",
    "//127.0.0.1:{port}/a.wav",
    "ftp://127.0.0.1:{port}/a.wav",
    "gopher://127.0.0.1:{port}/a",
)
PAIRS = 2100  # sessions; Gradio remembers the messages of 2,000
MOST_SECONDS, MOST_MEGABYTES, MOST_WAIT = 5.0, 600, 10.0  # of a hostile file, and of the next visitor
KILLS = 20
SECRETS = re.compile(
    r"hf_[A-Za-z]{30,}|gh[pousr]_\w{36}|github_pat_\w{40,}|AKIA[0-9A-Z]{16}|sk-[A-Za-z0-9_-]{24,}|AIza[\w-]{35}|"
    r"xox[abprs]-[\w-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY|eyJ[\w-]{20,}\.eyJ[\w-]{20,}|"
    r"(?i:password|passwd|secret|token|api_?key)\s*[:=]\s*[\"'](?=[^\"']*\d)[A-Za-z0-9+/_=-]{16,}[\"']"
)
MADE_UP = re.compile(r"example|made.?up|dummy|test", re.I)


@contextmanager
def bait() -> Iterator[tuple[int, list]]:
    """A port of 127.0.0.1, and a list of all that connected to it."""
    callers: list = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def accept() -> None:
            while True:
                try:
                    connection, caller = server.accept()
                except OSError:  # closed: it is over
                    return
                callers.append(caller)
                connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], callers


def traversals(app: App) -> dict:
    """Other files by every path that serves some, in calls, and in the names of uploads."""
    secret = app.folder / "secret.txt"
    secret.write_bytes(SECRET)
    before = {path for path in app.folder.rglob("*") if not path.is_relative_to(app.uploads)}
    tried = told = 0
    marks = (SECRET, b"root:x:0", b"OUTBOUND_LOG", b"GRADIO_TEMP_DIR", b"import gradio as gr")
    for text in TRAVERSALS:
        place = text.format(secret=secret, uploads=app.uploads)
        for prefix in PREFIXES:
            status, _, body = request(app, "GET", prefix + place.replace("\\", "%5C"))
            told += status == 200 or any(mark in body for mark in marks)
            tried += 1
        for entry in (of_upload(place), {**of_upload("x"), "url": place}):
            _, name, data = ask(app, entry)
            told += name == "complete" or any(mark in str(data).encode() for mark in marks)
            tried += 1
    for name in (
        "../../out.mp3",
        "/out.mp3",
        "..\\..\\out.mp3",
        "%2e%2e/out.mp3",
        ".",
        "..",
        "",
        "a" * 5000,
        "\u202ea.mp3",
        "CON",
    ):
        request(app, "POST", "/gradio_api/upload", *form(b"x", name))
        tried += 1
    after = {path for path in app.folder.rglob("*") if not path.is_relative_to(app.uploads)}
    return {
        "other files asked for, by path, in calls and in names": tried,
        "given out, or written elsewhere": told + len(after - before),
    }


def addresses(app: App) -> dict:
    """Other servers by every field that could name one."""
    path = upload(app, CLIP.read_bytes())
    before = len(app.outbound)
    tried = opened = 0
    with bait() as (port, callers):
        for text in ADDRESSES:
            address = text.format(port=port)
            for prefix in ("/gradio_api/file=", "/gradio_api/proxy=", "/gradio_api/file/"):
                status, _, _ = request(app, "GET", prefix + address)
                opened += status < 400
                tried += 1
            for entry in (of_upload(address), {**of_upload(path), "url": address}, {"url": address}):
                ask(app, entry)
                tried += 1
            tool = {"name": "identify", "arguments": {"file": address}}
            call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": tool}).encode()
            request(app, "POST", "/gradio_api/mcp/", call, AGENT)
            tried += 1
        reached = len(callers)
    outside = [line for line in app.outbound[before:] if f" {app.port}" not in line]
    return {
        "other servers named, in paths, calls and an agent's calls": tried,
        "opened, connected to or looked up": opened + reached + len(outside),
    }


def sizes(app: App) -> dict:
    """Bodies that are too long, deep, or many."""
    call, tool = "/gradio_api/call/identify", "/gradio_api/mcp/"
    pieces = lambda total: (bytes(65_536) for _ in range(total // 65_536 + 1))  # noqa: E731
    most = audio.DEFAULT_LIMITS.max_bytes
    before = app.memory()
    answers = {
        "a call of 2 MB": request(app, "POST", call, bytes(2 * 1024**2), JSON)[0],
        "a call of 2 MB that does not say so": request(app, "POST", call, pieces(2 * 1024**2), JSON)[0],
        "an agent's call of 20 MB": request(app, "POST", tool, bytes(20 * 1024**2), JSON)[0],
        "100,000 brackets": request(app, "POST", call, b"[" * 100_000, JSON)[0],
        "a form field": request(app, "POST", "/gradio_api/upload", *field())[0],
        f"an upload of {most // 1024**2 + 1} MB": request(
            app, "POST", "/gradio_api/upload", *long_form(most + 1024**2)
        )[0],
    }
    left = sum(path.stat().st_size for path in app.uploads.rglob("*") if path.is_file())
    return {
        **{f"{name}: status": status for name, status in answers.items()},
        "answered otherwise than 4xx": sum(not 400 <= status < 500 for status in answers.values()),
        "MB of them left in the uploads' folder": round(left / 1024**2, 1),
        "MB of memory they cost": round(max(0.0, app.memory() - before)),
    }


def field() -> tuple[bytes, dict[str, str]]:
    body, kind = form(bytes(1000))
    return body.replace(b'; filename="clip.mp3"', b""), kind


def long_form(size: int) -> tuple[Iterator[bytes], dict[str, str]]:
    """An upload of `size` bytes, made while it is sent."""
    body, kind = form(b"")
    head, tail = body[: body.rindex(b"\r\n--")], body[body.rindex(b"\r\n--") :]

    def pieces() -> Iterator[bytes]:
        yield head
        for _ in range(size // 1024**2):
            yield bytes(1024**2)
        yield tail

    return pieces(), kind


def headers(app: App) -> dict:
    """What answers say to browsers, and what one caller can make them say to the next."""
    page = upload(app, b"<script>alert(1)</script>", "page.html")
    picture = upload(app, b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "picture.svg")
    wrong = []
    for path in (page, picture, upload(app, CLIP.read_bytes())):
        for extra in ({}, {"Range": "bytes=0-9", "X-Mine": "1", "Set-Cookie": "a=b", "Content-Type": "text/html"}):
            _, said, _ = request(app, "GET", f"/gradio_api/file={path}", headers=extra)
            wrong += [path for name in ("x-mine", "set-cookie") if name in said]
            wrong += [path] * (said.get("content-security-policy") != "sandbox")
            wrong += [path] * (said.get("x-content-type-options") != "nosniff")
            wrong += [path] * ("text/html" in said["content-type"] or "svg" in said["content-type"])
    evil = {"Origin": "https://evil.example"}
    for path in ("/", "/config", "/gradio_api/info", "/gradio_api/openapi.json", "/theme.css"):
        _, said, _ = request(app, "GET", path, headers={**evil, "X-Forwarded-Host": "evil.example"})
        wrong += [path] * (said.get("x-content-type-options") != "nosniff")
        wrong += [path] * (said.get("access-control-allow-origin") is not None)
        wrong += [path] * (b"evil.example" in request(app, "GET", path)[2])
    direct = [
        request(app, "POST", f"/gradio_api/{way}/identify", b'{"data": [null]}', JSON)[0] for way in ("run", "api")
    ]
    wrong += [status for status in direct if status != 404]
    shut = ("deep_link?session_hash=a", "process_recording", "component_server", "proxy=https://a.hf.space", "runs")
    wrong += [
        path for path in shut for method in ("GET", "POST") if request(app, method, f"/gradio_api/{path}", b"")[0] < 400
    ]
    wrong += [path for path in ("/monitoring", "/monitoring/summary") if request(app, "GET", path)[0] < 400]
    return {
        "wrong headers, open doors, and ways around the queue": len(wrong),
        **({"of these": str(wrong)} if wrong else {}),
    }


def tampering(folder: Path = ROOT / "assets" / "model") -> dict:
    """One bit of each of a checkpoint's files changed, a file taken away, one added."""
    tried = noticed = 0
    with tempfile.TemporaryDirectory() as place:
        for name in json.loads((folder / checksums.FILE_NAME).read_text())["sha256"]:
            for harm in (_flip, Path.unlink):
                copy = Path(shutil.copytree(folder, Path(place) / str(tried)))
                harm(copy / name)
                noticed += _refused(copy)
                tried += 1
                shutil.rmtree(copy)
        copy = Path(shutil.copytree(folder, Path(place) / "more"))
        (copy / "calibration.json").write_text('{"temperature": 9}')
        noticed, tried = noticed + _refused(copy), tried + 1
        started = time.process_time()
        checksums.verify(folder)
        seconds = time.process_time() - started
    return {
        "checkpoints with a bit changed, a file missing or added": tried,
        "loaded all the same": tried - noticed,
        "ms of CPU that the check adds to a start": round(1000 * seconds),
    }


def _flip(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        byte = opened.read(1)
        opened.seek(-1, 1)
        opened.write(bytes([byte[0] ^ 1]))


def _refused(folder: Path) -> bool:
    try:
        checksums.verify(folder)
    except InputError:
        return True
    return False


def secrets() -> dict:
    """Keys, tokens and passwords in any line that any commit added."""
    command = ["git", "log", "--all", "-p", "--unified=0", "--no-color", "--no-textconv", "--format=commit %h"]
    history = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode(errors="replace")
    added = [line for line in history.splitlines() if line.startswith("+")]
    found = {hit[0] for line in added for hit in SECRETS.finditer(line) if not MADE_UP.search(line)}
    return {
        "lines that the history added": f"{len(added):,}",
        "keys, tokens and passwords": len(found),
        **({"of these": ", ".join(sorted(text[:12] + "..." for text in found))} if found else {}),
    }


def flood(app: App) -> dict:
    """More sessions join and cancel than are remembered, while the model is busy and three calls wait."""
    path, waiting = upload(app, CLIP.read_bytes()), upload(app, long_recording(60), "long.flac")
    config = json.loads(request(app, "GET", "/config")[2])
    which = next(one["id"] for one in config["dependencies"] if one["api_name"] == "identify")

    def pair(number: int) -> int:
        session = f"fresh{number}"
        body = {"data": [of_upload(path)], "fn_index": which, "session_hash": session}
        status, _, said = request(app, "POST", "/gradio_api/queue/join", json.dumps(body).encode(), JSON)
        if status == 200:
            left = {"session_hash": session, "fn_index": which, "event_id": json.loads(said)["event_id"]}
            request(app, "POST", "/gradio_api/cancel", json.dumps(left).encode(), JSON)
        return status

    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        before = [pool.submit(ask, app, of_upload(waiting)) for _ in range(4)]
        statuses = list(pool.map(pair, range(PAIRS)))
        took = time.monotonic() - began
        answered = sum(one.result()[1] == "complete" for one in before)
    return {
        "sessions that joined and cancelled": f"{PAIRS} in {took:.0f} s",
        "of these told that it is busy": statuses.count(503),
        "calls that waited meanwhile, and were not answered": len(before) - answered,
        "calls refused afterwards": sum(ask(app, of_upload(path))[1] != "complete" for _ in range(5)),
    }


def silent(app: App) -> dict:
    """Four live streams that send nothing, and twenty calls whose answers nobody reads; then somebody with the page
    open, at the same address and at another, and a program at another."""
    path = upload(app, CLIP.read_bytes())
    visitors = [Visitor(app, "same-address"), Visitor(app, "other-address", "203.0.113.7")]
    config = json.loads(request(app, "GET", "/config")[2])
    live = next(one for one in config["dependencies"] if any(to[1] == "stream" for to in one["targets"]))
    for number in range(LIVE_VISITORS):
        body = {"data": [None, None, "en"], "fn_index": live["id"], "session_hash": f"silent{number}"}
        request(app, "POST", "/gradio_api/queue/join", json.dumps(body).encode(), JSON)
    call = json.dumps({"data": [of_upload(upload(app, long_recording(60), "long.flac"))]}).encode()
    statuses = [request(app, "POST", "/gradio_api/call/identify", call, JSON)[0] for _ in range(20)]
    told = {"live streams and calls that nobody reads": f"{LIVE_VISITORS} + {statuses.count(200)}"}
    refused = 0
    for visitor in visitors:
        began = time.monotonic()
        outcome, _ = visitor.record(path)
        refused += outcome != "complete"
        told[f"s for a visitor's answer, {visitor.session.replace('-', ' ')}"] = round(time.monotonic() - began, 1)
        visitor.close()
    began = time.monotonic()
    while ask(app, of_upload(path))[1] != "complete":
        time.sleep(0.5)
    told["s until a program at the same address is answered"] = round(time.monotonic() - began, 1)
    return {**told, "visitors not answered": refused}


def strangers(app: App) -> dict:
    """What somebody can learn of another visitor, or do to him, without the random names of his session, his uploads
    and his calls."""
    visitor, path = Visitor(app, f"session-{uuid4().hex}"), upload(app, long_recording(60), "l.flac")
    with ThreadPoolExecutor(1) as pool:
        recorded = pool.submit(visitor.record, path)
        said, harmed = b"", 0
        while not recorded.done():
            for place in ("/config", "/gradio_api/info", "/gradio_api/queue/status", "/gradio_api/startup-events", "/"):
                said += request(app, "GET", place)[2]
            for place in ("queue/data?session_hash=", "call/identify/", "call/v2/identify/"):
                said += request(app, "GET", f"/gradio_api/{place}{uuid4().hex}", timeout=30)[2]
            for session in ("", "null", "session-", visitor.session[:-1]):
                left = {"session_hash": session, "fn_index": visitor.event["id"], "event_id": "0" * 32}
                harmed += request(app, "POST", "/gradio_api/cancel", json.dumps(left).encode(), JSON)[0] >= 500
        outcome, _ = recorded.result()
    names = (visitor.session, path, Path(path).parent.name)
    told = sum(name.encode() in said for name in names)
    listed = sum(
        request(app, "GET", f"/gradio_api/file={place}")[0] == 200 for place in (app.uploads, f"{app.uploads}/")
    )
    visitor.close()
    return {
        "kB that a stranger was told while another's call was under way": round(len(said) / 1000),
        "names of the other's session and upload in them, and calls of his that were ended": told
        + listed
        + harmed
        + (outcome != "complete"),
    }


def costly(app: App) -> dict:
    """Small files that cost minutes or gigabytes elsewhere, one after the other, each followed by a visitor."""
    path, idle = upload(app, CLIP.read_bytes()), app.memory()
    visitor = Visitor(app, "between-hostile-files")
    told, over = {}, 0
    for name, data in hostile.costly().items():
        sent = upload(app, data, "hostile")
        with app.watched() as peaks, ThreadPoolExecutor(1) as pool:
            began = time.monotonic()
            answer = pool.submit(lambda sent=sent: ask(app, of_upload(sent)) and time.monotonic())
            time.sleep(0.1)
            came = time.monotonic()
            visited = visitor.record(path)[0] == "complete", time.monotonic() - came
            ended = answer.result()
        seconds, megabytes = ended - began, peaks[-1] - idle
        over += seconds > MOST_SECONDS or megabytes > MOST_MEGABYTES or not visited[0] or visited[1] > MOST_WAIT
        told[f"{name} ({len(data) / 1000:.0f} kB): s, MB, s of the next visitor"] = (
            f"{seconds:.1f}, {max(0, megabytes):.0f}, {visited[1]:.1f}"
        )
    visitor.close()
    return {**told, f"over {MOST_SECONDS:.0f} s, {MOST_MEGABYTES} MB, or {MOST_WAIT:.0f} s of the next": over}


def kills(app: App) -> dict:
    """Decoder processes killed again and again while visitors ask."""
    path = upload(app, CLIP.read_bytes())
    over, outcomes = threading.Event(), []

    def client() -> None:
        while not over.is_set():
            outcomes.append(ask(app, of_upload(path)))

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    killed = 0
    while killed < KILLS:
        time.sleep(0.5)
        for pid in app.children()[:1]:
            os.kill(pid, signal.SIGKILL)
            killed += 1
    over.set()
    for thread in threads:
        thread.join()
    right = sum(name == "complete" and data[0]["language"] == "uz" for _, name, data in outcomes)
    stopped = sum(name == "error" and "decoder was stopped" in str(data) for _, name, data in outcomes)
    return {
        "decoder processes killed": killed,
        "calls meanwhile": len(outcomes),
        "told that their own decoder was stopped": stopped,
        "lost, or answered wrongly": len(outcomes) - right - stopped,
        "decoder processes afterwards": len(app.children()),
    }


def long_recording(seconds: int) -> bytes:
    """Speech of such a length, as FLAC."""
    clip = audio.decode(CLIP)
    return hostile.written(np.resize(clip, seconds * audio.SAMPLE_RATE), audio.SAMPLE_RATE, container="FLAC")


ATTACKS = {
    "A flood of sessions": flood,
    "Places taken": silent,
    "Costly files": costly,
    "Decoders killed": kills,
    "Strangers": strangers,
    "Held bodies": holding.bodies,
    "Answers nobody takes": holding.readers,
    "Event streams": holding.streams,
    "An agent's pieces": holding.pieces,
    "Other files": traversals,
    "Other servers": addresses,
    "Too long": sizes,
    "Too slow": holding.slow,
    "Headers and doors": headers,
}
MUST_BE_ZERO = (
    "calls that waited meanwhile, and were not answered",
    "calls refused afterwards",
    "visitors not answered",
    f"over {MOST_SECONDS:.0f} s, {MOST_MEGABYTES} MB, or {MOST_WAIT:.0f} s of the next",
    "lost, or answered wrongly",
    "callers among them who get no answer",
    "names of the other's session and upload in them, and calls of his that were ended",
    "files that stay open",
    "given out, or written elsewhere",
    "opened, connected to or looked up",
    "answered otherwise than 4xx",
    "not given up",
    "wrong headers, open doors, and ways around the queue",
    "loaded all the same",
    "keys, tokens and passwords",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the numbers into docs/ROBUSTNESS.md")
    parser.add_argument("--only", choices=ATTACKS, nargs="*", help="these attacks alone, and nothing is written")
    options = parser.parse_args()
    options.write &= options.only is None
    results: dict[str, dict] = {} if options.only else {"The checkpoint": tampering(), "The history": secrets()}
    with served() as app:
        for name, attack in ATTACKS.items():
            if options.only and name not in options.only:
                continue
            results[name] = attack(app)
            print(name, json.dumps(results[name]), file=sys.stderr, flush=True)
            if options.write:
                replace_section("Attacks", as_markdown(results), ROOT / "docs" / "ROBUSTNESS.md")
        path = upload(app, CLIP.read_bytes())
        results["Afterwards"] = {"the app's answer to an Uzbek clip": ask(app, of_upload(path))[2][0]["language"]}
    text = as_markdown(results)
    print(text)
    if options.write:
        replace_section("Attacks", text, ROOT / "docs" / "ROBUSTNESS.md")
    return int(any(result.get(name) for result in results.values() for name in MUST_BE_ZERO))


def as_markdown(results: dict[str, dict]) -> str:
    rows = [f"| {name} | {what} | {number} |" for name, result in results.items() for what, number in result.items()]
    return (
        "`python benchmarks/security.py --write`: `app.py` as a process, over raw HTTP.\n\n| | | |\n|---|---|--:|\n"
        + "\n".join(rows)
    )


if __name__ == "__main__":
    sys.exit(main())
