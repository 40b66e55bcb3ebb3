"""A checkpoint's SHA-256 sums: written when it is saved and compared when it is loaded, so that a damaged or exchanged
file is named and gives no answers.

    python -m lid.model.checksums FOLDER    # after a file was changed on purpose

It covers what decides the answers. The card and the records beside it are for people to edit. Line ends of JSON do not
count: Git changes them on some machines.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from lid.errors import InputError

FILE_NAME = "manifest.json"
WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "config.json", "preprocessor_config.json", "calibration.json")
GRAPHS = ("onnx/*.onnx",)
COVERED = WEIGHTS + GRAPHS
BLOCK_BYTES = 1024**2


def write(folder: str | os.PathLike) -> None:
    """Write the sums of what lies in a checkpoint folder now, in one move."""
    partial = Path(folder) / f"{FILE_NAME}.partial"
    sums = {name: _sha256(path) for name, path in _covered(folder).items()}
    partial.write_text(json.dumps({"sha256": sums}, indent=2) + "\n", encoding="utf-8")
    partial.replace(Path(folder) / FILE_NAME)


def verify(folder: str | os.PathLike, files: Sequence[str] = COVERED) -> None:
    """Compare; a folder without sums, such as somebody else's checkpoint, passes. `files`: names, or patterns such as
    WEIGHTS, of those alone that are going to be read.

    Raises InputError with a sentence that names the file which differs, is missing, or was added.
    """
    file = Path(folder) / FILE_NAME
    if not file.is_file():
        return
    try:
        told = dict(json.loads(file.read_text(encoding="utf-8"))["sha256"])
        sums = {name: told[name] for name in told if _is_one_of(name, files)}
        found = {name: _sha256(path) for name, path in _covered(folder).items() if _is_one_of(name, files)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _refused(folder, f"{FILE_NAME} or a file it covers cannot be read ({error})") from error
    for name in sorted(sums.keys() | found.keys()):
        if sums.get(name) != found.get(name):
            what = "is missing" if name not in found else "was added" if name not in sums else "differs"
            raise _refused(folder, f"{name} {what}")


def _covered(folder: str | os.PathLike) -> dict[str, Path]:
    """Files by their names in the folder, parts divided by "/"."""
    found = sorted({path for pattern in COVERED for path in Path(folder).glob(pattern) if path.is_file()})
    return {path.relative_to(folder).as_posix(): path for path in found}


def _is_one_of(name: str, files: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in files)


def _sha256(path: Path) -> str:
    if path.suffix == ".json":
        return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _refused(folder: str | os.PathLike, what: str) -> InputError:
    return InputError(
        f"{folder} is not the checkpoint that was saved: {what}. Copy it again, or, if the change was meant, run "
        f"python -m lid.model.checksums {folder}.",
        "model",
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lid.model.checksums", description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="a checkpoint, such as assets/model")
    folder = parser.parse_args(arguments).folder
    if not _covered(folder):
        print(f"manifest: {folder} holds no checkpoint.", file=sys.stderr)
        return 1
    write(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
