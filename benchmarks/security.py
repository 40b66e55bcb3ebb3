"""Attacks on the running app over raw HTTP, on the checkpoint, and a look through the repository's history.

    python benchmarks/security.py --write          # numbers into docs/ROBUSTNESS.md

app.py runs as a process of its own. A file beside its uploads and a server on 127.0.0.1 are bait; a hook inside the app
writes down every host that it looks up or connects to. All traffic stays on 127.0.0.1 and every loop is bounded.
"""

import argparse
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.benchmark_docs import replace_section  # noqa: E402
from benchmarks.served import App, ask, form, of_upload, request, served, upload  # noqa: E402
from lid import InputError, audio  # noqa: E402
from lid.model import checksums  # noqa: E402
from lid.ui.gradio_patches import request_guard  # noqa: E402

SECRET = b"The bait that no answer may hold."
CLIP = ROOT / "assets" / "examples" / "uzbek.mp3"
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
SLOW_HEADERS, SLOW_BODIES = 600, 200
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
    kind = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
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
            request(app, "POST", "/gradio_api/mcp/", call, kind)
            tried += 1
        reached = len(callers)
    outside = [line for line in app.outbound[before:] if f" {app.port}" not in line]
    return {
        "other servers named, in paths, calls and an agent's calls": tried,
        "opened, connected to or looked up": opened + reached + len(outside),
    }


def sizes(app: App) -> dict:
    """Bodies that are too long, deep, or many."""
    json_kind = {"Content-Type": "application/json"}
    call, tool = "/gradio_api/call/identify", "/gradio_api/mcp/"
    pieces = lambda total: (bytes(65_536) for _ in range(total // 65_536 + 1))  # noqa: E731
    most = audio.DEFAULT_LIMITS.max_bytes
    before = app.memory()
    answers = {
        "a call of 2 MB": request(app, "POST", call, bytes(2 * 1024**2), json_kind)[0],
        "a call of 2 MB that does not say so": request(app, "POST", call, pieces(2 * 1024**2), json_kind)[0],
        "an agent's call of 20 MB": request(app, "POST", tool, bytes(20 * 1024**2), json_kind)[0],
        "100,000 brackets": request(app, "POST", call, b"[" * 100_000, json_kind)[0],
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


def slow(app: App) -> dict:
    """Hundreds of callers that never finish what they say must not keep others out."""
    path = upload(app, CLIP.read_bytes())
    alone = timed(lambda: ask(app, of_upload(path)))
    head = b"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    body = head + b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n--b\r\n"
    open_ones = [socket.create_connection(("127.0.0.1", app.port)) for _ in range(SLOW_HEADERS + SLOW_BODIES)]
    for index, connection in enumerate(open_ones):
        connection.sendall(head if index < SLOW_HEADERS else body)
    among = timed(lambda: ask(app, of_upload(path)))
    page = timed(lambda: request(app, "GET", "/"))
    ended = 0
    for connection in open_ones[SLOW_HEADERS:]:
        connection.settimeout(request_guard.IDLE_SECONDS + 60)
        with connection:
            ended += b" 408 " in connection.recv(1000)
    for connection in open_ones[:SLOW_HEADERS]:
        connection.close()
    return {
        "connections that never end their headers, and bodies": f"{SLOW_HEADERS} + {SLOW_BODIES}",
        "s for an answer before, and among them": f"{alone:.1f}, {among:.1f}",
        "s for the page among them": f"{page:.1f}",
        f"bodies given up after {request_guard.IDLE_SECONDS:.0f} s (status 408)": ended,
        "not given up": SLOW_BODIES - ended,
    }


def timed(work: Callable[[], tuple]) -> float:
    started = time.monotonic()
    if work()[0] != 200:
        raise RuntimeError("no answer")
    return time.monotonic() - started


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
        request(app, "POST", f"/gradio_api/{way}/identify", b'{"data": [null]}', {"Content-Type": "application/json"})[
            0
        ]
        for way in ("run", "api")
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


ATTACKS = {
    "Other files": traversals,
    "Other servers": addresses,
    "Too long": sizes,
    "Too slow": slow,
    "Headers and doors": headers,
}
MUST_BE_ZERO = (
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
    options = parser.parse_args()
    results = {"The checkpoint": tampering(), "The history": secrets()}
    with served() as app:
        for name, attack in ATTACKS.items():
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
