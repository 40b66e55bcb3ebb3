"""What the trainer sees: balanced batches, each a pure function of (seed, step).

There is no iterator state to save: a run killed at step n and resumed asks for batch n and gets the clips, crops and
augmentation it would have got. The three languages take turns; where there are background languages, they have a share
of the rows, each by the square root of its clips. Within a language a speaker's weight stops growing at a cap; every
row of a batch is cut or joined to one length drawn for the batch, so length says nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from lid.audio import SAMPLE_RATE
from lid.data.augment import LONGEST_STRETCH, augment, mask, warp
from lid.data.parts import Part
from lid.features import FRAME_SAMPLES, HOP
from lid.languages import CODES
from lid.model import whisper


@dataclass(frozen=True)
class BatchOptions:
    """`size` rows a batch, of which background languages get `background_share`; lengths in seconds; a speaker counts
    for `speaker_cap` clips at most. `clean`: batches have the rows before augmentation as well."""

    size: int
    longest: float
    speaker_cap: int
    seed: int
    background_share: float = 0.375
    shortest: float = 0.8
    augmented: bool = True
    clean: bool = False
    whole_window: float = 0.1  # share of batches padded to the longest length, as a stock pipeline serves them


class _Row(NamedTuple):
    """What is heard (samples,), the same before augmentation (samples,), and the clips that are in it."""

    heard: np.ndarray
    clean: np.ndarray
    clips: list[int]


class BalancedBatches(Dataset):
    """Map-style dataset whose item `step` is a batch: a dict of tensors

    `mel` float32 (rows, n_mels, 2 * frames) and `labels` int64 (rows,), indices into `part.languages`; where
    `posteriors` are given, `posterior` float32 (rows, languages), their mean over the clips in a row; where the options
    say so, `clean` like `mel`, of the same rows before augmentation.
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
        posteriors: np.ndarray | None = None,
    ):
        """Of each batch this process (0-based) gets every n-th row. `noises` are recordings to mix in, `posteriors`
        (clips, languages) what a teacher says of each clip of the part (`lid.training.teacher`)."""
        self.part, self.noises, self.options, self.steps, self.n_mels = part, noises, options, steps, n_mels
        self.posteriors = posteriors
        self.slots = range(process, options.size, processes)
        self.classes = sorted(set(part.labels))
        self.members = {c: np.flatnonzero(np.asarray(part.labels) == c) for c in self.classes}
        self.named = [label for label in self.classes if label < len(CODES)]
        self.background = [label for label in self.classes if label >= len(CODES)]
        roots = np.sqrt([len(self.members[label]) for label in self.background])
        self.background_chances = roots / roots.sum() if self.background else roots
        speakers, cap = part.speakers, options.speaker_cap
        self.chances = {c: _clip_chances([speakers[i] for i in m], cap) for c, m in self.members.items()}

    def __len__(self) -> int:
        return self.steps

    def rows(self, step: int) -> tuple[np.ndarray, list[int]]:
        """A batch before it becomes a spectrogram: float32 (rows, samples) at 16 kHz, and each row's label."""
        return np.stack([row.heard for row in self._rows(step)]), self._labels(step)

    def __getitem__(self, step: int) -> dict[str, torch.Tensor]:
        options, rows = self.options, self._rows(step)
        samples = len(rows[0].heard)
        whole = np.random.default_rng([options.seed, step, 0]).random() < options.whole_window
        padding = int(options.longest * SAMPLE_RATE) - samples if whole else 0

        def spectrograms(waveforms: list[np.ndarray]) -> torch.Tensor:
            return whisper.log_mel(torch.from_numpy(np.pad(np.stack(waveforms), ((0, 0), (0, padding)))), self.n_mels)

        mel = spectrograms([row.heard for row in rows])
        if options.augmented:
            for slot, row in zip(self.slots, mel.numpy(), strict=True):
                rng = np.random.default_rng([options.seed, step, slot, 1])
                row[:] = warp(row, rng)
                mask(row[:, : samples // HOP], rng)
        batch = {"mel": mel, "labels": torch.tensor(self._labels(step))}
        if options.clean:
            batch["clean"] = spectrograms([row.clean for row in rows])
        if self.posteriors is not None:
            said = [self.posteriors[row.clips].mean(axis=0, dtype=np.float32) for row in rows]
            batch["posterior"] = torch.from_numpy(np.stack(said))
        return batch

    def _background_rows(self, slots: int) -> int:
        """How many of the first `slots` rows of a batch are of background languages: spread evenly over the batch."""
        return int(slots * self.options.background_share) if self.background else 0

    def _label(self, step: int, slot: int) -> int:
        before = self._background_rows(slot)
        if self._background_rows(slot + 1) > before:
            rng = np.random.default_rng([self.options.seed, step, slot, 2])
            return int(rng.choice(self.background, p=self.background_chances))
        each = self.options.size - self._background_rows(self.options.size)  # rows of the three in every batch
        return self.named[(step * each + slot - before) % len(self.named)]

    def _labels(self, step: int) -> list[int]:
        return [self._label(step, slot) for slot in self.slots]

    def _rows(self, step: int) -> list[_Row]:
        options = self.options
        rng = np.random.default_rng([options.seed, step])
        seconds = np.exp(rng.uniform(np.log(options.shortest), np.log(options.longest)))
        samples = int(seconds * SAMPLE_RATE) // FRAME_SAMPLES * FRAME_SAMPLES
        return [self._row(step, slot, samples) for slot in self.slots]

    def _draw(self, label: int, rng: np.random.Generator) -> int:
        return int(rng.choice(self.members[label], p=self.chances[label]))

    def _row(self, step: int, slot: int, samples: int) -> _Row:
        """One clip of exactly this length; short ones are joined to others of their language."""
        rng = np.random.default_rng([self.options.seed, step, slot, 0])
        label = self._label(step, slot)
        needed = int(samples * LONGEST_STRETCH)
        clips: list[int] = []
        pieces, total = [], 0
        while total < needed:
            clips.append(self._draw(label, rng))
            waveform = self.part.speech[clips[-1]]
            if len(waveform) > needed - total:
                start = rng.integers(0, len(waveform) - (needed - total) + 1)
                waveform = waveform[start : start + needed - total]
            pause = np.zeros(int(rng.uniform(0.0, 0.4) * SAMPLE_RATE), np.float32)
            pieces += [waveform, pause]
            total += len(waveform) + len(pause)
        clean = np.concatenate(pieces)[:needed]
        heard = clean
        if self.options.augmented:
            other = self.part.speech[self._draw(self._label(step, int(rng.integers(self.options.size))), rng)]
            heard = augment(clean, rng, self.noises, other=other)
        return _Row(heard[:samples], clean[:samples], clips)


def _clip_chances(speakers: list[str], cap: int) -> np.ndarray:
    """Each clip's chance of being drawn: a speaker counts by clips, but for no more than `cap`."""
    counts = Counter(speakers)
    weights = np.array([min(1.0, cap / counts[s]) if s else 1.0 for s in speakers])
    return weights / weights.sum()
