"""What the trainer sees: balanced batches, each a pure function of (seed, step).

There is no iterator state to save: a run killed at step n and resumed asks for batch n and gets the clips, crops and
augmentation it would have got. The languages take turns in every batch, with one row in seven for the background
languages together, where there are any; within one, a speaker's weight stops growing at a cap; every row of a batch is
cut or joined to one length drawn for the batch, so length says nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from lid.audio import SAMPLE_RATE
from lid.data.augment import LONGEST_STRETCH, augment, mask
from lid.data.parts import Part
from lid.features import FRAME_SAMPLES, HOP, log_mel
from lid.languages import CODES

ROUNDS = 2  # turns of the languages to be told apart between two rows of background


@dataclass(frozen=True)
class BatchOptions:
    """`size` rows a batch, languages in turn; lengths in seconds; a speaker counts for `speaker_cap` clips at most."""

    size: int
    longest: float
    speaker_cap: int
    seed: int
    shortest: float = 1.0
    augmented: bool = True
    whole_window: float = 0.1  # share of batches padded to the longest length, as a stock pipeline serves them


class BalancedBatches(Dataset):
    """Map-style dataset whose item `step` is a batch: a dict of tensors

    `mel` float32 (rows, n_mels, 2 * frames) and `labels` int64 (rows,), indices into `part.languages`.
    """

    def __init__(
        self,
        part: Part,
        noises: Sequence[np.ndarray],
        options: BatchOptions,
        steps: int,
        n_mels: int = 80,
        process: int = 0,
        processes: int = 1,
    ):
        """Of each batch this process (0-based) gets every n-th row. `noises` are recordings to mix in."""
        self.part, self.noises, self.options, self.steps, self.n_mels = part, noises, options, steps, n_mels
        self.slots = range(process, options.size, processes)
        self.classes = sorted(set(part.labels))
        named = [label for label in self.classes if label < len(CODES)]
        background = [label for label in self.classes if label >= len(CODES)]
        self.turns = [*([label] for label in named * ROUNDS), background] if background else [[c] for c in named]
        self.members = {c: np.flatnonzero(np.asarray(part.labels) == c) for c in self.classes}
        speakers, cap = part.speakers, options.speaker_cap
        self.chances = {c: _clip_chances([speakers[i] for i in m], cap) for c, m in self.members.items()}

    def __len__(self) -> int:
        return self.steps

    def rows(self, step: int) -> tuple[np.ndarray, list[int]]:
        """A batch before it becomes a spectrogram: float32 (rows, samples) at 16 kHz, and each row's label."""
        options = self.options
        rng = np.random.default_rng([options.seed, step])
        seconds = np.exp(rng.uniform(np.log(options.shortest), np.log(options.longest)))
        samples = int(seconds * SAMPLE_RATE) // FRAME_SAMPLES * FRAME_SAMPLES
        labels = [self._label(step, slot) for slot in self.slots]
        return np.stack([self._row(step, slot, samples) for slot in self.slots]), labels

    def __getitem__(self, step: int) -> dict[str, torch.Tensor]:
        options = self.options
        batch, labels = self.rows(step)
        samples = batch.shape[1]
        if np.random.default_rng([options.seed, step, 0]).random() < options.whole_window:
            batch = np.pad(batch, ((0, 0), (0, int(options.longest * SAMPLE_RATE) - samples)))
        mel = log_mel(torch.from_numpy(batch), self.n_mels)
        if options.augmented:
            for slot, row in zip(self.slots, mel, strict=True):
                mask(row[:, : samples // HOP].numpy(), np.random.default_rng([options.seed, step, slot, 1]))
        return {"mel": mel, "labels": torch.tensor(labels)}

    def _label(self, step: int, slot: int) -> int:
        choice = self.turns[slot % len(self.turns)]
        return choice[np.random.default_rng([self.options.seed, step, slot, 2]).integers(len(choice))]

    def _draw(self, label: int, rng: np.random.Generator) -> np.ndarray:
        return self.part.speech[rng.choice(self.members[label], p=self.chances[label])]

    def _row(self, step: int, slot: int, samples: int) -> np.ndarray:
        """One augmented clip of exactly this length; short ones are joined to others of their language."""
        rng = np.random.default_rng([self.options.seed, step, slot, 0])
        label = self._label(step, slot)
        needed = int(samples * LONGEST_STRETCH)
        pieces, total = [], 0
        while total < needed:
            waveform = self._draw(label, rng)
            if len(waveform) > needed - total:
                start = rng.integers(0, len(waveform) - (needed - total) + 1)
                waveform = waveform[start : start + needed - total]
            pause = np.zeros(int(rng.uniform(0.0, 0.4) * SAMPLE_RATE), np.float32)
            pieces += [waveform, pause]
            total += len(waveform) + len(pause)
        waveform = np.concatenate(pieces)[:needed]
        if self.options.augmented:
            other = self._draw(self._label(step, int(rng.integers(self.options.size))), rng)
            waveform = augment(waveform, rng, self.noises, other=other)
        return waveform[:samples]


def _clip_chances(speakers: list[str], cap: int) -> np.ndarray:
    """Each clip's chance of being drawn: a speaker counts by clips, but for no more than `cap`."""
    counts = Counter(speakers)
    weights = np.array([min(1.0, cap / counts[s]) if s else 1.0 for s in speakers])
    return weights / weights.sum()
