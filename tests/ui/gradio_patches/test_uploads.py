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

A, B, C = ("a" * 64, "b" * 64, "c" * 64)  # as Gradio names the folder of an upload


def test_old_files_go_and_new_ones_stay(tmp_path):
    old, new = tmp_path / A / "old.wav", tmp_path / B / "new.wav"
    for path in (old, new):
        path.parent.mkdir()
        path.write_bytes(b"sound")
    os.utime(old, (time.time() - 100, time.time() - 100))
    uploads.sweep(tmp_path, keep_seconds=50)
    assert not old.exists()
    assert new.exists()


def test_folders_left_empty_go_in_their_turn(tmp_path):
    empty, fresh, full = (tmp_path / name for name in (A, B, C))
    for folder in (empty, fresh, full):
        folder.mkdir()
    (full / "new.wav").write_bytes(b"sound")
    for folder in (empty, full):
        os.utime(folder, (time.time() - 100, time.time() - 100))
    uploads.sweep(tmp_path, keep_seconds=50)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == [B, C]


def test_nothing_goes_that_is_not_gradios(tmp_path):
    """Whatever else is in a folder that was chosen carelessly, or behind a link in it."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "uploads" / "letters").mkdir(parents=True)
    kept = [tmp_path / "uploads" / "thesis.txt", tmp_path / "uploads" / "letters" / "a.txt", tmp_path / "theirs" / A]
    for path in kept:
        path.write_bytes(b"text")
    (tmp_path / "uploads" / B).symlink_to(tmp_path / "theirs")
    uploads.sweep(tmp_path / "uploads", keep_seconds=-1)
    assert all(path.exists() for path in kept)
    assert sorted(path.name for path in (tmp_path / "uploads").iterdir()) == ["letters", "thesis.txt"]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners here")
@pytest.mark.parametrize("laid", ["a link", "another user's"])
def test_a_folder_that_somebody_else_has_laid_there_is_refused(tmp_path, monkeypatch, laid):
    folder = tmp_path / "uploads"
    if laid == "a link":
        (tmp_path / "theirs").mkdir(mode=0o755)
        folder.symlink_to(tmp_path / "theirs")
    else:
        folder.mkdir()
        monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    with pytest.raises(InputError, match=r"somebody else's.*Set GRADIO_TEMP_DIR"):
        uploads.delete_old()
    if laid == "a link":
        assert (tmp_path / "theirs").stat().st_mode & 0o777 == 0o755


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
