"""Sounds without speech: recorded noise to mix in, and music made up of plucked strings."""

from pathlib import Path

import numpy as np

from lid import audio
from lid.audio import SAMPLE_RATE
from lid.errors import InputError


def load_noises(folder: Path | None) -> list[np.ndarray]:
    """The recordings in a folder, each float32 (samples,) at 16 kHz; none where no folder is named: made-up noise then
    serves alone. Raises InputError for an empty folder, and for a file that cannot be decoded."""
    if folder is None:
        return []
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}. Give a folder of noise files, or leave --noise out.", "data")
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    if not files:
        raise InputError(f"{folder} holds no recordings. Give a folder of noise files, or leave --noise out.", "data")
    return [audio.decode(file) for file in files]


def music(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Chords of plucked strings, float32 (samples,) at 16 kHz: no recording of music is needed."""
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    beat, decay, brightness = rng.uniform(0.2, 0.6), rng.uniform(1.0, 6.0), rng.uniform(1.0, 2.0)
    sound = np.zeros_like(times)
    for start in np.arange(0.0, seconds, beat):
        ringing = times[times >= start] - start
        for hertz in 220.0 * 2.0 ** (rng.integers(-12, 24, 3) / 12):
            overtones = sum(np.sin(2 * np.pi * hertz * n * ringing) / n**brightness for n in range(1, 6))
            sound[len(times) - len(ringing) :] += np.exp(-decay * ringing) * overtones
    return (sound / np.abs(sound).max()).astype(np.float32)
