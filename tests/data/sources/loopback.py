"""Servers on 127.0.0.1 that do on demand what real ones do by accident: cut, stall, refuse, forget Range, change files.

Also what the tests share: a corpus in Common Voice's layout made of noise, and its archive in any order.
"""

import contextlib
import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from lid.data.sources.retry import RetryPolicy

QUICK = RetryPolicy(first_wait=0.001, max_wait=0.01, connect_timeout=5, read_timeout=0.5)


@dataclass(frozen=True)
class File:
    """A body the server knows. `range` False: the server ignores Range, as some proxies do."""

    data: bytes
    etag: str = '"v1"'
    range: bool = True
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """What happens to one request instead of a plain answer: a status, or a cut or a stall after so many body bytes."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_after: int | None = None
    stall_after: int | None = None


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Server:
    """`files` by path; `faults[path]` are used up one a request; `routes` are tried first; `requests`: what was asked.

    A context manager; `url` has no slash at its end.
    """

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.routes: list[Callable[[Request], Answer | File | None]] = []
        self.requests: list[Request] = []
        self.bytes_sent = 0
        self._stop = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> "Server":
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._http.shutdown()
        self._http.server_close()

    def fail(self, path: str, *faults: Fault) -> None:
        self.faults[path].extend(faults)

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def answer(self, request: Request) -> Answer | File:
        for route in self.routes:
            if (answer := route(request)) is not None:
                return answer
        return self.files.get(request.path, Answer(404))


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_) -> None:
            pass

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # the client hung up, as a stream that has enough does
                super().handle()

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = unquote(parts.path)
            headers = {name.title(): value for name, value in self.headers.items()}  # httpx writes them small
            request = Request(self.command, path, parse_qs(parts.query), headers, body)
            server.requests.append(request)
            fault = server.faults[path].popleft() if server.faults[path] else Fault()
            answer = server.answer(request) if fault.status is None else Answer(fault.status, fault.headers, fault.body)
            if isinstance(answer, File):
                answer = _part_of(answer, request)
            self._send(answer, fault)

        do_POST = do_HEAD = do_GET

        def _send(self, answer: Answer, fault: Fault) -> None:
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            stop = fault.cut_after if fault.cut_after is not None else fault.stall_after
            body = memoryview(answer.body if stop is None else answer.body[:stop])
            for start in range(0, len(body), 65536):
                self.wfile.write(body[start : start + 65536])
                server.bytes_sent += len(body[start : start + 65536])
            if stop is not None:
                self.wfile.flush()
                self.close_connection = True
            if fault.stall_after is not None:
                server._stop.wait(10)

    return Handler


def _part_of(file: File, request: Request) -> Answer:
    headers = {"ETag": file.etag, "Accept-Ranges": "bytes" if file.range else "none", **file.headers}
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", "")) if file.range else None
    if request.headers.get("If-Range", file.etag) != file.etag:
        match = None
    if not match:
        return Answer(200, headers, file.data)
    first, last = int(match[1]), min(int(match[2] or len(file.data)), len(file.data) - 1)
    if first >= len(file.data):
        return Answer(416, {"Content-Range": f"bytes */{len(file.data)}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{len(file.data)}"
    return Answer(206, headers, file.data[first : last + 1])


class Hub:
    """As much of the Hugging Face Hub as `datasets` and `huggingface_hub` ask for when they stream a data set."""

    SHA = "0123456789abcdef0123456789abcdef01234567"

    def __init__(self, server: Server):
        self.repos: dict[str, dict[str, dict[str, bytes]]] = {}  # repository -> branch -> path -> content
        server.routes.append(self.answer)

    def add(self, repo: str, files: dict[str, bytes], branch: str = "main") -> None:
        self.repos.setdefault(repo, {})[branch] = files

    def answer(self, request: Request) -> Answer | File | None:
        if match := re.match(r"/datasets/([^/]+/[^/]+)/resolve/(refs/convert/parquet|[^/]+)/(.+)", request.path):
            return self._file(*match.groups())
        if match := re.match(
            r"/api/datasets/([^/]+/[^/]+)/(tree|paths-info|revision)/(refs/convert/parquet|[^/]+)/?(.*)", request.path
        ):
            return self._api(request, *match.groups())
        if match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)", request.path):
            return self._api(request, match[1], "revision", "main", "")
        return None

    def _branch(self, repo: str, revision: str) -> dict[str, bytes] | Answer:
        if repo not in self.repos:
            return Answer(404, {"X-Error-Code": "RepoNotFound"}, b'{"error": "Repository not found"}')
        branches = self.repos[repo]
        for name in branches:
            if revision in (name, self._sha(name)):
                return branches[name]
        return Answer(404, {"X-Error-Code": "RevisionNotFound"}, b'{"error": "Invalid rev id"}')

    def _sha(self, branch: str) -> str:
        return self.SHA if branch == "main" else self.SHA[::-1]

    def _file(self, repo: str, revision: str, path: str) -> Answer | File:
        files = self._branch(repo, revision)
        if isinstance(files, Answer):
            return files
        if path not in files:
            return Answer(404, {"X-Error-Code": "EntryNotFound"}, b'{"error": "Entry not found"}')
        commit = revision if re.fullmatch(r"[0-9a-f]{40}", revision) else self._sha(revision)
        etag = f'"{hashlib.sha1(files[path]).hexdigest()}"'
        return File(files[path], etag, headers={"X-Repo-Commit": commit})

    def _api(self, request: Request, repo: str, kind: str, revision: str, path: str) -> Answer:
        files = self._branch(repo, revision)
        if isinstance(files, Answer):
            return files
        if kind == "revision":
            sha = self._sha("main" if revision in ("main", self.SHA) else revision)
            found = {"id": repo, "sha": sha, "siblings": [{"rfilename": name} for name in files], "tags": []}
        elif kind == "paths-info":
            paths = parse_qs(request.body.decode()).get("paths", [])
            if request.body.startswith(b"{"):
                paths = json.loads(request.body)["paths"]
            found = [entry for name in paths for entry in _entries(files, name)]
        else:
            found = _tree(files, path, request.query.get("recursive", ["false"])[0].lower() in ("true", "1"))
            if not found:
                return Answer(404, {"X-Error-Code": "EntryNotFound"}, b'{"error": "Entry not found"}')
        return Answer(200, {"Content-Type": "application/json"}, json.dumps(found).encode())


def _entries(files: dict[str, bytes], name: str) -> list[dict]:
    if name in files:
        return [{"type": "file", "path": name, "size": len(files[name]), "oid": "0" * 40}]
    return (
        [{"type": "directory", "path": name, "oid": "0" * 40}] if any(f.startswith(f"{name}/") for f in files) else []
    )


def _tree(files: dict[str, bytes], folder: str, recursive: bool) -> list[dict]:
    prefix = f"{folder}/" if folder else ""
    names: dict[str, None] = {}
    for name in files:
        if name.startswith(prefix):
            parts = name[len(prefix) :].split("/")
            for depth in range(1, len(parts) + 1 if recursive else 2):
                names[prefix + "/".join(parts[:depth])] = None
    return [entry for name in names for entry in _entries(files, name)]


# --- a corpus ---


@dataclass(frozen=True)
class Corpus:
    """Files of one language by their path under its folder, in Common Voice's layout."""

    language: str
    files: dict[str, bytes]

    @property
    def clips(self) -> dict[str, bytes]:
        return {name[len("clips/") :]: data for name, data in self.files.items() if name.startswith("clips/")}

    def folder(self, parent: Path) -> Path:
        for name, data in self.files.items():
            path = parent / self.language / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return parent / self.language

    def archive(self, order: Callable[[str], object] | None = None) -> bytes:
        """The corpus as .tar.gz. `order` is a sort key for names; tables come first without one."""
        names = sorted(self.files, key=order or (lambda name: (not name.endswith(".tsv"), name)))
        return tar_gz((f"cv-corpus-test-1.0/{self.language}/{name}", self.files[name]) for name in names)


