"""What a model makes of whole clips: the mean over each clip's own frames of encoder states, embeddings, or logits."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from lid.audio import SAMPLE_RATE
from lid.features import FRAME_SAMPLES
from lid.identify import Model
from lid.languages import CODES
from lid.model import precision, whisper

if TYPE_CHECKING:
    from transformers import WhisperForAudioClassification


def clip_means(
    compute: Callable[["WhisperForAudioClassification", torch.Tensor], torch.Tensor],
    model: "WhisperForAudioClassification",
    waveforms: Sequence[np.ndarray],
    batch: int = 16,
) -> np.ndarray:
    """Means over each clip's own frames, float32 (clips, width), of what `compute(model, mel)` makes of them: (batch,
    frames, width). Clips longer than the window are cut.

    Clips of like length share a batch; what pads the shorter ones is not averaged over.
    """
    longest = int(whisper.window_seconds(model) * SAMPLE_RATE)
    lengths = [min(len(w), longest) // FRAME_SAMPLES for w in waveforms]
    order = np.argsort(lengths, kind="stable")
    device = next(model.parameters()).device
    out = [np.zeros(0, np.float32)] * len(waveforms)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        padded = np.zeros((len(rows), max(lengths[i] for i in rows) * FRAME_SAMPLES), np.float32)
        for row, i in zip(padded, rows, strict=True):
            row[: lengths[i] * FRAME_SAMPLES] = waveforms[i][: lengths[i] * FRAME_SAMPLES]
        with torch.inference_mode(), precision.autocast(device):
            frames = compute(model, whisper.log_mel(torch.from_numpy(padded).to(device), model.config.num_mel_bins))
        for values, i in zip(frames.float().cpu().numpy(), rows, strict=True):
            out[i] = values[: lengths[i]].mean(axis=0)
    return np.stack(out)


def heard(model: Model, waveforms: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What a model that serves makes of clips, one by one: logits (clips, labels) and embeddings (clips, width), means
    over each clip's frames. Clips longer than the window are cut."""
    logits, embeddings = [], []
    for waveform in waveforms:
        samples = min(len(waveform), model.window_samples) // FRAME_SAMPLES * FRAME_SAMPLES
        frames, embedding = model.hear(waveform[None, :samples])
        logits.append(frames[0].mean(axis=0))
        embeddings.append(embedding[0])
    return np.stack(logits), np.stack(embeddings)


def clip_embeddings(model: Model, waveforms: Sequence[np.ndarray]) -> np.ndarray:
    """Embeddings, float32 (clips, width): what the open-set detector looks at."""
    return heard(model, waveforms)[1]


def clip_logits(model: Model, waveforms: Sequence[np.ndarray]) -> np.ndarray:
    """Logits of the three languages, float32 (clips, 3), of a model that has them in the order uz, ru, en."""
    return heard(model, waveforms)[0][:, : len(CODES)]
