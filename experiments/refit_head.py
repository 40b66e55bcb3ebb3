"""Fit a checkpoint's head anew on embeddings that do not change: rows of the three languages and of the others.

    python experiments/refit_head.py --checkpoint runs/gpu/merged --output runs/refitted --data corpus/ \\
      --background corpus/ --noise noises/ --extra-train synthetic/

For voices that a finished run did not have, such as synthetic speech, or after encoders were averaged: minutes instead
of another training. The encoder and the second head stay; with `--own-rows` the rows of other languages, too. The three
languages have OWN_SHARE of the weight; within the others a language counts with the square root of its clips. Each clip
is there as it is, as an augmented crop of 1 to 5 s, and as a crop of 0.8 to 2.2 s. Rows are held to where they were by
`--pull` times their squared distance. Temperature, distances and thresholds are fitted after it.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from lid.audio import SAMPLE_RATE
from lid.data import augment, sounds
from lid.data.parts import Part
from lid.evaluation import fit
from lid.evaluation.embeddings import clip_means
from lid.languages import CODES
from lid.model import whisper
from lid.model.checkpoint import Checkpoint
from lid.training import prepare
from lid.training.config import Data, Evaluation, Run, Sources, add_arguments, read

MOST, MOST_OTHERS = 450, 40  # clips of each of the three languages, and of each other one
OWN_SHARE = 0.6  # of the weight, for the three together
SMOOTHING = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--pull", type=float, default=0.3)
    parser.add_argument("--exposure", type=float, default=1.0, help="weight of even odds for other languages' clips")
    parser.add_argument("--own-rows", action="store_true", help="rows of other languages stay as they are")
    for group in (Sources, Data, Evaluation, Run):
        add_arguments(parser, group)
    given = parser.parse_args()
    sources, run = read(given, Sources), read(given, Run)
    selection = prepare.select(sources, read(given, Data), read(given, Evaluation), run.cache_dir, None, run.workers)
    checkpoint, parts = Checkpoint.load(given.checkpoint), prepare.decode(selection, run.cache_dir)
    noises = sounds.load_noises(sources.noise)[::2]
    refit(checkpoint, parts.train, noises, Fit(given.pull, given.exposure, given.own_rows))
    print(fit.fit(checkpoint, parts, noises, 0))
    checkpoint.save(run.output)


class Fit(NamedTuple):
    """What the command line says of it."""

    pull: float
    exposure: float
    own_rows: bool


def refit(checkpoint: Checkpoint, train: Part, noises: list[np.ndarray], options: Fit, seed: int = 0) -> None:
    """Fit the rows in the checkpoint's head and detector, in place."""
    rng = np.random.default_rng([seed, 6])
    names = [*CODES, *checkpoint.detector.languages]
    part = train.take(_chosen(train, names, rng))
    labels = torch.tensor([names.index(clip.language) for clip in part.clips]).repeat(3)
    waveforms = [
        *part.speech,
        *(augment.augment(_crop(waveform, 1.0, 5.0, rng), rng, noises) for waveform in part.speech),
        *(_crop(waveform, 0.8, 2.2, rng) for waveform in part.speech),
    ]
    embeddings = torch.from_numpy(clip_means(whisper.project, checkpoint.model.float(), waveforms))
    head, detector = checkpoint.model.classifier, checkpoint.detector
    first = torch.cat([head.weight.detach(), torch.from_numpy(detector.weight)])
    rows, bias = first.clone().requires_grad_(), torch.cat([head.bias.detach(), torch.from_numpy(detector.bias)])
    bias = bias.clone().requires_grad_()
    weights = _weights(labels, len(names))
    known, foreign = len(CODES), weights * (labels >= len(CODES))
    optimizer = torch.optim.LBFGS([rows, bias], max_iter=150, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = embeddings @ rows.T + bias
        each = nn.functional.cross_entropy(logits, labels, reduction="none", label_smoothing=SMOOTHING)
        total = (weights * each).sum() + options.pull * (rows - first).square().sum()
        total = total - options.exposure * (foreign * logits[:, :known].log_softmax(dim=-1).mean(dim=-1)).sum()
        total.backward()
        if options.own_rows:
            for of in (rows, bias):
                of.grad[known:] = 0
        return total

    optimizer.step(loss)
    with torch.no_grad():
        head.weight.copy_(rows[:known])
        head.bias.copy_(bias[:known])
    checkpoint.model.half()
    others = {"weight": rows[known:].detach().numpy(), "bias": bias[known:].detach().numpy()}
    checkpoint.detector = detector.with_rows(**others)


def _chosen(train: Part, names: list[str], rng: np.random.Generator) -> list[int]:
    """Clips of the languages named, at most so many of each, drawn anew."""
    chosen = []
    for name in names:
        of = [i for i, clip in enumerate(train.clips) if clip.language == name]
        chosen += rng.permutation(of)[: MOST if name in CODES else MOST_OTHERS].astype(int).tolist()
    return chosen


def _crop(waveform: np.ndarray, shortest: float, longest: float, rng: np.random.Generator) -> np.ndarray:
    """So many seconds of it, from anywhere."""
    samples = min(len(waveform), int(rng.uniform(shortest, longest) * SAMPLE_RATE))
    start = rng.integers(0, len(waveform) - samples + 1)
    return waveform[start : start + samples]


def _weights(labels: torch.Tensor, count: int) -> torch.Tensor:
    """Each clip's weight; they sum to 1."""
    clips = torch.bincount(labels, minlength=count).float()
    languages = clips.clamp(min=1).sqrt() * (clips > 0)
    languages[: len(CODES)] = OWN_SHARE / len(CODES)
    languages[len(CODES) :] *= (1 - OWN_SHARE) / languages[len(CODES) :].sum().clamp(min=1e-9)
    return (languages / clips.clamp(min=1))[labels]


if __name__ == "__main__":
    main()
