"""The parser of uploads: it takes files only, writes them in large pieces, leaves nothing of a broken upload, and gives
each a folder that nobody can guess.

What Gradio does (checked in 6.31): `/upload` parses with `gradio.route_utils.GradioMultiPartParser`, a copy of
Starlette's. It keeps form fields in memory without a limit; it writes each piece between two line ends by itself, with
one switch of threads for each, so a file full of line ends costs minutes; and it leaves the temporary files of an
upload that breaks off.

The class is replaced in its module, because Gradio has no setting for it. The subclass uses these private attributes:
`_current_part`, `_file_parts_to_write` (a list of (part, bytes)) and `_files_to_close_on_error`; and a file's `sha`, by
which its folder is named.

At an upgrade, check: that `upload_fn` still takes the class from its module, and that the attributes still mean the
same.
"""

import contextlib
import secrets
from pathlib import Path
from typing import cast

from gradio import route_utils
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultipartPart


def install() -> None:
    """Have Gradio parse uploads with FilesOnlyParser, in this process."""
    route_utils.GradioMultiPartParser = FilesOnlyParser  # type: ignore[misc]


class FilesOnlyParser(route_utils.GradioMultiPartParser):
    """Gradio's parser without form fields, without small writes, and without leftovers."""

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if self._current_part.file is None:
            raise MultiPartException("Only files are taken.")
        self._current_part.file.sha.update(secrets.token_bytes(16))  # type: ignore[attr-defined]  # a GradioUploadFile

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Join the pieces of one part that arrive together, so that they are written at once."""
        super().on_part_data(data, start, end)
        pieces = cast(list[tuple[MultipartPart, bytearray]], self._file_parts_to_write)  # Gradio only writes them
        *_, (part, piece) = pieces
        if len(pieces) > 1 and pieces[-2][0] is part:
            pieces.pop()
            pieces[-1][1].extend(piece)
        else:
            pieces[-1] = (part, bytearray(piece))

    async def parse(self) -> FormData:
        _parsing.add(self)
        try:
            return await super().parse()
        except BaseException:  # the caller has left, or the disk is full
            self.delete_files()
            raise
        finally:
            _parsing.discard(self)

    def delete_files(self) -> None:
        for file in self._files_to_close_on_error:
            with contextlib.suppress(OSError, ValueError):  # closing writes what is left
                file.close()
            Path(file.name).unlink(missing_ok=True)


_parsing: set[FilesOnlyParser] = set()


def delete_unfinished() -> None:
    """The files of the uploads under way: the process ends."""
    for parser in list(_parsing):
        parser.delete_files()
