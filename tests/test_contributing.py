"""CONTRIBUTING.md points at what is there."""

import re

import pytest

from tests.conftest import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split(" | ") for line in TEXT.splitlines() if line.startswith("|") and line.count(" | ") == 2]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("row", [row for row in ROWS if quoted(row[1])], ids=lambda row: row[0].strip())
def test_what_is_to_be_changed_is_where_it_says(row):
    _, files, name = row
    for file in quoted(files):
        text = (ROOT / file).read_text(encoding="utf-8")
        for word in quoted(name):
            assert re.search(rf"^\s*(def |class )?{word}\b\s*[=(:]", text, re.MULTILINE), f"{word} is not in {file}"


def test_every_path_it_names_is_there():
    named = set(re.findall(r"(?:lid|tests|docs|benchmarks|experiments|assets)/[\w./-]*\w|\w+\.(?:py|md|toml)", TEXT))
    assert len(named) > 30
    assert not [path for path in named if not any((ROOT / folder / path).exists() for folder in ("", "lid"))]
