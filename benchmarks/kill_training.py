"""A training run that is killed at random moments, and one on two processes: do they end where they would have?

    python benchmarks/kill_training.py --write     # 20 kills, numbers into docs/ROBUSTNESS.md

A miniature model learns three tones in noise, with the loop and the batches of train_lora: undisturbed; killed
(SIGKILL) by turns at random moments and amid a save, and started again each time, after which all weights must be equal
bit for bit; and by `accelerate launch` on two processes, whose loss must take the same way within rounding.
"""

import argparse
import json
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import WhisperConfig, WhisperForAudioClassification

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.benchmark_docs import replace_section  # noqa: E402
from lid.data.clip import Clip  # noqa: E402
from lid.data.parts import Part  # noqa: E402
from lid.languages import CODES  # noqa: E402
from lid.model import checkpoint  # noqa: E402
from lid.training import loop  # noqa: E402
from lid.training.batches import BalancedBatches, BatchOptions  # noqa: E402
from lid.training.config import Optimisation  # noqa: E402

STEPS, SAVE_EVERY, VALIDATE_EVERY = 300, 3, 25
TONES = (300.0, 1000.0, 3000.0)  # Hz: the "languages"
SOUNDS = ("tr", "az", "kk", "uk")  # the second head's: what a made-up teacher says
FORK = multiprocessing.get_context("fork")  # a run then need not import everything anew; this process trains nothing


def train(folder: Path, dropout: float) -> None:
    """The run: what train_lora does, on tones."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    small = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
    model = WhisperForAudioClassification(WhisperConfig(**small, num_labels=3, classifier_proj_size=16, init_std=0.1))
    rng, times = np.random.default_rng(0), np.arange(32_000) / 16_000
    sounds = [0.2 * np.sin(2 * np.pi * TONES[i % 3] * times) + rng.normal(0, 0.1, len(times)) for i in range(12)]
    accelerator = Accelerator(cpu=True)
    clips = [Clip("", None, CODES[i % 3], speaker) for i, speaker in enumerate("abcdefghijkl")]
    batches = BalancedBatches(
        Part(clips, [sound.astype(np.float32) for sound in sounds]),
        [],
        BatchOptions(6, longest=1.5, speaker_cap=40, seed=0, augmented=False, clean=True),
        STEPS,
        process=accelerator.process_index,
        processes=accelerator.num_processes,
        posteriors=rng.dirichlet(np.ones(len(SOUNDS)), len(clips)),
    )
    settings = Optimisation(
        steps=STEPS,
        learning_rate=1e-3,
        warmup=5,
        validate_every=VALIDATE_EVERY,
        patience=STEPS,
        save_every=SAVE_EVERY,
        fp32=True,
    )
    measure = {"accuracy": 0.5, "loss": 1.0}
    tuned = checkpoint.add_lora(model, 4, dropout)
    checkpoint.add_sounds(tuned, SOUNDS)
    loop.train(tuned, batches, lambda _: measure, settings, folder, accelerator)


def start(folder: Path) -> multiprocessing.Process:
    folder.mkdir(exist_ok=True)
    run = FORK.Process(target=train, args=(folder, 0.1))
    run.start()
    return run


def kill_until_done(folder: Path, kills: int, seconds: float, rng: random.Random) -> tuple[int, int]:
    """Kill at most `kills` times: every other time within `seconds` of a save, else as soon as the next save has begun.
    Returns the kills and, of these, how many came while the state was being written."""
    done = writing = 0
    state, partial = folder / "state.safetensors", folder / "state.partial"
    while True:
        run = start(folder)
        if done == kills:
            run.join()
            return done, writing
        # Kills wait for the run's first save since its start, else it would never get anywhere.
        before = _stamp(state)
        while run.is_alive() and _stamp(state) == before:
            time.sleep(0.001)
        if done % 2:
            while run.is_alive() and not partial.exists():
                pass  # a save takes a few milliseconds
        else:
            time.sleep(rng.uniform(0, seconds))
        if not run.is_alive():
            return done, writing
        run.kill()
        run.join()
        writing += partial.exists()
        done += 1


def _stamp(file: Path) -> int:
    return file.stat().st_mtime_ns if file.exists() else 0


def launched(folder: Path, processes: int) -> list[float]:
    """The losses of a run under `accelerate launch`, every VALIDATE_EVERY steps."""
    folder.mkdir()
    several = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)]
    command = [sys.executable, *(several if processes > 1 else []), __file__, "--train", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with safe_open(folder / "state.safetensors", "pt") as file:
        history = json.loads(file.metadata()["run"])["history"]
    return [entry["train_loss"] for entry in history]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.2, help="how long after a save half the kills may come")
    parser.add_argument("--write", action="store_true", help="put the numbers into docs/ROBUSTNESS.md")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.train, 0.0)
        return 0
    failed = False
    with tempfile.TemporaryDirectory() as place:
        for title, measure in (("A killed training run", killed), ("Training on two processes", spread)):
            rows, wrong = measure(Path(place), options)
            text = as_markdown(rows)
            print(text, flush=True)
            if options.write:
                replace_section(title, text, ROOT / "docs" / "ROBUSTNESS.md")
            failed |= wrong
    return int(failed)


def killed(folder: Path, options: argparse.Namespace) -> tuple[dict, bool]:
    """Rows of a table, and whether the weights differ or too few kills came in time."""
    start(folder / "whole").join()
    kills, writing = kill_until_done(folder / "killed", options.kills, options.seconds, random.Random(0))
    expected, found = (load_file(folder / name / "state.safetensors") for name in ("whole", "killed"))
    different = [name for name in expected if not torch.equal(expected[name], found[name])]
    rows = {
        "steps of the run": STEPS,
        "kills": kills,
        "of these while the state was being written": writing,
        "tensors compared: weights, averages, best, optimizer": len(expected),
        "tensors that differ from the undisturbed run's": len(different),
    }
    return rows, bool(different) or kills < options.kills


def spread(folder: Path, options: argparse.Namespace) -> tuple[dict, bool]:
    """Rows of a table, and whether the losses go different ways."""
    one, two = (launched(folder / f"{processes}", processes) for processes in (1, 2))
    apart = max(abs(a - b) for a, b in zip(one, two, strict=True))
    rows = {
        "loss at first and last, one process": f"{one[0]:.5f}, {one[-1]:.5f}",
        "loss at first and last, two processes": f"{two[0]:.5f}, {two[-1]:.5f}",
        f"largest difference at any of {len(one)} points": f"{apart:.5f}",
    }
    return rows, apart > 1e-2  # rounding, grown over hundreds of steps


def as_markdown(rows: dict) -> str:
    table = "\n".join(f"| {what} | {number} |" for what, number in rows.items())
    return (
        "`python benchmarks/kill_training.py --write`: a miniature model that learns three tones.\n\n"
        f"| | |\n|---|--:|\n{table}"
    )


if __name__ == "__main__":
    sys.exit(main())
