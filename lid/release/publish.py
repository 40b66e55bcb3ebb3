"""A finished run -> the Hugging Face Hub: the model with its card and adapter, and the Space that serves it.

    lid publish runs/medium me/lid-uz-ru-en    # in a checkout: the Space is made of its code

The Space gets the model's name unless --space gives another. What was sent before is not sent again, so the same
command finishes an upload that was cut. It wants a token that may write, in HF_TOKEN or from `hf auth login`.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelCard, SpaceCard, get_token
from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

from lid.errors import InputError
from lid.languages import CODES, NAMES
from lid.model import checksums
from lid.release import adapter, card, figures, report

Files = dict[str, Path | bytes]  # path in the repository -> where the bytes are, or they themselves

CHECKPOINT = (
    "config.json",
    "preprocessor_config.json",
    "calibration.json",
    "*.safetensors",
    "*.safetensors.index.json",
    *checksums.GRAPHS,
    checksums.FILE_NAME,
)
STATEMENT = "DATA.md"
SPACE_FILES = ("app.py", "requirements.txt", "README.md", "LICENSE")
SPACE_FOLDERS = ("lid", "assets/examples")
OURS = {  # what an earlier upload may have left, and this one takes away when it has no such file
    "model": (*checksums.COVERED, checksums.FILE_NAME, "adapter/*"),
    "space": ("lid/*", "assets/*"),
}
LINK = re.compile(r"\]\(([^)#:\s]+)\)")  # a relative link of Markdown
TOKEN = "Make one that may write at https://huggingface.co/settings/tokens and put it into HF_TOKEN."


@dataclass(frozen=True)
class Target:
    """Where the files go: full repository names, which exist and may be written to."""

    api: HfApi
    model: str
    space: str


def check(repo: str, space: str | None = None, private: bool | None = None) -> Target:
    """Make both repositories unless they are there: proof, before anything is trained, that the upload will be let in.

    Raises InputError without a token that may write there, and where the Hub cannot be reached.
    """
    with _sentences("The Hub cannot be reached or refuses, so nothing would be published"):
        token = get_token()
        if not token:
            raise InputError(f"There is no token for the Hugging Face Hub. {TOKEN}", "token")
        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
        account = api.whoami()
        if account.get("auth", {}).get("accessToken", {}).get("role") == "read":
            raise InputError(f"The Hugging Face token may only read. {TOKEN}", "token")
        for name in filter(None, (repo, space)):
            _check_owner(name, account)
        model = api.create_repo(repo, private=private, exist_ok=True).repo_id
    with _sentences("The Space cannot be made; make it by hand on hardware of your choice, then try again"):
        made = api.create_repo(space or model, repo_type="space", space_sdk="gradio", private=private, exist_ok=True)
    return Target(api, model, made.repo_id)


def publish(
    run: Path,
    repo: str,
    space: str | None = None,
    private: bool | None = None,
    statement: Path | None = None,
    root: Path = report.ROOT,
) -> None:
    """Upload a finished run's model, then its Space with the code under `root`, each in one commit.

    `statement` is a file that says what the model was trained on; without one the run's own DATA.md serves.
    Raises InputError where something is missing, and where the Hub refuses.
    """
    metrics, audit = report.load(run)
    told = _statement(run, metrics, audit, statement, root)
    try:
        base_model = adapter.base_of(run, metrics, card.hub_id(metrics["settings"]["base_model"]))
        words = adapter.section(base_model) if base_model else ""
        pictures = _pictures(metrics, report.points(run))
        page_of_model, text = (
            report.fill(
                template,
                metrics,
                audit,
                told,
                adapter=words,
                root=root,
                pictures=[Path(name).name for name in pictures],
            )
            for template in ("card", "report")
        )
    except KeyError as error:
        raise InputError(f"{run} was measured by another version of the recipe: it has no {error}.", "run") from error
    model = model_files(run, page_of_model, base_model)
    page = space_files(model, {"REPORT.md": text.encode(), **pictures}, root)
    for files in (model, page):
        _check_private(files, run)
    target = check(repo, space, private)
    named = page_of_model.replace(adapter.REPO, target.model).encode()
    model["README.md"] = page["assets/model/README.md"] = named
    _send(target.api, "model", target.model, model)
    _send(target.api, "space", target.space, page)


def model_files(run: Path, page: str, base_model: str | None) -> Files:
    """The merged checkpoint at the top, where Transformers looks for it, under `page`, its card; the adapter for
    `base_model` in its folder (None: no adapter)."""
    with _sentences("The model card's metadata are wrong"):
        ModelCard(page)
    files: Files = {"README.md": page.encode(), "metrics.json": run / "metrics.json"}
    files |= _chosen(run / "merged", CHECKPOINT)
    for needed in ("config.json", "model.safetensors"):
        if needed not in files and not (needed == "model.safetensors" and f"{needed}.index.json" in files):
            raise InputError(f"{run} holds no finished run: {needed} is missing.", "run")
    if base_model:
        files |= {f"adapter/{name}": data for name, data in adapter.files(run, base_model).items()}
    return files


def space_files(model: Files, results: Files, root: Path) -> Files:
    """The app with this run's model and results in place of the repository's own, and whatever README.md links to."""
    missing = [name for name in SPACE_FILES if not (root / name).is_file()]
    if missing:
        raise InputError(f"{root.resolve()} holds no Space: {missing[0]} is missing.", "space")
    readme = (root / "README.md").read_text(encoding="utf-8")
    with _sentences("README.md is no Space's card"):
        header = SpaceCard(readme).data
        if header.get("sdk") != "gradio" or header.get("app_file") not in SPACE_FILES:
            raise ValueError("its header names no sdk: gradio, or another app_file")
    files: Files = {name: root / name for name in SPACE_FILES}
    for folder in SPACE_FOLDERS:
        files |= {path.relative_to(root).as_posix(): path for path in _walk(root / folder)}
    for link in LINK.findall(readme):
        if link[0] not in "./" and ".." not in link and (root / link).is_file():
            files[link] = root / link
    files |= {f"assets/model/{name}": data for name, data in model.items() if not name.startswith("adapter/")}
    return files | results


def _pictures(metrics: dict, points: list[dict]) -> Files:
    """The pictures in REPORT.md, of this run."""
    with TemporaryDirectory() as folder:
        names = figures.draw(metrics, points, Path(folder))
        return {f"{report.FIGURES}/{name}": (Path(folder) / name).read_bytes() for name in names}


def _chosen(folder: Path, patterns: tuple[str, ...]) -> Files:
    """Files of one folder by name; none where there is no such folder."""
    found = (path for pattern in patterns for path in sorted(folder.glob(pattern)) if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in found}


def _walk(folder: Path) -> Iterator[Path]:
    """A folder's files; nothing hidden, compiled, linked or installed."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__pycache__")) or path.is_symlink() or path.suffix in (".pyc", ".egg-info"):
            continue
        if path.is_file():
            yield path
        elif not (path / "pyvenv.cfg").exists():
            yield from _walk(path)


