"""What visitors send: which paths a caller may name, and that everything is deleted in time."""

import contextlib
import os
import re
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import unquote

import gradio as gr
from gradio.utils import get_upload_folder
from gradio_client.utils import is_http_url_like

from lid.errors import InputError
from lid.ui.settings import KEEP_SECONDS, SWEEP_SECONDS
from lid.ui.texts import ENGLISH

_OURS = re.compile(r"^https?://[^/]+/(?:.*/)?gradio_api/file=(?P<path>[^?#]+)$")


def no_links(component: gr.components.Component) -> gr.components.Component:
    """Take uploads only. Gradio would also fetch any address a caller sends in place of a file.

    The address this app gives to an upload of its own, which is what an agent hands on, is taken as that upload; no
    connection is made for it, and it must lie in the folder of uploads.
    """
    move = component.async_move_resource_to_block_cache

    async def refuse_or_move(path):
        if path is not None and is_http_url_like(str(path)):
            path = _own_upload(str(path))
        return await move(path)

    component.async_move_resource_to_block_cache = refuse_or_move
    return component


def _own_upload(address: str) -> str:
    found = _OURS.match(address)
    folder = Path(get_upload_folder()).resolve()
    path = Path(unquote(found["path"])).resolve() if found else None
    if path is None or not path.is_relative_to(folder) or not path.is_file():
        raise gr.Error(ENGLISH.no_links, print_exception=False)
    return str(path)


def keep_clean() -> None:
    """Delete old uploads now and every SWEEP_SECONDS, also those that a run cut short has left behind.

    Raises InputError when nothing can be written where they go.
    """
    folder = Path(get_upload_folder())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        sentence = f"Uploads cannot be kept in {folder} ({error.strerror}). Set GRADIO_TEMP_DIR to another folder."
        raise InputError(sentence, "folder") from error

    def run() -> None:
        while True:
            sweep(folder, KEEP_SECONDS)
            time.sleep(SWEEP_SECONDS)

    threading.Thread(target=run, name="uploads", daemon=True).start()


def sweep(folder: Path, keep_seconds: float) -> None:
    """Delete every file under `folder` that was written, and every empty folder that was left, more than `keep_seconds`
    ago."""
    oldest = time.time() - keep_seconds
    for parent, folders, files in os.walk(folder, topdown=False):
        for path in (Path(parent, name) for name in (*files, *folders)):
            with contextlib.suppress(OSError):  # it is gone by now, or not empty; the others still have to go
                if path.lstat().st_mtime < oldest:
                    path.rmdir() if path.is_dir() else path.unlink()
