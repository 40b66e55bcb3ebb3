"""pyproject.toml is right: what is imported is declared, what is declared is used, and the wheel works anywhere."""

import ast
import os
import re
import subprocess
import sys
import zipfile
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lid
from tests.conftest import EXAMPLES, ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

COMMAND, PAGE, RECIPE = ROOT / "lid" / "__main__.py", ROOT / "app.py", ROOT / "train_lora.py"
WORKSHOP = ("tests", "benchmarks", "experiments", "assets")  # folders of code that is not installed
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
SOMETIMES = {"spaces", "tomli", "tomllib"}  # a Space brings the first; Python 3.10 has the second in place of the third
PEERS = {"faster_whisper", "tokenizers"}  # of benchmarks/speed_peers.py, from an environment of its own
# Commands, servers and kernels of their own, and what others import.
TOOLS = {"ruff", "mypy", "pytest-cov", "hatchling", "tomli", "ipykernel", "tensorboard", "moto", "flask", "flask-cors"}
TOOLS |= {"s3fs"}


def names(lines: list[str]) -> set[str]:
    """Names of the distributions in a list of requirements, but for this project's own."""
    return {canonicalize_name(Requirement(line).name) for line in lines} - {canonicalize_name(PROJECT["name"])}


BASE = names(PROJECT["dependencies"])
APP, GPU, BATCH, DEV = (names(EXTRAS[extra]) for extra in ("app", "gpu", "batch", "dev"))
TRAIN = names(EXTRAS["train"]) | GPU


@cache
def imports(file: Path) -> tuple[tuple[str, bool], ...]:
    """Every module that a file imports, and whether it does so as it is loaded rather than within a function.

    Imports for type checkers alone do not count. A name taken from a package counts as a module of it as well.
    """
    found, left = [], [(ast.parse(file.read_text(encoding="utf-8")), True)]
    while left:
        node, loading = left.pop()
        if isinstance(node, ast.Import):
            found += [(alias.name, loading) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(name, loading) for name in (node.module, *(f"{node.module}.{a.name}" for a in node.names))]
        elif isinstance(node, ast.stmt) and not (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        ):
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            left += [(child, loading and not inside) for child in ast.iter_child_nodes(node)]
        elif isinstance(node, ast.Module | ast.ExceptHandler | ast.match_case):
            left += [(child, loading) for child in ast.iter_child_nodes(node)]
    return tuple(found)


def own(module: str) -> Path | None:
    """The file of a module of this package; None for others."""
    place = ROOT.joinpath(*module.split("."))
    candidates = (place / "__init__.py", place.with_suffix(".py")) if module.split(".")[0] == "lid" else ()
    return next((file for file in candidates if file.is_file()), None)


@cache
def reached(*starts: Path, loading: bool = False) -> frozenset[Path]:
    """The files, and every file of this package that running them can import; with `loading`, that loading them does
    import."""
    found, left = set(), list(starts)
    while left:
        file = left.pop()
        if file not in found:
            found.add(file)
            left += [
                path for module, at_once in imports(file) if at_once or not loading for path in [own(module)] if path
            ]
    return frozenset(found)


@cache
def provided() -> dict[str, set[str]]:
    """Top-level module -> the distributions that brought it, from what each wheel says that it installed.

    (`metadata.packages_distributions` does so from Python 3.11 on only.)
    """
    found: dict[str, set[str]] = {}
    for distribution in metadata.distributions():
        name = canonicalize_name(distribution.name)
        for line in (distribution.read_text("RECORD") or "").splitlines():
            top = line.partition(",")[0].partition("/")[0].removesuffix(".py")
            found.setdefault(top, set()).add(name)
    return found


def distributions(files: set[Path], loading: bool | None = None) -> dict[str, Path]:
    """What `files` import of others: name of the distribution -> one file that does. `loading` limits it to imports on
    loading (True) or within functions (False)."""
    found = {}
    for file in files:
        for module, at_once in imports(file):
            top = module.split(".")[0]
            if loading in (None, at_once) and top not in sys.stdlib_module_names | SOMETIMES | PEERS | OURS:
                found |= dict.fromkeys(provided().get(top, {canonicalize_name(top)}), file)
    return found


