"""Whisper's encoder under a classification head in PyTorch: what training, and serving on a GPU, run.

The checkpoint is a stock `WhisperForAudioClassification`. Transformers' own forward insists on one fixed length and
averages over padding as well; the functions here run the same modules on just the frames there are. The head is linear,
so a clip's logits are exactly the mean of its frames' logits.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from lid.errors import InputError
from lid.features import FRAME_SAMPLES, FRAME_SECONDS, HOP, N_FFT, mel_filters
from lid.model import sizes
from lid.model.calibration import Calibration

if TYPE_CHECKING:
    from transformers import WhisperForAudioClassification


LEAST_POWER = 1e-10  # Whisper's own
# Of windows that go through the encoder together: frames, so that a GPU is busy and its memory holds them; the shortest
# one's share of the longest one; and what their length is rounded up to, in frames.
MOST_FRAMES = 65_536
LEAST_FILLED = 0.8
STEP = 32


def load(folder: Path, device: str = "cpu") -> "WhisperForAudioClassification":
    """A checkpoint folder's model in float32, on a device, calibrated by the file beside it if there is one. Raises
    InputError when there is no usable one."""
    sizes.check(folder)
    from transformers import WhisperForAudioClassification

    try:
        model = WhisperForAudioClassification.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
    except Exception as error:  # what it raises for a bad folder is documented nowhere, and differs
        raise InputError(not_loaded(folder, error), "model") from error
    if model.config.activation_function != "gelu":
        raise InputError(f"{folder} is no usual Whisper: its activation function is not GELU.", "model")
    with torch.no_grad():
        for parameter in model.classifier.parameters():
            parameter.div_(Calibration.load(folder).temperature)
    nn.Module.to(model, device)
    return model.requires_grad_(False).eval()


def labels(model: "WhisperForAudioClassification") -> tuple[str, ...]:
    """What the head's rows stand for, in order."""
    named = cast(dict[int, str], model.config.id2label)
    return tuple(named[index] for index in range(len(named)))


def not_loaded(source: str | Path, error: Exception) -> str:
    """What to tell whoever named a checkpoint that cannot be used."""
    return (
        f"No model could be loaded from {source}. Give a folder or a Hub id of a Whisper audio-classification "
        f"checkpoint in safetensors. ({error})"
    )


