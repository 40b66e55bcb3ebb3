"""How much of the base model should stay in the encoder? Asked of recording conditions that training never had.

    python experiments/base_share.py --leave-out 2/4 -- --output runs/left2 --steps 400 --data corpus/ ...

After the two dashes stand the arguments of a train_lora.py run. Speakers of each language are grouped by how they were
recorded (lid/data/curation/conditions.py); one group of every language is left out of training and tested on. The
trained encoder is averaged with the base model's in several shares (WiSE-FT, Wortsman et al. 2022, arXiv:2109.01903);
each hears the same copies of the clips left out: as recorded, through random channels, and 2 s of those. Each call adds
its condition to docs/base_share.json, from which REPORT.md has its table. Interrupted, it goes on where it was.
"""

import argparse
import copy
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

sys.path.insert(0, str(Path(__file__).parents[1]))

from lid.data import sounds
from lid.data.clip import OWN
from lid.data.curation import conditions
from lid.data.parts import Parts
from lid.evaluation import evaluate
from lid.evaluation.embeddings import clip_logits
from lid.languages import CODES
from lid.model import checkpoint, whisper
from lid.model.checkpoint import Checkpoint
from lid.training import loop, prepare
from lid.training.batches import BalancedBatches, BatchOptions
from lid.training.config import Config

ROOT = Path(__file__).parents[1]
SHARES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leave-out", type=condition, required=True, metavar="K/N", help="condition K (from 0) of N")
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES, help="of the base model")
    parser.add_argument("--most", type=int, default=150, help="clips of each language at most")
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "base_share.json")
    parser.add_argument("recipe", nargs="+", metavar="-- ARGUMENTS", help="of train_lora.py")
    options = parser.parse_args()
    recipe = Config.parse(options.recipe, __doc__)
    parts = without(recipe, *options.leave_out)
    trained = train(recipe, parts).model
    copies = evaluate.copies(parts.test.speech, parts.test.labels, recipe.optimisation.seed, options.most)
    rounds = {}
    for share in options.shares:
        averaged = copy.deepcopy(trained).float()
        checkpoint.average_with_base(averaged, recipe.sources.base_model, share)
        model = whisper.TorchModel(averaged)
        rounds[f"{share:.0%}"] = {
            name: counts(clip_logits(model, waveforms).argmax(axis=1), np.asarray(labels))
            for name, (waveforms, labels) in copies.items()
        }
        print(f"{share:.0%}", json.dumps(rounds[f"{share:.0%}"]), flush=True)
    found = json.loads(options.json.read_text()) if options.json.exists() else {}
    found["{}/{}".format(*options.leave_out)] = {"steps": recipe.optimisation.steps, "shares": rounds}
    options.json.write_text(json.dumps(found, indent=1) + "\n")


def condition(text: str) -> tuple[int, int]:
    """ "2/4" -> (2, 4)"""
    try:
        number, groups = map(int, text.split("/"))
    except ValueError:
        number, groups = 0, 0
    if 0 <= number < groups:
        return number, groups
    raise argparse.ArgumentTypeError(f"{text} is not K/N with K from 0 to N - 1.")


def without(recipe: Config, number: int, groups: int) -> Parts:
    """The run's parts, but tested on recording condition `number` of `groups`, which neither trains nor validates."""
    cache = recipe.run.cache_dir
    selection = prepare.select(recipe.sources, recipe.data, recipe.evaluation, cache, workers=recipe.run.workers)
    checked = selection.checked
    pairs = [pair for pair in zip(checked.kept, checked.facts, strict=True) if pair[0].role == OWN]
    clips, facts = zip(*pairs, strict=True)
    found = conditions.group(clips, facts, groups)
    voices = {(clip.language, clip.speaker) for clip, of in zip(clips, found, strict=True) if of == number}
    split = selection.split
    others = [clip for clip in split.train if clip.role != OWN]
    split.train = [clip for clip in split.train if clip.role == OWN]
    split = conditions.leave_out(split, voices)
    split.train += others
    recipe.run.output.mkdir(parents=True, exist_ok=True)
    left = replace(selection, split=split)
    prepare.write_records(left, recipe.run.output)
    return prepare.decode(left, cache)


def train(recipe: Config, parts: Parts) -> Checkpoint:
    """Train as train_lora.py does without distillation and anchor, on one process."""
    accelerator = Accelerator(cpu=recipe.run.cpu)
    optimisation = replace(recipe.optimisation, distil=0.0, anchor=0.0)  # the base's share is what is asked about
    set_seed(optimisation.seed)
    base, shape = recipe.sources.init_from or recipe.sources.base_model, recipe.model
    model = checkpoint.load_base(base, shape.window, parts.train.languages, shape.layers)
    model = checkpoint.add_lora(model, shape.lora_rank, shape.lora_dropout)
    drawn = BatchOptions(optimisation.batch_size, shape.window, optimisation.speaker_cap, optimisation.seed)
    noises = sounds.load_noises(recipe.sources.noise)
    batches = BalancedBatches(parts.train, noises, drawn, optimisation.steps, model.config.num_mel_bins)
    held_out = evaluate.copies(parts.validation.speech, parts.validation.labels, optimisation.seed)

    def validate(current: torch.nn.Module) -> dict[str, float]:
        return evaluate.score(checkpoint.inside(current), held_out)

    loop.train(model, batches, validate, optimisation, recipe.run.output, accelerator, recipe.run.workers)
    return Checkpoint.merged(model)


def counts(named: np.ndarray, labels: np.ndarray) -> dict[str, list[int]]:
    """Of each language: clips named rightly, and clips."""
    return {code: [int((named[labels == i] == i).sum()), int((labels == i).sum())] for i, code in enumerate(CODES)}


if __name__ == "__main__":
    main()
