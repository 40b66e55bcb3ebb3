"""A checkpoint that is not as it was saved is refused by name; one as it was saved loads everywhere."""

import shutil
import subprocess
import sys

import pytest

from lid import InputError
from lid.model import checksums


@pytest.fixture
def checkpoint(miniature, tmp_path):
    folder = tmp_path / "checkpoint"
    shutil.copytree(miniature, folder)
    (folder / "README.md").write_text("A card.\n")
    checksums.write(folder)
    return folder


def test_as_saved_passes_and_stock_transformers_loads_it(checkpoint):
    from transformers import AutoModelForAudioClassification

    checksums.verify(checkpoint)
    AutoModelForAudioClassification.from_pretrained(checkpoint)
    assert not list(checkpoint.glob("*.partial"))


def test_without_sums_everything_passes(miniature):
    checksums.verify(miniature)


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda folder: flip(folder / "model.safetensors"), "model.safetensors differs"),
        (lambda folder: flip(folder / "config.json"), "config.json differs"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda folder: (folder / "calibration.json").write_text('{"temperature": 9}'), "calibration.json was added"),
        (lambda folder: shutil.copy(folder / "model.safetensors", folder / "background.safetensors"), "was added"),
        (lambda folder: (folder / "model.safetensors.index.json").write_text("{}"), "index.json was added"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "cannot be read"),
        (lambda folder: (folder / "manifest.json").write_text('{"sha256": {}}'), "was added"),
    ],
)
def test_what_is_not_as_saved_is_named(checkpoint, harm, sentence):
    harm(checkpoint)
    with pytest.raises(InputError, match=sentence) as caught:
        checksums.verify(checkpoint)
    assert str(checkpoint) in str(caught.value)


def test_the_card_and_line_ends_may_change(checkpoint):
    (checkpoint / "README.md").write_text("Another card.\n")
    (checkpoint / "metrics.json").write_text("{}")
    config = (checkpoint / "config.json").read_bytes()
    (checkpoint / "config.json").write_bytes(config.replace(b"\n", b"\r\n"))
    checksums.verify(checkpoint)


def test_a_meant_change_is_taken_over_by_the_command(checkpoint):
    flip(checkpoint / "model.safetensors")
    done = subprocess.run(
        [sys.executable, "-m", "lid.model.checksums", str(checkpoint)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    checksums.verify(checkpoint)


def test_the_command_refuses_what_is_no_checkpoint(tmp_path, capsys):
    assert checksums.main([str(tmp_path)]) == 1
    assert "holds no checkpoint" in capsys.readouterr().err
