"""Attacks that hold on: connections that never end what they say, and never take what they are told.

`benchmarks/security.py` runs them. Each is `(app) -> {what: number}` and leaves the app as it was.
"""

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from benchmarks.served import App, Visitor, ask, of_upload, request, upload
from lid import runtime
from lid.ui.gradio_patches import request_guard

CLIP = Path(__file__).parents[1] / "assets" / "examples" / "uzbek.mp3"
SLOW_HEADERS, SLOW_BODIES = 600, 200
HELD_BODIES, HELD = 600, 1_000_000
READERS, LARGE = 200, 20_000_000  # bytes of a file that they ask for
STREAMS = 300  # of each kind
MOST_WAIT = 10.0  # s for the visitor among them
PIECES = 200
JSON = {"Content-Type": "application/json"}
AGENT = {**JSON, "Accept": "application/json, text/event-stream"}


def timed(work: Callable[[], tuple]) -> float:
    started = time.monotonic()
    if work()[0] != 200:
        raise RuntimeError("no answer")
    return time.monotonic() - started


def connected(app: App, sent: bytes, receive_bytes: int | None = None) -> socket.socket:
    """A connection that has said so much. `receive_bytes` is all that its side takes without being read."""
    connection = socket.socket()
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", app.port))
    with suppress(OSError):  # refused before all of it was sent
        connection.sendall(sent)
    return connection


@contextmanager
def held(connections: Iterable[socket.socket]):
    with ExitStack() as stack:
        yield [stack.enter_context(closing(connection)) for connection in connections]


def slow(app: App) -> dict:
    """Hundreds of callers that never finish what they say must not keep others out."""
    path = upload(app, CLIP.read_bytes())
    alone = timed(lambda: ask(app, of_upload(path)))
    head = b"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    body = head + b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n--b\r\n"
    with (
        held(connected(app, head) for _ in range(SLOW_HEADERS)),
        held(connected(app, body) for _ in range(SLOW_BODIES)) as bodies,
    ):
        among = timed(lambda: ask(app, of_upload(path)))
        page = timed(lambda: request(app, "GET", "/"))
        ended = 0
        for connection in bodies:
            connection.settimeout(request_guard.IDLE_SECONDS + 60)
            ended += b" 408 " in connection.recv(1000)
    return {
        "connections that never end their headers, and bodies": f"{SLOW_HEADERS} + {SLOW_BODIES}",
        "s for an answer before, and among them": f"{alone:.1f}, {among:.1f}",
        "s for the page among them": f"{page:.1f}",
        f"bodies given up after {request_guard.IDLE_SECONDS:.0f} s (status 408)": ended,
        "not given up": SLOW_BODIES - ended,
    }


def bodies(app: App) -> dict:
    """Hundreds of connections that each hold a body, which never ends."""
    before = app.memory()
    head = "POST /gradio_api/call/identify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    sent = f"{head}Content-Length: {HELD}\r\n\r\n".encode() + b'{"data": ["' + b"a" * (HELD - 1000)
    with held(connected(app, sent) for _ in range(HELD_BODIES)):
        time.sleep(1)
        during = app.memory()
        answered = ask(app, of_upload(upload(app, CLIP.read_bytes())))[1]
    time.sleep(runtime.TRIM_SECONDS)
    return {
        "connections that hold a body, bytes of each": f"{HELD_BODIES}, {HELD:,}",
        "MB of memory they cost, and what stays": f"{max(0, during - before):.0f}, {max(0, app.memory() - before):.0f}",
        "callers among them who get no answer": int(answered != "complete"),
    }


