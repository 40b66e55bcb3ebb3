"""`lid batch` on a real Ray of this machine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.dataset
import pytest

import lid.batch
from lid import __main__, audio
from lid.batch.listing import recordings
from tests.batch import machines
from tests.conftest import EXAMPLES, ROOT
from tests.recordings import wav

pytestmark = pytest.mark.slow

COSTS = ("seconds", "cpu_seconds", "gpu_seconds")
SOUNDS = sorted(
    path for path in EXAMPLES.iterdir() if path.suffix in (".mp3", ".ogg", ".m4a", ".wav", ".webm", ".opus")
)


@pytest.fixture(scope="module")
def store():
    with machines.store() as files:
        yield files


@pytest.fixture(scope="module")
def cluster(store):
    pytest.importorskip("ray", reason="pip install 'lid-uz-ru-en[batch]': nothing of `lid batch` is tested")
    with machines.two_nodes() as address:
        yield address


@pytest.fixture
def calls(tmp_path):
    """The examples, and what is no recording."""
    folder = tmp_path / "calls"
    folder.mkdir()
    for sound in SOUNDS:
        shutil.copy(sound, folder)
    (folder / "empty.wav").touch()
    (folder / "text.mp3").write_text("no sound at all" * 99)
    return folder


def batch(*arguments) -> int:
    return lid.batch.main([*map(str, arguments), "--quiet"])


def rows(folder) -> dict[str, dict]:
    """The rows without what they cost, by path; each is there once."""
    parts = sorted(folder.glob("part-*"))
    if parts[0].suffix == ".jsonl":
        listed = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
    else:
        listed = pyarrow.dataset.dataset(parts, format="parquet").to_table().to_pylist()
    found = {row["path"]: {key: value for key, value in row.items() if key not in COSTS} for row in listed}
    assert len(found) == len(listed)
    return found


def test_it_says_what_the_command_says_of_each_file(cluster, calls, tmp_path, capsys):
    paths = sorted(map(str, calls.iterdir()))
    assert __main__.main(["--json", *paths]) == 1
    told = {one["path"]: one for one in map(json.loads, capsys.readouterr().out.splitlines())}

    assert batch(calls, "--output", tmp_path / "out", "--jsonl", "--json", "--address", cluster) == 0
    summary = json.loads(capsys.readouterr().out)
    found = rows(tmp_path / "out")
    assert found.keys() == told.keys()
    for path, row in found.items():
        assert row.items() >= told[path].items()
        assert row["size"] == os.path.getsize(path)
        assert len(row["checksum"]) == 64
    assert summary == json.loads((tmp_path / "out" / "_summary.json").read_text())
    assert summary["all"]["recordings"] == len(paths)
    assert summary["all"]["errors"] == {"empty": 1, "not_audio": 1}
    assert summary["all"]["verdicts"]["language"] >= 3
    assert summary["all"]["cpu_seconds_per_hour_of_audio"] > 0


def test_the_next_run_takes_what_is_new_and_nothing_twice(cluster, calls, tmp_path, capsys):
    output = tmp_path / "out"
    command = (calls, calls / "*.wav", "--output", output, "--json", "--address", cluster)
    assert batch(*command) == 0
    before = {part: part.stat().st_mtime_ns for part in output.glob("part-*")}
    (calls / "new").mkdir()
    shutil.copy(SOUNDS[0], calls / "new")
    shutil.copy(SOUNDS[0], calls / "empty.wav")
    capsys.readouterr()
    assert batch(*command) == 0
    assert {part: part.stat().st_mtime_ns for part in before} == before
    told = json.loads(capsys.readouterr().out)
    assert (told["this_run"]["recordings"], told["all"]["recordings"]) == (1, len(SOUNDS) + 3)
    assert rows(output)[str(calls / "empty.wav")]["reason"] == "empty"
    assert batch(*command, "--retry-errors") == 0
    assert rows(output)[str(calls / "empty.wav")]["error"] is None
    assert len(rows(output)) == len(SOUNDS) + 3


def test_nothing_new_needs_no_engine(cluster, calls, tmp_path, monkeypatch):
    assert batch(calls, "--output", calls / "out", "--address", cluster) == 0
    assert batch(calls, "--output", calls / "out", "--address", "127.0.0.1:1") == 0  # its own output is no recording


def test_a_recording_that_ends_its_worker_is_set_aside(cluster, calls, tmp_path, monkeypatch):
    from lid.batch import engine
    from tests.batch.deadly import MortalWorker

    for name in ("deadly-1.mp3", "deadly-2.mp3"):
        shutil.copy(EXAMPLES / "uzbek.mp3", calls / name)
    monkeypatch.setattr(engine, "Worker", MortalWorker)
    monkeypatch.setattr(engine, "SHARES", 1)
    assert batch(calls, "--output", tmp_path / "out", "--address", cluster, "--workers", 1) == 0
    found = rows(tmp_path / "out")
    assert len(found) == len(SOUNDS) + 4
    died = {path for path, row in found.items() if row["reason"] == "worker_died"}
    assert died == {str(calls / "deadly-1.mp3"), str(calls / "deadly-2.mp3")}
    assert "3 times" in found[str(calls / "deadly-1.mp3")]["error"]
    assert found[str(calls / "uzbek.mp3")]["languages"] == ["uz"]


def test_a_long_recording_is_shared_and_has_the_row_of_one_worker(cluster, tmp_path, monkeypatch):
    from lid.batch import engine
    from tests.batch.deadly import MortalWorker

    calls = tmp_path / "calls"
    calls.mkdir()
    shutil.copy(SOUNDS[0], calls)
    speech = np.concatenate([audio.decode(EXAMPLES / name) for name in ("uzbek.mp3", "russian.ogg")])
    for name in ("long.wav", "deadly-long.wav"):
        (calls / name).write_bytes(wav(np.resize(speech, 60 * audio.SAMPLE_RATE)))
    assert batch(calls, "--output", tmp_path / "alone", "--address", cluster) == 0
    monkeypatch.setattr(engine, "SHARED_BYTES", 1)
    monkeypatch.setattr(engine, "Worker", MortalWorker)
    shared = [one for one in engine.divided(list(recordings(str(calls))), 2) if one.of > 1]
    assert len(shared) == 4
    assert batch(calls, "--output", tmp_path / "shared", "--address", cluster, "--workers", 2) == 0
    alone, found = rows(tmp_path / "alone"), rows(tmp_path / "shared")
    died = found.pop(str(calls / "deadly-long.wav"))
    assert died["reason"] == "worker_died"
    assert alone.pop(died["path"])["languages"] == ["uz", "ru"]
    assert found == alone


def test_a_run_that_is_killed_goes_on(cluster, calls, tmp_path):
    """Ray is started by the run here, and dies with it."""
    for number in range(30):
        shutil.copy(SOUNDS[number % len(SOUNDS)], calls / f"{number}{SOUNDS[number % len(SOUNDS)].suffix}")
    output = tmp_path / "out"
    code = (
        f"import lid.batch; lid.batch.PART_SECONDS = 0; lid.batch.main([{str(calls)!r}, '--output', {str(output)!r}])"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL) as run:
        while not list(output.glob("part-*")):
            assert run.poll() is None
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
    killed = len(rows(output))
    assert killed < len(SOUNDS) + 32
    assert batch(calls, "--output", output, "--address", cluster) == 0
    assert batch(calls, "--output", tmp_path / "undisturbed", "--address", cluster) == 0
    assert rows(output) == rows(tmp_path / "undisturbed")


def test_a_model_that_is_another_one_elsewhere_stops_the_run(cluster, calls, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lid.batch, "_checksum", lambda source: "0" * 64)
    assert batch(calls, "--output", tmp_path / "out", "--address", cluster) == 1
    assert "is another model on the machine" in capsys.readouterr().err


def test_recordings_and_rows_may_be_in_a_bucket(store, cluster, calls, tmp_path, capsys):
    store.mkdir("calls")
    store.mkdir("answers")
    store.put(str(calls), "calls/2026", recursive=True)
    assert batch(calls, "--output", tmp_path / "out", "--address", cluster) == 0
    command = ("s3://calls/2026/", "s3://calls/gone.wav", "--output", "s3://answers/2026", "--address", cluster)
    assert batch(*command) == 1
    assert "There is nothing at s3://calls/gone.wav" in capsys.readouterr().err
    (tmp_path / "list.txt").write_text("s3://calls/gone.wav\n")
    command = ("s3://calls/2026/", tmp_path / "list.txt", *command[2:])
    assert batch(*command) == 0
    store.invalidate_cache()
    store.get("answers/2026", str(tmp_path / "fetched"), recursive=True)
    here, there = rows(tmp_path / "out"), rows(tmp_path / "fetched")
    assert there.pop("s3://calls/gone.wav")["reason"] == "missing"
    for path, row in there.items():
        own = here[str(calls / path.rpartition("/")[2])]
        assert {**row, "path": ""} == {**own, "path": ""}
    assert len(there) == len(here)
    assert batch(*command, "--address", "127.0.0.1:1") == 0  # nothing is left to be done


def test_without_credentials_there_is_a_sentence(store, tmp_path, monkeypatch, capsys):
    from s3fs import S3FileSystem

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    S3FileSystem.clear_instance_cache()
    assert batch("s3://calls/2026/", "--output", tmp_path / "out") == 1
    assert "Give the credentials" in capsys.readouterr().err
    S3FileSystem.clear_instance_cache()


def test_without_a_gpu_there_is_a_sentence(cluster, calls, tmp_path, capsys):
    assert batch(calls, "--output", tmp_path / "out", "--address", cluster, "--device", "cuda") == 1
    assert "Ray finds no GPU" in capsys.readouterr().err


def test_without_a_cluster_there_is_a_sentence(calls, tmp_path, capsys):
    assert batch(calls, "--output", tmp_path / "out", "--address", "127.0.0.1:1") == 1
    assert "Ray has no cluster at 127.0.0.1:1" in capsys.readouterr().err


def test_an_empty_folder_is_a_sentence(tmp_path, capsys):
    (tmp_path / "calls").mkdir()
    assert batch(tmp_path / "calls", "--output", tmp_path / "out") == 1
    assert f"There are no recordings at {tmp_path / 'calls'}" in capsys.readouterr().err


def test_without_ray_it_says_what_to_install(tmp_path):
    code = "import sys; sys.modules['ray'] = None; from lid import __main__; sys.exit(__main__.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "batch", str(tmp_path), "--output", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'lid-uz-ru-en[batch]'" in done.stderr
    assert "lid FILE" in done.stderr
