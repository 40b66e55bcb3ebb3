"""What loading a model does to the process's memory, counted by the kernel: pages it had to hand out."""

import platform
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parent.parent
CODE = """
import resource, sys
import numpy as np
from lid import LanguageIdentifier, audio
identifier = LanguageIdentifier.load()
waveform = np.tile(audio.read(sys.argv[1]).waveform, 3)[:160_000]
for _ in range(5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    identifier.identify(waveform)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="SKIPPED: only glibc is told to keep memory")
def test_the_memory_of_one_answer_serves_the_next():
    """Of 10 s of speech every layer frees some 4 MB, a thousand pages; fetched anew they took a third of the time."""
    example = ROOT / "assets" / "examples" / "uzbek.mp3"
    done = subprocess.run([sys.executable, "-c", CODE, str(example)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert median(int(line) for line in done.stdout.split()[1:]) < 500
