"""What the two channels of a recording are: the same sound, the same in opposite phase, one that can be used, or two.

All of it is told from levels and from how alike the channels are; nothing looks for speech. So "two" means two
different sounds, each of which comes and goes: the two sides of a call, an interview with a microphone for each, a
translation beside the original. Whether somebody speaks in both is for whoever listens to them.
"""

from dataclasses import dataclass

import numpy as np

FRAME = 1024  # samples at 16 kHz, 64 ms
AT_ONCE = 512  # frames, half a minute: keeps an hour's memory flat
FRAMES_PER_SECOND = 16_000 / FRAME
LOW, HIGH = 200, 4000  # Hz: what speech has most of; hum and offsets, which channels may share, lie below
LAGS = 128  # samples, 8 ms: the way between two microphones in a room, nearly 3 m

LOUD_SECONDS = 0.3  # a channel's top is the level that it is at or over for so long
FLOOR = 0.1  # quantile of a channel's levels that is taken for what it has in pauses
SILENT_DB = -75.0  # top, dBFS
UNHEARD_DB = 45.0  # top under the other's: what leaks from cable to cable
ALIKE = 0.5  # correlation, at the best lag, from which two channels hold the same sound
APART = 0.1  # and under which nothing of either is in the other
OPPOSITE_DB = 3.0  # side over mid, from which it is the better of the two even where the channels are hardly alike
STEADY_DB = 10.0  # between pauses and top: hiss and hum have under 6 dB, speech over 15 dB
NOISY_DB, CLEANER_DB = (
    25.0,
    10.0,
)  # of two channels with the same sound, one under NOISY_DB loses to one this much better
ACTIVE_DB = -20.0  # under its own top, and yet somebody may be speaking
# Between ALIKE and APART there are two sounds when each channel is now and then the louder one, measured by its own
# top: much louder for a moment, as where one side says little, or louder for a good part, as where both talk at once.
MUCH_DB, MOMENT = 15.0, 0.3  # seconds
SOME_DB, PART = 6.0, 0.1
LEAK_DB = 12.0  # under its own top, and as much under the other: it is the other that is heard in it
LEAK_FRAMES = 4  # on either side, a quarter of a second, that must all be as quiet


@dataclass(frozen=True)
class Channels:
    """`kind` is "same", "opposite", "one" or "two"; `heard` are the channels that count, from 1, `of` how many."""

    kind: str
    heard: tuple[int, ...]
    of: int = 2


def sort_out(mid: np.ndarray, side: np.ndarray) -> tuple[Channels, list[np.ndarray]]:
    """Mid and side of a recording, float32 (samples,) at 16 kHz -> what its channels are, and one sound to be heard, or
    two. The arrays are worked on in place: what comes back lies in them."""
    levels, correlation, ratio = _measure(mid, side)
    channels = _decide(levels, correlation, ratio)
    if channels.kind == "same":
        return channels, [mid]
    if channels.kind == "opposite":
        return channels, [side]
    left, right = _left_and_right(mid, side)
    if channels.kind == "one":
        return channels, [(left, right)[channels.heard[0] - 1]]
    relative = levels - _tops(levels)
    for sound, own, other in ((left, 0, 1), (right, 1, 0)):
        _mute_leaks(sound, relative[:, own], relative[:, other])
    return channels, [left, right]


