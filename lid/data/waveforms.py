"""Decoded speech on disk, so that each clip is decoded and its silence cut once however many epochs follow.

One int16 file holds the speech of every clip end to end; a JSON index says whose is where. It is memory-mapped, so a
corpus larger than memory trains too: an hour of speech takes 115 MB of disk.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lid import audio, vad
from lid.audio import SAMPLE_RATE


class Waveforms(Sequence[np.ndarray]):
    """The speech of each clip in order: `waveforms[i]` is float32 (samples,) at 16 kHz, first to last speech."""

    def __init__(self, pcm: np.ndarray, ends: list[int]):
        self._pcm = pcm
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]  # nobody needs slices
        start = self._ends[index - 1] if index else 0
        return self._pcm[start : self._ends[index]].astype(np.float32) / 32768.0


def prepare(clips: Sequence, folder: Path, progress: bool = True) -> Waveforms:
    """Decode `clips` (objects with `audio`, `path`, `language`) into `folder`, or open what an earlier run left there.

    The files are named by the clips' contents; a run killed half-way leaves only a temporary file behind.
    """
    if not clips:
        return Waveforms(np.zeros(0, np.int16), [])  # an empty file cannot be mapped
    folder.mkdir(parents=True, exist_ok=True)
    pcm, index = (folder / f"speech-{key(clips)}.{kind}" for kind in ("i16", "json"))
    if not index.exists():
        _decode_all(clips, pcm, index, progress)
    return Waveforms(np.memmap(pcm, np.int16, "r"), json.loads(index.read_text()))


def key(clips: Sequence) -> str:
    """What stands for these clips in this order in the names of files: of their names and contents, 16 digits."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(f"{clip.language}/{clip.path}".encode())
        digest.update(hashlib.sha256(clip.audio).digest())
    return digest.hexdigest()[:16]


def _decode_all(clips: Sequence, pcm: Path, index: Path, progress: bool) -> None:
    ends, total = [], 0
    partial = pcm.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as file:
        for clip in tqdm(clips, "decoding", unit="clip", mininterval=1, disable=not progress):
            waveform = trim(audio.decode(clip.audio))
            file.write((waveform * 32767).astype(np.int16).tobytes())
            total += len(waveform)
            ends.append(total)
    partial.replace(pcm)
    finished = index.with_suffix(f".{os.getpid()}.partial")
    finished.write_text(json.dumps(ends))
    finished.replace(index)  # last, so that an index always has its samples


def trim(waveform: np.ndarray) -> np.ndarray:
    """Cut leading and trailing silence; a clip in which no speech is found stays whole."""
    spans = vad.find(waveform)
    if not spans:
        return waveform
    start, end = spans[0][0] - vad.MARGIN, spans[-1][1] + vad.MARGIN
    return waveform[max(0, int(start * SAMPLE_RATE)) : int(end * SAMPLE_RATE)]
