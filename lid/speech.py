"""Where speech is: voice activity by Silero VAD, whose wheel carries its weights."""

from collections.abc import Callable
from functools import cache

import numpy as np

from lid import silero
from lid.audio import SAMPLE_RATE

THRESHOLD = 0.5  # Silero's own default: probability above which a 32 ms frame is speech
MIN_SPEECH = 0.1  # seconds; shorter bursts are clicks
MIN_SILENCE = 0.3  # seconds; shorter pauses stay inside the speech they interrupt
FAINT = 0.1  # threshold for what might be speech
SHORT = 30.0  # seconds
SILENT = 1e-4  # peak, -80 dBFS: silence, or what dither leaves of it
PADDING = 0.1  # seconds kept on either side, so that soft consonants survive


@cache
def _spans() -> Callable:
    """The package's way from probabilities to stretches of speech."""
    import torch

    threads = torch.get_num_threads()
    import silero_vad  # sets torch to one thread for the whole process

    torch.set_num_threads(threads)
    return silero_vad.get_speech_timestamps_from_probs


def find(waveform: np.ndarray, threshold: float = THRESHOLD) -> list[tuple[float, float]]:
    """Mono float32 at 16 kHz -> stretches of speech as (start, end) in seconds, in order, not overlapping."""
    # Silero was trained on speech at ordinary levels and misses what is 30 dB below it.
    peak = _peak(waveform)
    if peak < SILENT:
        return []
    spans = _spans()(
        silero.probabilities(waveform, 0.5 / peak).tolist(),
        threshold=threshold,
        min_speech_duration_ms=int(MIN_SPEECH * 1000),
        min_silence_duration_ms=int(MIN_SILENCE * 1000),
        speech_pad_ms=int(PADDING * 1000),
        audio_length_samples=len(waveform),
    )
    return [(span["start"] / SAMPLE_RATE, span["end"] / SAMPLE_RATE) for span in spans]


def find_faint(waveform: np.ndarray) -> list[tuple[float, float]]:
    """Like `find`, for clips in which that finds nothing: speech far from the microphone or under noise scores low with
    Silero. What reaches FAINT, else all of a clip no longer than SHORT, unless it is silent."""
    if _peak(waveform) < SILENT:
        return []
    seconds = len(waveform) / SAMPLE_RATE
    return find(waveform, FAINT) or ([(0.0, seconds)] if seconds <= SHORT else [])


def _peak(waveform: np.ndarray) -> float:
    """The largest absolute value, without an array of them: an hour's would take 230 MB."""
    return float(max(waveform.max(initial=0.0), -waveform.min(initial=0.0)))