def _statement(run: Path, metrics: dict, audit: dict, statement: Path | None, root: Path) -> str:
    """What is said of the training data. The repository's own words are about its own model and serve no other."""
    path = statement or run / STATEMENT
    if not path.is_file():
        embedded = root / "assets" / "model" / "metrics.json"
        if embedded.is_file() and json.loads(embedded.read_text()) == metrics:
            path = root / "docs" / STATEMENT
    if path.is_file():
        return path.read_text(encoding="utf-8").strip()
    if statement:
        raise InputError(f"{statement}: no such file.", "statement")
    heard = audit["counts"]["train"]
    counts = "; ".join(
        f"{NAMES.get(code, code)}: {heard[code]['clips']} clips of {heard[code]['speakers']} speakers"
        for code in sorted(heard, key=lambda code: (code not in CODES, code))
    )
    return f"Trained on {counts}. Where these recordings come from, and under which licences, was not stated."


def _check_owner(repo: str, account: dict) -> None:
    """A repository of somebody else takes no upload, even where it can be read."""
    owner, slash, _ = repo.partition("/")
    names = [account["name"], *(group["name"] for group in account.get("orgs", []))]
    if slash and owner.lower() not in (name.lower() for name in names):
        raise InputError(f"The token may not write to {repo}: it is for {', '.join(names)}.", "token")


