"""A file in a call is an upload; an address in its place is not fetched.

What Gradio does (checked in 6.31): it accepts an `http(s)` address in place of a file and downloads it to the server,
in `Block.async_move_resource_to_block_cache`. So a caller could use the server to reach other addresses, and the
download has no limit of ours.

The method is replaced on each component that takes files. One kind of address is accepted: the one this app itself
gives to an upload (`.../gradio_api/file=PATH`), because that is what an agent passes on. It is turned into the path
without a connection, and the path must lie in the folder of uploads.

`gr.File` also leaves an empty temporary file for each file that a call names. Its `_process_single_file` is replaced by
what is left of it: the path.

At an upgrade, check: that `processing_utils.async_move_files_to_cache` still calls this method on the component for
every path and address, and whether `File._process_single_file` still makes files.
"""

import re
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import gradio as gr
from gradio.utils import NamedString, get_upload_folder
from gradio_client.utils import is_http_url_like

from lid.ui.texts import ENGLISH

AnyComponent = TypeVar("AnyComponent", bound=gr.components.Component)
_FILE_ADDRESS = re.compile(r"^https?://[^/]+/(?:.*/)?gradio_api/file=(?P<path>[^?#]+)$")


def uploads_only(component: AnyComponent) -> AnyComponent:
    """Have a component take uploads only. Returns the component."""
    move = component.async_move_resource_to_block_cache

    async def refuse_or_move(path):
        if path is not None and is_http_url_like(str(path)):
            path = _path_of_upload(str(path))
        return await move(path)

    component.async_move_resource_to_block_cache = refuse_or_move  # type: ignore[method-assign]
    if isinstance(component, gr.File):
        component._process_single_file = lambda f: NamedString(f.path)  # type: ignore[method-assign]
    return component


def _path_of_upload(address: str) -> str:
    """Where the upload with this address lies. Raises gr.Error for any other address."""
    found = _FILE_ADDRESS.match(address)
    folder = Path(get_upload_folder()).resolve()
    path = Path(unquote(found["path"])).resolve() if found else None
    if path is None or not path.is_relative_to(folder) or not path.is_file():
        raise gr.Error(ENGLISH.no_links, print_exception=False)
    return str(path)
