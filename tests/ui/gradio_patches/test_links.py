"""A file in a call is an upload; addresses are not fetched."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest
from gradio import processing_utils

from lid.ui.gradio_patches import links


def finish(coroutine):
    """The result of a coroutine, from a thread of its own: browser tests leave a loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def moved(component, path: str) -> str:
    return finish(component.async_move_resource_to_block_cache(path))


@pytest.fixture
def component(tmp_path, monkeypatch) -> gr.File:
    """A file component whose own mover only says what it was given."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    (tmp_path / "uploads").mkdir()
    file = gr.File()

    async def move(path):
        return path

    file.async_move_resource_to_block_cache = move
    return links.uploads_only(file)


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


def test_gradio_asks_the_component_for_every_file_of_a_call(component):
    file = {"path": "https://example.com/clip.wav", "meta": {"_type": "gradio.FileData"}}
    for value in (file, [file], {**file, "url": "https://example.com/clip.wav"}):
        with pytest.raises(gr.Error, match="Links are not opened"):
            finish(processing_utils.async_move_files_to_cache(value, component, check_in_upload_folder=True))
