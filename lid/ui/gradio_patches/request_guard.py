"""ASGI middleware in front of Gradio: it blocks paths, bounds bodies, and cleans headers.

What Gradio does (checked in 6.31): for anybody, it fetches any public address (`file=https://...`) and serves the
reply as its own, with the content type that the other server chose; it runs FFmpeg on videos and never deletes the
results; it keeps form fields and JSON in memory, however long they are, of as many requests at once as come; it waits
for a body without a time limit, and for a caller to take its answer, with the file open; it takes a thousand files in
one request; it copies the request's headers into the reply for a part of a file; it gives all callers the server
address that the first caller used; it answers status 500 to a call of an unknown endpoint, and writes kilobytes of
traceback for each request that it does not understand.

A Space has no proxy of our own in front of it, so the limits stand here. benchmarks/security.py attacks the running
app.

At an upgrade, check: that the blocked paths still have these names, that no new route fetches addresses or runs
programs, and that `/gradio_api/info` still keeps its answer only for requests without `page`.
"""

import asyncio
import os
import re
import shutil
import sys
import time
import traceback
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from gradio.utils import get_upload_folder
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lid.audio import Limits
from lid.ui.gradio_patches import sessions
from lid.ui.texts import ENGLISH

CALL_BYTES = 256 * 1024  # of a call's JSON: files are uploaded first, the call only names them
TOOL_BYTES = 16 * 1024**2  # of an agent's call, which may carry its file as a data: address
HELD_BYTES = 32 * 1024**2  # of all such bodies under way; beyond it the one that has not ended for longest is given up
UPLOAD_FACTOR = 4  # one upload of several files may have this many times the bytes of the largest file
HOUR_FACTOR = 8  # and an address may send this many times as many within an hour
MIN_FREE_DISK_BYTES = 128 * 1024**2
IDLE_SECONDS = 30.0  # the longest wait for the next piece of a body
UNREAD_SECONDS = 60.0  # the longest wait for a caller to take a piece of an answer, of some 64 KB
LOG_SECONDS = 1.0  # between two lines about requests that were not understood
MAX_CONNECTIONS = 65_536  # open at once, where the system allows it: silent connections must not keep others out
BUSY = "Too much is being sent to this server just now. Try again in a minute."
ENOUGH = "Too much was sent from this address within the hour. Try again later."
DISK_FULL = "There is no room for recordings on this server just now. Try again in half an hour."

BLOCKED_PATHS = re.compile(
    r"/gradio_api/(?:file=https?:|file/|proxy=|process_recording|component_server|deep_link|custom_component)", re.I
)
FILE_PATH = "/gradio_api/file="
HEARTBEAT_PATH = re.compile(r"/gradio_api/heartbeat/(?P<session>[^/]+)$")
CALL_PATH = re.compile(r"/gradio_api/call/(?:v2/)?(?P<name>[^/]+)/?$")
FILE_HEADERS = {
    "accept-ranges",
    "content-disposition",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
}


def middleware(limits: Limits, endpoints: tuple[str, ...]) -> list[Middleware]:
    """For `launch(app_kwargs={"middleware": ...})`. `endpoints` are the names that may be called.

    Also allows the process as many connections as it can have.
    """
    _raise_connection_limit()
    return [Middleware(RequestGuard, limits=limits, endpoints=endpoints)]


