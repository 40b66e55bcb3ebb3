"""Recognise the same recording again: re-encoded, louder, shifted, or twice in one file.

After Haitsma & Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002): a frame is a word of bits, each the
sign of how the difference between two neighbouring bands changes in time. Gain cancels out, and a codec flips few
signs. Their third of a second is shortened to a quarter, as clips here last seconds, and levels are in dB.

Libraries such as Chromaprint want ten seconds of music or more, and a native program; clips here last two to ten.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
import soxr

from lid.audio import SAMPLE_RATE

RATE = 8_000  # Hz: telephone speech has the band that is used
WINDOW = 2048  # samples, 256 ms: so long that frames which start half a hop apart still agree
HOP = 256  # samples, 32 ms
LAG = 8  # frames over which the change in time is taken; at 1 or 2 a low bit rate flips twice as many signs
BITS = 24  # bands - 1. 32 miss shifted 12 kbit/s copies, 16 agree by chance too often to search a corpus with
LOWEST, HIGHEST = 300.0, 3400.0  # Hz: what every channel carries
ACTIVE_DB = 40.0  # frames this far under the loudest carry noise, not speech
ACTIVE = np.uint32(1 << BITS)  # the bit that says a frame is not such
NEIGHBOURS = 8  # frames of equal bits compared with each other; more would make a popular frame cost its square
MIN_FRAMES = 16  # of activity in common, half a second: fewer agree by chance
SAMPLED = 64  # frames of the overlap compared at most
CHUNK = 1 << 18  # candidates compared at once


@dataclass(frozen=True)
class Match:
    """Clips `left` < `right` share audio.

    `difference` is the share of bits that differ where they overlap, `coverage` the overlap over the longer clip.
    """

    left: int
    right: int
    difference: float
    coverage: float


# First bin of each of the BITS + 1 bands, which are equally wide in octaves, and the end of the last.
_EDGES = np.searchsorted(scipy.fft.rfftfreq(WINDOW, 1 / RATE), np.geomspace(LOWEST, HIGHEST, BITS + 2))
_TAPER = np.hanning(WINDOW).astype(np.float32)
_WEIGHTS = (1 << np.arange(BITS)).astype(np.uint32)


def of(waveform: np.ndarray) -> np.ndarray:
    """Mono float32 at 16 kHz -> uint32 (frames,), one every 32 ms: BITS bits, and above them ACTIVE."""
    narrow = soxr.resample(waveform, SAMPLE_RATE, RATE)
    padded = np.pad(narrow, (WINDOW // 2, WINDOW // 2 + LAG * HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power = np.abs(scipy.fft.rfft(frames * _TAPER)[:, : _EDGES[-1]]) ** 2
    # Summed without BLAS, whose threads would wait for each other longer than this takes.
    level = 10 * np.log10(np.add.reduceat(power, _EDGES[:-1], axis=1) + 1e-9)
    slope = np.diff(level, axis=1)
    words = np.where(slope[LAG:] > slope[:-LAG], _WEIGHTS, np.uint32(0)).sum(axis=1, dtype=np.uint32)
    loudest = level[LAG:].max(axis=1)
    return words | np.where(loudest > loudest.max() - ACTIVE_DB, ACTIVE, np.uint32(0))


def half_difference(words: np.ndarray) -> float:
    """The lowest share of bits in which the second half of a clip differs from its first.

    A recording that is in the file twice is near 0.1, other speech near 0.45; 1.0 when the clip is too short to tell.
    """
    best = 1.0
    for shift in range(max(1, int(len(words) * 0.42)), int(len(words) * 0.58) + 1):
        first, second = words[:-shift], words[shift:]
        active = ((first | second) & ACTIVE) > 0
        if active.sum() >= MIN_FRAMES:
            best = min(best, float(_differing(first, second)[active].mean()) / BITS)
    return best


def matches(prints: Sequence[np.ndarray], limit: float) -> list[Match]:
    """Pairs of clips whose overlap differs in at most `limit` of the bits, each pair once, in order.

    Pairs are those that have one frame exactly in common, so time grows about linearly with the number of frames.
    """
    if not prints:
        return []
    lengths = np.array([len(words) for words in prints])
    starts = np.cumsum(lengths) - lengths
    words = np.concatenate(prints)
    best: dict[tuple[int, int], Match] = {}
    for left, right, shift in _candidates(words, lengths, starts):
        for match in _verified(words, lengths, starts, left, right, shift, limit):
            known = best.get((match.left, match.right))
            if known is None or (match.difference, -match.coverage) < (known.difference, -known.coverage):
                best[match.left, match.right] = match
    return [best[pair] for pair in sorted(best)]


def _candidates(words: np.ndarray, lengths: np.ndarray, starts: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Arrays (left clip, right clip, frame in right - frame in left) of pairs that share one frame."""
    owner = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    ones = np.bitwise_count(words & ~ACTIVE)
    telling = np.flatnonzero((words & ACTIVE > 0) & (ones > 2) & (ones < BITS - 2))  # steady tones are nearly all alike
    order = telling[np.argsort(words[telling], kind="stable")]
    for step in range(1, NEIGHBOURS + 1):
        first, second = order[:-step], order[step:]
        equal = (words[first] == words[second]) & (owner[first] != owner[second])
        first, second = first[equal], second[equal]  # the sort is stable, so `first` is of the earlier clip
        left, right = owner[first], owner[second]
        shift = (second - starts[right]) - (first - starts[left])
        for start in range(0, len(left), CHUNK):
            yield left[start : start + CHUNK], right[start : start + CHUNK], shift[start : start + CHUNK]


def _verified(words, lengths, starts, left, right, shift, limit: float) -> Iterator[Match]:
    begin = np.maximum(0, -shift)
    overlap = np.minimum(lengths[left], lengths[right] - shift) - begin
    difference, active = _compare(words, starts[left] + begin, starts[right] + begin + shift, overlap, 16)
    # Sixteen frames are enough to see that most pairs met by chance.
    likely = np.flatnonzero((difference < limit + 0.15) & (overlap >= MIN_FRAMES))
    left, right, shift, begin, overlap = (array[likely] for array in (left, right, shift, begin, overlap))
    difference, active = _compare(words, starts[left] + begin, starts[right] + begin + shift, overlap, SAMPLED)
    coverage = overlap / np.maximum(lengths[left], lengths[right])
    for i in np.flatnonzero((difference <= limit) & (active * overlap >= MIN_FRAMES)):
        yield Match(int(left[i]), int(right[i]), float(difference[i]), float(coverage[i]))


def _compare(words, first, second, overlap, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(share of bits that differ, share of frames that are active) over `count` frames spread over each overlap."""
    spread = (np.maximum(overlap - 1, 0)[:, None] * np.linspace(0, 1, count)).astype(np.int64)
    a, b = words[first[:, None] + spread], words[second[:, None] + spread]
    active = ((a | b) & ACTIVE) > 0
    differing = (_differing(a, b) * active).sum(axis=1) / (np.maximum(active.sum(axis=1), 1) * BITS)
    return differing, active.mean(axis=1)


def _differing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.bitwise_count((a ^ b) & ~ACTIVE)
