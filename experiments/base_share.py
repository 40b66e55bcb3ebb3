"""How much of the base model should stay in the encoder? Asked of recording conditions that training never had.

    python train_lora.py --leave-out 2/4 --output runs/left2 ...
    python benchmarks/base_share.py -- --leave-out 2/4 --output runs/left2 ...

After the two dashes stand the arguments of a finished train_lora.py run that left a recording condition out and kept
nothing of the base (`--base-share 0`). Its encoder is averaged with the base model's in several shares; each hears the
same copies of the clips left out: as recorded, through random channels, and 2 s of those. Each run adds its condition
to docs/base_share.json, from which REPORT.md has its table.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import train_lora
from lid.evaluation import evaluate
from lid.languages import CODES
from lid.model import checkpoint, whisper

ROOT = Path(__file__).parents[1]
SHARES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES, help="of the base model")
    parser.add_argument("--most", type=int, default=150, help="clips of each language at most")
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "base_share.json")
    parser.add_argument("recipe", nargs="+", metavar="-- ARGUMENTS", help="of train_lora.py")
    options = parser.parse_args()
    recipe = train_lora.parser().parse_args(options.recipe)
    if recipe.leave_out is None or recipe.base_share:
        parser.error("the run must have left a condition out (--leave-out) and kept nothing of the base")
    clips, speech = train_lora.prepare(recipe, speak=False)["test"]
    copies = evaluate.copies(speech, [CODES.index(clip.language) for clip in clips], recipe.seed, options.most)
    rounds = {}
    for share in options.shares:
        model = whisper.load(recipe.output / "merged")
        checkpoint.average_with_base(model, recipe.base_model, share)
        rounds[f"{share:.0%}"] = {
            name: counts(evaluate.clip_logits(model, waveforms).argmax(axis=1), np.asarray(labels))
            for name, (waveforms, labels) in copies.items()
        }
        print(f"{share:.0%}", json.dumps(rounds[f"{share:.0%}"]), flush=True)
    found = json.loads(options.json.read_text()) if options.json.exists() else {}
    found["{}/{}".format(*recipe.leave_out)] = {"steps": recipe.steps, "shares": rounds}
    options.json.write_text(json.dumps(found, indent=1) + "\n")


def counts(named: np.ndarray, labels: np.ndarray) -> dict[str, list[int]]:
    """Of each language: clips named rightly, and clips."""
    return {code: [int((named[labels == i] == i).sum()), int((labels == i).sum())] for i, code in enumerate(CODES)}


if __name__ == "__main__":
    main()
