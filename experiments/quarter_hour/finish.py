"""Make runs of the students that train.py left, as if train_lora.py had been killed just before its last step.

    python experiments/quarter_hour/finish.py out/ --output runs/ --data corpus/ ...    # the flags of pack.py

Each student becomes a folder in --output with a state.safetensors. Of its snapshots the one is kept that is better on
the validation clips. The command that is printed for each then does all that follows training, and `lid soup` averages
the results.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from peft.peft_model import PeftModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parents[2]))

from lid.data import waveforms
from lid.data.parts import Parts
from lid.evaluation import evaluate
from lid.model import checkpoint
from lid.training import prepare, teacher
from lid.training.config import Data, Evaluation, Run, Sources, add_arguments, read

LAYERS, WINDOW, VALIDATION_OTHERS = 5, 10.0, 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=Path)
    for group in (Sources, Data, Evaluation, Run):
        add_arguments(parser, group)
    given = parser.parse_args()
    sources, run = read(given, Sources), read(given, Run)
    selection = prepare.select(sources, read(given, Data), read(given, Evaluation), run.cache_dir, None, run.workers)
    parts = prepare.decode(selection, run.cache_dir)
    keep_answers(given.trained, parts, sources.base_model, run.cache_dir)
    conditions = prepare.recording_conditions(selection)
    for file in sorted(given.trained.glob("*.safetensors")):
        if file.name != "posterior.safetensors":
            finish(file, parts, conditions, sources.base_model, run.output / file.stem)


def keep_answers(trained: Path, parts: Parts, base_model: str, cache_dir: Path) -> None:
    """Put the teacher's answers where the recipe looks for them."""
    posterior = load_file(trained / "posterior.safetensors")["posterior"].numpy()
    if len(posterior) != len(parts.train):
        sys.exit("finish: these sources make another training part than the one that was packed.")
    name = f"{waveforms.key(parts.train.clips)}/{teacher._identity(base_model)}"
    np.save(cache_dir / f"teacher-{hashlib.sha256(name.encode()).hexdigest()[:16]}.npy", posterior)


def finish(file: Path, parts: Parts, conditions: list[int], base_model: str, folder: Path) -> None:
    """Write one student's state, and show how train_lora.py goes on from it."""
    with safe_open(file, "pt") as opened:
        about = json.loads(opened.metadata()["run"])
        tensors = {name: opened.get_tensor(name).float() for name in opened.keys()}  # noqa: SIM118 - not a dict
    if tuple(about["languages"]) != parts.train.languages:
        sys.exit(f"finish: {file} was trained for other languages than these sources have.")
    model = checkpoint.load_base(base_model, WINDOW, parts.train.languages, LAYERS)
    model = checkpoint.add_lora(model, about["rank"], 0.0)
    checkpoint.add_sounds(model, tuple(teacher.language_tokens(base_model)))
    held_out = evaluate.copies(parts.validation.speech, parts.validation.labels, 0, groups=conditions)
    others = parts.held_out_validation.evenly(VALIDATION_OTHERS).speech
    steps = sorted({int(name.split("/")[0]) for name in tensors})
    history = []
    for step in steps:
        put(model, tensors, step)
        history.append({"step": step, **evaluate.score(checkpoint.inside(model), held_out, others)})
        print(file.stem, history[-1], flush=True)
    best = max(history, key=lambda entry: entry["score"])["step"]
    settings = about["settings"] | {"steps": steps[-1]}
    kept = {name.partition("/")[2]: weight for name, weight in tensors.items() if name.startswith(f"{best}/")}
    state = {f"{kind}/{name}": w.clone() for kind in ("weights", "average", "best") for name, w in kept.items()}
    curve = [point for point in about["curve"] if point["step"] <= steps[-1]]
    record = {
        "step": steps[-1], "loss": curve[-1]["train_loss"], "history": history, "settings": settings,
        "variance": about["variance"], "curve": curve, "kept": best,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "state.safetensors", {"run": json.dumps(record)})
    flags = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in settings.items())
    print(f"python train_lora.py --output {folder} --layers {LAYERS} --lora-rank {about['rank']} --lora-dropout 0 "
          f"--batch-size {about['batch_size']} --speaker-cap 25 {flags} ...", flush=True)  # fmt: skip


def put(model: PeftModel, tensors: dict[str, torch.Tensor], step: int) -> None:
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                weight.copy_(tensors[f"{step}/{name}"])
    model.eval()


if __name__ == "__main__":
    main()
