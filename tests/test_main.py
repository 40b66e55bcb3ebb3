"""The command `lid`: the contract that others script against."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import lid
from lid.__main__ import COMMANDS, main
from tests.conftest import MODEL, ROOT


@pytest.fixture(scope="module")
def answers(identifier, clips):
    files = [clips["speech"], clips["text"], clips["empty"], clips["truncated"], clips["silence"], clips["short"]]
    command = [sys.executable, "-m", "lid", "--json", "--model", str(MODEL), *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=None)
    assert done.returncode == 1, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["path"] for line in lines] == [str(file) for file in files]
    return dict(zip(("speech", "text", "empty", "truncated", "silence", "short"), lines, strict=True))


def test_speech_is_answered_in_full(answers):
    answer = answers["speech"]
    assert answer["language"] in ("uz", "ru", "en")
    assert sum(answer["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)
    assert 0 < answer["speech_seconds"] <= answer["duration_seconds"]
    for earlier, later in zip(answer["timeline"], answer["timeline"][1:], strict=False):
        assert earlier["start"] < earlier["end"] <= later["start"]
    assert all(set(entry) == {"start", "end", "probabilities"} for entry in answer["timeline"])


def test_bad_files_do_not_stop_the_others(answers):
    assert "error" in answers["text"]
    assert "0 bytes" in answers["empty"]["error"]
    assert "0.20 s" in answers["short"]["error"]
    assert answers["truncated"]["language"] in ("uz", "ru", "en")


def test_silence_names_no_language(answers):
    assert answers["silence"]["language"] is None
    assert answers["silence"]["timeline"] == []


def test_one_line_a_file_and_status_0(identifier, clips):
    command = [sys.executable, "-m", "lid", "--model", str(MODEL), str(clips["speech"])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1


def test_a_model_that_is_not_there(tmp_path):
    command = [sys.executable, "-m", "lid", "--model", str(tmp_path), "x.wav"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "No model could be loaded" in done.stderr


def test_a_file_named_as_a_command_is_given_with_its_folder(identifier, clips, tmp_path):
    shutil.copy(clips["speech"], tmp_path / "report")
    command = [sys.executable, "-m", "lid", "--model", str(MODEL), "./report"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("./report: Uzbek (")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_there_and_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: lid {command} ")


def test_help_names_the_commands_and_the_version_is_told(capsys):
    for option, told in (("--help", [f"lid {command} " for command in COMMANDS]), ("--version", [lid.__version__])):
        with pytest.raises(SystemExit) as end:
            main([option])
        assert end.value.code == 0
        said = capsys.readouterr().out
        assert all(words in said for words in told)


def test_a_commands_status_is_passed_on(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 1
    assert "no finished run" in capsys.readouterr().err


def test_a_command_without_its_packages_says_what_to_install(monkeypatch, capsys):
    """None in sys.modules makes importing it fail as if it were not installed."""
    monkeypatch.delitem(sys.modules, "lid.release.publish", raising=False)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["publish", "run", "me/model"]) == 2
    assert "huggingface_hub is missing. Try: pip install" in capsys.readouterr().err