def _measure(mid: np.ndarray, side: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Levels in dB (frames, 2) of left and right in the band of speech; their correlation, -1 to 1, at the lag where it
    is strongest; and how many dB side has more than mid."""
    frequencies = np.fft.rfftfreq(FRAME, 1 / 16_000)
    band = (frequencies >= LOW) & (frequencies <= HIGH)
    powers, cross, totals = [], np.zeros(len(frequencies), np.complex128), np.zeros(2)
    for start in range(0, len(mid), FRAME * AT_ONCE):
        spectra = []
        for row in (mid, side):
            part = row[start : start + FRAME * AT_ONCE]
            frames = np.pad(part, (0, -len(part) % FRAME)).reshape(-1, FRAME)
            spectra.append(np.fft.rfft(frames)[:, band])
        left, right = spectra[0] + spectra[1], spectra[0] - spectra[1]
        powers.append(np.stack([np.sum(np.abs(one) ** 2, axis=1) for one in (left, right)], axis=1))
        cross[band] += np.sum(left * right.conj(), axis=0)
        totals += [np.sum(np.abs(one) ** 2, dtype=np.float64) for one in spectra]
    power = np.concatenate(powers).astype(np.float64)
    energies = power.sum(axis=0)
    correlation = np.fft.irfft(cross)  # times FRAME / 2 for the two halves of a real spectrum
    best = max(*correlation[:LAGS], *correlation[-LAGS:], key=abs) * FRAME / 2
    levels = 10 * np.log10(np.maximum(2 * power / FRAME**2, 1e-12))
    return (
        levels,
        float(best / max(np.sqrt(energies.prod()), 1e-12)),
        float(10 * np.log10((totals[1] + 1e-12) / (totals[0] + 1e-12))),
    )


def _tops(levels: np.ndarray) -> np.ndarray:
    """The level (channels,) that each channel reaches for LOUD_SECONDS in all; in short clips for a tenth of it."""
    place = min(round(LOUD_SECONDS * FRAMES_PER_SECOND), len(levels) // 10)
    return np.sort(levels, axis=0)[-1 - place]


def _decide(levels: np.ndarray, correlation: float, ratio: float) -> Channels:
    """By what `_measure` gives."""
    tops = _tops(levels)
    span = tops - np.quantile(levels, FLOOR, axis=0)
    better = int(np.argmax(span))
    alike = abs(correlation)
    opposite = (ratio > 0 and correlation < -APART) or (ratio > OPPOSITE_DB and alike < ALIKE)
    together = Channels("opposite" if opposite else "same", (1, 2))
    if tops.max() < SILENT_DB:
        return Channels("same", (1, 2))
    if tops.min() < max(SILENT_DB, tops.max() - UNHEARD_DB):
        return Channels("one", (int(np.argmax(tops)) + 1,))
    if alike >= ALIKE:
        worse = span.min()
        return Channels("one", (better + 1,)) if worse < NOISY_DB and span.max() - worse > CLEANER_DB else together
    steady = span < STEADY_DB
    if steady.any():
        return together if steady.all() else Channels("one", (better + 1,))
    if alike < APART:
        return Channels("two", (1, 2))
    relative = levels - tops
    lead = (relative[:, 0] - relative[:, 1])[relative.max(axis=1) > ACTIVE_DB]
    return Channels("two", (1, 2)) if _leads(lead) and _leads(-lead) else together


def _leads(lead: np.ndarray) -> bool:
    """Whether a channel is the louder one often enough to have a sound of its own. `lead` is in dB, (frames,)."""
    return bool(np.sum(lead > MUCH_DB) >= MOMENT * FRAMES_PER_SECOND or np.mean(lead > SOME_DB) >= PART)


def _left_and_right(mid: np.ndarray, side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In place, because each may take 230 MB: right is mid - side, left 2 mid - right."""
    np.subtract(mid, side, out=side)
    mid *= 2
    mid -= side
    return mid, side


def _mute_leaks(sound: np.ndarray, own: np.ndarray, other: np.ndarray) -> None:
    """Silence, in place, the frames in which a channel holds but an echo of the other. `own` and `other` are levels
    under the channels' tops, dB (frames,)."""
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(own, LEAK_FRAMES, constant_values=-np.inf), 2 * LEAK_FRAMES + 1
    )
    nearby = around.max(axis=1)
    for frame in np.flatnonzero((nearby < -LEAK_DB) & (nearby < other - LEAK_DB)):
        sound[frame * FRAME : (frame + 1) * FRAME] = 0
