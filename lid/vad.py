"""Where speech is: voice activity detection by Silero VAD, whose network runs as one graph over half a minute at once
(lid/model/graphs/voice.py). That gives its own file's probabilities, of 32 ms each, in a fraction of the time."""

from functools import cache

import numpy as np
import onnxruntime

from lid import runtime
from lid.audio import SAMPLE_RATE

THRESHOLD = 0.5  # Silero's own default: probability above which a 32 ms frame is speech
HYSTERESIS = 0.15  # Silero's own: speech goes on until the probability is this far below the threshold
MIN_SPEECH = 0.1  # seconds; shorter bursts are clicks
MIN_SILENCE = 0.3  # seconds; shorter pauses stay inside the speech they interrupt
FAINT = 0.1  # threshold for what might be speech
SHORT = 30.0  # seconds
SILENT = 1e-4  # peak, -80 dBFS: silence, or what dither leaves of it
PADDING = 0.1  # seconds kept on either side, so that soft consonants survive
MARGIN = 0.25  # seconds of its surroundings that the model hears with speech on either side, trained or served
FRAME = 512  # samples at 16 kHz, 32 ms: one probability each
CONTEXT = 64  # samples of the frame before that a frame is heard with
STATE = (1, 1, 128)  # shape of each half of the network's memory
BLOCK = 1024  # frames at once, half a minute: keeps an hour's memory flat


def find(waveform: np.ndarray, threshold: float = THRESHOLD) -> list[tuple[float, float]]:
    """Mono float32 at 16 kHz -> stretches of speech as (start, end) in seconds, in order, not overlapping."""
    # Silero was trained on speech at ordinary levels and misses what is 30 dB below it.
    peak = _peak(waveform)
    if peak < SILENT:
        return []
    found = spans(probabilities(waveform, 0.5 / peak), len(waveform), threshold)
    return [(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in found]


def find_faint(waveform: np.ndarray) -> list[tuple[float, float]]:
    """Like `find`, for clips in which that finds nothing: speech far from the microphone or under noise scores low with
    Silero. What reaches FAINT, else all of a clip no longer than SHORT, unless it is silent."""
    if _peak(waveform) < SILENT:
        return []
    seconds = len(waveform) / SAMPLE_RATE
    return find(waveform, FAINT) or ([(0.0, seconds)] if seconds <= SHORT else [])


def spans(found: np.ndarray, samples: int, threshold: float) -> list[tuple[int, int]]:
    """Probabilities of speech (frames,) in a clip of `samples` -> stretches of speech, (first, last + 1) sample.

    As Silero's own package cuts them: speech begins where a probability reaches `threshold` and ends where it falls
    HYSTERESIS lower for MIN_SILENCE. What is no longer than MIN_SPEECH is left out, then PADDING is put on both sides;
    where two stretches would meet, they share what is between them.
    """
    stretches = []
    start, quiet = None, None  # first sample of this stretch, and of the silence in it
    for frame, probability in enumerate(found.tolist()):
        here = frame * FRAME
        if probability >= threshold:
            start, quiet = here if start is None else start, None
        elif start is not None and (quiet is not None or probability < max(threshold - HYSTERESIS, 0.01)):
            quiet = here if quiet is None else quiet
            if probability < max(threshold - HYSTERESIS, 0.01) and here - quiet >= MIN_SILENCE * SAMPLE_RATE:
                stretches.append((start, quiet))
                start = quiet = None
    if start is not None:
        stretches.append((start, samples))
    return _padded([one for one in stretches if one[1] - one[0] > MIN_SPEECH * SAMPLE_RATE], samples)


def _padded(stretches: list[tuple[int, int]], samples: int) -> list[tuple[int, int]]:
    padding = int(PADDING * SAMPLE_RATE)
    starts, ends = [start for start, _ in stretches], [end for _, end in stretches]
    for number in range(len(stretches) - 1):
        room = starts[number + 1] - ends[number]
        each = room // 2 if room < 2 * padding else padding
        ends[number] += each
        starts[number + 1] -= each
    if stretches:
        starts[0] = max(0, starts[0] - padding)
        ends[-1] = min(samples, ends[-1] + padding)
    return list(zip(starts, ends, strict=True))


def _peak(waveform: np.ndarray) -> float:
    """The largest absolute value, without an array of them: an hour's would take 230 MB."""
    return float(max(waveform.max(initial=0.0), -waveform.min(initial=0.0)))


def probabilities(waveform: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """Mono float32 (samples,) at 16 kHz, taken times `gain` -> the probability of speech in each 32 ms frame, float32
    (ceil(samples / 512),)."""
    session, found = _session(), [np.zeros(0, np.float32)]
    context, hidden, cell = np.zeros(CONTEXT, np.float32), np.zeros(STATE, np.float32), np.zeros(STATE, np.float32)
    for start in range(0, len(waveform), BLOCK * FRAME):
        block = waveform[start : start + BLOCK * FRAME].astype(np.float32, copy=False) * np.float32(gain)
        block = np.pad(block, (0, -len(block) % FRAME))
        inputs = {"waveform": block, "context": context, "hidden": hidden, "cell": cell}
        scores, hidden, cell = session.run(["probabilities", "hidden_after", "cell_after"], inputs)
        found.append(scores)
        context = block[-CONTEXT:]
    return np.concatenate(found)


@cache
def _session() -> onnxruntime.InferenceSession:
    return runtime.session(runtime.GRAPHS / "silero_vad.onnx", "voice")[0]
