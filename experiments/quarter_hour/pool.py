"""Rows of augmented speech in a card's memory, made by all CPU cores and cut to batches on the card."""

import json
import mmap
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Self

import av
import numpy as np
import torch
from torch.nn import functional

from lid import audio
from lid.audio import SAMPLE_RATE
from lid.data import augment as chain
from lid.data import sounds
from lid.data.augment import Chances, augment
from lid.features import FRAME_SAMPLES
from lid.languages import CODES
from lid.model import whisper

ROW = 10 * SAMPLE_RATE  # samples
chain.CODECS = tuple(one for one in chain.CODECS if one[1] in av.codecs_available)  # not every FFmpeg has all
# Tempo and throat are the card's part: it can change them at every cut.
CHANCES = Chances(speed=0.0, pitch=0.0)
BACKGROUND, CAP = 0.375, 25  # the share of rows in other languages; clips for which one voice counts
UNKNOWN = 2 * CAP  # and all unknown voices of a language together: here, synthesisers and lists of words
# A share of the rows has no speech at all, and a row of the head for it, ISO 639's code for "no linguistic content".
# The row is left out in the end; embeddings that tell noise from speech stay.
NO_SPEECH, SILENT = "zxx", 0.04


@dataclass
class Speech:
    """Decoded clips; `languages` are the rows of a head for them."""

    pack: Path
    waveforms: list[np.ndarray]
    codes: list[str]
    speakers: list[str]

    @cached_property
    def languages(self) -> tuple[str, ...]:
        return (*CODES, *self.others, NO_SPEECH)

    @cached_property
    def others(self) -> list[str]:
        return sorted(set(self.codes) - set(CODES))

    @cached_property
    def members(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Of each language its clips, and the chance of each: voices count by clips, up to a cap."""
        found = {}
        for code in (*CODES, *self.others):
            clips = [i for i, one in enumerate(self.codes) if one == code]
            voices = [self.speakers[i] for i in clips]
            weights = np.array([min(1.0, (CAP if v else UNKNOWN) / voices.count(v)) for v in voices])
            found[code] = np.array(clips), weights / weights.sum()
        return found

    def draw(self, code: str, rng: np.random.Generator) -> int:
        clips, chances = self.members[code]
        return int(rng.choice(clips, p=chances))

    def draw_language(self, rng: np.random.Generator) -> str:
        if self.others and rng.random() < BACKGROUND:
            roots = np.sqrt([len(self.members[code][0]) for code in self.others])
            return str(rng.choice(self.others, p=roots / roots.sum()))
        return CODES[rng.integers(len(CODES))]


def read_pack(pack: Path, workers: int) -> tuple[Speech, list[np.ndarray]]:
    """The clips and noises that pack.py left."""
    about = json.loads((pack / "clips.json").read_text())
    shards = [(pack / f"speech-{n}.bin").read_bytes() for n in range(len(list(pack.glob("speech-*.bin"))))]
    places = [one["place"] for one in (*about["clips"], *about["noises"])]
    files = [shards[number][start : start + size] for number, start, size in places]
    with ProcessPoolExecutor(workers) as executor:
        decoded = list(executor.map(audio.decode, files, chunksize=32))
    clips = about["clips"]
    speech = Speech(pack, decoded[: len(clips)], [c["language"] for c in clips], [c["speaker"] for c in clips])
    return speech, decoded[len(clips) :]


class Pool:
    """`size` rows of ROW samples, as augmented and as they were, which workers renew one after another."""

    def __init__(self, context: BaseContext, speech: Speech, noises: list[np.ndarray], size: int, workers: int):
        self.speech, self.noises, self.size, self.workers = speech, noises, size, workers

        def shared(shape: tuple[int, ...], kind: type) -> np.ndarray:
            count = int(np.prod(shape))
            return np.frombuffer(mmap.mmap(-1, count * np.dtype(kind).itemsize), kind).reshape(shape)

        self.heard, self.clean = shared((size, ROW), np.int16), shared((size, ROW), np.int16)
        self.labels, self.clips = shared((size,), np.int64), shared((size, 16), np.int64)
        self.counts = shared((workers,), np.int64)  # rows that each has made by now
        self.copied = np.zeros(workers, np.int64)
        self.processes = [context.Process(target=self._work, args=(n,), daemon=True) for n in range(workers)]

    def __enter__(self) -> Self:
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes:
            process.kill()

    def made(self) -> int:
        return int(self.counts.sum())

    def _slot(self, worker: int, count: int) -> int:
        return worker + self.workers * (count % (self.size // self.workers))

    def _work(self, worker: int) -> None:
        torch.set_num_threads(1)
        rng = np.random.default_rng([worker, 17])
        while True:
            slot = self._slot(worker, int(self.counts[worker]))
            code = NO_SPEECH if rng.random() < SILENT else self.speech.draw_language(rng)
            clean, clips = (self._sound(rng), [-1]) if code == NO_SPEECH else self._row(code, rng)
            other = self.speech.waveforms[self.speech.draw(self.speech.draw_language(rng), rng)]
            heard = augment(clean, rng, self.noises, CHANCES, other)[:ROW]
            for store, row in ((self.heard, heard), (self.clean, clean)):
                store[slot] = np.clip(np.pad(row, (0, ROW - len(row))) * 32767, -32767, 32767)
            self.labels[slot] = self.speech.languages.index(code)
            self.clips[slot] = np.resize(clips, 16)
            self.counts[worker] += 1

    def _sound(self, rng: np.random.Generator) -> np.ndarray:
        """Recorded noise, of the half that is not tested on, made-up noise, or music, float32 (ROW,)."""
        heard = self.noises[::2]
        kind = rng.random()
        if kind < 0.5 and heard:
            return np.resize(heard[rng.integers(len(heard))], ROW).astype(np.float32)
        return chain.draw_noise(ROW, rng) if kind < 0.8 else sounds.music(ROW / SAMPLE_RATE, rng)[:ROW]

    def _row(self, code: str, rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
        """Clips of one language end to end, pauses between them, float32 (ROW,), and which these are."""
        pieces, clips, total = [], [], 0
        while total < ROW:
            clips.append(self.speech.draw(code, rng))
            waveform = self.speech.waveforms[clips[-1]]
            if len(waveform) > ROW - total:
                start = rng.integers(0, len(waveform) - (ROW - total) + 1)
                waveform = waveform[start : start + ROW - total]
            pieces += [waveform, np.zeros(int(rng.uniform(0.0, 0.4) * SAMPLE_RATE), np.float32)]
            total += len(pieces[-1]) + len(pieces[-2])
        return np.concatenate(pieces)[:ROW], clips

    # On the card.

    def start(self, device: torch.device, posterior: np.ndarray) -> None:
        """Begin to copy rows to the card. `posterior` (clips, languages) is the teacher's word on every clip; it has
        none on rows without speech."""
        self.device = device
        self.on_card = {
            "heard": torch.zeros((self.size, ROW), dtype=torch.int16, device=device),
            "clean": torch.zeros((self.size, ROW), dtype=torch.int16, device=device),
            "labels": torch.zeros(self.size, dtype=torch.int64, device=device),
            "posterior": torch.zeros((self.size, posterior.shape[1]), device=device),
        }
        silent = np.zeros((1, posterior.shape[1]))
        self.posterior = torch.from_numpy(np.concatenate([posterior, silent]).astype(np.float32))
        self.there = np.zeros(0, np.int64)
        noises = [np.resize(noise, ROW) for noise in self.noises] or [np.random.default_rng(0).standard_normal(ROW)]
        self.noise = torch.from_numpy(np.stack(noises).astype(np.float32)).to(device)

    def wait(self, rows: int) -> None:
        """Until there are so many."""
        while self.refill() < rows:
            time.sleep(0.5)

    def refill(self) -> int:
        """Copy what was made since the last time; how many rows there are."""
        counts = self.counts.copy()
        slots = [
            self._slot(worker, count)
            for worker in range(self.workers)
            for count in range(max(self.copied[worker], counts[worker] - self.size // self.workers), counts[worker])
        ]
        self.copied = counts
        if slots:
            at = torch.tensor(slots, device=self.device)
            for name, rows in (("heard", self.heard), ("clean", self.clean), ("labels", self.labels)):
                self.on_card[name][at] = torch.from_numpy(rows[slots]).to(self.device)
            said = self.posterior[torch.from_numpy(self.clips[slots])].mean(dim=1)
            self.on_card["posterior"][at] = said.to(self.device)
            self.there = np.union1d(self.there, slots)
        return len(self.there)

    def batch(self, rng: np.random.Generator, rows: int, seconds: float) -> dict[str, torch.Tensor]:
        """`rows` cuts of one length, as lid.training.loop.Step takes them."""
        tempo = rng.uniform(0.89, 1.12) if rng.random() < 0.6 else 1.0
        samples = _rounded(seconds * SAMPLE_RATE)
        natural = _rounded(samples * tempo)
        chosen = torch.from_numpy(rng.choice(self.there, rows)).to(self.device)
        starts = torch.from_numpy(rng.integers(0, ROW - natural + 1, rows)).to(self.device)
        columns = starts[:, None] + torch.arange(natural, device=self.device)
        heard, clean = (self.on_card[name][chosen[:, None], columns].float() / 32768 for name in ("heard", "clean"))
        if tempo != 1.0:
            heard = functional.interpolate(heard[:, None], samples, mode="linear")[:, 0]
        heard = self._noisier(self._coloured(heard, rng), rng)
        mel = whisper.log_mel(heard)
        return {
            "mel": _masked(_warped(mel, rng), rng),
            "clean": whisper.log_mel(clean),
            "labels": self.on_card["labels"][chosen],
            "posterior": self.on_card["posterior"][chosen],
        }

    def _coloured(self, rows: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """A smooth curve within +-6 dB over frequency for half of the rows."""
        spectrum = torch.fft.rfft(rows)
        bins = spectrum.shape[1]
        hertz = np.linspace(0, SAMPLE_RATE / 2, bins)
        at = np.interp(np.log(np.maximum(hertz, 80)), np.log(np.geomspace(80, 8000, 7)), np.arange(7))
        at = torch.from_numpy(at.astype(np.float32)).to(rows.device)
        decibels = rng.uniform(-6, 6, (len(rows), 7)) * (rng.random((len(rows), 1)) < 0.5)
        knots = torch.from_numpy(decibels.astype(np.float32)).to(rows.device)
        low = at.long().clamp(max=5)
        curve = knots[:, low] + (knots[:, low + 1] - knots[:, low]) * (at - low)
        return torch.fft.irfft(spectrum * 10 ** (curve / 20), rows.shape[1])

    def _noisier(self, rows: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Recorded noise at 5 to 35 dB below three rows in ten."""
        length = rows.shape[1]
        which = torch.from_numpy(rng.integers(0, len(self.noise), len(rows))).to(rows.device)
        starts = torch.from_numpy(rng.integers(0, ROW - length + 1, len(rows))).to(rows.device)
        noise = self.noise[which[:, None], starts[:, None] + torch.arange(length, device=rows.device)]
        power = rows.square().mean(dim=1, keepdim=True) / noise.square().mean(dim=1, keepdim=True).clamp(min=1e-9)
        ratio = rng.uniform(5, 35, (len(rows), 1)) + 1e3 * (rng.random((len(rows), 1)) >= 0.3)
        below = torch.from_numpy((10 ** (-ratio / 20)).astype(np.float32)).to(rows.device)
        return rows + noise * power.sqrt() * below


def _rounded(samples: float) -> int:
    """To one of some thirty lengths: the card prepares itself for each new one, which cost more than training did."""
    step = 16 * FRAME_SAMPLES
    return min(ROW // step, max(2, round(samples / step))) * step


def _warped(mel: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """lid.data.augment.warp for a batch: longer and shorter throats, half of the time as it is."""
    rows, mels, frames = mel.shape
    factor = np.where(rng.random((rows, 1)) < 0.5, 1.0, rng.uniform(0.88, 1.12, (rows, 1)))
    at = torch.from_numpy(np.minimum(np.arange(mels) * factor, mels - 1).astype(np.float32)).to(mel.device)
    low = at.long().clamp(max=mels - 2)
    share = (at - low)[..., None]

    def gathered(index: torch.Tensor) -> torch.Tensor:
        return mel.gather(1, index[..., None].expand(rows, mels, frames))

    return gathered(low) * (1 - share) + gathered(low + 1) * share


def _masked(mel: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """lid.data.augment.mask for a batch: up to two bands and two moments of each row become its mean."""
    rows, mels, frames = mel.shape
    hidden = torch.zeros_like(mel, dtype=torch.bool)

    def spans(size: int, widest: int) -> torch.Tensor:
        width = rng.integers(1, max(2, widest), (rows, 1)) * (rng.random((rows, 1)) < 0.5)
        start = (rng.random((rows, 1)) * (size - width)).astype(int)
        places = np.arange(size)
        return torch.from_numpy((places >= start) & (places < start + width)).to(mel.device)

    for _ in range(2):
        hidden |= spans(mels, 13)[:, :, None] | spans(frames, frames // 12)[:, None, :]
    return torch.where(hidden, mel.mean(dim=(1, 2), keepdim=True), mel)