OURS = {"lid", "app", "train_lora", "benchmark_docs", *WORKSHOP}
PACKAGE = set((ROOT / "lid").rglob("*.py")) | {PAGE, RECIPE}
# `lid FILE` and `from lid import LanguageIdentifier`. On a GPU, identify.py loads more.
SERVED_BY = ("identify.py", "answers.py", "vad.py", "audio/worker.py")  # the last in processes of its own
SERVING = reached(COMMAND, *(ROOT / "lid" / name for name in SERVED_BY), loading=True)
WEB_DATA = ROOT / "lid" / "release" / "web_data.py"  # makes the browser's page out of the page's texts and colours
ONLY_PAGE = (reached(PAGE, loading=True) | set((ROOT / "lid" / "ui").rglob("*.py")) | {WEB_DATA}) - SERVING
ONLY_BATCH = set((ROOT / "lid" / "batch").rglob("*.py")) - SERVING
ONLY_TRAINING = PACKAGE - SERVING - ONLY_PAGE - ONLY_BATCH


def undeclared(found: dict[str, Path], declared: set[str]) -> dict[str, Path]:
    return {name: file.relative_to(ROOT) for name, file in found.items() if name not in declared}


def test_the_command_and_the_library_load_with_the_base_alone():
    assert ROOT / "lid" / "identify.py" in SERVING
    assert not undeclared(distributions(SERVING, loading=True), BASE)


def test_the_page_needs_the_extra_app():
    assert not undeclared(distributions(ONLY_PAGE), BASE | APP | GPU)


def test_batches_need_the_extra_batch():
    assert not undeclared(distributions(ONLY_BATCH), BASE | BATCH | GPU)


def test_training_needs_the_extra_train():
    assert not undeclared(distributions(ONLY_TRAINING), BASE | TRAIN)
    assert not undeclared(distributions(SERVING, loading=False), BASE | TRAIN)  # what is fitted, not served


def test_the_command_batch_needs_the_extra_batch():
    assert not undeclared(distributions(ONLY_BATCH), BASE | BATCH | GPU)


def test_tests_and_benchmarks_need_the_extra_dev():
    assert not undeclared(distributions(workshop()), BASE | APP | BATCH | TRAIN | DEV)


def test_nothing_is_declared_that_is_not_used():
    assert distributions(SERVING).keys() >= BASE
    assert distributions(ONLY_PAGE).keys() >= APP
    assert distributions(ONLY_BATCH).keys() >= BATCH
    assert distributions(ONLY_TRAINING).keys() | distributions(SERVING, loading=False).keys() >= TRAIN
    assert distributions(ONLY_BATCH).keys() >= BATCH
    assert distributions(workshop()).keys() >= DEV - TOOLS


def workshop() -> set[Path]:
    return {file for folder in WORKSHOP for file in (ROOT / folder).rglob("*.py")}


def test_the_spaces_list_is_the_base_a_gpu_and_the_page():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    assert listed == PROJECT["dependencies"] + EXTRAS["gpu"] + EXTRAS["app"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the wheel's contents, as pip lays them out."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        folder,
        ".",
    ]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    (wheel,) = folder.glob("*.whl")
    assert lid.__version__ in wheel.name
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def run(installed: Path, *arguments: str) -> str:
    """Python with the installed package and without this checkout, in another folder -> what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, *arguments], cwd="/", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_answers_from_any_folder(installed):
    said = run(installed, "-m", "lid", str(EXAMPLES / "uzbek.mp3"))
    assert ": Uzbek (" in said
    code = "import lid, lid.identify; print(lid.__file__, lid.identify.EMBEDDED_MODEL)"
    assert run(installed, "-c", code).split() == [f"{installed}/lid/__init__.py", f"{installed}/lid/assets/model"]


def test_serving_imports_nothing_but_the_base(installed):
    """In an environment where everything else is missing, PyTorch first of all, the command answers."""
    code = f"""
import sys
from importlib.metadata import packages_distributions
allowed = {sorted(BASE)!r}
brought = {{module for module, names in packages_distributions().items()
           if not any(name.lower().replace('_', '-') in allowed for name in names)}}
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in brought - {{'lid'}}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
import lid.__main__
sys.exit(lid.__main__.main(['--json', {str(EXAMPLES / "russian.ogg")!r}]))
"""
    assert '"language": "ru"' in run(installed, "-c", code)


def test_the_wheel_holds_the_command_and_every_file_of_the_package(installed):
    (points,) = installed.glob("*.dist-info/entry_points.txt")
    assert re.search(r"^lid = lid\.__main__:main$", points.read_text(), re.MULTILINE)
    for folder, place in (("lid", "lid"), ("assets/model", "lid/assets/model")):
        for file in (ROOT / folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                assert (installed / place / file.relative_to(ROOT / folder)).is_file(), file
