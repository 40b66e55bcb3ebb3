"""What the server lets in: checked on an app of a few lines; benchmarks/security.py tries it on the real one."""

import asyncio
import errno
from concurrent.futures import ThreadPoolExecutor

import pytest
from gradio import route_utils
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from lid.audio import Limits
from lid.ui.gradio_patches import guard


async def echo(request: Request) -> Response:
    """Tells the query and the length of the body; a file's answer carries the request's headers, as Gradio's does."""
    body = await request.body()
    headers = dict(request.headers) if "file=" in request.url.path else {}
    return PlainTextResponse(f"{request.url.query} {len(body)}", headers=headers)


async def full(request: Request) -> Response:
    raise OSError(errno.ENOSPC, "No space left on device")


async def save(request: Request) -> Response:
    """As Gradio's upload: the names of what was sent, and its bytes."""
    parser = route_utils.GradioMultiPartParser(
        request.headers, request.stream(), max_file_size=10**6, upload_dir=request.app.state.folder
    )
    form = await parser.parse()
    return Response(b"|".join([await file.read() for file in form.getlist("files")]))


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(route_utils, "GradioMultiPartParser", guard.FilesOnly)
    app = Starlette(middleware=guard.guards(Limits(max_bytes=1000))["middleware"])
    app.state.folder = tmp_path
    app.add_route("/gradio_api/save", save, methods=["POST"])
    app.add_route("/full/gradio_api/upload", full, methods=["POST"])
    app.add_route("/{path:path}", echo, methods=["GET", "POST"])
    return TestClient(app)


def finish(coroutine):
    """The result of a coroutine, from a thread of its own: browser tests leave a loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=https://example.com/a.html",
        "/gradio_api/file=HTTP://example.com",
        "/gradio_api/file%3Dhttps%3A//example.com",
        "/behind/a/proxy/gradio_api/file=http://example.com",
        "/gradio_api/file/tmp/a.wav",
        "/gradio_api/proxy=https://example.com",
        "/gradio_api/process_recording",
        "/gradio_api/component_server",
        "/gradio_api/deep_link",
        "/gradio_api/custom_component/a/client/b/c",
    ],
)
def test_what_the_page_has_no_use_for_is_not_there(client, path):
    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 404


def test_a_call_may_be_so_long_and_an_upload_longer(client):
    assert client.post("/gradio_api/call/identify", content=bytes(guard.CALL_BYTES)).status_code == 200
    assert client.post("/gradio_api/call/identify", content=bytes(guard.CALL_BYTES + 1)).status_code == 413
    assert client.post("/gradio_api/mcp/", content=bytes(guard.CALL_BYTES + 1)).status_code == 200
    assert client.post("/gradio_api/mcp/", content=bytes(guard.TOOL_BYTES + 1)).status_code == 413
    assert client.post("/gradio_api/upload", content=bytes(4 * 1000)).status_code == 200
    assert client.post("/gradio_api/upload", content=bytes(4 * 1000 + 1)).status_code == 413
    unsaid = (bytes(1000) for _ in range(5))
    assert client.post("/gradio_api/upload", content=unsaid).status_code == 413


def test_a_file_keeps_none_of_the_requests_headers_and_runs_nothing(client):
    answer = client.get(
        "/gradio_api/file=/tmp/a.wav", headers={"x-mine": "1", "set-cookie": "a=b", "range": "bytes=0-1"}
    )
    assert answer.headers.keys() <= {*guard._FILE_HEADERS, "content-security-policy", "x-content-type-options"}
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/").headers["x-content-type-options"] == "nosniff"


def test_what_the_api_is_is_always_asked_for_by_page(client):
    assert client.get("/gradio_api/info?page=none").text.startswith("page=none&page= ")
    assert client.get("/other?page=none").text.startswith("page=none ")


def test_a_full_disk_is_a_sentence(client, monkeypatch):
    answer = client.post("/full/gradio_api/upload", content=b"x")
    assert (answer.status_code, answer.text) == (507, guard.NO_ROOM)
    monkeypatch.setattr(guard, "_free", lambda: guard.ROOM_BYTES - 1)
    assert client.post("/gradio_api/upload", content=b"x").status_code == 507
    assert client.post("/gradio_api/call/identify", content=b"x").status_code == 200


def test_files_arrive_whole_and_fields_are_refused(client, tmp_path):
    odd = b"\r\r\n--\r\n" * 3000
    answer = client.post("/gradio_api/save", files=[("files", ("a.wav", odd)), ("files", ("b.wav", b"second"))])
    assert answer.content == odd + b"|second"
    kept = len(list(tmp_path.iterdir()))
    with pytest.raises(route_utils.MultiPartException, match="Only files"):
        client.post("/gradio_api/save", data={"field": "x"}, files={"files": b"x"})
    assert len(list(tmp_path.iterdir())) == kept


def test_what_came_of_an_upload_that_broke_off_is_deleted(tmp_path):
    async def breaking():
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' + bytes(1000)
        raise OSError("gone")

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    parser = guard.FilesOnly(headers, breaking(), upload_dir=tmp_path, max_file_size=10**6)
    with pytest.raises(OSError, match="gone"):
        finish(parser.parse())
    assert not list(tmp_path.iterdir())


def test_whether_a_caller_is_still_there_can_be_asked_without_patience():
    """As Starlette asks: under a scope that is cancelled before it waits."""
    gone = []

    async def app(scope, receive, send):
        request = Request(scope, receive)
        gone.extend([await request.is_disconnected(), await request.is_disconnected()])

    messages = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]

    async def receive():
        return messages.pop(0)

    scope = {"type": "http", "method": "GET", "path": "/gradio_api/queue/data", "query_string": b"", "headers": []}
    finish(guard.Doors(app, Limits())(scope, receive, None))
    assert gone == [False, True]


def test_a_body_that_does_not_come_is_given_up_but_a_caller_may_wait(monkeypatch):
    monkeypatch.setattr(guard, "IDLE_SECONDS", 0.05)

    async def run(messages: list[dict]) -> list:
        async def receive():
            if not messages:
                await asyncio.sleep(0.2)
                return {"type": "http.disconnect"}
            return messages.pop(0)

        bounded = guard._bounded(receive, 100)
        return [await bounded(), await bounded()]

    part, whole = ({"type": "http.request", "body": b"x", "more_body": more} for more in (True, False))
    with pytest.raises(guard.HTTPException) as late:
        finish(run([part]))
    assert late.value.status_code == 408
    assert finish(run([whole]))[1] == {"type": "http.disconnect"}
