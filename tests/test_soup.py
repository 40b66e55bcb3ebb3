"""Finished runs averaged, fitted and measured anew."""

import json
import shutil
from pathlib import Path

import pytest

from lid import LanguageIdentifier, soup
from lid.model.open_set import OpenSetDetector
from lid.release import report


@pytest.fixture(scope="module")
def embedded(finished, tmp_path_factory):
    """A folder such as assets/model: a checkpoint and its metrics, without the run's own settings."""
    root = tmp_path_factory.mktemp("repository")
    (root / "data.md").write_text("Made of synthetic examples.")
    report.install(finished, root / "data.md", root)
    return root / "assets" / "model"


def metrics(folder) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def weights(folder) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_one_run_averaged_with_nothing_keeps_its_weights(finished, tmp_path):
    assert soup.main([str(finished), "--output", str(tmp_path)]) == 0
    before, after = metrics(finished), metrics(tmp_path)
    assert after["test"] == before["test"]
    assert after["calibration"]["temperature"] == before["calibration"]["temperature"]
    for kept in ("history", "baselines", "shortcuts", "clips"):
        assert after[kept] == before[kept]
    assert weights(tmp_path / "merged") == weights(finished / "merged")
    identifier = LanguageIdentifier.load(tmp_path / "merged")
    assert identifier.detector.threshold == after["calibration"]["threshold"]


def test_a_checkpoint_without_settings_takes_its_sources_from_the_command_line(embedded, command, tmp_path, capsys):
    assert soup.main([str(embedded), "--output", str(tmp_path)]) == 1
    assert "say where its data is" in capsys.readouterr().err
    assert soup.main([str(embedded), "--output", str(tmp_path), "--base-share", "0.5", *command.sources]) == 0
    assert metrics(tmp_path)["settings"]["base_share"] == 0.5
    assert weights(tmp_path / "merged") != weights(embedded)
    assert OpenSetDetector.load(tmp_path / "merged").speech_weight is not None


def test_several_runs_become_one(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "second")
    runs = [str(finished), str(tmp_path / "second")]
    assert soup.main([*runs, "--output", str(tmp_path / "both"), "--base-share", "0.2"]) == 0
    settings = metrics(tmp_path / "both")["settings"]
    assert (settings["runs"], settings["base_share"]) == (2, 0.2)
    report.fill("report", *report.load(tmp_path / "both"), "Made of synthetic examples.")


def test_runs_are_averaged_with_what_they_began_from(finished, tmp_path, capsys):
    runs = [tmp_path / name for name in ("first", "second")]
    for run in runs:
        shutil.copytree(finished, run)
    command = [*map(str, runs), "--output", str(tmp_path / "half"), "--start-share", "0.5"]
    assert soup.main(command) == 1
    assert "--init-from" in capsys.readouterr().err
    shutil.copytree(finished / "merged", tmp_path / "start")
    for run in runs:
        settings = json.loads((run / "settings.json").read_text())
        settings["sources"]["init_from"] = str(tmp_path / "start")
        (run / "settings.json").write_text(json.dumps(settings))
    assert soup.main(command) == 0
    assert metrics(tmp_path / "half")["settings"]["start_share"] == 0.5


def test_provenance_counts_what_was_averaged_before():
    settings = [{}, {"runs": 2, "base_share": 0.2}]
    runs = [soup.Finished(Path(), Path(), {"settings": one}) for one in settings]
    assert soup.provenance(runs, 0.5) == {"runs": 3, "base_share": 0.55}  # half of a mean of 100 and 80 %


def test_mistakes_are_sentences(finished, tmp_path, capsys):
    assert soup.main([str(tmp_path), "--output", str(tmp_path / "o")]) == 1
    assert "holds no finished run" in capsys.readouterr().err
    assert soup.main([str(finished), "--output", str(finished)]) == 1
    assert "written over" in capsys.readouterr().err
    shutil.copytree(finished, tmp_path / "other")
    (tmp_path / "other" / "split.tsv").write_text("another")
    assert soup.main([str(finished), str(tmp_path / "other"), "--output", str(tmp_path / "o")]) == 1
    assert "split.tsv" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        soup.main([str(finished), "--output", str(tmp_path / "o"), "--base-share", "1.5"])
    assert "no share from 0 to under 1" in capsys.readouterr().err
