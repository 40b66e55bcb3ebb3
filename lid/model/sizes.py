"""Whether a checkpoint's configuration describes a model that fits into a machine, before anything is made of it."""

import json
from pathlib import Path

from lid.errors import InputError

INDEX = "model.safetensors.index.json"
MOST_BYTES = 1024**2  # of config.json, which has two kilobytes, and of the index
MOST = {  # well over the largest Whisper's; a number that is not there is Transformers' own
    "d_model": 4096,
    "encoder_layers": 64,
    "encoder_attention_heads": 64,
    "encoder_ffn_dim": 16_384,
    "decoder_layers": 64,
    "decoder_attention_heads": 64,
    "decoder_ffn_dim": 16_384,
    "max_source_positions": 6_000,
    "max_target_positions": 6_000,
    "num_mel_bins": 512,
    "vocab_size": 200_000,
    "classifier_proj_size": 4096,
}


def check(folder: Path) -> None:
    """Raises InputError for a checkpoint folder whose config.json is no description of a Whisper of any usual size, or
    whose weights are said to lie elsewhere."""
    told = _read(folder, "config.json")
    for name, most in MOST.items():
        value = told.get(name, 0)
        if not isinstance(value, int) or not 0 <= value <= most:
            raise _refused(folder, f"{name} in its config.json is {value!r:.40}, not a number from 0 to {most}")
    places = _read(folder, INDEX).get("weight_map", {})
    if not isinstance(places, dict) or any(Path(str(place)).name != place for place in places.values()):
        raise _refused(folder, f"its {INDEX} names files outside of the folder")


def _read(folder: Path, name: str) -> dict:
    """A JSON object of the folder; empty where there is no such file: whoever loads it says so."""
    file = Path(folder) / name
    if not file.is_file():
        return {}
    if file.stat().st_size > MOST_BYTES:
        raise _refused(folder, f"its {name} has over {MOST_BYTES // 1024} kB")
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _refused(folder, f"its {name} cannot be read: {error}") from error
    if not isinstance(told, dict):
        raise _refused(folder, f"its {name} is no JSON object")
    return told


def _refused(folder: Path, why: str) -> InputError:
    return InputError(f"No model could be loaded from {folder}: {why}.", "model")
