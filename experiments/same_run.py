"""Did a change of the code change a result? Two finished runs of train_lora.py, side by side.

    python experiments/same_run.py runs/before runs/after

Compares every tensor of the merged checkpoint, of the detector beside it and of the adapter bit for bit; the split, the
clips left out and the answers to test clips byte for byte; and everything in metrics.json but the settings. Settings
that have other names in older runs are compared under their new ones. The exit status is 1 when anything differs.
"""

import argparse
import json
import sys
from pathlib import Path

from safetensors import safe_open

RENAMED = {"start_from": "init_from", "foreign": "held_out_languages"}  # older name -> name
TENSORS = ("merged/model.safetensors", "merged/background.safetensors", "adapter/adapter_model.safetensors")
FILES = ("split.tsv", "dropped.tsv", "split_audit.json", "predictions.tsv", "merged/config.json")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    folders = parser.parse_args()
    before, after = folders.before, folders.after
    missing = [
        place / name
        for place in (before, after)
        for name in (*TENSORS, *FILES, "metrics.json")
        if not (place / name).is_file()
    ]
    if missing:
        print(f"{missing[0]} is missing: not a finished run.", file=sys.stderr)
        return 1
    differing = 0
    for name in TENSORS:
        differing += told(name, tensors(before / name, after / name))
    for name in FILES:
        same = (before / name).read_bytes() == (after / name).read_bytes()
        differing += told(name, [] if same else ["bytes"])
    old, new = (json.loads((folder / "metrics.json").read_text()) for folder in (before, after))
    for name in sorted(old.keys() | new.keys()):
        compare = settings if name == "settings" else differences
        differing += told(f"metrics.json: {name}", compare(old.get(name), new.get(name)))
    return int(differing > 0)


def told(name: str, differing: list[str]) -> bool:
    print(f"{name}: {'equal' if not differing else 'DIFFERS: ' + ', '.join(differing[:10])}")
    return bool(differing)


def tensors(before: Path, after: Path) -> list[str]:
    """Names of the tensors, and of the notes in the header, that are not the same."""
    with safe_open(before, "pt") as old, safe_open(after, "pt") as new:
        names = set(old.keys()) ^ set(new.keys())
        for name in set(old.keys()) & set(new.keys()):
            one, other = old.get_tensor(name), new.get_tensor(name)
            if one.dtype != other.dtype or not one.equal(other):
                names.add(name)
        if (old.metadata() or {}) != (new.metadata() or {}):
            names.add("header")
    return sorted(names)


def settings(before: dict, after: dict) -> list[str]:
    """Settings that both runs have and that differ."""
    before, after = ({RENAMED.get(key, key): value for key, value in one.items()} for one in (before, after))
    return sorted(key for key in before.keys() & after.keys() if before[key] != after[key])


def differences(before: object, after: object, at: str = "") -> list[str]:
    """Where two JSON values differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        return [place for key in keys for place in differences(before.get(key), after.get(key), f"{at}/{key}")]
    return [] if before == after else [f"{at or '/'} ({str(before)[:40]} before, {str(after)[:40]} after)"]


if __name__ == "__main__":
    sys.exit(main())
