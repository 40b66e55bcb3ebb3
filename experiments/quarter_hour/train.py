"""Several LoRA students at once on one GPU, for as many seconds as there are; finish.py makes runs of what they leave.

    python experiments/quarter_hour/train.py --pack pack/ --output out/ --seconds 500

What makes batches is the brake on such a machine, not the card. So all CPU cores put rows of ROW seconds through the
whole chain of lid.data.augment, into a pool in the card's memory; the card cuts each row many times anew, to batches
of one random length, and changes tempo, colour, noise and throat once more (data echoing, Choi et al. 2019,
arXiv:1907.05550). Every student gets batches of its own. Losses, optimizer and average are the recipe's
(lid/training/loop.py); the teacher, too, is asked here, once.
"""

import argparse
import json
import math
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ.setdefault("OMP_NUM_THREADS", "1")  # in the processes that augment; the card does the rest

import numpy as np
import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from transformers import WhisperConfig, WhisperForConditionalGeneration

from experiments.quarter_hour.pool import Pool, Speech, read_pack
from lid.model import checkpoint
from lid.model.checkpoint import Checkpoint
from lid.training import loop, teacher
from lid.training.config import Optimisation

LAYERS, WINDOW = 5, 10.0
CALIBRATE = 60  # steps after which it is known how many there will be
EARLY = 0.75  # of the way: averaged weights that are kept beside the last ones, to choose from
SAVING = 10  # seconds that are left for it


class Student(NamedTuple):
    name: str
    rank: int
    options: Optimisation


