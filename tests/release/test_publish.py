"""A run goes to a Hub on 127.0.0.1: all of it arrives, nothing else does, and what arrived starts."""

import hashlib
import json
import logging
import os
import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard, SpaceCard, constants
from safetensors.numpy import load, save_file

from lid.model import checksums
from lid.model.checkpoint import HEAD
from lid.model.open_set import OpenSetDetector
from lid.release import publish
from tests import hub_server
from tests.conftest import ROOT
from tests.hub_server import HubServer

MODEL = ROOT / "assets" / "model"
COUNTS = {code: {"clips": 10, "speakers": 3, "sentences": 0} for code in ("uz", "ru", "en")}
AUDIT = {"counts": dict.fromkeys(("train", "validation", "test"), COUNTS), "dropped_for_quality": {"uz": {"empty": 1}}}
START = """
import app, lid
from lid import LanguageIdentifier
from lid.ui import build
identifier = LanguageIdentifier.load()
build(identifier)
print(lid.__file__, identifier.detector.languages)
"""


@pytest.fixture
def hub(monkeypatch):
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", "hf_write")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere/token")
        monkeypatch.setattr("lid.release.figures.draw", one_figure)  # drawing them is slow
        monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the client's tries
        yield server


def one_figure(metrics: dict, points: list, folder: Path) -> list[str]:
    (folder / "reliability.svg").write_text("<svg/>")
    return ["reliability.svg"]


