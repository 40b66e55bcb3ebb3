"""The command line on files, names and terminals as people have them: the other files are always answered."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lid import answers
from lid.errors import InputError
from tests.conftest import EXAMPLES, MODEL, ROOT
from tests.ui.predictions import TURKISH, make_prediction

SPEECH = (EXAMPLES / "uzbek.mp3").read_bytes()
CP1251 = os.fsdecode("русский".encode("cp1251") + b".mp3")  # a name that is not UTF-8
TOO_LONG = "a" * 300 + ".mp3"


def run(folder: Path, *arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "lid", "--model", str(MODEL), *arguments]
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", **environment}
    return subprocess.run(command, cwd=folder, env=settings, capture_output=True, input=stdin)


@pytest.fixture(scope="module")
def folder(identifier, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    for name in ("oʻzbekcha.mp3", CP1251, "-dash.mp3", "two\nlines.mp3"):
        (folder / name).write_bytes(SPEECH)
    return folder


NAMES = ["oʻzbekcha.mp3", CP1251, "two\nlines.mp3", TOO_LONG, "missing.mp3", ".", "-dash.mp3"]


@pytest.mark.parametrize("encoding", ["cp1251", "cp1252", "ascii", "utf-8"])
def test_every_name_is_one_line_in_every_terminal(folder, encoding):
    done = run(folder, *NAMES, PYTHONIOENCODING=encoding)
    lines = done.stdout.decode(encoding).splitlines()
    assert done.returncode == 1, done.stderr
    assert [": Uzbek (" in line for line in lines] == [True, True, True, False, False, False, True]
    assert lines[1].startswith(r"\xf0\xf3\xf1\xf1\xea\xe8\xe9.mp3: ")
    assert lines[2].startswith(r"two\nlines.mp3: ")
    assert "too long" in lines[3]


def test_json_is_utf_8_whatever_the_terminal_and_the_names(folder):
    done = run(folder, "--json", *NAMES, PYTHONIOENCODING="cp1252")
    told = [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]
    json.dumps(told, ensure_ascii=False).encode("utf-8")
    assert [answer.get("language") for answer in told] == ["uz", "uz", "uz", None, None, None, "uz"]
    assert told[0]["path"] == "oʻzbekcha.mp3"
    assert told[2]["path"] == "two\nlines.mp3"


def test_standard_input_is_a_file(folder):
    done = run(folder, "-", "oʻzbekcha.mp3", stdin=SPEECH)
    first, second = done.stdout.decode().splitlines()
    assert done.returncode == 0, done.stderr
    assert first.removeprefix("-: ") == second.removeprefix("oʻzbekcha.mp3: ")
    assert b"0 bytes" in run(folder, "-").stdout


def test_a_name_that_starts_with_a_dash_is_a_file_unless_it_is_an_option(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "--json").write_bytes(SPEECH)
    protected = answers.protect_dashes(["-dash.mp3", "--json", "--js", "-", "-none.mp3", "a.mp3"], ["--json"])
    assert protected == ["./-dash.mp3", "--json", "--js", "-", "-none.mp3", "a.mp3"]


class Identifier:
    """Fails in its own way on the first file."""

    def __init__(self, error: Exception):
        self.errors = [error]

    def identify(self, waveform):
        if self.errors:
            raise self.errors.pop()
        return make_prediction([0.97, 0.02, 0.01])


@pytest.mark.parametrize("error", [RuntimeError("out of luck"), MemoryError(), InputError("No."), OSError("disk")])
def test_whatever_happens_to_one_file_the_others_go_on(clips, error, capsys):
    first, second = answers.answers([str(clips["speech"])] * 2, Identifier(error))
    assert first.error
    assert (str(error) or "MemoryError") in first.error
    assert second.prediction


def test_a_folder_that_may_not_be_entered_is_a_sentence(clips, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "a.mp3").write_bytes(SPEECH)
    closed.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)  # root may enter every folder
        first, second = answers.answers([str(closed / "a.mp3"), __file__], Identifier(RuntimeError()))
    finally:
        os.seteuid(user)
        closed.chmod(0o700)
    assert first.error == "a.mp3 cannot be opened: Permission denied."
    assert second.error


def test_a_stream_without_settings_is_written_to():
    out = io.StringIO()
    answers.write(answers.Answer("a.mp3", error="No."), as_json=True, output=out)
    assert json.loads(out.getvalue()) == {"path": "a.mp3", "error": "No."}


def test_another_language_is_told_in_text_and_in_json():
    answer = answers.Answer("a.mp3", make_prediction([0.97, 0.02, 0.01], known=False, sounds_like=TURKISH))
    assert answer.line == "a.mp3: None of the three, sounds like Turkish (6.0 s of speech)"
    assert json.loads(answer.json)["sounds_like"] == {"language": "tr", "probability": 0.71}


def test_names_with_lone_surrogates_become_valid_text():
    for surrogate in (0xDC80, 0xDCF0, 0xD800, 0xDFFF):
        answers.valid_unicode(f"a{chr(surrogate)}.mp3").encode("utf-8")
        answers.printable(f"a{chr(surrogate)}.mp3").encode("utf-8")
