"""`lid report` writes the repository that it is given in, not the place where the package is installed."""

import json

import pytest

from lid.release import report
from tests.release.test_publish import AUDIT, MODEL, measured


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    (folder / "merged").mkdir(parents=True)
    (folder / "merged" / "config.json").write_text("{}")
    (folder / "metrics.json").write_text(json.dumps(measured()))
    (folder / "split_audit.json").write_text(json.dumps(AUDIT))
    (folder / "split.tsv").write_text((MODEL / "split.tsv").read_text())
    return folder


@pytest.mark.parametrize("how", ["current folder", "--repository"])
def test_the_repository_is_where_the_command_is_given_or_told(run, tmp_path, monkeypatch, how):
    repository = tmp_path / "repository"
    (repository / "docs").mkdir(parents=True)
    (repository / "docs" / "DATA.md").write_text("Made up for a test.")
    (repository / "docs" / "conditions.json").write_text(json.dumps({"night": measured()["test"]}))
    monkeypatch.chdir(repository if how == "current folder" else tmp_path)
    assert report.main([str(run)] if how == "current folder" else [str(run), "--repository", str(repository)]) == 0
    text = (repository / "REPORT.md").read_text()
    assert "Made up for a test." in text
    assert "| night |" in text
    assert (repository / "assets" / "model" / "config.json").read_text() == "{}"


def test_elsewhere_nothing_is_written(run, tmp_path, monkeypatch, capsys):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert report.main([str(run)]) == 1
    assert "DATA.md: no such file" in capsys.readouterr().err
    assert not list(elsewhere.iterdir())
