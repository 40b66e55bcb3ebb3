"""app.py as a process of its own on 127.0.0.1, for benchmarks that attack it or wear it out."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
START_SECONDS = 900.0  # a busy machine is slow to start it
WATCH = """
import os, sys

def watch(event, arguments, log=os.environ["OUTBOUND_LOG"]):
    if event == "socket.getaddrinfo":
        place = arguments[:2]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        place = arguments[1][:2]
    else:
        return
    with open(log, "a") as file:
        print(event, *place, file=file)

sys.addaudithook(watch)
"""


@dataclass(frozen=True)
class App:
    """A running app. In its `folder` are `uploads`, `log.txt` with what it printed, and `outbound.txt` with every host
    that it looked up or connected to."""

    process: subprocess.Popen
    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def uploads(self) -> Path:
        return self.folder / "uploads"

    @property
    def printed(self) -> str:
        return (self.folder / "log.txt").read_text()

    @property
    def outbound(self) -> list[str]:
        return (self.folder / "outbound.txt").read_text().splitlines()

    def memory(self) -> float:
        """Megabytes in use, decoder processes included (Linux)."""
        return sum(_megabytes(pid) for pid in (self.process.pid, *self.children()))

    def children(self) -> list[int]:
        """The processes that it started: its decoders (Linux)."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended
                if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == self.process.pid:
                    found.append(int(folder.name))
        return found

    @contextmanager
    def watched(self) -> Iterator[list[float]]:
        """A list that ends with the most megabytes in use within the block."""
        peaks, over = [self.memory()], threading.Event()

        def watch() -> None:
            while not over.wait(0.05):
                peaks.append(max(peaks[-1], self.memory()))

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield peaks
        finally:
            over.set()
            thread.join()


def _megabytes(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return int(status.split("VmRSS:")[1].split()[0]) / 1024 if "VmRSS:" in status else 0.0


@contextmanager
def served(**options: str) -> Iterator[App]:
    """Start it with the options of `start`, wait until it answers, and end it in any case."""
    with tempfile.TemporaryDirectory() as place:
        app = start(Path(place), **options)
        try:
            wait(app)
            yield app
        except Exception:
            print(f"app.py ended with {app.process.poll()} after:\n{app.printed[-3000:]}", file=sys.stderr)
            raise
        finally:
            app.process.kill()
            app.process.wait()


def start(folder: Path, code: str = "import app; app.main()", **environment: str) -> App:
    """Start it in a folder of its own, and do not wait. `code` is what runs there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "sitecustomize.py").write_text(WATCH)  # Python runs it before app.py
    (folder / "outbound.txt").touch()
    settings = {
        "HF_HUB_OFFLINE": "1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "uploads"),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(folder),
        "OUTBOUND_LOG": str(folder / "outbound.txt"),
        **environment,
    }
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **settings}, stdout=log, stderr=log
        )
    return App(process, port, folder)


def wait(app: App) -> None:
    """Until it answers."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{app.url}/config", timeout=60):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if app.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"app.py did not start:\n{app.printed}") from None
            time.sleep(0.3)


def request(
    app: App,
    method: str,
    path: str,
    body: bytes | Iterator[bytes] | None = None,
    headers: dict | None = None,
    timeout: float = 300.0,
) -> tuple[int, dict[str, str], bytes]:
    """One raw request, the path as it stands: status, headers (names in lower case), and body."""
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=timeout)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        chunked = body is not None and not isinstance(body, bytes)
        length = {"Content-Length": str(len(body))} if isinstance(body, bytes) else {}
        for name, value in {
            **length,
            **({"Transfer-Encoding": "chunked"} if chunked else {}),
            **(headers or {}),
        }.items():
            connection.putheader(name, value)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it need not read all of what it refuses
            connection.endheaders(body, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def upload(app: App, data: bytes, name: str = "clip.mp3") -> str:
    """Send a file as a browser does; returns its path on the server."""
    status, _, answer = request(app, "POST", "/gradio_api/upload", *form(data, name))
    if status != 200:
        raise RuntimeError(f"upload: {status} {answer[:200]!r}")
    return json.loads(answer)[0]


def form(data: bytes, name: str = "clip.mp3") -> tuple[bytes, dict[str, str]]:
    """Body and headers of an upload."""
    head = f'--border\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=border"}
    return head.encode() + data + b"\r\n--border--\r\n", kind


def ask(app: App, file: dict, api: str = "identify", timeout: float = 300.0) -> tuple[int, str, object]:
    """A call with any file entry, as README shows it with curl: status, the last event's name, and its data."""
    body = json.dumps({"data": [file]}).encode()
    kind = {"Content-Type": "application/json"}
    status, _, answer = request(app, "POST", f"/gradio_api/call/{api}", body, kind, timeout)
    if status != 200:
        return status, "refused", answer.decode(errors="replace")
    event = json.loads(answer)["event_id"]
    status, _, stream = request(app, "GET", f"/gradio_api/call/{api}/{event}", timeout=timeout)
    *_, last = [part for part in stream.decode().split("\n\n") if part.strip()]
    name, _, data = last.partition("\n")
    return status, name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def of_upload(path: str) -> dict:
    """The entry that names an upload in a call."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


class Visitor:
    """Somebody with the page open in a browser: one session, whose heartbeat goes on until it is closed.

    Its recording goes through the events of the page itself. `address` is where it says it comes from, as a proxy does.
    """

    def __init__(self, app: App, session: str, address: str = ""):
        self.app, self.session = app, session
        self.headers = {"X-Forwarded-For": address} if address else {}
        config = json.loads(request(app, "GET", "/config")[2])
        microphone = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "microphone")
        self.answer = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "answer")
        wanted = [microphone, "stop_recording"]
        calls = config["dependencies"]
        self.begins = next(one for one in calls if wanted in [list(to) for to in one["targets"]])
        self.event = next(one for one in calls if one["trigger_after"] == self.begins["id"] and one["backend_fn"])
        self.values = {one["id"]: one["props"].get("value") for one in config["components"]} | {microphone: None}
        self.microphone = microphone
        self._beat = socket.create_connection(("127.0.0.1", app.port))
        self._beat.sendall(f"GET /gradio_api/heartbeat/{session} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    def record(self, path: str, timeout: float = 300.0) -> tuple[str, str]:
        """ "complete", "error" or "refused", and all that the page has shown as its answer."""
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        for call, address in ((self.begins, "run/predict"), (self.event, "queue/join")):
            values = self.values | {self.microphone: file}
            body = {"data": [values[one] for one in call["inputs"]], "fn_index": call["id"], "trigger_id": None}
            asked = json.dumps(body | {"session_hash": self.session}).encode()
            kind = {"Content-Type": "application/json", **self.headers}
            status, _, said = request(self.app, "POST", f"/gradio_api/{address}", asked, kind, timeout)
            if status != 200:
                return "refused", said.decode(errors="replace")
        _, _, stream = request(self.app, "GET", f"/gradio_api/queue/data?session_hash={self.session}", timeout=timeout)
        messages = [json.loads(part[6:]) for part in stream.decode().split("\n\n") if part.startswith("data: ")]
        place = self.event["outputs"].index(self.answer)
        shown = ""
        for message in messages:
            if message["msg"] in ("process_generating", "process_completed") and "data" in (message["output"] or {}):
                data = message["output"]["data"]
                shown += str(data[place]) if data else ""  # or what changed since the last message
        last = next((one for one in reversed(messages) if one["msg"] == "process_completed"), None)
        return ("complete" if last and last["success"] else "error"), shown

    def close(self) -> None:
        self._beat.close()