def measured() -> dict:
    """The embedded model's metrics.json, with what a later recipe measures besides."""
    metrics = json.loads((MODEL / "metrics.json").read_text())
    metrics["settings"] |= {"start_from": None, "runs": 1}
    bins = {"ece": 0.1, "nll": 0.2, "brier": 0.1, "reliability": [{"confidence": 0.9, "accuracy": 1.0, "clips": 9}]}
    metrics["test"].setdefault("accuracy_95_by_speaker", [0.9, 1.0])
    metrics["calibration"] = {"before": bins, "after": bins} | metrics["calibration"]
    return {"open_set": {"no_speech": {}}, "lengths": {}, "baselines": {}, "background": ["kk"]} | metrics


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """What a run leaves, among things that are nobody's business. Its weights are noise."""
    run = tmp_path_factory.mktemp("runs") / "base"
    (run / "merged").mkdir(parents=True)
    (run / "adapter").mkdir()
    noise = np.random.default_rng(0)
    head = {f"{part}.{kind}": noise.random((3, 5), np.float32) for part in HEAD for kind in ("weight", "bias")}
    save_file({"a": noise.random((200, 100), np.float32), **head}, run / "merged" / "model.safetensors")
    trained = {f"base_model.model.{name}": noise.random((9, 5), np.float32) for name in head}
    save_file({"a": noise.random((30, 100), np.float32), **trained}, run / "adapter" / "adapter_model.safetensors")
    OpenSetDetector(("kk",), np.zeros((1, 256)), np.zeros(1)).save(run / "merged")
    for name in ("config.json", "preprocessor_config.json"):
        shutil.copy(MODEL / name, run / "merged")
    checksums.write(run / "merged")
    (run / "adapter" / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": f"{run.parent}/whisper-base"})
    )
    (run / "adapter" / "README.md").write_text(f"base_model: {run.parent}/whisper-base\n[More Information Needed]")
    (run / "metrics.json").write_text(json.dumps(measured()))
    (run / "split_audit.json").write_text(json.dumps(AUDIT))
    (run / "DATA.md").write_text("Made up for a test.")
    for name in ("state.safetensors", "dropped.tsv", "split.tsv", "merged/.cache/blob", "adapter/optimizer.pt"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("not for others")
    return run


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The repository as somebody works in it."""
    folder = tmp_path_factory.mktemp("repository")
    for name, ignored in (
        ("lid", "__pycache__"),
        ("assets", "model"),
        ("docs", "*.pyc"),
        ("examples", "*.pyc"),
        ("notebooks", "*.pyc"),
    ):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(ignored))
    for name in publish.SPACE_FILES:
        shutil.copy(ROOT / name, folder)
    for name in (
        ".git/config",
        ".env",
        "cache/clip.mp3",
        "runs/base/state.safetensors",
        "lid/.venv/pyvenv.cfg",
        "lid/env/pyvenv.cfg",
        "lid/env/lib/secret.py",
        "lid/__pycache__/report.pyc",
        "lid/.report.py.swp",
        "assets/examples/.DS_Store",
        "assets/model/stale.safetensors",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("not for others")
    (folder / "lid" / "link.py").symlink_to("/etc/hostname")
    return folder


@pytest.fixture
def sent(hub, finished, root):
    publish.publish(finished, "me/model", "me/page", root=root)
    return hub


def test_the_model_arrives_whole_and_alone(sent, finished):
    files = sent.repos["model", "me/model"].files
    assert sorted(files) == [
        ".gitattributes",
        "README.md",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "background.safetensors",
        "config.json",
        "manifest.json",
        "metrics.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    for name, path in {
        "model.safetensors": finished / "merged" / "model.safetensors",
        "background.safetensors": finished / "merged" / "background.safetensors",
        "metrics.json": finished / "metrics.json",
    }.items():
        assert hashlib.sha256(files[name]).digest() == hashlib.sha256(path.read_bytes()).digest()


def test_the_adapter_has_the_models_own_head(sent, finished):
    weights = load(sent.repos["model", "me/model"].files["adapter/adapter_model.safetensors"])
    merged = load((finished / "merged" / "model.safetensors").read_bytes())
    for part in HEAD:
        np.testing.assert_array_equal(weights[f"base_model.model.{part}.weight"], merged[f"{part}.weight"])
    assert weights["a"].shape == (30, 100)
    card = sent.repos["model", "me/model"].files["README.md"].decode()
    assert 'name = "me/model"' in card
    assert '"openai/whisper-base",' in card


@pytest.mark.parametrize("settings", [{"runs": 2}, {"start_from": "model"}, {"base_model": "mine"}])
def test_where_an_adapter_would_be_of_no_use_there_is_none(hub, finished, root, tmp_path, settings):
    run = shutil.copytree(finished, tmp_path / "run")
    metrics = measured()
    metrics["settings"] |= settings
    (run / "metrics.json").write_text(json.dumps(metrics))
    publish.publish(run, "me/model", root=root)
    files = hub.repos["model", "me/model"].files
    assert not [name for name in files if name.startswith("adapter/")]
    assert b"PeftModel" not in files["README.md"]


def test_nothing_tells_of_this_machine(sent, finished):
    for repo in sent.repos.values():
        for name, data in repo.files.items():
            assert b"not for others" not in data, name
            for folder in (finished.parent, Path.home()):
                assert f"{folder}/".encode() not in data, name
            assert b"[More Information Needed]" not in data
    adapter = json.loads(sent.repos["model", "me/model"].files["adapter/adapter_config.json"])
    assert adapter == {"peft_type": "LORA", "base_model_name_or_path": "openai/whisper-base"}


def test_the_card_is_read_as_what_was_measured(sent, finished):
    text = sent.repos["model", "me/model"].files["README.md"].decode()
    test = json.loads((finished / "metrics.json").read_text())["test"]
    data = ModelCard(text).data
    assert (data.license, data.library_name, data.pipeline_tag) == ("mit", "transformers", "audio-classification")
    assert data.language == ["uz", "ru", "en"]
    assert data.base_model == "openai/whisper-base"
    assert {result.metric_name: result.metric_value for result in data.eval_results} == {
        "Accuracy": test["accuracy"],
        "Macro F1": test["macro_f1"],
        "Expected calibration error": test["ece"],
    }
    assert "Made up for a test." in text
    assert "## Intended use and limits" in text


def test_the_space_starts_from_what_was_sent(hub, finished, root, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    shutil.copy(MODEL / "model.safetensors", run / "merged")
    checksums.write(run / "merged")
    publish.publish(run, "me/model", "me/page", root=root)
    assert hub.repos["space", "me/page"].made["sdk"] == "gradio"
    files = hub.repos["space", "me/page"].files
    tmp_path = tmp_path / "space"
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    header = SpaceCard(files["README.md"].decode()).data
    assert header.sdk == "gradio"
    assert header.app_file in files
    assert len(header.to_dict()["short_description"]) <= 60
    for page in ("README.md", "REPORT.md"):
        for link in publish.LINK.findall(files[page].decode()):
            assert link in files
    started = subprocess.run(
        [sys.executable, "-c", START],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert started.stdout.split("\n")[0] == f"{tmp_path}/lid/__init__.py ('kk',)", started.stderr


def test_the_space_has_the_app_the_model_and_nothing_else(sent, root):
    files = set(sent.repos["space", "me/page"].files)
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "lid").rglob("*") if path.is_file()}
    assert {name for name in files if name.startswith("lid/")} == {
        name for name in code if "__pycache__" not in name and (root / name).exists()
    }
    others = {name for name in files if name.split("/")[0] not in ("lid", "assets")}
    linked = {"examples/node.mjs", "examples/plain_onnxruntime.py", "notebooks/train_on_colab.ipynb", "docs/SCALE.md"}
    assert others == {".gitattributes", "README.md", "REPORT.md", "LICENSE", "app.py", "requirements.txt"} | linked
    model = {name.removeprefix("assets/model/") for name in files if name.startswith("assets/model/")}
    assert model == {
        "README.md",
        "background.safetensors",
        "config.json",
        "manifest.json",
        "metrics.json",
        "model.safetensors",
        "preprocessor_config.json",
    }


def test_a_second_time_sends_nothing(sent, finished, root):
    bodies, repos = sent.bodies, list(sent.repos.values())
    publish.publish(finished, "me/model", "me/page", root=root)
    assert sent.bodies == bodies
    assert [repo.commits for repo in repos] == [1, 1]


def test_what_a_later_run_does_not_have_is_taken_away(sent, finished, root, tmp_path):
    later = shutil.copytree(finished, tmp_path / "later")
    (later / "merged" / "background.safetensors").unlink()
    checksums.write(later / "merged")
    sent.repos["model", "me/model"].files["NOTES.md"] = b"by hand"
    sent.repos["space", "me/page"].files["lid/old.py"] = b"import gone"
    publish.publish(later, "me/model", "me/page", root=root)
    assert "background.safetensors" not in sent.repos["model", "me/model"].files
    assert "assets/model/background.safetensors" not in sent.repos["space", "me/page"].files
    assert "lid/old.py" not in sent.repos["space", "me/page"].files
    assert sent.repos["model", "me/model"].files["NOTES.md"] == b"by hand"


@pytest.fixture
def with_page(root, tmp_path):
    """The repository with the page for browsers, whose runtime was fetched already."""
    folder = shutil.copytree(root, tmp_path / "with_page", symlinks=True)
    shutil.copytree(ROOT / "web", folder / "web", ignore=shutil.ignore_patterns("vendor", "__pycache__"))
    (folder / "web" / "vendor").mkdir()
    (folder / "web" / "vendor" / "ort.js").write_text("// ONNX Runtime")
    shutil.copy(folder / "web" / "runtime.json", folder / "web" / "vendor")
    return folder


@pytest.fixture
def with_graphs(finished, tmp_path):
    """The run with its graphs."""
    run = shutil.copytree(finished, tmp_path / "run")
    shutil.copytree(MODEL / "onnx", run / "merged" / "onnx")
    checksums.write(run / "merged")
    return run


def test_the_page_for_browsers_is_a_static_space(hub, with_graphs, with_page, root):
    publish.publish(with_graphs, "me/model", "me/page", root=with_page, static="me/browser")
    assert hub.repos["space", "me/browser"].made["sdk"] == "static"
    files = hub.repos["space", "me/browser"].files
    header = SpaceCard(files["README.md"].decode()).data.to_dict()
    assert header["sdk"] == "static"
    assert header["app_file"] in files
    assert header["custom_headers"] == {
        "cross-origin-embedder-policy": "require-corp",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "cross-origin",
    }
    assert files["README.md"].decode().count("---\n") == 2
    pages = {name for name in files if name.startswith("web/")}
    kept = re.findall(
        r'"((?:\.\./|vendor/)?[\w./]+\.(?:js|mjs|css|svg|json))"', files["web/service_worker.js"].decode()
    )
    assert len(kept) > 20
    for name in {*kept} - {"vendor/mediabunny.js"}:  # which is not in this test's vendor
        assert posixpath.normpath(f"web/{name}") in files
    mine = {f"web/{path.relative_to(with_page / 'web').as_posix()}" for path in (with_page / "web").rglob("*.*")}
    assert pages == {name for name in mine if not name.endswith(".py")}
    assert files["lid/graphs/silero_vad.onnx"] == (ROOT / "lid" / "graphs" / "silero_vad.onnx").read_bytes()
    assert not [name for name, data in files.items() if b"not for others" in data]
    told = json.loads(files["assets/model/manifest.json"])["sha256"]
    graphs = {name.removeprefix("assets/model/") for name in files if name.startswith("assets/model/onnx/")}
    assert len(graphs) == 3
    for name in graphs:
        assert told[name] == hashlib.sha256(files[f"assets/model/{name}"]).hexdigest()
        assert hub.repos["model", "me/model"].files[name] == files[f"assets/model/{name}"]


def test_a_page_for_browsers_needs_graphs_a_name_and_a_runtime(
    hub, finished, with_graphs, with_page, monkeypatch, capsys
):
    with pytest.raises(publish.InputError, match="lid export"):
        publish.publish(finished, "me/model", root=with_page, static="me/browser")
    with pytest.raises(publish.InputError, match="both Spaces"):
        publish.publish(with_graphs, "me/model", root=with_page, static="me/model")
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    shutil.rmtree(with_page / "web" / "vendor")
    arguments = [str(with_graphs), "me/model", "--web", "me/browser", "--repository", str(with_page)]
    assert publish.main(arguments) == 1
    assert "without its runtime" in capsys.readouterr().err
    assert not hub.repos


def test_a_cut_upload_is_finished_by_the_same_command(hub, finished, root):
    size = (finished / "merged" / "model.safetensors").stat().st_size
    hub.cut_after = size // 2
    with pytest.raises(publish.InputError, match="goes on where it was"):
        publish.publish(finished, "me/model", root=root)
    assert not hub.repos["model", "me/model"].commits
    arrived = set(hub.objects)
    hub.cut_after = None
    hub.requests.clear()
    publish.publish(finished, "me/model", root=root)
    assert (
        hub.repos["model", "me/model"].files["model.safetensors"]
        == (finished / "merged" / "model.safetensors").read_bytes()
    )
    assert "app.py" in hub.repos["space", "me/model"].files
    assert not any(hub.asked(f"/lfs/{oid}") for oid in arrived)


def test_a_hub_without_xet_takes_large_files_the_older_way(hub, finished, root, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    publish.publish(finished, "me/model", root=root)
    assert hub.repos["model", "me/model"].files["model.safetensors"]
    assert hub.repos["space", "me/model"].files["assets/model/model.safetensors"]


@pytest.mark.parametrize(
    ("token", "sentence"),
    [("", "There is no token"), ("hf_old", "does not know this token"), ("hf_read", "may only read")],
)
def test_a_token_that_will_not_do(hub, finished, root, token, sentence, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(publish.InputError, match=sentence):
        publish.check("me/model")
    with pytest.raises(publish.InputError, match=sentence):
        publish.publish(finished, "me/model", root=root)
    assert not hub.repos


def test_the_trainer_says_so_before_it_reads_any_data(hub, tmp_path, monkeypatch, capsys):
    import train_lora

    monkeypatch.setenv("HF_TOKEN", "")
    arguments = ["--data", str(tmp_path / "nowhere"), "--output", str(tmp_path / "out"), "--cpu"]
    assert train_lora.main([*arguments, "--push-to-hub", "me/model"]) == 1
    complaint = capsys.readouterr().err
    assert "There is no token" in complaint
    assert "no such folder" not in complaint


def test_the_trainer_publishes_what_it_finished(hub, command):
    import train_lora

    arguments = [*command.arguments, "--push-to-hub", "me/model"]
    assert train_lora.main([*arguments, "--prepare-only"]) == 0
    assert not hub.repos
    assert train_lora.main(arguments) == 0
    assert {key: repo.commits for key, repo in hub.repos.items()} == {
        ("model", "me/model"): 1,
        ("space", "me/model"): 1,
    }


@pytest.mark.parametrize(
    ("repo", "sentence"),
    [
        ("somebody/model", "may not write to somebody/model"),
        ("me/mo del", "mo del"),
        ("me/../../datasets/x", "datasets/x"),
        ("me/model?private=false", "private=false"),
        ("me/model\r\nX-Mine: 1", "me/model"),
        ("me/<script>", "script"),
        ("../model", "model"),
        ("", "name"),
    ],
)
def test_names_that_will_not_do(hub, repo, sentence):
    with pytest.raises(publish.InputError, match=sentence):
        publish.check(repo)
    assert not hub.repos


def test_a_hub_that_is_not_there(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(publish.InputError, match="cannot be reached"):
        publish.check("me/model")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(publish.InputError, match="HF_HUB_OFFLINE"):
        publish.check("me/model")


def test_a_refused_commit_is_a_sentence(hub, finished, root):
    hub.refuse["/api/models/me/model/commit/main"] = 403
    with pytest.raises(publish.InputError, match="The upload to me/model stopped"):
        publish.publish(finished, "me/model", root=root)


@pytest.mark.parametrize("refused", [False, True])
def test_the_token_is_written_nowhere(hub, finished, root, monkeypatch, capfd, caplog, refused):
    """However much is told of what the client sends, and where the Hub refuses."""
    token = "hf_write" + "Xq7" * 10
    monkeypatch.setitem(hub_server.TOKENS, token, "write")
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr(constants, "HF_DEBUG", True)
    loud = logging.getLogger("huggingface_hub")
    monkeypatch.setattr(loud, "handlers", [*loud.handlers, caplog.handler])
    caplog.set_level("DEBUG", "huggingface_hub")
    if refused:
        hub.refuse["/api/models/me/model/commit/main"] = 403
    assert publish.main([str(finished), "me/model"]) == int(refused)
    printed = capfd.readouterr()
    assert "curl" in caplog.text
    files = [file for repo in hub.repos.values() for file in repo.files.values()]
    assert token not in printed.out + printed.err + caplog.text
    assert not any(token.encode() in file for file in files)


def test_text_that_names_a_folder_of_this_machine_stays_here(hub, finished, root, tmp_path):
    statement = tmp_path / "data.md"
    statement.write_text(f"Read from {Path.home()}/clips.")
    with pytest.raises(publish.InputError, match="nobody's business"):
        publish.publish(finished, "me/model", statement=statement, root=root)
    assert not hub.repos


def test_without_a_statement_the_card_says_so(hub, finished, root, tmp_path):
    silent = shutil.copytree(finished, tmp_path / "silent")
    (silent / "DATA.md").unlink()
    publish.publish(silent, "lab/model", root=root)
    assert "was not stated" in hub.repos["model", "lab/model"].files["README.md"].decode()


def test_a_run_that_is_not_finished(hub, tmp_path, capsys):
    assert publish.main([str(tmp_path), "me/model"]) == 1
    assert "no finished run" in capsys.readouterr().err


def test_a_run_of_another_version(hub, finished, root, tmp_path):
    older = shutil.copytree(finished, tmp_path / "older")
    metrics = measured()
    del metrics["calibration"]
    (older / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(publish.InputError, match="another version of the recipe"):
        publish.publish(older, "me/model", root=root)


def test_the_command(hub, finished, capsys):
    assert publish.main([str(finished), "model", "--space", "lab/page", "--private"]) == 0
    assert {key: repo.made["visibility"] for key, repo in hub.repos.items()} == {
        ("model", "me/model"): "private",
        ("space", "lab/page"): "private",
    }
    assert f"{hub.url}/spaces/lab/page" in capsys.readouterr().out
