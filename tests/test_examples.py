"""The examples for other programs say what the package says."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lid import LanguageIdentifier
from lid.model.calibration import softmax
from tests.browser.voices import encode, voice
from tests.conftest import MODEL, ROOT

NODE_PACKAGE = "onnxruntime-node@1.30.0"
CODES = ("uz", "ru", "en")


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> dict[Path, dict[str, float]]:
    """Clips, and what the model says of them whole."""
    folder, model = tmp_path_factory.mktemp("clips"), LanguageIdentifier.load(MODEL).model
    told = {}
    for code in CODES:
        speech = voice(code)
        clip = encode(speech, folder / f"{code}.wav", "pcm_s16le", 16_000)
        logits, _ = model.hear(speech[None, : len(speech) // 320 * 320][:, : model.window_samples])
        told[clip] = dict(zip(model.labels, softmax(logits[0].mean(axis=0)).tolist(), strict=True))
    return told


def test_plain_onnxruntime(expected):
    for clip, probabilities in expected.items():
        _check(
            subprocess.run([sys.executable, ROOT / "examples" / "plain_onnxruntime.py", clip], **_CAUGHT), probabilities
        )


def test_node(expected, tmp_path):
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("the example for Node needs node and npm: apt install nodejs npm")
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", NODE_PACKAGE]
    installed = subprocess.run(command, cwd=tmp_path, **_CAUGHT)
    if installed.returncode:
        pytest.skip(f"{NODE_PACKAGE} cannot be installed here: {installed.stderr[-200:]}")
    for name in ("examples/node.mjs", "web/metadata.mjs"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    for clip, probabilities in expected.items():
        _check(subprocess.run(["node", tmp_path / "examples" / "node.mjs", clip], **_CAUGHT), probabilities)


def test_they_are_short():
    for path in (ROOT / "examples").iterdir():
        code = path.read_text().split('"""')[-1].splitlines()
        lines = [line for line in code if line.strip() and not line.strip().startswith(("//", "#"))]
        assert len(lines) <= 25, path


_CAUGHT = {"capture_output": True, "text": True}


def _check(finished: subprocess.CompletedProcess, probabilities: dict[str, float]) -> None:
    assert finished.returncode == 0, finished.stderr
    said = json.loads(finished.stdout)
    assert said["known"] is True
    assert said["probabilities"] == pytest.approx(probabilities, abs=0.02)
