"""What loading a model does to the process's memory, counted by the kernel: pages it had to hand out."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = """
import resource, sys
import numpy as np
from lid import LanguageIdentifier, audio
identifier = LanguageIdentifier.load()
waveform = np.tile(audio.read(sys.argv[1]).waveform, 3)[:160_000]
for turn in range(13):
    if turn == 3:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    identifier.identify(waveform[: (160_000, 64_000, 112_000)[turn % 3]])
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="SKIPPED: only glibc is told to keep memory")
def test_the_memory_of_answers_serves_the_next_ones():
    """Ten answers, after three to warm up: they had 15,000 pages and more fetched anew, and now at most 2,000."""
    example = ROOT / "assets" / "examples" / "uzbek.mp3"
    done = subprocess.run([sys.executable, "-c", CODE, str(example)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 5_000
