"""Checkpoints side by side on the same clips: what did a change of the recipe give?

    python experiments/ablation.py --checkpoints "second=runs/second/merged" "third=runs/third/merged" -- \\
        --output runs/third --data corpus/ ...

After the two dashes stand the arguments of the train_lora.py run whose split is used; its test speakers must be in no
training part of any of the checkpoints. Every checkpoint hears the same copies of the test clips: as recorded, through
random channels, and 2 s and 1 s of those. Writes docs/ablation.json, from which REPORT.md has its table.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lid.evaluation import evaluate, metrics
from lid.evaluation.embeddings import clip_logits
from lid.model import whisper
from lid.training import prepare
from lid.training.config import Config

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", nargs="+", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--part", choices=("validation", "test"), default="test")
    parser.add_argument("--most", type=int, default=10_000, help="clips of each language at most")
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "ablation.json")
    parser.add_argument("recipe", nargs="+", metavar="-- ARGUMENTS", help="of train_lora.py")
    options = parser.parse_args()
    recipe = Config.parse(options.recipe, __doc__)
    cache = recipe.run.cache_dir
    selection = prepare.select(
        recipe.sources, recipe.data, recipe.evaluation, cache, workers=recipe.run.workers, progress=False
    )
    part = getattr(prepare.decode(selection, cache, progress=False), options.part)
    copies = evaluate.copies(part.speech, part.labels, recipe.optimisation.seed, options.most)
    waveforms, labels = copies["channel"]
    copies["1 s"] = ([evaluate.center_crop(w, 1.0) for w in waveforms], labels)
    results = {}
    for spec in options.checkpoints:
        name, _, folder = spec.partition("=")
        model = whisper.TorchModel(whisper.load(Path(folder)))
        results[name] = {
            copy: metrics.rates(clip_logits(model, waveforms).argmax(axis=1), labels)
            for copy, (waveforms, labels) in copies.items()
        }
        shares = {copy: f"{rate['accuracy']:.2%}" for copy, rate in results[name].items()}
        print(name, json.dumps(shares), flush=True)
    options.json.write_text(json.dumps({"part": options.part, "checkpoints": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
