"""ASGI middleware in front of Gradio: it blocks paths, bounds bodies, and cleans headers.

What Gradio does (checked in 6.31): for anybody, it fetches any public address (`file=https://...`) and serves the reply
as its own, with the content type that the other server chose; it runs FFmpeg on videos and never deletes the results;
it keeps form fields and JSON in memory, however long they are; it waits for a body without a time limit; it takes a
thousand files in one request; it copies the request's headers into the reply for a part of a file; it gives all
callers the server address that the first caller used; and it answers status 500 to a call of an unknown endpoint.

A Space has no proxy of our own in front of it, so the limits stand here. benchmarks/security.py attacks the running
app.

At an upgrade, check: that the blocked paths still have these names, that no new route fetches addresses or runs
programs, and that `/gradio_api/info` still keeps its answer only for requests without `page`.
"""

import asyncio
import re
import shutil
import sys
from pathlib import Path

from gradio.utils import get_upload_folder
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lid.audio import Limits

CALL_BYTES = 1024**2  # of a call's JSON: files are uploaded first, the call only names them
TOOL_BYTES = 16 * 1024**2  # of an agent's call, which may carry its file as a data: address
UPLOAD_FACTOR = 4  # one upload of several files may have this many times the bytes of the largest file
MIN_FREE_DISK_BYTES = 128 * 1024**2
IDLE_SECONDS = 30.0  # the longest wait for the next piece of a body
MAX_CONNECTIONS = 65_536  # open at once, where the system allows it: silent connections must not keep others out
DISK_FULL = "There is no room for recordings on this server just now. Try again in half an hour."

BLOCKED_PATHS = re.compile(
    r"/gradio_api/(?:file=https?:|file/|proxy=|process_recording|component_server|deep_link|custom_component)", re.I
)
FILE_PATH = "/gradio_api/file="
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
        self.upload_bytes = UPLOAD_FACTOR * limits.max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif BLOCKED_PATHS.search(scope["path"]):
            await PlainTextResponse("Not found", 404)(scope, receive, send)
        elif (name := _called(scope)) is not None and name not in self.endpoints:
            await JSONResponse({"detail": self._no_endpoint(name)}, 404)(scope, receive, send)
        elif _declared_length(scope) > self._max_bytes(scope):
            await PlainTextResponse(f"More than {self._max_bytes(scope)} bytes.", 413)(scope, receive, send)
        elif self._is_upload(scope) and _free_disk_bytes() < MIN_FREE_DISK_BYTES:
            await PlainTextResponse(DISK_FULL, 507)(scope, receive, send)
        else:
            await self._pass_on(scope, receive, _ResponseFilter(scope, send))

    async def _pass_on(self, scope: Scope, receive: Receive, response: "_ResponseFilter") -> None:
        if scope["path"].rstrip("/").endswith("/gradio_api/info"):
            # Gradio remembers the answer to a request without `page`, with the first caller's server address in it.
            scope = {**scope, "query_string": scope["query_string"] + b"&page="}
        if scope["method"] not in ("GET", "HEAD"):
            # GET and HEAD have no body. Starlette polls `receive` for disconnects there, under a cancelled scope, which
            # a timeout would disturb.
            receive = _bounded(receive, self._max_bytes(scope))
        try:
            await self.app(scope, receive, response)
        except OSError as error:
            if response.started or not self._is_upload(scope):
                raise
            print(f"lid: an upload failed: {error}", file=sys.stderr)
            await PlainTextResponse(DISK_FULL, 507)(scope, receive, response)

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
    """`send` that cleans the headers and remembers whether the response has started."""

    def __init__(self, scope: Scope, send: Send):
        self.is_file, self.send, self.started = FILE_PATH in scope["path"], send, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            if self.is_file:
                for name in set(headers.keys()) - FILE_HEADERS:
                    del headers[name]
                headers["content-security-policy"] = "sandbox"
            headers["x-content-type-options"] = "nosniff"
        await self.send(message)


def _called(scope: Scope) -> str | None:
    """The name of the endpoint that a call names in its path; None for other requests."""
    found = CALL_PATH.search(scope["path"]) if scope["method"] == "POST" else None
    return found["name"] if found else None


def _declared_length(scope: Scope) -> int:
    """Bytes of body by the request's own Content-Length; 0 where it has none."""
    declared = Headers(scope=scope).get("content-length", "")
    return int(declared) if declared.isdecimal() else 0


def _bounded(receive: Receive, max_bytes: int) -> Receive:
    """`receive` that raises HTTPException for more than `max_bytes` of body, and for a piece of it that comes too late.

    After the body is complete there is no time limit: the app then waits in `receive` to learn that the caller has
    left.
    """
    received, complete = 0, False

    async def receive_bounded() -> Message:
        nonlocal received, complete
        if complete:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), IDLE_SECONDS)
        except asyncio.TimeoutError:
            raise HTTPException(408, f"Nothing came for {IDLE_SECONDS:.0f} seconds.") from None
        received += len(message.get("body", b""))
        complete = not message.get("more_body", False)
        if received > max_bytes:
            raise HTTPException(413, f"More than {max_bytes} bytes.")
        return message

    return receive_bounded


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
