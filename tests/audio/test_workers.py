"""Files are decoded in processes of their own: what passes a limit ends there, and nobody else notices."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lid import InputError, audio
from lid.audio import workers
from tests import hostile
from tests.conftest import EXAMPLES, ROOT

CLIPS = [EXAMPLES / name for name in ("uzbek.mp3", "russian.ogg", "english.m4a")]

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def of_this_process() -> list[int]:
    """The decoder processes of this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid() and b"lid.audio.worker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended
            continue
    return found


@pytest.fixture
def fresh(monkeypatch) -> None:
    """No worker yet."""
    monkeypatch.setattr(workers, "_POOL", workers._Pool())
    yield
    workers._POOL.close()


def test_threads_read_at_once_and_each_gets_its_own(fresh):
    expected = [audio.decode(clip) for clip in CLIPS]
    with ThreadPoolExecutor(8) as pool:
        for index, waveform in enumerate(pool.map(lambda n: audio.decode(CLIPS[n % 3]), range(60))):
            assert np.array_equal(waveform, expected[index % 3])


@linux
def test_a_worker_is_kept_and_has_no_model_in_it(fresh):
    audio.decode(CLIPS[0])
    before = set(of_this_process())
    audio.decode(CLIPS[1])
    assert set(of_this_process()) == before
    for pid in before:
        assert "torch" not in Path(f"/proc/{pid}/maps").read_text()


def test_too_much_processor_time_is_a_sentence(monkeypatch):
    monkeypatch.setattr(audio, "CPU_SECONDS", 0.1)
    with pytest.raises(InputError, match=r"more time or memory.*\.$") as caught:
        audio.decode(hostile.matroska(inflated=4000))
    assert caught.value.reason == "too_costly"
    assert len(audio.decode(CLIPS[0]))


@linux
def test_memory_is_bounded(fresh):
    audio.decode(CLIPS[0])
    pids = of_this_process()
    before = {pid: peak_megabytes(pid) for pid in pids}
    with pytest.raises(InputError):
        audio.decode(hostile.m4a(40_000_000))  # its index would take a gigabyte
    assert all(peak_megabytes(pid) - before[pid] < 300 for pid in pids if Path(f"/proc/{pid}").exists())


def peak_megabytes(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


@pytest.mark.skipif(os.name != "posix", reason="needs select on pipes")
def test_a_worker_that_says_nothing_is_ended(fresh, monkeypatch):
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(workers, "START", "import time; time.sleep(60)")
    with pytest.raises(InputError) as caught:
        audio.decode(CLIPS[0])
    assert caught.value.reason == "too_costly"


@linux
def test_a_killed_worker_costs_its_own_file_only(fresh):
    """The files are long, so that the kill meets one that is being decoded."""
    long = hostile.opus(1, 3600 * 4)
    told = []

    def read() -> None:
        try:
            told.append(audio.read(long).seconds)
        except InputError as error:
            told.append(error.reason)

    others = set(of_this_process())
    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    while len(busy := set(of_this_process()) - others) < 2:
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(busy.pop(), signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert sorted(map(str, told)) == ["1728.0", "stopped"]
    assert len(audio.decode(CLIPS[0]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_has_workers_of_its_own(fresh):
    expected = audio.decode(CLIPS[0])
    if (child := os.fork()) == 0:
        os._exit(0 if np.array_equal(audio.decode(CLIPS[0]), expected) else 1)
    assert np.array_equal(audio.decode(CLIPS[0]), expected)
    assert os.waitpid(child, 0)[1] == 0
    assert np.array_equal(audio.decode(CLIPS[0]), expected)


@linux
def test_workers_end_with_whoever_started_them():
    code = "import os; from lid.audio import workers; workers.prepare(2)\n"
    code += "print(*(one.pid for one in workers._POOL._waiting), flush=True); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    pids = done.stdout.split()
    assert len(pids) == 2
    deadline = time.monotonic() + 20
    while any(running(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_ffmpeg_is_not_loaded_where_it_is_not_run():
    code = (
        "import sys; from lid import audio; audio.decode(sys.argv[1]); assert not {'av', 'soxr'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code, CLIPS[0]], cwd=ROOT, check=True)


def test_sound_may_come_from_another_folder(tmp_path, monkeypatch):
    """Paths are this process's, also after it has gone elsewhere."""
    audio.decode(CLIPS[0])
    (tmp_path / "clip.mp3").write_bytes(CLIPS[0].read_bytes())
    monkeypatch.chdir(tmp_path)
    assert len(audio.decode("clip.mp3"))
