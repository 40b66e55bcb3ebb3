"""Old uploads are deleted, whoever wrote them.

What Gradio does (checked in 6.31): `gr.Blocks(delete_cache=(frequency, age))` deletes the files that this process
remembers, once they are `age` old. It does not know the uploads that an earlier, killed process has left, the files
that its MCP server writes for `data:` addresses, or the empty folders; and when the server stops, it deletes all files
at once, also those of visitors who are connected to a second process in the same folder. So `delete_cache` is not used.

This sweep looks at the folder itself. It leans on one thing: that uploads go to `gradio.utils.get_upload_folder()`.

At an upgrade, check: that uploads and MCP files still go there, and whether `delete_cache` has learnt the above.
"""

import contextlib
import os
import tempfile
import threading
import time
from pathlib import Path

from gradio.utils import get_upload_folder

from lid.errors import InputError
from lid.ui.settings import KEEP_SECONDS, SWEEP_SECONDS


def delete_old() -> None:
    """Delete old uploads now and every SWEEP_SECONDS, in a thread.

    Raises InputError when nothing can be written to the folder of uploads.
    """
    folder = Path(get_upload_folder())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
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
    """Delete every file under `folder`, and every empty folder, that was last changed over `keep_seconds` ago."""
    oldest = time.time() - keep_seconds
    for parent, folders, files in os.walk(folder, topdown=False):
        for path in (Path(parent, name) for name in (*files, *folders)):
            with contextlib.suppress(OSError):  # already deleted, or a folder that is not empty; the others go on
                if path.lstat().st_mtime < oldest:
                    path.rmdir() if path.is_dir() else path.unlink()