def tables_last(name: str) -> tuple:
    return name.endswith(".tsv"), name


def tar(entries: Iterable[tuple[str, bytes]]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def tar_gz(entries: Iterable[tuple[str, bytes]]) -> bytes:
    return gzip.compress(tar(entries), compresslevel=1, mtime=0)


def corpus(language: str = "uz", clips: int = 60, speakers: int = 6, clip_bytes: int = 4000, seed: int = 0) -> Corpus:
    """Noise that does not compress under names like Common Voice's, with one clip of every kind that goes wrong.

    The last row's file is missing, one file is in no table, one in other.tsv; sentences hold a lone quotation mark.
    """
    noise = np.random.default_rng(seed)
    names = [f"common_voice_{language}_{number:06d}.mp3" for number in range(clips)]
    header = "client_id\tpath\tsentence_id\tsentence\tup_votes\tlocale"
    rows = [
        f"{language}{number % speakers:064x}\t{name}\t{number}\tIt's \"sentence {number}\t2\t{language}"
        for number, name in enumerate(names)
    ]
    durations = [f"{name}\t{1000 + number}" for number, name in enumerate(names)]
    other = f"{'f' * 64}\tcommon_voice_{language}_other.mp3\t0\tNobody listened\t0\t{language}"
    files = {
        "validated.tsv": "\n".join([header, *rows]),
        "train.tsv": "\n".join([header, *rows[: clips // 2]]),
        "other.tsv": f"{header}\n{other}",
        "clip_durations.tsv": "\n".join(["clip\tduration[ms]", *durations]),
    }
    packed = {name: f"{text}\n".encode() for name, text in files.items()}
    present = [*names[:-1], f"common_voice_{language}_other.mp3", f"common_voice_{language}_orphan.mp3"]
    for name in present:
        packed[f"clips/{name}"] = noise.bytes(int(noise.integers(clip_bytes // 2, clip_bytes * 2)))
    return Corpus(language, packed)
