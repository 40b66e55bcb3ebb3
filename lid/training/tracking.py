"""Curves drawn elsewhere while a run goes on, by one of Accelerate's trackers."""

from importlib.util import find_spec
from pathlib import Path

from accelerate import Accelerator

from lid.errors import InputError

TRACKERS = ("tensorboard", "trackio", "wandb")  # packages of the same names


def options(tracker: str | None, folder: Path) -> dict:
    """Arguments of Accelerator for this tracker (None: none), which keeps its files in `folder`. Raises InputError for
    one that there is not, and for one that is not installed."""
    if tracker is None:
        return {}
    if tracker not in TRACKERS:
        raise InputError(f"--track is one of {', '.join(TRACKERS)}, not {tracker}.", "track")
    if find_spec(tracker) is None:
        raise InputError(f"{tracker} is not installed: pip install {tracker}, or leave --track out.", "track")
    return {"log_with": tracker, "project_dir": folder}


def start(accelerator: Accelerator, project: str, settings: dict) -> None:
    """Open the tracker, if there is one, and show it the run's settings."""
    shown = {name: value if isinstance(value, int | float) else str(value) for name, value in settings.items()}
    accelerator.init_trackers(project, shown)