def students(rows: int) -> list[Student]:
    """The recipe's settings for a quarter of an hour that goes on from a trained checkpoint, and what is tried beside
    them. With outlier exposure (1, 3, 1) they came to doubt foreign voices that they had heard, but not new ones, and
    lost short clips (docs/LOG.md)."""
    recipe = Optimisation(
        steps=3000, batch_size=rows, speaker_cap=25, learning_rate=2e-4, head_learning_rate=5e-4, weight_decay=0.0,
        warmup=100, average_decay=0.998, distil=0.5, anchor=0.3, label_smoothing=0.05, validate_every=10**9,
    )  # fmt: skip
    return [
        Student("first", 32, recipe),
        Student("second", 32, replace(recipe, seed=1)),
        Student("loose", 32, replace(recipe, seed=2, learning_rate=4e-4, anchor=0.1)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--init-from", type=Path, help="a checkpoint to train further (default: the base model)")
    parser.add_argument("--seconds", type=float, default=500, help="until everything is written")
    parser.add_argument("--rows", type=int, default=192, help="clips a batch")
    parser.add_argument("--pool", type=int, default=16_384, help="rows kept to cut from")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--most-steps", type=int, default=4000)
    given = parser.parse_args()
    end = time.monotonic() + given.seconds
    given.output.mkdir(parents=True, exist_ok=True)
    speech, noises = read_pack(given.pack, given.workers)
    log(f"{len(speech.waveforms)} clips, {len(noises)} noises decoded; {end - time.monotonic():.0f} s left")
    rows = multiprocessing.get_context("fork")
    with Pool(rows, speech, noises, given.pool, given.workers) as pool:  # before CUDA is up: it forks
        accelerator = Accelerator(mixed_precision="bf16")
        torch.set_float32_matmul_precision("high")
        folder = whole_model(given.pack, Path(tempfile.mkdtemp()))
        posterior = ask(folder, speech, accelerator.device)
        save_file({"posterior": torch.from_numpy(posterior)}, given.output / "posterior.safetensors")
        log(f"teacher asked; {end - time.monotonic():.0f} s left, {pool.made()} rows made")
        pool.start(accelerator.device, posterior)
        train(folder, speech, pool, accelerator, given, end)


def whole_model(pack: Path, folder: Path) -> Path:
    """A Whisper as Transformers loads it, from encoder and shrunk decoder: what it does not need of the vocabulary is
    zeros."""
    config = WhisperConfig.from_pretrained(pack)
    model = WhisperForConditionalGeneration(config)
    weights = model.state_dict()
    weights |= {name: w.float() for name, w in load_file(pack / "encoder.safetensors").items()}
    decoder = load_file(pack / "decoder.safetensors")
    tokens = json.loads((pack / "clips.json").read_text())["teacher"]
    chosen = [config.decoder_start_token_id, *tokens.values()]
    for name, weight in decoder.items():
        if name.endswith(".scale"):
            continue
        value = weight.float() * decoder.get(name + ".scale", torch.ones(1))
        if name.endswith("embed_tokens.weight"):
            value = torch.zeros_like(weights[name]).index_copy(0, torch.tensor(chosen), value)
            weights["proj_out.weight"] = value
        elif name.endswith("embed_positions.weight"):
            value = torch.cat([value, torch.zeros_like(weights[name][1:])])
        weights[name] = value
    model.load_state_dict(weights)
    model.save_pretrained(folder)
    return folder


def ask(folder: Path, speech: Speech, device: torch.device, batch: int = 64) -> np.ndarray:
    """What the teacher says of each clip, float16 (clips, languages)."""
    tokens = list(json.loads((speech.pack / "clips.json").read_text())["teacher"].values())
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    said = [
        teacher.probabilities(model, speech.waveforms[start : start + batch], tokens)
        for start in range(0, len(speech.waveforms), batch)
    ]
    return np.concatenate(said).astype(np.float16)


def train(folder: Path, speech: Speech, pool: Pool, accelerator: Accelerator, given, end: float) -> None:
    """Step by step for all students, until the time is over or --most-steps are made."""
    runs, steps = begin(folder, speech, pool, accelerator, given)
    rng = np.random.default_rng(0)
    started, last, snapshots = time.monotonic(), 0.0, {run: {} for run in runs}
    total = given.most_steps
    while runs[0].step < total and time.monotonic() < end - SAVING:
        for run, step in zip(runs, steps, strict=True):
            seconds = math.exp(rng.uniform(math.log(0.8), math.log(WINDOW)))
            run.update(step(pool.batch(rng, given.rows, seconds), given.rows))
        pool.refill()
        done = runs[0].step
        if done >= CALIBRATE and done % CALIBRATE == 0:
            if accelerator.device.type == "cuda":
                torch.cuda.synchronize()
            pace = (time.monotonic() - started) / done
            total = min(given.most_steps, done + int((end - SAVING - time.monotonic()) / pace))
            for run in runs:  # the schedule ends when the time does
                run.options = replace(run.options, steps=total)
        if time.monotonic() - last > 20:
            last = time.monotonic()
            losses = [round(run.loss, 3) for run in runs]
            log(f"step {done} of {total}: {losses}, rows made {pool.made()}, {end - last:.0f} s left")
        if done >= EARLY * total and not snapshots[runs[0]]:
            keep(runs, snapshots, given.output, speech.languages)
    keep(runs, snapshots, given.output, speech.languages)
    log(f"{runs[0].step} steps of {given.rows} rows for each of {len(runs)} students, {pool.made()} rows made")


def begin(folder: Path, speech: Speech, pool: Pool, accelerator: Accelerator, given) -> tuple[list, list]:
    """Each student's run, and what makes a step of it."""
    tokens = tuple(json.loads((speech.pack / "clips.json").read_text())["teacher"])
    start = Checkpoint.load(given.init_from) if given.init_from else None
    pool.wait(given.rows * 4)
    rng = np.random.default_rng(1)
    samples = [pool.batch(rng, given.rows, 4.0)["clean"] for _ in range(4)]
    runs, steps = [], []
    for student in students(given.rows):
        torch.manual_seed(student.options.seed)
        model = checkpoint.load_base(str(given.init_from or folder), WINDOW, speech.languages, LAYERS)
        if start:
            checkpoint.take_rows(model, start)
        model = checkpoint.add_lora(model, student.rank, 0.0)
        checkpoint.add_sounds(model, tokens, start.detector if start else None)
        model.to(accelerator.device).train()
        run = loop.Run(model, student.options, given.output / student.name, accelerator)
        with accelerator.autocast():
            states = torch.cat([loop._base_states(model, sample) for sample in samples])
        run.variance = float(states.var(dim=0).mean())
        runs.append(run)
        steps.append(loop.Step(model, loop._Heads(model), run.options, run.variance, accelerator))
    return runs, steps


def keep(runs: list[loop.Run], snapshots: dict, output: Path, languages: tuple[str, ...]) -> None:
    """Write each student's averaged weights as they are by now, beside those kept before, in float16."""
    for run in runs:
        snapshots[run] |= {f"{run.step}/{name}": w.half().cpu() for name, w in run.average.items()}
        settings = {name: getattr(run.options, name) for name in loop.DECISIVE}
        about = {"settings": settings, "variance": run.variance, "curve": run.curve, "languages": list(languages)}
        about["rank"] = next(w.shape[0] for name, w in run.average.items() if "lora_A" in name)
        about["batch_size"] = run.options.batch_size
        save_file(snapshots[run], output / f"{run.file.parent.name}.safetensors", {"run": json.dumps(about)})


def log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    main()
