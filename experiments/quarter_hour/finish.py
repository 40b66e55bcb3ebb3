"""Make runs of the students that train.py left, for `lid soup` to average, fit and measure.

    python experiments/quarter_hour/finish.py out/ --output runs/ --data corpus/ ...    # the flags of pack.py
    lid soup runs/first runs/second --output runs/soup

Of each student's snapshots the one is kept that is better on the validation clips.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from peft.peft_model import PeftModel
from safetensors import safe_open

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiments.quarter_hour.pool import NO_SPEECH
from lid.data import sounds
from lid.data.parts import Parts
from lid.evaluation import evaluate, shortcuts
from lid.model import checkpoint
from lid.model.checkpoint import Checkpoint
from lid.training import config, prepare, teacher
from lid.training.batches import BalancedBatches, BatchOptions
from lid.training.config import Config, Data, Evaluation, Model, Optimisation, Run, Sources, add_arguments, read

LAYERS, WINDOW, VALIDATION_OTHERS = 5, 10.0, 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=Path)
    for group in (Sources, Data, Evaluation, Run):
        add_arguments(parser, group)
    given = parser.parse_args()
    sources, data, evaluation, run = (read(given, group) for group in (Sources, Data, Evaluation, Run))
    selection = prepare.select(sources, data, evaluation, run.cache_dir, None, run.workers)
    parts = prepare.decode(selection, run.cache_dir)
    conditions = prepare.recording_conditions(selection)
    easy = shortcuts.compare(
        BalancedBatches(parts.train, sounds.load_noises(sources.noise), BatchOptions(24, WINDOW, 25, 0), 50)
    )
    for file in sorted(given.trained.glob("*.safetensors")):
        if file.name == "posterior.safetensors":
            continue
        folder = run.output / file.stem
        merged, about = finish(file, parts, conditions, sources.base_model, sources.init_from or sources.base_model)
        merged.save(folder / "merged")
        config.save(folder, (sources, data, evaluation, run))
        prepare.write_records(selection, folder)
        shape = Model(WINDOW, LAYERS, about.pop("rank"), 0.0)
        whole = Config(sources, data, shape, Optimisation(**about.pop("options")), evaluation, run)
        metrics = {
            "settings": whole.published(),
            "clips": parts.counts(),
            "baselines": {},
            "shortcuts": easy,
            "calibration": {"temperature": 1.0, "threshold": 0.0},
            **about,
        }
        (folder / "metrics.json").write_text(json.dumps(metrics, indent=2))


def finish(file: Path, parts: Parts, conditions: list[int], base_model: str, start: str) -> tuple[Checkpoint, dict]:
    """One student's best weights, and what is known of its training. `start` is what it was trained from."""
    with safe_open(file, "pt") as opened:
        about = json.loads(opened.metadata()["run"])
        tensors = {name: opened.get_tensor(name).float() for name in opened.keys()}  # noqa: SIM118 - not a dict
    if tuple(about["languages"]) != (*parts.train.languages, NO_SPEECH):
        sys.exit(f"finish: {file} was trained for other languages than these sources have.")
    model = checkpoint.load_base(start, WINDOW, about["languages"], LAYERS)
    model = checkpoint.add_lora(model, about["rank"], 0.0)
    checkpoint.add_sounds(model, tuple(teacher.language_tokens(base_model)))
    held_out = evaluate.copies(parts.validation.speech, parts.validation.labels, 0, groups=conditions)
    others = parts.held_out_validation.evenly(VALIDATION_OTHERS).speech
    steps = sorted({int(name.split("/")[0]) for name in tensors})
    losses = {point["step"]: point["train_loss"] for point in about["curve"]}
    history = []
    for step in steps:
        put(model, tensors, step)
        nearest = min(losses, key=lambda at, step=step: abs(at - step))
        score = evaluate.score(checkpoint.inside(model), held_out, others)
        history.append({"step": step, "train_loss": round(losses[nearest], 5), **score})
        print(file.stem, history[-1], flush=True)
    kept = max(history, key=lambda entry: entry["score"])["step"]
    put(model, tensors, kept)
    options = about["settings"] | {"steps": steps[-1], "batch_size": about["batch_size"], "speaker_cap": 25}
    merged = Checkpoint.merged(model)
    detector = merged.detector
    spoken = [i for i, code in enumerate(detector.languages) if code != NO_SPEECH]
    languages = tuple(detector.languages[i] for i in spoken)
    merged.detector = replace(detector, languages=languages).with_rows(detector.weight[spoken], detector.bias[spoken])
    return merged, {
        "rank": about["rank"],
        "options": options | {"validate_every": steps[-1] - steps[0]},
        "history": history,
        "curve": about["curve"],
        "kept": kept,
    }


def put(model: PeftModel, tensors: dict[str, torch.Tensor], step: int) -> None:
    """Set the trained weights to a snapshot's."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                weight.copy_(tensors[f"{step}/{name}"])
    model.eval()


if __name__ == "__main__":
    main()
