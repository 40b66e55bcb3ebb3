"""The page without a server as a static Space: web/ with its runtime, and a checkpoint's graphs."""

import runpy
from pathlib import Path

from huggingface_hub import SpaceCard, SpaceCardData

from lid.errors import InputError
from lid.model import checksums, onnx

PAGE = Path("web")
BESIDE = ("LICENSE", "lid/ui/style.css", "lid/ui/favicon.svg", "lid/graphs")  # what the page takes from its repository
EXAMPLES, MODEL = "assets/examples", "assets/model"
START = f"{PAGE}/index.html"
KEPT = ("title", "emoji", "colorFrom", "colorTo", "license", "short_description", "tags")  # of the Gradio Space's card
# Without them, browsers give a page no threads: https://huggingface.co/docs/hub/spaces-config-reference.
HEADERS = {
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "cross-origin",
}
TEXT = """# {title}

This page listens in the browser: recordings never leave the device, and once loaded it works without a network. It runs
the graphs in [assets/model]({model}) with ONNX Runtime Web.
"""
ELSEWHERE = f'<!doctype html><meta http-equiv="refresh" content="0; url={PAGE}/"><a href="{PAGE}/">{PAGE}/</a>\n'


def space_files(checkpoint: Path, root: Path) -> dict[str, Path | bytes]:
    """The Space's files by their names there: the page under `root` with the graphs of a checkpoint folder. What the
    page runs on is fetched, unless it is there already.

    Raises InputError when there are no graphs, no page, or its runtime cannot be fetched.
    """
    if not (root / START).is_file():
        raise InputError(f"{root.resolve()} holds no page: {START} is missing.", "space")
    if not onnx.is_in(checkpoint):
        raise InputError(f"{checkpoint} has no graphs. Make them with `lid export {checkpoint}`.", "run")
    checksums.verify(checkpoint)
    _fetch_runtime(root)
    files: dict[str, Path | bytes] = {"README.md": _card(root).encode(), "index.html": ELSEWHERE.encode()}
    for folder in (PAGE, *map(Path, BESIDE), Path(EXAMPLES)):
        files |= {path.relative_to(root).as_posix(): path for path in _walk(root / folder)}
    files |= {f"{MODEL}/{onnx.FOLDER}/{name}": checkpoint / onnx.FOLDER / name for name in onnx.SERVED}
    files[f"{MODEL}/{checksums.FILE_NAME}"] = checkpoint / checksums.FILE_NAME
    return files


def _card(root: Path) -> str:
    """The Space's header, with the title and colours of the Gradio Space."""
    told = SpaceCard((root / "README.md").read_text(encoding="utf-8")).data.to_dict()
    header = {key: told[key] for key in KEPT if key in told}
    header |= {"sdk": "static", "app_file": START, "custom_headers": HEADERS}
    return f"---\n{SpaceCardData(**header).to_yaml()}\n---\n\n" + TEXT.format(title=told.get("title", ""), model=MODEL)


def _fetch_runtime(root: Path) -> None:
    """As `python web/serve.py --fetch-only` does; that script belongs to the page, not to this package."""
    serve = runpy.run_path(str(root / PAGE / "serve.py"))
    try:
        serve["fetch"]()
    except serve["FetchError"] as error:
        raise InputError(f"The page cannot be published without its runtime: {error}", "runtime") from error


def _walk(place: Path) -> list[Path]:
    """A file, or a folder's files; nothing hidden, compiled or linked, and no programs for those who serve it."""
    found = [place] if place.is_file() else sorted(place.rglob("*"))
    return [
        path
        for path in found
        if path.is_file()
        and not path.is_symlink()
        and path.suffix not in (".py", ".pyc", ".sh")
        and not path.name.startswith(".")
    ]
