"""Kill a training run at random moments, again and again: does it end with the weights it would have had?

    python benchmarks/kill_training.py --kills 20 --output docs/kill_training.json

A miniature model trains on noise, once undisturbed, and once killed (SIGKILL) at random moments and started again each
time. The weights that come out must be equal, bit for bit.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
STEPS, SAVE_EVERY = 400, 5


def train(folder: Path) -> None:
    """The run: what train_lora does, on noise."""
    import numpy as np
    import torch
    from accelerate import Accelerator
    from transformers import WhisperConfig, WhisperForAudioClassification

    from lid import training
    from lid.data.stream import BalancedBatches, BatchOptions

    torch.manual_seed(0)
    small = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
    model = WhisperForAudioClassification(WhisperConfig(**small, num_labels=3, classifier_proj_size=16))
    rng = np.random.default_rng(0)
    noise = [rng.standard_normal(16_000).astype(np.float32) * 0.1 for _ in range(12)]
    options = BatchOptions(6, longest=1.5, augmented=False)
    batches = BalancedBatches(noise, [i % 3 for i in range(12)], list("abcdefghijkl"), [], options, STEPS)
    settings = training.TrainingOptions(
        steps=STEPS, warmup=5, validate_every=STEPS // 4, save_every=SAVE_EVERY, workers=0, bf16=False
    )
    measure = {"accuracy": 0.5, "loss": 1.0}
    training.train(
        training.add_lora(model, 4, 0.1), batches, lambda _: measure, settings, folder, Accelerator(cpu=True)
    )


def start(folder: Path) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, __file__, "--train", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def kill_until_done(folder: Path, kills: int, seconds: float, rng: random.Random) -> tuple[int, int]:
    """Kill at most `kills` times, each within `seconds` of a start; returns the kills and, of these, how many came
    while the state was being written."""
    done = writing = 0
    while True:
        run = start(folder)
        if done == kills:
            run.wait()
            return done, writing
        # Kills wait for the run's first save since its start, else it would never get anywhere.
        state, before = folder / "state.safetensors", _stamp(folder / "state.safetensors")
        while run.poll() is None and _stamp(state) == before:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, seconds))
        if run.poll() is not None:
            return done, writing
        writing += (folder / "state.partial").exists()
        run.kill()
        run.wait()
        done += 1


def _stamp(file: Path) -> int:
    return file.stat().st_mtime_ns if file.exists() else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.5, help="how long after a save a kill may come")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "kill_training.json")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.train)
        return 0
    import torch
    from safetensors.torch import load_file

    with tempfile.TemporaryDirectory() as place:
        whole, killed = Path(place) / "whole", Path(place) / "killed"
        start(whole).wait()
        kills, writing = kill_until_done(killed, options.kills, options.seconds, random.Random(0))
        expected, found = (load_file(folder / "state.safetensors") for folder in (whole, killed))
    different = [name for name in expected if not torch.equal(expected[name], found[name])]
    result = {
        "steps": STEPS,
        "kills": kills,
        "kills_while_saving": writing,
        "tensors": len(expected),
        "tensors_that_differ": len(different),
    }
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 1 if different or kills < options.kills else 0


if __name__ == "__main__":
    sys.exit(main())
