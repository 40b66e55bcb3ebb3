"""Old uploads are deleted, whoever wrote them.

What Gradio does (checked in 6.31): `gr.Blocks(delete_cache=(frequency, age))` deletes the files that this process
remembers, once they are `age` old. It does not know the uploads that an earlier, killed process has left, the files
that its MCP server writes for `data:` addresses, or the empty folders; and when the server stops, it deletes all files
at once, also those of visitors who are connected to a second process in the same folder. So `delete_cache` is not used.

This sweep looks at the folder itself. It leans on two things: that uploads go to `gradio.utils.get_upload_folder()`,
and how Gradio names what it puts there. Nothing of another name is touched: the folder may have been chosen
carelessly, and hold other things.

At an upgrade, check: that uploads and MCP files still go there, under the names of `_GRADIOS`, and whether
`delete_cache` has learnt the above.
"""

import contextlib
import errno
import os
import re
import stat
import tempfile
import threading
import time
from pathlib import Path

from gradio.utils import get_upload_folder

from lid.errors import InputError
from lid.ui.settings import KEEP_SECONDS, SWEEP_SECONDS

_GRADIOS = re.compile(r"[0-9a-f]{64}|tmp[a-z0-9_]{8}")  # a file's folder, or a file while it is sent


def delete_old() -> None:
    """Delete old uploads now and every SWEEP_SECONDS, in a thread.

    Raises InputError when nothing can be written to the folder of uploads, and when it is a link or somebody else's.
    """
    folder = Path(get_upload_folder())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_own(folder):
            raise PermissionError(errno.EPERM, "it is a link, or somebody else's")
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


def _is_own(folder: Path) -> bool:
    """Whether it is a folder, no link, and this user's."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == getattr(os, "getuid", lambda: found.st_uid)()


def sweep(folder: Path, keep_seconds: float) -> None:
    """Delete all that Gradio has put under `folder` and that was last changed over `keep_seconds` ago, and what is then
    empty."""
    oldest = time.time() - keep_seconds
    for parent, folders, files in os.walk(folder, topdown=False):
        for path in (Path(parent, name) for name in (*files, *folders)):
            if not _GRADIOS.fullmatch(path.relative_to(folder).parts[0]):
                continue
            with contextlib.suppress(OSError):  # already deleted, or a folder that is not empty; the others go on
                if path.lstat().st_mtime < oldest:
                    path.unlink() if path.is_symlink() or not path.is_dir() else path.rmdir()
