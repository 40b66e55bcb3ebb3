"""The adapter as it is published: LoRA's weights under the merged model's head, so that both give the same answers.

While training, the head has rows for background languages, and no temperature: loaded as it was saved, the adapter
would give other probabilities than the model beside it, under other labels.
"""

import json
import re
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from lid.errors import InputError
from lid.model.checkpoint import HEAD

TEMPLATE = Path(__file__).parent / "templates" / "adapter.md"
REPO = "OWNER/MODEL"  # stands in the card until the model's full name is known
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
PREFIX = "base_model.model."  # PEFT's, before a weight's name in the model


def base_of(run: Path, metrics: dict, base_model: str | None) -> str | None:
    """The Hub id of the model that the adapter of `run` goes on; None where no adapter can be published.

    There is none for averaged runs, one trained further from another run's weights would need these, and a base that is
    only a folder on this machine is of no use to others. `base_model` is the id that the run's records suggest.
    """
    settings, config = metrics["settings"], run / "adapter" / "adapter_config.json"
    further = settings.get("init_from") or settings.get("start_from")
    if further or settings.get("runs", 1) > 1 or not config.is_file():
        return None
    trained_on = str(json.loads(config.read_text()).get("base_model_name_or_path"))
    return trained_on if HUB_ID.fullmatch(trained_on) and not Path(trained_on).exists() else base_model


def files(run: Path, base_model: str) -> dict[str, bytes]:
    """The adapter's files by name. Raises InputError where `run` holds no whole adapter."""
    try:
        config = json.loads((run / "adapter" / "adapter_config.json").read_text())
        weights = load_file(run / "adapter" / "adapter_model.safetensors")
    except (OSError, ValueError) as error:
        raise InputError(f"{run} holds no finished run: its adapter cannot be read ({error}).", "run") from error
    for name, tensor in _head(run / "merged").items():
        if PREFIX + name not in weights:
            raise InputError(f"{run} holds no adapter of this recipe: {name} is missing.", "run")
        weights[PREFIX + name] = tensor.to(weights[PREFIX + name].dtype)
    config["base_model_name_or_path"] = base_model
    return {
        "adapter_config.json": (json.dumps(config, indent=2) + "\n").encode(),
        "adapter_model.safetensors": save(weights, {"format": "pt"}),
    }


def section(base_model: str) -> str:
    """The card's words on the adapter, with code that loads it."""
    return TEMPLATE.read_text(encoding="utf-8").format(base_model=base_model, repo=REPO)


def _head(merged: Path) -> dict[str, Tensor]:
    """Weights of the last two layers, by their names in the model: three rows, the temperature folded in."""
    found: dict[str, Tensor] = {}
    for file in sorted(merged.glob("model*.safetensors")):
        with safe_open(file, "pt") as tensors:
            names = [name for name in tensors.keys() if re.match(rf"({'|'.join(HEAD)})\.", name)]  # noqa: SIM118
            found |= {name: tensors.get_tensor(name) for name in names}
    return found
