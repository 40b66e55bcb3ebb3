"""What Whisper itself says of each training clip: the teacher from which a second head learns the 99 languages.

Whisper names the language of a clip in one step of its decoder. That knows far more languages than a head for three can
learn from a few voices, and needs no labels; a linear head on the same embedding keeps most of it (knowledge
distillation, Hinton et al. 2015, arXiv:1503.02531) for a thousandth of the decoder's weights.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from tqdm import tqdm
from transformers import AutoConfig, GenerationConfig, WhisperForConditionalGeneration
from transformers.models.whisper.tokenization_whisper import LANGUAGES as WHISPERS

from lid.audio import SAMPLE_RATE
from lid.data import waveforms
from lid.data.parts import Part
from lid.model import precision
from lid.model.whisper import log_mel

PADDED = 30 * SAMPLE_RATE  # samples: what Whisper was trained on
BATCH = 16
# In vocabularies of VOCABULARY tokens, FIRST_TOKEN is the first language's, and the others follow in this order.
LANGUAGES = tuple(WHISPERS)[:99]
FIRST_TOKEN = 50_259
VOCABULARY = 51_865


@dataclass(frozen=True)
class Posteriors:
    """The teacher's `languages`, and their `probabilities` for each clip of a part, float16 (clips, languages)."""

    languages: tuple[str, ...]
    probabilities: np.ndarray


def prepare(
    part: Part, base_model: str, cache_dir: Path, device: torch.device | str = "cpu", progress: bool = True
) -> Posteriors | None:
    """Ask the teacher about every clip of `part`, or open what an earlier run asked; it goes on after an interruption.

    None where `base_model` (a Hub id or a folder) cannot be a teacher: it has no decoder, or one without languages.
    """
    tokens = language_tokens(base_model)
    if tokens is None:
        return None
    name = hashlib.sha256(f"{waveforms.key(part.clips)}/{_identity(base_model)}".encode()).hexdigest()[:16]
    file = cache_dir / f"teacher-{name}.npy"
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):  # another run may be asking the same
        if not file.exists():
            _ask(part.speech, base_model, list(tokens.values()), file, device, progress)
    return Posteriors(tuple(tokens), np.load(file, mmap_mode="r"))


def language_tokens(base_model: str) -> dict[str, int] | None:
    """The languages that a Whisper's decoder names, by code, in the order of its tokens. None where it names none."""
    try:
        config = AutoConfig.from_pretrained(base_model)
    except (OSError, ValueError):
        return None
    if WhisperForConditionalGeneration.__name__ not in (config.architectures or ()):
        return None
    try:
        tokens = getattr(GenerationConfig.from_pretrained(base_model), "lang_to_id", None)
    except OSError:
        tokens = None
    if tokens:
        return {token.strip("<|>"): number for token, number in sorted(tokens.items(), key=lambda pair: pair[1])}
    if config.vocab_size == VOCABULARY:
        return {code: FIRST_TOKEN + place for place, code in enumerate(LANGUAGES)}
    return None


def _ask(
    speech: Sequence[np.ndarray],
    base_model: str,
    tokens: list[int],
    file: Path,
    device: torch.device | str,
    progress: bool,
) -> None:
    """Fill `file` with (clips, languages). Until it is whole it has another name, and rows still missing are NaN."""
    partial, shape = file.with_suffix(".partial"), (len(speech), len(tokens))
    if not partial.exists():
        fresh = partial.with_suffix(".writing")
        np.lib.format.open_memmap(fresh, "w+", np.float16, shape)[:] = np.nan
        fresh.replace(partial)
    rows = np.lib.format.open_memmap(partial, "r+")
    missing = np.flatnonzero(np.isnan(rows).any(axis=1))
    model = WhisperForConditionalGeneration.from_pretrained(base_model, use_safetensors=True, dtype=torch.float32)
    model = model.to(torch.device(device)).eval()  # type: ignore[arg-type]  # its type is lost in a wrapper
    with tqdm(total=len(rows), initial=len(rows) - len(missing), desc="asking Whisper", disable=not progress) as bar:
        for start in range(0, len(missing), BATCH):
            chosen = missing[start : start + BATCH]
            rows[chosen] = probabilities(model, [speech[i] for i in chosen], tokens)
            bar.update(len(chosen))
    rows.flush()
    partial.replace(file)


def probabilities(
    model: WhisperForConditionalGeneration, speech: Sequence[np.ndarray], tokens: Sequence[int]
) -> np.ndarray:
    """Whisper's own probabilities of the languages with these tokens, float32 (clips, languages), for clips (samples,)
    at 16 kHz: padded or cut to 30 s, encoded, and the decoder asked for its first token."""
    padded = np.zeros((len(speech), PADDED), np.float32)
    for row, waveform in zip(padded, speech, strict=True):
        row[: len(waveform)] = waveform[:PADDED]
    start = torch.full((len(speech), 1), model.config.decoder_start_token_id, device=model.device)
    with torch.inference_mode():
        mel = log_mel(torch.from_numpy(padded).to(model.device), model.config.num_mel_bins)
        with precision.autocast(model.device):
            states = model.model.encoder(mel).last_hidden_state
        logits = model(encoder_outputs=(states.float(),), decoder_input_ids=start).logits[:, 0, list(tokens)]
    return logits.softmax(dim=-1).cpu().numpy()


def _identity(base_model: str) -> str:
    """What stands for a model's weights: a Hub id with its commit, or the contents of a folder's files."""
    if not Path(base_model).is_dir():
        return f"{base_model}@{getattr(AutoConfig.from_pretrained(base_model), '_commit_hash', None)}"
    digest = hashlib.sha256()
    for file in sorted(Path(base_model).glob("*.safetensors")):
        with file.open("rb") as opened:
            while block := opened.read(1024**2):
                digest.update(block)
    return digest.hexdigest()
