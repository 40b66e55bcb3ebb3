"""Everything that metrics.json says of a checkpoint, measured as it is served."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lid.data.parts import Parts
from lid.evaluation import MAP, embedding_map, evaluate, out_of_set
from lid.evaluation import subsets as named_subsets
from lid.identify import LanguageIdentifier
from lid.model import open_set
from lid.model.open_set import OpenSetDetector


class Once:
    """Calls functions, and keeps what they return in a folder: an evaluation that was killed and is started again does
    not make a measurement twice. What they return must be fit for JSON."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __call__(self, name: str, function: Callable, *arguments) -> Any:
        """`function(*arguments)`, or what it returned when it was last called under this name."""
        file = self.folder / f"{name}.json"
        if not file.exists():
            self.folder.mkdir(exist_ok=True)
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps(function(*arguments)))
            partial.replace(file)
        return json.loads(file.read_text())


def load(folder: Path, device: str = "cpu") -> LanguageIdentifier:
    """A saved checkpoint as it is served on a device, but with the detector that was fitted in place of its graph: the
    evaluation looks at the parts of its score. Raises InputError when there is no usable one."""
    return LanguageIdentifier.load(folder, device).with_detector(OpenSetDetector.load(folder))


def served(
    identifier: LanguageIdentifier,
    parts: Parts,
    calibration: dict[str, float],
    noises: Sequence[np.ndarray],
    seed: int,
    subsets: Mapping[str, Sequence[int]],
    folder: Path,
    once: Once,
) -> dict:
    """What the checkpoint does on test clips, on languages and voices held out, and on sounds without speech.

    `calibration` is what `lid.evaluation.fit` returned, `noises` recordings that nothing was fitted on, `subsets` the
    indices of test clips of `lid.evaluation.subsets`. Writes into `folder`, the run's: every answer for a test clip
    (predictions.tsv), and what the map of embeddings is drawn from (MAP).
    """
    model, test = identifier.model, parts.test
    predictions = evaluate.identify(identifier, test.clips)
    evaluate.write_predictions(folder / "predictions.tsv", test.clips, predictions)
    named = evaluate.named(predictions)
    (folder / MAP).parent.mkdir(exist_ok=True)
    (folder / MAP).write_text(json.dumps(once("map", embedding_map.draw, model, parts)) + "\n")
    reliability = once("calibration", evaluate.calibrations, predictions, test.labels, calibration["temperature"])
    return {
        "calibration": calibration | reliability,
        "test": once("test", evaluate.report, predictions, test.clips),
        "subsets": named_subsets.rates(named, test.labels, subsets),
        "lengths": once("lengths", evaluate.by_length, model, test),
        "channels": once("channels", evaluate.by_channel, model, test.speech, test.labels, seed),
        "open_set": once("open_set", out_of_set.measure, identifier, parts, predictions, noises, seed),
        "background": list(identifier.needed_detector().languages),
        "score_parts": list(open_set.fitted(identifier).score_parts),  # none where it is the distance alone
        "precision": once("precision", getattr, model, "precision"),
    }


def other_corpora(identifier: LanguageIdentifier, corpora: Mapping[str, Sequence], once: Once) -> dict[str, dict]:
    """What the checkpoint does on clips of corpora that nothing was trained on, as `lid.evaluation.evaluate.report`
    says it, by the corpus's name."""

    def report(clips: Sequence) -> dict:
        return evaluate.report(evaluate.identify(identifier, clips), clips)

    return {name: once(f"corpus-{number}", report, clips) for number, (name, clips) in enumerate(corpora.items())}


def write(file: Path, metrics: dict) -> None:
    """Write metrics.json, and say the one number on the screen."""
    file.write_text(json.dumps(metrics, indent=1) + "\n")
    low, high = metrics["test"]["accuracy_95"]
    print(f"test accuracy {metrics['test']['accuracy']:.2%}, 95 % interval {low:.2%} to {high:.2%}")
