"""A Space made of this repository builds: README's header is one the Hub takes, and requirements.txt names all that the
code imports."""

import ast
import sys
from importlib import metadata
from pathlib import Path

import pytest
from huggingface_hub import SpaceCard
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}  # the Hub takes no other
OPTIONAL = {"spaces", "mcp"}  # used where they are there; Spaces brings the first, gradio[mcp] the second


@pytest.fixture(scope="module")
def requirements() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]
    return {plain(requirement.name): requirement for requirement in wanted}


def plain(name: str) -> str:
    return name.lower().replace("_", "-")


def test_the_header_is_one_the_hub_takes(requirements):
    card = SpaceCard.load(ROOT / "README.md", ignore_metadata_errors=False).data
    assert card.title
    assert len(card.short_description) <= 60
    assert {card.colorFrom, card.colorTo} <= COLOURS
    assert (card.sdk, card.license) == ("gradio", "mit")
    assert (ROOT / card.app_file).is_file()
    assert card.python_version in ("3.10", "3.12")  # ZeroGPU has these
    assert card.sdk_version in requirements["gradio"].specifier


@pytest.mark.parametrize("version", ["2.8.0", "2.9.1", "2.10.0", "2.11.0"])
def test_zerogpus_torch_is_not_replaced(requirements, version):
    assert version in requirements["torch"].specifier


def test_requirements_name_all_that_the_code_imports(requirements):
    provided = metadata.packages_distributions()
    installed = closure(requirements.values())
    for file in (ROOT / "app.py", ROOT / "train_lora.py", *(ROOT / "lid").rglob("*.py")):
        for module in imported(file) - {"lid"} - OPTIONAL - sys.stdlib_module_names:
            assert {plain(name) for name in provided[module]} & installed, f"{file}: {module}"


def imported(file: Path) -> set[str]:
    """Top-level names of the modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    return names


def closure(requirements) -> set[str]:
    """The distributions that installing these brings."""
    found, left = set(), list(requirements)
    while left:
        requirement = left.pop()
        if plain(requirement.name) in found:
            continue
        found.add(plain(requirement.name))
        for line in metadata.requires(requirement.name) or ():
            needed = Requirement(line)
            extras = [*requirement.extras, ""]
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                left.append(needed)
    return found
