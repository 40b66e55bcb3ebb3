"""Who tunes the process: app.py and the command line do, the library does not. Counted by the kernel: pages that the
process had to ask for again (minor page faults)."""

import platform
import subprocess
import sys

import pytest
from gradio_client import Client, handle_file

from tests.conftest import EXAMPLES, MODEL, ROOT

FEW = 5_000  # pages; ten answers ask for at most 3,000 where memory is kept, and otherwise for 15,000 and more
CODE = """
import resource, sys
import numpy as np
import torch
threads = torch.get_num_threads()
from lid import LanguageIdentifier, audio, malloc
if sys.argv[2] == "keep":
    malloc.keep_freed()
identifier = LanguageIdentifier.load()
waveform = np.tile(audio.read(sys.argv[1]).waveform, 3)[:160_000]
for turn in range(13):
    if turn == 3:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    identifier.identify(waveform[: (160_000, 64_000, 112_000)[turn % 3]])
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, torch.get_num_threads() - threads)
"""
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="SKIPPED: only glibc is told to keep memory")


def answer(policy: str) -> tuple[int, int]:
    """Pages that ten answers of a fresh process ask for, after three to warm up, and the change in its threads."""
    command = [sys.executable, "-c", CODE, str(EXAMPLES / "uzbek.mp3"), policy]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages, threads = done.stdout.split()
    return int(pages), int(threads)


@glibc
def test_kept_memory_serves_the_next_answers():
    assert answer("keep")[0] < FEW


@glibc
def test_the_library_leaves_its_host_as_it_was():
    pages, threads = answer("leave")
    assert pages > FEW
    assert threads == 0


@glibc
def test_the_command_keeps_memory():
    command = [sys.executable, "-m", "lid", "--model", str(MODEL), *[str(EXAMPLES / "uzbek.mp3")] * 13]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        for _ in range(3):
            assert process.stdout.readline()
        before = faults(process.pid)
        assert len(process.stdout.readlines()) == 10
        assert faults(process.pid) - before < FEW


@glibc
def test_the_app_keeps_memory(app, app_url):
    client, example = Client(app_url, verbose=False), handle_file(EXAMPLES / "uzbek.mp3")
    for turn in range(13):
        if turn == 3:
            before = faults(app.process.pid)
        client.predict(example, api_name="/identify")
    assert faults(app.process.pid) - before < FEW


def faults(pid: int) -> int:
    """proc(5): minflt is the tenth field of /proc/PID/stat; the second, a name in parentheses, may hold spaces."""
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[7])