class RequestGuard:
    """Answers 404 for a blocked path, 413 for a body that is too long, 408 for one that stops coming, and 507 when the
    disk is full; sets headers that keep a browser from running an upload as a page."""

    def __init__(self, app: ASGIApp, limits: Limits, endpoints: tuple[str, ...]):
        self.app = app
        self.endpoints = endpoints
        self.bodies = Bodies()
        self.logged = -LOG_SECONDS
        self.upload_bytes = UPLOAD_FACTOR * limits.max_bytes
        self.uploads = Uploads(HOUR_FACTOR * limits.max_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        response = _ResponseFilter(scope, send)
        if BLOCKED_PATHS.search(scope["path"]):
            await PlainTextResponse("Not found", 404)(scope, receive, response)
        elif (name := _called(scope)) is not None and name not in self.endpoints:
            await JSONResponse({"detail": self._no_endpoint(name)}, 404)(scope, receive, response)
        elif _declared_length(scope) > self._max_bytes(scope):
            await PlainTextResponse(f"More than {self._max_bytes(scope)} bytes.", 413)(scope, receive, response)
        elif self._is_upload(scope) and _free_disk_bytes() < MIN_FREE_DISK_BYTES:
            await PlainTextResponse(DISK_FULL, 507)(scope, receive, response)
        else:
            await self._pass_on(scope, receive, response)

    async def _pass_on(self, scope: Scope, receive: Receive, response: "_ResponseFilter") -> None:
        if scope["path"].rstrip("/").endswith("/gradio_api/info"):
            # Gradio remembers the answer to a request without `page`, with the first caller's server address in it.
            scope = {**scope, "query_string": scope["query_string"] + b"&page="}
        with ExitStack() as under_way:
            address = (scope.get("client") or ("",))[0]
            if beat := HEARTBEAT_PATH.search(scope["path"]):
                under_way.enter_context(sessions.page_open(beat["session"], address))
            if scope["method"] not in ("GET", "HEAD"):
                # GET and HEAD have no body. Starlette polls `receive` for disconnects there, under a cancelled scope,
                # which a timeout would disturb.
                is_upload = self._is_upload(scope)
                counted = self.uploads.of(address) if is_upload else self.bodies
                response.body = body = Body(receive, self._max_bytes(scope), counted)
                under_way.callback(body.done)
                try:
                    receive = body.receive if is_upload else await body.whole()
                except HTTPException as error:
                    await PlainTextResponse(error.detail, error.status_code)(scope, receive, response)
                    return
            await self._answer(scope, receive, response)

    async def _answer(self, scope: Scope, receive: Receive, response: "_ResponseFilter") -> None:
        try:
            await self.app(scope, receive, response)
        except Exception as error:
            if response.given_up:  # the server then ends the connection
                return
            if response.started:
                self._log(scope, error)
                with suppress(Exception):  # more was promised than was sent: the server then ends the connection
                    await response({"type": "http.response.body", "body": b""})
                return
            if isinstance(error, OSError) and self._is_upload(scope):
                print(f"lid: an upload failed: {error}", file=sys.stderr)
                await PlainTextResponse(DISK_FULL, 507)(scope, receive, response)
                return
            self._log(scope, error)
            await JSONResponse({"detail": ENGLISH.broken_note}, 500)(scope, receive, response)

    def _log(self, scope: Scope, error: Exception) -> None:
        """One line, and no more of them than a disk bears, whatever is asked."""
        if time.monotonic() - self.logged >= LOG_SECONDS:
            self.logged = time.monotonic()
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{place.filename}:{place.lineno}"
            print(f"lid: {scope['path'][:100]!r}: {error!r:.200} at {where}", file=sys.stderr)

    def _no_endpoint(self, name: str) -> str:
        return f"There is no endpoint /{name}. Call one of: {', '.join(f'/{known}' for known in self.endpoints)}."

    def _is_upload(self, scope: Scope) -> bool:
        return scope["path"].endswith("/gradio_api/upload")

    def _max_bytes(self, scope: Scope) -> int:
        """Bytes that a request's body may have."""
        if self._is_upload(scope):
            return self.upload_bytes
        return TOOL_BYTES if "/gradio_api/mcp" in scope["path"] else CALL_BYTES


class _ResponseFilter:
    """`send` that cleans the headers and remembers whether the response has started. Where a request with a body is
    refused before all of it has come, the connection ends, and with it what the server has read ahead. An answer that
    nobody takes is `given_up`: a file that is open keeps its place on the disk after it was deleted."""

    def __init__(self, scope: Scope, send: Send):
        self.is_file, self.send, self.started = FILE_PATH in scope["path"], send, False
        self.given_up = False
        self.body: Body | None = None
        self._may_have_body = scope["method"] not in ("GET", "HEAD")

    def _is_unread(self) -> bool:
        return self._may_have_body and not (self.body and self.body.complete)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            if self.is_file:
                for name in set(headers.keys()) - FILE_HEADERS:
                    del headers[name]
                headers["content-security-policy"] = "sandbox"
            elif "content-security-policy" not in headers:
                headers["content-security-policy"] = f"frame-ancestors {_frames()}"
            headers["x-content-type-options"] = "nosniff"
            if message["status"] >= 400 and self._is_unread():
                headers["connection"] = "close"
        try:
            await asyncio.wait_for(self.send(message), UNREAD_SECONDS)
        except asyncio.TimeoutError:
            self.given_up = True
            raise


def _frames() -> str:
    """Which pages may show this one in a frame: a Space is shown in one of the Hub's."""
    return "'self' https://huggingface.co https://*.hf.space" if os.environ.get("SPACE_ID") else "'self'"


def _called(scope: Scope) -> str | None:
    """The name of the endpoint that a call names in its path; None for other requests."""
    found = CALL_PATH.search(scope["path"]) if scope["method"] == "POST" else None
    return found["name"] if found else None


def _declared_length(scope: Scope) -> int:
    """Bytes of body by the request's own Content-Length; 0 where it has none."""
    declared = Headers(scope=scope).get("content-length", "")
    return int(declared) if declared.isdecimal() else 0


class Bodies:
    """The bodies under way that are kept in memory, the oldest first, and their bytes."""

    def __init__(self, most: int = HELD_BYTES):
        self._most, self._bytes = most, 0
        self._held: dict[Body, int] = {}

    def add(self, body: "Body", count: int) -> None:
        """Raises HTTPException where there is no room, even without those that have not ended."""
        self._held[body] = self._held.get(body, 0) + count
        self._bytes += count
        for other in list(self._held):
            if self._bytes <= self._most:
                return
            if other is not body and not other.complete:
                other.give_up()
        if self._bytes > self._most:
            raise HTTPException(503, BUSY)

    def drop(self, body: "Body") -> None:
        self._bytes -= self._held.pop(body, 0)


class Uploads:
    """Bytes that each address has sent in uploads within about the last hour."""

    def __init__(self, most: int):
        self._most = most
        self._sent: dict[str, tuple[float, int]] = {}  # when they were counted, and bytes; an hour forgets them all

    def of(self, address: str) -> "_UploadsOf":
        return _UploadsOf(self, address)

    def add(self, address: str, count: int) -> None:
        now = time.monotonic()
        then, sent = self._sent.pop(address, (now, 0))
        left = sent * max(0.0, 1 - (now - then) / 3600)
        if left + count > self._most:
            self._sent[address] = now, int(left)
            raise HTTPException(429, ENOUGH)
        self._sent[address] = now, int(left + count)
        while len(self._sent) > 1 and now - next(iter(self._sent.values()))[0] > 3600:
            del self._sent[next(iter(self._sent))]


@dataclass(frozen=True)
class _UploadsOf:
    """The count of one address, as `Body` counts."""

    uploads: Uploads
    address: str

    def add(self, body: "Body", count: int) -> None:
        self.uploads.add(self.address, count)

    def drop(self, body: "Body") -> None:
        """What was sent stays counted."""


class Body:
    """A request's body as it comes. `receive` raises HTTPException for more than `max_bytes`, for a piece that comes
    too late, and when the body is given up for others.

    After the body is complete there is no time limit: the app then waits in `receive` to learn that the caller has
    left.
    """

    def __init__(self, receive: Receive, max_bytes: int, counted: Bodies | _UploadsOf):
        self.complete = False
        self._receive, self._max_bytes, self._counted = receive, max_bytes, counted
        self._bytes = 0
        self._waiting: asyncio.Task | None = None
        self._given_up = False

    async def receive(self) -> Message:
        if self.complete:
            return await self._receive()
        message = await self._next()
        count = len(message.get("body", b""))
        self._bytes += count
        self.complete = not message.get("more_body", False)
        if self._bytes > self._max_bytes:
            raise HTTPException(413, f"More than {self._max_bytes} bytes.")
        self._counted.add(self, count)
        return message

    async def whole(self) -> Receive:
        """Waits for all of it. A `receive` that gives it as one message, and then what follows. Raises as `receive`.

        Gradio and its agents' server would begin with half a request, and let go of it late."""
        parts: list[bytes] = []
        while not self.complete:
            last = await self.receive()
            parts.append(last.get("body", b""))
        ready = [last if last["type"] == "http.disconnect" else {"type": last["type"], "body": b"".join(parts)}]
        return lambda: _at_once(ready.pop()) if ready else self.receive()

    async def _next(self) -> Message:
        if self._given_up:
            raise HTTPException(503, BUSY)
        self._waiting = asyncio.ensure_future(self._receive())
        try:
            return await asyncio.wait_for(self._waiting, IDLE_SECONDS)
        except asyncio.TimeoutError:
            raise HTTPException(408, f"Nothing came for {IDLE_SECONDS:.0f} seconds.") from None
        except asyncio.CancelledError:
            if self._given_up:
                raise HTTPException(503, BUSY) from None
            raise
        finally:
            self._waiting = None

    def give_up(self) -> None:
        """Others need the memory, and this has not ended."""
        self._given_up = True
        self.done()
        if self._waiting is not None:
            self._waiting.cancel()

    def done(self) -> None:
        self._counted.drop(self)


async def _at_once(message: Message) -> Message:
    return message


def _free_disk_bytes() -> int:
    """Bytes free on the disk of the uploads."""
    folder = Path(get_upload_folder())
    return shutil.disk_usage(folder if folder.exists() else folder.parent).free


def _raise_connection_limit() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, MAX_CONNECTIONS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
