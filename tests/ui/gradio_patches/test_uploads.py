"""Old uploads are deleted, whoever wrote them."""

import os
import time
from pathlib import Path

import gradio as gr
import pytest
from gradio.routes import App
from gradio.utils import get_upload_folder
from starlette.testclient import TestClient

from lid import InputError
from lid.ui.gradio_patches import uploads


def test_old_files_go_and_new_ones_stay(tmp_path):
    old, new = tmp_path / "a" / "old.wav", tmp_path / "b" / "new.wav"
    for path in (old, new):
        path.parent.mkdir()
        path.write_bytes(b"sound")
    os.utime(old, (time.time() - 100, time.time() - 100))
    uploads.sweep(tmp_path, keep_seconds=50)
    assert not old.exists()
    assert new.exists()


def test_folders_left_empty_go_in_their_turn(tmp_path):
    empty, fresh, full = (tmp_path / name for name in ("empty", "fresh", "full"))
    for folder in (empty, fresh, full):
        folder.mkdir()
    (full / "new.wav").write_bytes(b"sound")
    for folder in (empty, full):
        os.utime(folder, (time.time() - 100, time.time() - 100))
    uploads.sweep(tmp_path, keep_seconds=50)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["fresh", "full"]


def test_a_missing_folder_is_no_error(tmp_path):
    uploads.sweep(tmp_path / "nowhere", keep_seconds=50)


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "file" / "uploads"))
    with pytest.raises(InputError, match="Set GRADIO_TEMP_DIR"):
        uploads.delete_old()


def test_gradio_puts_uploads_and_an_agents_files_in_the_folder_that_is_swept(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert get_upload_folder() == str(tmp_path)
    with gr.Blocks(analytics_enabled=False) as page:
        gr.File()
    page.max_file_size = 10**6  # as `launch` sets it
    client = TestClient(App.create_app(page))
    path = Path(client.post("/gradio_api/upload", files={"files": ("a.wav", b"sound")}).json()[0])
    assert path.is_relative_to(tmp_path)
    uploads.sweep(tmp_path, keep_seconds=-1)
    assert not path.exists()
