"""The parser of uploads, in Gradio's own route for them."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr
import pytest
from gradio import route_utils
from gradio.routes import App
from starlette.testclient import TestClient

from lid.ui.gradio_patches import multipart


@pytest.fixture
def client(tmp_path, monkeypatch) -> TestClient:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(route_utils, "GradioMultiPartParser", route_utils.GradioMultiPartParser)  # put back afterwards
    multipart.install()
    with gr.Blocks(analytics_enabled=False) as page:
        gr.File()
    page.max_file_size = 10**6  # as `launch` sets it
    return TestClient(App.create_app(page))


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_files_arrive_whole(client):
    odd = b"\r\r\n--\r\n" * 3000
    answer = client.post("/gradio_api/upload", files=[("files", ("a.wav", odd)), ("files", ("b.wav", b"second"))])
    assert [Path(path).read_bytes() for path in answer.json()] == [odd, b"second"]


def test_the_same_file_gets_another_place_each_time(client):
    sent = [client.post("/gradio_api/upload", files={"files": ("a.wav", b"sound")}).json()[0] for _ in range(2)]
    assert sent[0] != sent[1]


def test_fields_are_refused_and_nothing_is_left_of_their_upload(client, tmp_path):
    answer = client.post("/gradio_api/upload", data={"field": "x"}, files={"files": b"x"})
    assert answer.status_code == 400
    assert "Only files are taken." in answer.text
    assert not files_in(tmp_path)


def test_what_arrives_together_is_written_at_once(client, monkeypatch):
    writes = []
    write = route_utils.GradioUploadFile.write

    async def counted(self, data):
        writes.append(len(data))
        await write(self, data)

    monkeypatch.setattr(route_utils.GradioUploadFile, "write", counted)
    client.post("/gradio_api/upload", files={"files": ("a.wav", b"\r\n" * 1000)})
    assert sum(writes) == 2000
    assert len(writes) < 10


def test_nothing_is_left_of_an_upload_that_broke_off(tmp_path):
    async def breaking():
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' + bytes(1000)
        raise OSError("gone")

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    parser = multipart.FilesOnlyParser(headers, breaking(), upload_dir=tmp_path, max_file_size=10**6)
    with ThreadPoolExecutor(1) as thread, pytest.raises(OSError, match="gone"):
        thread.submit(asyncio.run, parser.parse()).result()
    assert not files_in(tmp_path)
