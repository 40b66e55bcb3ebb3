"""The request guard, in front of an app of a few lines; benchmarks/security.py attacks the real one."""

import asyncio
import errno
import json
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest
from gradio.routes import App
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.testclient import TestClient

from lid.audio import Limits
from lid.ui.gradio_patches import request_guard
from lid.ui.texts import ENGLISH


async def echo(request: Request) -> Response:
    """Tells the query and the length of the body; a file's answer carries the request's headers, as Gradio's does."""
    body = await request.body()
    headers = dict(request.headers) if "file=" in request.url.path else {}
    return PlainTextResponse(f"{request.url.query} {len(body)}", headers=headers)


async def full(request: Request) -> Response:
    raise OSError(errno.ENOSPC, "No space left on device")


async def broken(request: Request) -> Response:
    raise KeyError("a detail of the server")


async def breaks_off(request: Request) -> Response:
    async def stream():
        yield "data: 1"
        raise KeyError("a detail of the server")

    return StreamingResponse(stream())


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    app = Starlette(middleware=request_guard.middleware(Limits(max_bytes=1000), ("identify",)))
    app.add_route("/full/gradio_api/upload", full, methods=["POST"])
    app.add_route("/broken", broken, methods=["POST"])
    app.add_route("/breaks-off", breaks_off, methods=["GET"])
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
    assert client.post("/gradio_api/call/identify", content=bytes(request_guard.CALL_BYTES)).status_code == 200
    assert client.post("/gradio_api/call/identify", content=bytes(request_guard.CALL_BYTES + 1)).status_code == 413
    assert client.post("/gradio_api/mcp/", content=bytes(request_guard.CALL_BYTES + 1)).status_code == 200
    assert client.post("/gradio_api/mcp/", content=bytes(request_guard.TOOL_BYTES + 1)).status_code == 413
    assert client.post("/gradio_api/upload", content=bytes(4 * 1000)).status_code == 200
    assert client.post("/gradio_api/upload", content=bytes(4 * 1000 + 1)).status_code == 413
    unsaid = (bytes(1000) for _ in range(5))
    assert client.post("/gradio_api/upload", content=unsaid).status_code == 413


def test_a_connection_ends_with_a_body_that_was_not_read(client):
    long = bytes(request_guard.CALL_BYTES + 1)
    assert client.post("/gradio_api/call/identify", content=long).headers["connection"] == "close"
    assert "connection" not in client.post("/gradio_api/call/identify", content=b"short").headers


def test_a_file_keeps_none_of_the_requests_headers_and_runs_nothing(client):
    answer = client.get(
        "/gradio_api/file=/tmp/a.wav", headers={"x-mine": "1", "set-cookie": "a=b", "range": "bytes=0-1"}
    )
    assert answer.headers.keys() <= {*request_guard.FILE_HEADERS, "content-security-policy", "x-content-type-options"}
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/").headers["x-content-type-options"] == "nosniff"


def test_the_description_of_the_api_is_always_asked_for_by_page(client):
    assert client.get("/gradio_api/info?page=none").text.startswith("page=none&page= ")
    assert client.get("/other?page=none").text.startswith("page=none ")


def test_a_full_disk_is_a_sentence(client, monkeypatch):
    answer = client.post("/full/gradio_api/upload", content=b"x")
    assert (answer.status_code, answer.text) == (507, request_guard.DISK_FULL)
    monkeypatch.setattr(request_guard, "_free_disk_bytes", lambda: request_guard.MIN_FREE_DISK_BYTES - 1)
    assert client.post("/gradio_api/upload", content=b"x").status_code == 507
    assert client.post("/gradio_api/call/identify", content=b"x").status_code == 200


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
    finish(request_guard.RequestGuard(app, Limits(), ())(scope, receive, None))
    assert gone == [False, True]


def test_a_body_that_does_not_come_is_given_up_but_a_caller_may_wait(monkeypatch):
    monkeypatch.setattr(request_guard, "IDLE_SECONDS", 0.05)

    async def run(messages: list[dict]) -> list:
        async def receive():
            if not messages:
                await asyncio.sleep(0.2)
                return {"type": "http.disconnect"}
            return messages.pop(0)

        body = request_guard.Body(receive, 100, request_guard.Bodies())
        return [await body.receive(), await body.receive()]

    part, whole = ({"type": "http.request", "body": b"x", "more_body": more} for more in (True, False))
    with pytest.raises(request_guard.HTTPException) as late:
        finish(run([part]))
    assert late.value.status_code == 408
    assert finish(run([whole]))[1] == {"type": "http.disconnect"}