def readers(app: App) -> dict:
    """Callers who ask for a large file and for the page's, and never read what comes. What they hold open must not
    stay on the disk once it is deleted."""
    path, large = upload(app, CLIP.read_bytes()), upload(app, bytes(LARGE), "large.wav")
    visitor, before = Visitor(app, "among-readers"), app.memory()
    asked = [f"GET {place} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for place in (f"/gradio_api/file={large}", "/config")]
    with held(connected(app, sent, 4096) for sent in asked for _ in range(READERS)):
        time.sleep(5)
        open_before, during = open_times(app, large), app.memory()
        began = time.monotonic()
        outcome, _ = visitor.record(path)
        took = time.monotonic() - began
        deadline = time.monotonic() + request_guard.UNREAD_SECONDS + 30
        while open_times(app, large) and time.monotonic() < deadline:
            time.sleep(1)
        still_open = open_times(app, large)
    visitor.close()
    return {
        f"callers who do not read a file of {LARGE / 1e6:.0f} MB, and the page's settings": f"{READERS} + {READERS}",
        "MB of memory they cost": round(max(0.0, during - before)),
        "s for a visitor's answer among them": round(took, 1),
        "callers among them who get no answer": int(outcome != "complete" or took > MOST_WAIT),
        f"times that the file is open for them, and after {request_guard.UNREAD_SECONDS:.0f} s": f"{open_before}, "
        f"{still_open}",
        "files that stay open": still_open,
    }


def open_times(app: App, path: str) -> int:
    """How often a process has a file open (Linux)."""
    found = 0
    for link in Path(f"/proc/{app.process.pid}/fd").iterdir():
        with suppress(OSError):
            found += str(link.readlink()) == path
    return found


def streams(app: App) -> dict:
    """Hundreds of event streams held open: of pages, of sessions that do not exist, and of one session's call."""
    path = upload(app, CLIP.read_bytes())
    visitor, before = Visitor(app, "among-streams"), app.memory()
    config = json.loads(request(app, "GET", "/config")[2])
    which = next(one["id"] for one in config["dependencies"] if one["api_name"] == "identify")
    call = {"data": [of_upload(path)], "fn_index": which, "session_hash": "crowd"}
    request(app, "POST", "/gradio_api/queue/join", json.dumps(call).encode(), JSON)
    places = [f"/gradio_api/heartbeat/held{number}" for number in range(STREAMS)]
    places += [f"/gradio_api/queue/data?session_hash=nobody{number}" for number in range(STREAMS)]
    places += ["/gradio_api/queue/data?session_hash=crowd"] * STREAMS
    with held(connected(app, f"GET {place} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) for place in places):
        time.sleep(2)
        began, spent = time.monotonic(), cpu_seconds(app)
        time.sleep(10)
        share = (cpu_seconds(app) - spent) / (time.monotonic() - began)
        during = app.memory()
        began = time.monotonic()
        outcome, _ = visitor.record(path)
        took = time.monotonic() - began
    visitor.close()
    time.sleep(runtime.TRIM_SECONDS)
    return {
        "event streams held open: of pages, of nobody, of one call": f"3 x {STREAMS}",
        "share of a core that they take": f"{share:.0%}",
        "MB of memory they cost, and what stays": f"{max(0, during - before):.0f}, {max(0, app.memory() - before):.0f}",
        "s for a visitor's answer among them": round(took, 1),
        "callers among them who get no answer": int(outcome != "complete" or took > MOST_WAIT),
    }


def cpu_seconds(app: App) -> float:
    """What the server's process has used (Linux)."""
    fields = Path(f"/proc/{app.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def pieces(app: App) -> dict:
    """An agent's calls in pieces: byte by byte, cut off in the middle, and many that never end."""
    path = upload(app, CLIP.read_bytes())
    tool = {"name": "identify", "arguments": {"file": f"{app.url}/gradio_api/file={path}"}}
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": tool}).encode()
    single = (bytes([byte]) for byte in call)
    status, _, said = request(app, "POST", "/gradio_api/mcp/", single, AGENT)
    cut = request(app, "POST", "/gradio_api/mcp/", iter([call[:40]]), AGENT)[0]
    before = app.memory()
    head = "POST /gradio_api/mcp/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in AGENT.items()) + "\r\n"
    piece = b"%x\r\n%b\r\n" % (HELD, b'{"' + b"a" * (HELD - 2))
    with held(connected(app, head.encode() + piece) for _ in range(PIECES)) as connections:
        time.sleep(1)
        during = app.memory()
        answered = ask(app, of_upload(path))[1]
        ended = 0
        for connection in connections:
            connection.settimeout(request_guard.IDLE_SECONDS + 60)
            with suppress(OSError, http.client.HTTPException):
                ended += connection.recv(1000)[9:12] in (b"408", b"503")
    time.sleep(runtime.TRIM_SECONDS)
    return {
        "an agent's call of one byte a piece: status": status,
        "an agent's call cut off in the middle: status": cut,
        "agents' calls that never end, bytes of each": f"{PIECES}, {HELD:,}",
        "MB of memory they cost, and what stays": f"{max(0, during - before):.0f}, {max(0, app.memory() - before):.0f}",
        "callers among them who get no answer": int(answered != "complete" or b"uz" not in said),
        "not given up": PIECES - ended,
    }
