"""Where speech is: voice activity detection by Silero VAD, with the weights that its wheel carries.

The package runs its network through ONNX Runtime, a block of frames at a time. Here it is in PyTorch: everything but
the LSTM takes all frames at once, and the transform is an FFT instead of a product with its matrix. That takes half the
time, gives the same probabilities, and needs no second runtime. It runs on one thread: an LSTM has steps so short that
a second one saves nothing, and where another program has that core, each step waits for it.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lid.audio import SAMPLE_RATE

THRESHOLD = 0.5  # Silero's own default: probability above which a 32 ms frame is speech
MIN_SPEECH = 0.1  # seconds; shorter bursts are clicks
MIN_SILENCE = 0.3  # seconds; shorter pauses stay inside the speech they interrupt
FAINT = 0.1  # threshold for what might be speech
SHORT = 30.0  # seconds
SILENT = 1e-4  # peak, -80 dBFS: silence, or what dither leaves of it
PADDING = 0.1  # seconds kept on either side, so that soft consonants survive
FRAME = 512  # samples at 16 kHz, 32 ms: one probability each
CONTEXT = 64  # samples of the frame before that a frame is heard with
WINDOW, HOP, REFLECTED = 256, 128, 64  # samples: the transform's window, its step, what is mirrored at the frame's end
BLOCK = 1024  # frames at once, half a minute: keeps an hour's memory flat


@cache
def _spans() -> Callable:
    """The package's way from probabilities to stretches of speech."""
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
        probabilities(waveform, 0.5 / peak).tolist(),
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


@torch.inference_mode()
def probabilities(waveform: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """Mono float32 (samples,) at 16 kHz, taken times `gain` -> the probability of speech in each 32 ms frame, float32
    (ceil(samples / 512),)."""
    network = _network()
    state, context, found = None, torch.zeros(CONTEXT), [np.zeros(0, np.float32)]
    with _one_thread():
        for start in range(0, len(waveform), BLOCK * FRAME):
            block = torch.tensor(waveform[start : start + BLOCK * FRAME], dtype=torch.float32) * gain
            block = nn.functional.pad(block, (0, -len(block) % FRAME))
            scores, state = network(torch.cat([context, block]).unfold(0, CONTEXT + FRAME, FRAME), state)
            found.append(scores.numpy())
            context = block[-CONTEXT:]
    return np.concatenate(found)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Network(nn.Module):
    """Short-time spectrum, four convolutions within each frame, an LSTM over the frames, and a sigmoid."""

    window: torch.Tensor

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(WINDOW // 2 + 1, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.output = nn.Linear(128, 1)
        self.lstm = nn.LSTM(128, 128)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)

    def forward(self, frames: torch.Tensor, state: tuple | None) -> tuple[torch.Tensor, tuple]:
        """Frames with their context (frames, 576) and the LSTM's state -> probabilities (frames,) and the new state."""
        padded = nn.functional.pad(frames, (0, REFLECTED), mode="reflect")
        spectrum = torch.fft.rfft(padded.unfold(1, WINDOW, HOP) * self.window).abs().transpose(1, 2)
        hidden = self.conv2(self.conv1(spectrum).relu()).relu()
        hidden = self.conv4(self.conv3(hidden).relu()).relu()
        hidden, state = self.lstm(hidden.squeeze(2), state)
        return self.output(hidden.relu()).sigmoid().squeeze(1), state


# Our layer -> the name it has in Silero's TorchScript file, which holds the 16 kHz network as `_model`.
_LAYERS = {f"conv{i + 1}": f"_model.encoder.{i}.reparam_conv" for i in range(4)} | {
    "output": "_model.decoder.decoder.2"
}


@cache
def _network() -> Network:
    """The network with the weights of `silero_vad.jit`. (The wheel's silero_vad_16k.safetensors is another network.)

    Its Fourier matrix is left out: it is a Hann window times the transform that `Network` does as an FFT.
    """
    # find_spec, because importing the package sets torch to one thread for the whole process.
    package = find_spec("silero_vad")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("Voice detection needs the package silero-vad.", name="silero_vad")
    folder = Path(package.origin).parent / "data"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # only the weights are taken: no TorchScript is run
        silero = torch.jit.load(folder / "silero_vad.jit", "cpu").state_dict()
    weights = {
        f"{ours}.{kind}": silero[f"{name}.{kind}"] for ours, name in _LAYERS.items() for kind in ("weight", "bias")
    }
    weights["output.weight"] = weights["output.weight"].squeeze(2)
    weights |= {
        f"lstm.{kind}_l0": silero[f"_model.decoder.rnn.{kind}"]
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    network = Network()
    network.load_state_dict(weights)
    return network.requires_grad_(False).eval()
