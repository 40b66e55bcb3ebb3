"""Seconds a clip in training, ours against the usual recipe, side by side in one run.

    python benchmarks/training_speed.py --base-model FOLDER_OR_HUB_ID --write

Both train the same Whisper with the same LoRA on the same clips of made-up sound on this machine, a few steps each, and
take turns. The usual recipe is that of most notebooks: float32, every clip padded to 30 s, dropout in LoRA. Ours is the
loop of train_lora.py: batches of one length drawn between 1 and 10 s, one in ten padded to the window, and
bfloat16 where the hardware has it. Clips are as long as Common Voice's, 2 to 9 s.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmark_docs import replace_section
from transformers import WhisperFeatureExtractor

from lid.audio import SAMPLE_RATE
from lid.data.clip import Clip
from lid.data.parts import Part
from lid.languages import CODES
from lid.model import checkpoint, precision, whisper
from lid.training.batches import BalancedBatches, BatchOptions
from lid.training.config import Model, Optimisation

CLIPS = 60
USUAL_BATCH = 8  # of 30 s clips: more only takes more memory on a CPU


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--base-model", default="openai/whisper-base", help="any Whisper id or folder")
    add("--steps", type=int, default=24, help="of ours; a batch's length is drawn, so a few would mislead")
    add("--usual-steps", type=int, default=3)
    add("--batch-size", type=int, default=24, help="of ours")
    add("--write", action="store_true", help="put the result into docs/BENCHMARKS.md")
    options = parser.parse_args()
    waveforms, labels = corpus()
    ours = trainer(options.base_model, Model().window, 0.0, our_loss)
    usual = trainer(options.base_model, 30.0, 0.05, usual_loss)
    batches = our_batches(waveforms, labels, options)
    padded = usual_batches(waveforms, labels)
    ours.step(next(batches)), usual.step(next(padded))  # the first of each is slower and does not count
    seconds, usual_seconds = [], []
    for turn in range(options.usual_steps):
        share = range(options.steps * turn // options.usual_steps, options.steps * (turn + 1) // options.usual_steps)
        seconds += [timed(lambda: ours.step(next(batches))) / options.batch_size for _ in share]
        usual_seconds.append(timed(lambda: usual.step(next(padded))) / USUAL_BATCH)
    number_format = "bfloat16" if precision.supports_bf16(torch.device("cpu")) else "float32"
    mine, theirs = np.mean(seconds, axis=0), np.median(usual_seconds, axis=0)
    text = (
        f"`python benchmarks/training_speed.py`: forward, backward and optimizer, features included, with "
        f"{torch.get_num_threads()} threads and {Path(options.base_model).name}.\n\n"
        "| recipe | s a clip | | CPU s a clip | |\n|---|--:|--:|--:|--:|\n"
        f"| usual: float32, padded to 30 s | {theirs[0]:.3f} | 1.0x | {theirs[1]:.3f} | 1.0x |\n"
        f"| ours: {number_format}, as long as the batch | {mine[0]:.3f} | {theirs[0] / mine[0]:.1f}x | {mine[1]:.3f} | "
        f"{theirs[1] / mine[1]:.1f}x |"
    )
    print(text)
    if options.write:
        replace_section("Training speed", text)


class Trainer:
    """A model with its optimizer."""

    def __init__(self, model: nn.Module, loss: Callable[[nn.Module, dict], torch.Tensor]):
        self.model, self.loss = model.train(), loss
        self.optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)

    def step(self, batch: dict) -> None:
        self.loss(self.model, batch).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


def trainer(base_model: str, window: float, dropout: float, loss: Callable[[nn.Module, dict], torch.Tensor]) -> Trainer:
    return Trainer(checkpoint.add_lora(checkpoint.load_base(base_model, window), Model().lora_rank, dropout), loss)


def our_loss(model: nn.Module, batch: dict) -> torch.Tensor:
    with precision.autocast(torch.device("cpu")):
        logits = whisper.frame_logits(model.base_model.model, batch["mel"]).mean(dim=1)
    return nn.functional.cross_entropy(logits, batch["labels"], label_smoothing=0.05)


def usual_loss(model: nn.Module, batch: dict) -> torch.Tensor:
    return model(batch["mel"], labels=batch["labels"]).loss


def our_batches(waveforms: list[np.ndarray], labels: list[int], options: argparse.Namespace) -> Iterator[dict]:
    """As train_lora.py makes them. Augmentation is left out, since the usual recipe has none."""
    usual = Optimisation()
    drawn = BatchOptions(options.batch_size, Model().window, usual.speaker_cap, usual.seed, augmented=False)
    clips = [Clip("", None, CODES[label], str(number)) for number, label in enumerate(labels)]
    batches = BalancedBatches(Part(clips, waveforms), [], drawn, options.steps + 1)
    return (batches[step] for step in range(len(batches)))


def usual_batches(waveforms: list[np.ndarray], labels: list[int]) -> Iterator[dict]:
    extractor, rng = WhisperFeatureExtractor(), np.random.default_rng(0)
    while True:
        chosen = rng.choice(len(labels), USUAL_BATCH, replace=False)
        mel = extractor([waveforms[i] for i in chosen], sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        yield {"mel": mel, "labels": torch.tensor([labels[i] for i in chosen])}


def corpus() -> tuple[list[np.ndarray], list[int]]:
    """Noise of clips' lengths: what is said does not change what it costs."""
    rng = np.random.default_rng(0)
    lengths = rng.uniform(2.0, 9.0, CLIPS) * SAMPLE_RATE
    return [rng.normal(0, 0.1, int(n)).astype(np.float32) for n in lengths], [i % 3 for i in range(CLIPS)]


def timed(work: Callable[[], None]) -> np.ndarray:
    """Seconds, and CPU seconds, which other programs' work hardly changes."""
    start = np.array([time.perf_counter(), time.process_time()])
    work()
    return np.array([time.perf_counter(), time.process_time()]) - start


if __name__ == "__main__":
    main()