def test_an_answer_that_nobody_takes_is_given_up(monkeypatch):
    monkeypatch.setattr(request_guard, "UNREAD_SECONDS", 0.05)
    taken, closed = [], []

    async def app(scope, receive, send):
        try:
            await Response(b"sound")(scope, receive, send)
        finally:
            closed.append(True)

    async def send(message):
        taken.append(message["type"])
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    scope = {"type": "http", "method": "GET", "path": "/gradio_api/file=a.wav", "query_string": b"", "headers": []}
    finish(request_guard.RequestGuard(app, Limits(), ())(scope, None, send))
    assert taken == ["http.response.start", "http.response.body"]
    assert closed


def test_bodies_together_take_so_much_and_the_one_that_does_not_end_gives_way():
    """One holds most of the room and does not end; another, which does, gets it."""
    bodies = request_guard.Bodies(most=1000)

    async def run() -> tuple[list, int]:
        async def held():
            if not begun.is_set():
                begun.set()
                return {"type": "http.request", "body": bytes(900), "more_body": True}
            await asyncio.sleep(60)

        async def whole():
            return {"type": "http.request", "body": bytes(500), "more_body": False}

        begun = asyncio.Event()
        first, second = (request_guard.Body(receive, 10**6, bodies) for receive in (held, whole))
        await first.receive()
        waiting = asyncio.ensure_future(first.receive())
        await asyncio.sleep(0)
        await second.receive()
        (failure,) = await asyncio.gather(waiting, return_exceptions=True)
        with pytest.raises(request_guard.HTTPException):  # nobody is left to give way
            bodies.add(request_guard.Body(whole, 10**6, bodies), 600)
        second.done()
        return failure, bodies._bytes

    failure, left = finish(run())
    assert (failure.status_code, failure.detail) == (503, request_guard.BUSY)
    assert left == 600


def test_an_address_may_send_so_much_within_an_hour(client, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(request_guard.time, "monotonic", lambda: now[0])
    statuses = [client.post("/gradio_api/upload", content=bytes(4000)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]  # eight times the largest file
    now[0] = 1800.0
    assert client.post("/gradio_api/upload", content=bytes(4000)).status_code == 200


def test_what_fails_is_told_without_a_traceback(client, capsys):
    for _ in range(20):
        answer = client.post("/broken", content=b"x")
        assert (answer.status_code, answer.json()) == (500, {"detail": ENGLISH.broken_note})
        assert client.get("/breaks-off").text == "data: 1"
    assert len(capsys.readouterr().err) < 1000


@pytest.mark.parametrize(
    ("space", "told"), [("", "'self'"), ("a/b", "'self' https://huggingface.co https://*.hf.space")]
)
def test_who_may_show_the_page_in_a_frame_is_said(client, monkeypatch, space, told):
    monkeypatch.setenv("SPACE_ID", space)
    assert client.get("/").headers["content-security-policy"] == f"frame-ancestors {told}"


def test_a_call_of_an_unknown_endpoint_is_told_which_there_are(client):
    for path in ("/gradio_api/call/nosuch", "/gradio_api/call/v2/nosuch/", "/behind/a/proxy/gradio_api/call/_on_clear"):
        reply = client.post(path, json={"data": []})
        assert reply.status_code == 404
        assert "Call one of: /identify." in reply.json()["detail"]
    assert client.get("/gradio_api/call/identify/an-event").status_code == 200


def test_gradio_still_has_the_routes_that_are_blocked_or_named():
    with gr.Blocks(analytics_enabled=False) as page:
        gr.File()
    schema = json.dumps(App.create_app(page).openapi())
    names = ["file={path", "file/{path", "proxy={", "process_recording", "component_server", "deep_link"]
    names += ["custom_component/", "/upload", "/info", "/call/{api_name}", "/call/v2/{api_name}"]
    assert [name for name in names if name not in schema] == []