class TorchModel:
    """Whisper's encoder under its head: what lid.identify asks of a model, on GPUs, and for weights in memory. Has the
    attributes and methods of `lid.model.onnx.OnnxModel`, which say more."""

    def __init__(self, model: "WhisperForAudioClassification", precision: str = "float32"):
        """`precision`: what the encoder multiplies in, "float32", "bfloat16" or "float16"; it is changed in place."""
        config = model.config
        self._model = model.eval()
        self.precision = precision
        model.encoder.to(getattr(torch, precision))
        self.labels = labels(model)
        self.layers, self.heads = config.encoder_layers, config.encoder_attention_heads
        self.width, self.d_model = config.classifier_proj_size, config.d_model
        self.window_samples = config.max_source_positions * FRAME_SAMPLES

    @property
    def device(self) -> str:
        """As PyTorch names it: "cpu", "cuda:0"."""
        return str(self._model.projector.weight.device)

    def log_mel(self, waveforms: np.ndarray) -> np.ndarray:
        # On the CPU: the page draws pictures while it has no GPU.
        sound = torch.from_numpy(np.ascontiguousarray(waveforms, np.float32))
        return log_mel(sound, self._model.config.num_mel_bins).numpy()

    @torch.inference_mode()
    def hear(self, waveforms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        projected = project(self._model, self._mel(waveforms)).float()
        logits = self._model.classifier(projected)
        return logits.cpu().numpy(), projected.mean(dim=1).cpu().numpy()

    @torch.inference_mode()
    def hear_all(self, waveforms: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Those of about one length go through together."""
        heard: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for group in alike([len(waveform) // FRAME_SAMPLES for waveform in waveforms]):
            heard |= zip(group, self._hear_padded([waveforms[index] for index in group]), strict=True)
        return [heard[index] for index in range(len(waveforms))]

    def _hear_padded(self, waveforms: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Waveforms (samples,) of about one length; what is padded is heard by nobody."""
        lengths = [len(waveform) // FRAME_SAMPLES for waveform in waveforms]
        mel, mask = self._padded(waveforms, lengths)
        projected = project(self._model, mel, mask).float()
        logits = self._model.classifier(projected).cpu().numpy()
        if mask is not None:
            projected = projected * (mask[:, 0, 0, :, None] == 0)
        embeddings = (projected.sum(dim=1) / projected.new_tensor(lengths)[:, None]).cpu().numpy()
        return [(logits[row, :length], embeddings[row]) for row, length in enumerate(lengths)]

    def _padded(self, waveforms: Sequence[np.ndarray], lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Log-mel (batch, mels, 2 * frames) and the mask of attention, None where there is nothing to mask."""
        device, longest = self._model.device, max(lengths)
        if min(lengths) < longest:
            longest = min(-(-longest // STEP) * STEP, self._model.config.max_source_positions)
        rows = np.zeros((len(lengths), longest * FRAME_SAMPLES + N_FFT), np.float32)
        for row, waveform, length in zip(rows, waveforms, lengths, strict=True):
            reflected = np.pad(waveform[: length * FRAME_SAMPLES], N_FFT // 2, mode="reflect")
            row[: len(reflected)] = reflected
        there = torch.arange(longest, device=device) < torch.tensor(lengths, device=device)[:, None]
        sound = torch.from_numpy(rows).to(device)
        mel = _log_mel(sound, self._model.config.num_mel_bins, there.repeat_interleave(2, dim=1)[:, None])
        if min(lengths) == longest:
            return mel, None
        mask = torch.zeros(there.shape, dtype=getattr(torch, self.precision), device=device)
        return mel, mask.masked_fill(~there, -torch.inf)[:, None, None]

    @torch.inference_mode()
    def attention(self, waveform: np.ndarray, layer: int) -> np.ndarray:
        hidden = embed(self._model, self._mel(waveform[None]))
        for below in self._model.encoder.layers[:layer]:
            hidden = below(hidden, None)
        above = self._model.encoder.layers[layer]
        attend, normed = above.self_attn, above.self_attn_layer_norm(hidden)
        query, key = (
            projection(normed).unflatten(2, (self.heads, -1)).transpose(1, 2).float()
            for projection in (attend.q_proj, attend.k_proj)
        )
        scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
        return scores.softmax(dim=-1)[0].cpu().numpy()

    def _mel(self, waveforms: np.ndarray) -> torch.Tensor:
        sound = torch.from_numpy(np.ascontiguousarray(waveforms, np.float32)).to(self._model.device)
        return log_mel(sound, self._model.config.num_mel_bins)


@cache
def _filters(n_mels: int) -> torch.Tensor:
    return torch.from_numpy(mel_filters(n_mels))


def log_mel(waveforms: torch.Tensor, n_mels: int = 80) -> torch.Tensor:
    """Float (batch, samples) at 16 kHz -> (batch, n_mels, samples // 160), equal to WhisperFeatureExtractor's.

    Each clip is floored 8 log10 units (80 dB) under its own loudest bin, as Whisper does, so gain hardly matters.
    """
    reflected = nn.functional.pad(waveforms[:, None], (N_FFT // 2, N_FFT // 2), mode="reflect")[:, 0]
    return _log_mel(reflected, n_mels)


def _log_mel(reflected: torch.Tensor, n_mels: int, there: torch.Tensor | None = None) -> torch.Tensor:
    """Of sound with half a window more on either side. `there` (batch, 1, frames): frames that are not are 0, as what
    the encoder's convolutions see around a clip."""
    window = torch.hann_window(N_FFT, device=reflected.device)
    spectrum = torch.stft(reflected, N_FFT, HOP, window=window, center=False, return_complex=True)[..., :-1]
    power = spectrum.real.square() + spectrum.imag.square()
    mel = (_filters(n_mels).to(reflected.device) @ power).clamp(min=LEAST_POWER)
    if there is not None:
        mel = mel.where(there, LEAST_POWER)
    mel = mel.log10()
    mel = torch.maximum(mel, mel.amax(dim=(1, 2), keepdim=True) - 8.0)
    mel = (mel + 4.0) / 4.0
    return mel if there is None else mel.where(there, 0.0)


def alike(lengths: Sequence[int]) -> list[list[int]]:
    """Lengths of windows in frames -> groups of their indices, each of about one length and not too much for a GPU's
    memory."""
    groups: list[list[int]] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index], reverse=True):
        full = groups and (len(groups[-1]) + 1) * longest > MOST_FRAMES
        if not groups or full or lengths[index] < LEAST_FILLED * longest:
            groups.append([])
            longest = lengths[index]
        groups[-1].append(index)
    return groups


def window_seconds(model: "WhisperForAudioClassification") -> float:
    """The longest stretch of audio the model takes at once."""
    return model.config.max_source_positions * FRAME_SECONDS


def embed(model: "WhisperForAudioClassification", mel: torch.Tensor) -> torch.Tensor:
    """Log-mel (batch, mels, 2 * frames) -> the first layer's input (batch, frames, width)."""
    encoder = model.encoder
    hidden = nn.functional.gelu(encoder.conv1(mel.to(encoder.conv1.weight.dtype)))
    hidden = nn.functional.gelu(encoder.conv2(hidden)).permute(0, 2, 1).contiguous()  # or every sum inherits the order
    return hidden + encoder.embed_positions.weight[: hidden.shape[1]]


def encode(model: "WhisperForAudioClassification", mel: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Log-mel (batch, mels, 2 * frames) -> encoder states (batch, frames, width); mixed over layers if it says so.
    `mask` (batch, 1, 1, frames) is added to the scores of attention: -inf for frames that nobody is to look at."""
    hidden = embed(model, mel)
    states = [hidden]
    for layer in model.encoder.layers:
        hidden = layer(hidden, mask)
        states.append(hidden)
    states[-1] = model.encoder.layer_norm(hidden)
    if not model.config.use_weighted_layer_sum:
        return states[-1]
    weights = model.layer_weights.softmax(dim=-1)
    return sum(weight * state for weight, state in zip(weights, states, strict=True))


def project(
    model: "WhisperForAudioClassification", mel: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Log-mel (batch, mels, 2 * frames) -> the classifier's input for each 20 ms frame (batch, frames, width)."""
    return model.projector(encode(model, mel, mask).to(model.projector.weight.dtype))


def frame_logits(model: "WhisperForAudioClassification", mel: torch.Tensor) -> torch.Tensor:
    """Log-mel (batch, mels, 2 * frames) -> float32 logits of each 20 ms frame (batch, frames, labels)."""
    return model.classifier(project(model, mel)).float()
