"""What the server lets in. Gradio opens more than this page has a use for, and bounds too little of what it reads.

Checked in 6.31: for whoever asks, it fetches any public address (`file=https://...`) and hands it out as this server's
own, under the type of the other side's choosing; runs FFmpeg on videos and leaves them where nothing deletes them;
keeps form fields and JSON in memory however long they are; waits for a body without end; takes a thousand files in one
request; answers a request for part of a file with the request's own headers; and tells everybody the address that the
first caller said this server has. benchmarks/security.py tries all of it on the running app.
"""

import asyncio
import contextlib
import re
import shutil
import sys
from pathlib import Path

from gradio import route_utils
from gradio.utils import get_upload_folder
from starlette.datastructures import FormData, Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lid.audio import Limits

CALL_BYTES = 1024**2  # of a call's JSON: files are uploaded and only named in it
TOOL_BYTES = 16 * 1024**2  # of an agent's call, which may bring its file along as a data: address
UPLOADS = 4  # times the largest file: what one upload of several files may have
ROOM_BYTES = 128 * 1024**2  # kept free on the disk
IDLE_SECONDS = 30.0  # without a byte of a body that is still to come
CONNECTIONS = 65_536  # that may be open at once, where the system allows it: silent ones must not keep others out
NO_ROOM = "There is no room for recordings on this server just now. Try again in half an hour."

_SHUT = re.compile(
    r"/gradio_api/(?:file=https?:|file/|proxy=|process_recording|component_server|deep_link|custom_component)", re.I
)
_FILE = "/gradio_api/file="
_FILE_HEADERS = {
    "accept-ranges",
    "content-disposition",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
}


def guards(limits: Limits) -> dict:
    """For `launch(app_kwargs=...)`."""
    route_utils.GradioMultiPartParser = FilesOnly
    _allow_connections()
    return {"middleware": [Middleware(Doors, limits=limits)]}


class FilesOnly(route_utils.GradioMultiPartParser):
    """Takes no form field but files, for which alone Gradio minds the size, and writes what arrives together at once:
    Gradio writes, and waits for, each piece between two line ends."""

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if self._current_part.file is None:
            raise MultiPartException("Only files are taken.")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        super().on_part_data(data, start, end)
        *_, (part, piece) = self._file_parts_to_write
        if len(self._file_parts_to_write) > 1 and self._file_parts_to_write[-2][0] is part:
            self._file_parts_to_write.pop()
            self._file_parts_to_write[-1][1].extend(piece)
        else:
            self._file_parts_to_write[-1] = (part, bytearray(piece))

    async def parse(self) -> FormData:
        try:
            return await super().parse()
        except BaseException:  # the caller has gone, or the disk is full: what came so far would lie about
            for file in self._files_to_close_on_error:
                with contextlib.suppress(OSError):  # closing writes what is left
                    file.close()
                Path(file.name).unlink(missing_ok=True)
            raise


class Doors:
    """ASGI middleware: 404 for what is shut, 413 for what is too long, 408 for what does not come, 507 when the disk is
    full, and headers that keep browsers from running uploads as pages."""

    def __init__(self, app: ASGIApp, limits: Limits):
        self.app = app
        self.upload_bytes = UPLOADS * limits.max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif _SHUT.search(scope["path"]):
            await PlainTextResponse("Not found", 404)(scope, receive, send)
        elif _claimed(scope) > self._most(scope):
            await PlainTextResponse(f"More than {self._most(scope)} bytes.", 413)(scope, receive, send)
        elif self._is_upload(scope) and _free() < ROOM_BYTES:
            await PlainTextResponse(NO_ROOM, 507)(scope, receive, send)
        else:
            await self._pass(scope, receive, _Answer(scope, send))

    async def _pass(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        if scope["path"].rstrip("/").endswith("/gradio_api/info"):  # by page it is not kept from caller to caller
            scope = {**scope, "query_string": scope["query_string"] + b"&page="}
        if scope["method"] not in ("GET", "HEAD"):
            # Of those nobody reads a body, but many ask, without any patience, whether the caller is still there.
            receive = _bounded(receive, self._most(scope))
        try:
            await self.app(scope, receive, answer)
        except OSError as error:
            if answer.begun or not self._is_upload(scope):
                raise
            print(f"lid: an upload failed: {error}", file=sys.stderr)
            await PlainTextResponse(NO_ROOM, 507)(scope, receive, answer)

    def _is_upload(self, scope: Scope) -> bool:
        return scope["path"].endswith("/gradio_api/upload")

    def _most(self, scope: Scope) -> int:
        """Bytes that a request's body may have."""
        if self._is_upload(scope):
            return self.upload_bytes
        return TOOL_BYTES if "/gradio_api/mcp" in scope["path"] else CALL_BYTES


class _Answer:
    """`send` that minds the headers and remembers whether the answer has begun."""

    def __init__(self, scope: Scope, send: Send):
        self.of_file, self.send, self.begun = _FILE in scope["path"], send, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            if self.of_file:
                for name in set(headers.keys()) - _FILE_HEADERS:
                    del headers[name]
                headers["content-security-policy"] = "sandbox"
            headers["x-content-type-options"] = "nosniff"
        await self.send(message)


def _claimed(scope: Scope) -> int:
    """Bytes of body that the request says it has; it need not say so."""
    said = Headers(scope=scope).get("content-length", "")
    return int(said) if said.isdecimal() else 0


def _bounded(receive: Receive, most: int) -> Receive:
    """`receive` of no more than `most` bytes of body, none of them late. Once the body is whole it may wait: it is then
    how an app learns that the caller has gone."""
    seen, whole = 0, False

    async def count() -> Message:
        nonlocal seen, whole
        if whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), IDLE_SECONDS)
        except asyncio.TimeoutError:
            raise HTTPException(408, f"Nothing came for {IDLE_SECONDS:.0f} seconds.") from None
        seen += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if seen > most:
            raise HTTPException(413, f"More than {most} bytes.")
        return message

    return count


def _free() -> int:
    """Bytes free where uploads go."""
    folder = Path(get_upload_folder())
    return shutil.disk_usage(folder if folder.exists() else folder.parent).free


def _allow_connections() -> None:
    try:
        import resource
    except ImportError:  # Windows counts them otherwise
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, CONNECTIONS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