def _check_private(files: Files, run: Path) -> None:
    """Raises InputError where a text would tell a folder of this machine."""
    folders = [str(folder) for folder in {Path.home(), run.resolve().parent} if len(folder.parts) > 1]
    for name, data in files.items():
        if name.endswith((".json", ".md", ".txt", ".tsv")):
            text = (data if isinstance(data, bytes) else data.read_bytes()).decode("utf-8", "replace")
            for folder in folders:
                if f"{folder}/" in text:
                    raise InputError(f"{name} names {folder}, which is nobody's business. Take it out.", "private")


def _send(api: HfApi, kind: str, repo: str, files: Files) -> None:
    """One commit with every file that the repository does not have as it is, less what is ours there and gone here.

    `HfApi.upload_folder(delete_patterns=...)` would do it in several commits, and whoever came in between would load
    new weights with old thresholds.
    """
    with _sentences(f"The upload to {repo} stopped; the same command again goes on where it was"):
        there = api.list_repo_files(repo, repo_type=kind)
        gone = [name for name in there if name not in files and any(fnmatch(name, mine) for mine in OURS[kind])]
        try:
            url = _commit(api, kind, repo, files, gone)
        except ConnectionError:
            # Xet, the way of large files, is not known to every mirror nor let through by every network. Open files go
            # by the older LFS.
            with ExitStack() as stack:
                opened = {
                    name: stack.enter_context(data.open("rb")) if isinstance(data, Path) else data
                    for name, data in files.items()
                }
                url = _commit(api, kind, repo, opened, gone)
    print(f"{kind}: {url}")


def _commit(api: HfApi, kind: str, repo: str, files: dict, gone: list[str]) -> str:
    operations: list[CommitOperationAdd | CommitOperationDelete] = []
    operations += [CommitOperationAdd(name, data) for name, data in files.items()]
    operations += [CommitOperationDelete(name) for name in gone]
    return api.create_commit(repo, operations, commit_message="Model, card and page", repo_type=kind).repo_url


@contextmanager
def _sentences(what: str) -> Iterator[None]:
    """The many ways in which the Hub's libraries fail, as InputError."""
    try:
        yield
    except InputError:
        raise
    except OfflineModeIsEnabled as error:
        raise InputError(f"{what}: HF_HUB_OFFLINE keeps this machine from the Hub.", "hub") from error
    except HfHubHTTPError as error:
        if error.response.status_code == 401:
            raise InputError(f"The Hugging Face Hub does not know this token. {TOKEN}", "token") from error
        raise InputError(f"{what}. ({_reason(error)})", "hub") from error
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        raise InputError(f"{what}. ({_reason(error)})", "hub") from error


def _reason(error: BaseException) -> str:
    """The first line of an error, and of what caused it."""
    lines = str(error).splitlines() or [type(error).__name__]
    return f"{lines[0]} {_reason(error.__cause__)}" if error.__cause__ else lines[0]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="lid publish", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the --output folder of a finished train_lora.py")
    parser.add_argument("repo", help="name of the model on the Hub, as in me/lid-uz-ru-en")
    parser.add_argument("--space", metavar="REPO", help="name of the Space; the model's by default")
    parser.add_argument("--private", action="store_true", default=None, help="what is made anew is seen by you alone")
    parser.add_argument("--statement", type=Path, help="what it was trained on, in prose; RUN/DATA.md by default")
    parser.add_argument(
        "--repository", type=Path, default=report.ROOT, metavar="FOLDER", help="its code; the current folder by default"
    )
    options = parser.parse_args(arguments)
    try:
        publish(options.run, options.repo, options.space, options.private, options.statement, options.repository)
    except InputError as error:
        print(f"publish: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
