"""The Hugging Face Hub's way of taking uploads, on 127.0.0.1: names, repositories, Git LFS and commits, all in memory.

Bodies are kept only when they are what they were said to be: whole, and of the sha256 that names them.
"""

import base64
import contextlib
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKENS = {"hf_write": "write", "hf_read": "read"}
REPO = r"(?:api/)?(models/|spaces/|)([^/]+/[^/]+?)"


@dataclass
class Repo:
    """What one repository was made with, and what it holds."""

    made: dict
    files: dict[str, bytes] = field(default_factory=dict)
    commits: int = 0


class HubServer:
    """A context manager. `repos` by kind and name: ("model", "me/x"). `url` is what HF_ENDPOINT names.

    `cut_after`: bytes of LFS bodies after which the line goes dead until it is None again. `refuse[path]`: a status.
    """

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.objects: dict[str, bytes] = {}  # LFS, by sha256
        self.requests: list[tuple[str, str]] = []
        self.bodies = 0  # bytes of LFS bodies read
        self.cut_after: int | None = None
        self.refuse: dict[str, int] = {}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._http.shutdown()
        self._http.server_close()

    def asked(self, path: str) -> int:
        """How many requests came for paths that match."""
        return sum(bool(re.search(path, asked)) for _, asked in self.requests)

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, dict | list]:
        """Status and JSON for a request that is not an LFS body."""
        if path in self.refuse:
            return self.refuse[path], {"error": "Refused."}
        if token not in TOKENS:
            return 401, {"error": "Invalid username or password."}
        if path == "/api/whoami-v2":
            access = {"role": TOKENS[token], "displayName": "test"}
            return 200, {"name": "me", "orgs": [{"name": "lab"}], "auth": {"accessToken": access}}
        if TOKENS[token] != "write" and method != "GET":
            return 403, {"error": "This token may only read."}
        if path == "/api/validate-yaml":
            return self._validate(json.loads(body))
        if path == "/lfs-verify":
            asked = json.loads(body)
            return (200 if len(self.objects.get(asked["oid"], b"")) == asked["size"] else 422), {}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if match := re.fullmatch(rf"/{REPO}(?:\.git/info/lfs/objects/batch|/(preupload|commit|tree)/main)", path):
            kind, name, verb = match.groups()
            repo = self.repos.get((kind.rstrip("s/") or "model", name))
            if repo is None:
                return 404, {"error": "Repository not found"}
            return getattr(self, f"_{verb or 'batch'}")(repo, body)
        if match := re.fullmatch(rf"/api/{REPO}(?:/revision/main)?", path):
            return (
                (200, {"id": match[2], "sha": "0" * 40}) if self._known(*match.groups()) else (404, {"error": "none"})
            )
        return 404, {"error": "Not found"}

    def _known(self, kind: str, name: str) -> bool:
        return (kind.rstrip("s/") or "model", name) in self.repos

    def _validate(self, asked: dict) -> tuple[int, dict]:
        text = asked["content"]
        needed = {"model": "license: ", "space": "sdk: "}[asked["repoType"]]
        bad = not text.startswith("---\n") or needed not in text.split("\n---\n")[0]
        return (400, {"errors": [{"message": f"no {needed}"}]}) if bad else (200, {"errors": [], "warnings": []})

    def _create(self, asked: dict) -> tuple[int, dict]:
        kind, name = asked.get("type", "model"), f"{asked['organization'] or 'me'}/{asked['name']}"
        address = {"url": f"{self.url}/{'spaces/' if kind == 'space' else ''}{name}"}
        if (kind, name) in self.repos:
            return 409, {"error": "You already created this repo", **address}
        self.repos[kind, name] = Repo(asked, {".gitattributes": b"*.safetensors filter=lfs\n"})
        return 200, address

    def _preupload(self, repo: Repo, body: bytes) -> tuple[int, dict]:
        files = []
        for asked in json.loads(body)["files"]:
            path, sample = asked["path"], base64.b64decode(asked["sample"])
            large = path.endswith(".safetensors") or b"\0" in sample or asked["size"] > 10_000_000
            there = repo.files.get(path)
            oid = None if there is None else hashlib.sha256(there).hexdigest() if large else _git_oid(there)
            mode = "lfs" if large else "regular"
            files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return 200, {"files": files}

    def _batch(self, repo: Repo, body: bytes) -> tuple[int, dict]:
        objects = []
        for asked in json.loads(body)["objects"]:
            steps = {"upload": {"href": f"{self.url}/lfs/{asked['oid']}"}, "verify": {"href": f"{self.url}/lfs-verify"}}
            objects.append(asked if asked["oid"] in self.objects else {**asked, "actions": steps})
        return 200, {"transfer": "basic", "objects": objects}

    def _commit(self, repo: Repo, body: bytes) -> tuple[int, dict]:
        files = dict(repo.files)
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.objects:
                    return 400, {"error": f"LFS pointer of {value['path']} points to nothing"}
                files[value["path"]] = self.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        repo.files = files
        repo.commits += 1
        kind, name = next(key for key, known in self.repos.items() if known is repo)
        address = f"{self.url}/{'spaces/' if kind == 'space' else ''}{name}/commit/{repo.commits:040x}"
        return 200, {"commitUrl": address, "commitOid": f"{repo.commits:040x}"}

    def _tree(self, repo: Repo, body: bytes) -> tuple[int, list]:
        return 200, [
            {"type": "file", "path": name, "size": len(data), "oid": _git_oid(data)}
            for name, data in repo.files.items()
        ]

    def store(self, oid: str, data: bytes) -> int:
        """Keep an LFS body; the status to answer with."""
        if hashlib.sha256(data).hexdigest() != oid:
            return 400
        self.objects[oid] = data
        return 200


def _git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_) -> None:
            pass

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                super().handle()

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path))
            body = self._body(path.startswith("/lfs/"))
            if body is None:
                self.close_connection = True
            elif path.startswith("/lfs/"):
                self._send(hub.store(path.removeprefix("/lfs/"), body), {})
            else:
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                self._send(*hub.answer(self.command, path, token, body))

        do_POST = do_PUT = do_GET

        def _body(self, counted: bool) -> bytes | None:
            """The request's body; None when the line went dead in it."""
            body = bytearray()
            for piece in self._pieces():
                body += piece
                if counted:
                    hub.bodies += len(piece)
                    if hub.cut_after is not None and hub.bodies > hub.cut_after:
                        return None
            return bytes(body)

        def _pieces(self):
            if self.headers.get("Transfer-Encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    yield self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            left = int(self.headers.get("Content-Length", 0))
            while left:
                piece = self.rfile.read(min(left, 65536))
                if not piece:
                    raise ConnectionError
                left -= len(piece)
                yield piece

        def _send(self, status: int, answer: dict | list) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
