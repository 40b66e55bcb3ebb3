"""Does the answer survive recording conditions that training never had? Leave one out, then the next.

    python experiments/conditions.py --groups 4 -- --output runs/base --data corpus/ --base-model FOLDER

After the two dashes stand the arguments of a train_lora.py run, for its data and base model. Training Whisper once for
each condition takes days on a CPU (experiments/base_share.py does that); here a logistic regression on the frozen
encoder's mean states is trained instead, on at most --most clips of a language. Speakers of each language are grouped
by how they were recorded (lid/data/curation/conditions.py). In each round one group of every language is tested on,
and the others train; for comparison, as many groups of speakers drawn at random. What the first loses against the
second is due to the recording. Writes docs/conditions.json, from which REPORT.md has its table.
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1]))

from lid.data import waveforms
from lid.data.clip import OWN
from lid.data.curation import conditions, quality
from lid.data.parts import Part
from lid.evaluation import metrics
from lid.evaluation.embeddings import clip_means
from lid.languages import CODES
from lid.model import checkpoint, whisper
from lid.training import prepare
from lid.training.config import Config

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--most", type=int, default=400, help="clips of each language at most, voices in turn")
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "conditions.json")
    parser.add_argument("recipe", nargs="+", metavar="-- ARGUMENTS", help="of train_lora.py")
    options = parser.parse_args()
    recipe = Config.parse(options.recipe, __doc__)
    cache, held_out = recipe.run.cache_dir, recipe.evaluation.held_out_languages
    checked = prepare.check(recipe.sources, recipe.data, held_out, cache, recipe.run.workers)
    clips, facts = sample(checked, options.most)
    part = Part(clips, waveforms.prepare(clips, cache))
    labels = np.array(part.labels)
    model = checkpoint.load_base(recipe.sources.base_model, recipe.model.window).eval()
    states = clip_means(whisper.encode, model, part.speech)
    by_condition = np.array(conditions.group(clips, facts, options.groups))
    by_voice = np.array(voices(clips, options.groups, recipe.optimisation.seed))
    rounds = [left_out(states, labels, by_condition, group) for group in range(options.groups)]
    results = {
        "clips": {code: int((labels == i).sum()) for i, code in enumerate(CODES)},
        "recording conditions left out": total(rounds),
        "voices left out, drawn at random": total(
            [left_out(states, labels, by_voice, group) for group in range(options.groups)]
        ),
        "each condition": [metrics.rates(*one) for one in rounds],
    }
    options.json.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


def sample(checked: quality.Checked, most: int) -> tuple[list, list]:
    """Checked clips and their measures: of each language `most`, its voices in turn."""
    queues: dict[str, dict[str, list]] = {code: defaultdict(list) for code in CODES}
    for pair in zip(checked.kept, checked.facts, strict=True):
        if pair[0].role == OWN:
            queues[pair[0].language][pair[0].speaker].append(pair)
    chosen = []
    for of in queues.values():
        ranked = sorted((turn, speaker) for speaker, rows in of.items() for turn in range(len(rows)))
        chosen += [of[speaker][turn] for turn, speaker in ranked[:most]]
    return [clip for clip, _ in chosen], [facts for _, facts in chosen]


def voices(clips: list, groups: int, seed: int) -> list[int]:
    """A group for each clip, by its speaker, drawn at random within each language."""
    speakers = sorted({(clip.language, clip.speaker) for clip in clips})
    order = np.random.default_rng(seed).permutation(len(speakers))
    group = {speakers[i]: place % groups for place, i in enumerate(order)}
    return [group[clip.language, clip.speaker] for clip in clips]


def left_out(states: np.ndarray, labels: np.ndarray, groups: np.ndarray, group: int) -> tuple[np.ndarray, np.ndarray]:
    """What is named for the clips of one group, with a probe trained on the others, and the truth."""
    test = groups == group
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, C=0.1, class_weight="balanced"))
    probe.fit(states[~test], labels[~test])
    return probe.predict(states[test]), labels[test]


def total(rounds: list[tuple[np.ndarray, np.ndarray]]) -> dict:
    """Rates over all rounds: every clip is tested once."""
    return metrics.rates(*(np.concatenate(parts) for parts in zip(*rounds, strict=True)))


if __name__ == "__main__":
    main()
