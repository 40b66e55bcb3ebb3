"""The notebook for Colab, run from first cell to last: a miniature model, made data, and a Hub on this machine."""

import json
import re

import nbclient
import nbformat
import pytest

from tests.conftest import ROOT
from tests.hub_server import HubServer

pytestmark = pytest.mark.slow

NOTEBOOK = ROOT / "notebooks" / "train_on_colab.ipynb"


def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def parameters(book):
    (cell,) = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", ())]
    return cell


@pytest.fixture
def small(corpus, unseen, miniature, tmp_path) -> str:
    """The cell of settings with values for a test."""
    places = {"OUTPUT": tmp_path / "run", "CACHE": tmp_path / "cache", "BASE_MODEL": miniature, "CODE": "nowhere"}
    lines = [f"{name} = {str(value)!r}" for name, value in places.items()]
    settings = ["--steps", "2", "--validate-every", "1", "--batch-size", "6", "--window", "2", "--workers", "0"]
    settings += ["--cpu", "--fp32", "--background", str(corpus), "--held-out-languages", "tr"]
    lines += ['HUB_REPO = "me/trained"', f"DATA = [{str(corpus)!r}]", f"OTHER_CORPORA = [{str(unseen)!r}]"]
    return "\n".join([*lines, f"SETTINGS = {settings}"])


def test_it_runs_from_top_to_bottom(small, tmp_path, monkeypatch):
    book = notebook()
    parameters(book).source = small
    with HubServer() as hub:
        for name, value in {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_write", "HF_HUB_DISABLE_XET": "1"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        nbclient.NotebookClient(book, timeout=600, resources={"metadata": {"path": str(ROOT)}}).execute()
        assert "model.safetensors" in hub.repos["model", "me/trained"].files
        assert "app.py" in hub.repos["space", "me/trained"].files
    shown = json.dumps(book.cells, ensure_ascii=False)
    accuracy = json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]["accuracy"]
    assert f"Test accuracy **{accuracy:.2%}**" in shown
    assert "never trained on: **" in shown
    mistakes = int(re.search(r"(\d+) mistakes in \d+ test clips", shown)[1])
    assert shown.count("<audio") == min(5, mistakes) > 0
    assert "https://me-trained.hf.space" in shown


def test_it_is_kept_without_what_it_printed():
    for cell in notebook().cells:
        assert not cell.get("outputs")
        assert not cell.get("execution_count")


def test_its_settings_are_those_of_the_recipe(small):
    """What a test gives in their place has the same names."""
    names = [set(re.findall(r"^(\w+) = ", text, re.MULTILINE)) for text in (parameters(notebook()).source, small)]
    assert names[0] == names[1]
