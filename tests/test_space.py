"""A Space made of this repository builds: README's header is one the Hub takes, and requirements.txt suits it.

That requirements.txt names all that the page imports is in test_package.py.
"""

from pathlib import Path

import pytest
from huggingface_hub import SpaceCard
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}  # the Hub takes no other


@pytest.fixture(scope="module")
def requirements() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if not line.startswith("#")]
    return {requirement.name: requirement for requirement in wanted}


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
