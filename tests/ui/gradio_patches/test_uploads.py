"""Old uploads go, and only uploads are taken."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest

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


def test_a_folder_that_is_not_there_is_no_trouble(tmp_path):
    uploads.sweep(tmp_path / "nowhere", keep_seconds=50)


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "file" / "uploads"))
    with pytest.raises(InputError, match="Set GRADIO_TEMP_DIR"):
        uploads.keep_clean()


def moved(component, path: str) -> str:
    # In a thread of its own: a browser test may have left its event loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, component.async_move_resource_to_block_cache(path)).result()


@pytest.fixture
def component(tmp_path, monkeypatch) -> gr.File:
    """A file component whose own mover only says what it was given."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    (tmp_path / "uploads").mkdir()
    file = gr.File()

    async def move(path):
        return path

    file.async_move_resource_to_block_cache = move
    return uploads.no_links(file)


def test_the_address_of_an_upload_is_that_upload(component, tmp_path):
    upload = tmp_path / "uploads" / "two words.wav"
    upload.write_bytes(b"sound")
    address = f"http://anything/gradio_api/file={str(upload).replace(' ', '%20')}"
    assert moved(component, address) == str(upload)
    assert moved(component, str(upload)) == str(upload)


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/clip.wav",
        "http://127.0.0.1/gradio_api/file=/etc/passwd",
        "http://127.0.0.1/gradio_api/file={uploads}/../secret.wav",
        "http://127.0.0.1/gradio_api/file={uploads}/missing.wav",
        "http://127.0.0.1/gradio_api/file={uploads}",
    ],
)
def test_other_addresses_are_not_opened(component, tmp_path, address):
    (tmp_path / "secret.wav").write_bytes(b"secret")
    with pytest.raises(gr.Error, match="Links are not opened"):
        moved(component, address.format(uploads=tmp_path / "uploads"))
