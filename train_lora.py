"""Train the language identifier: data -> quality -> split -> LoRA -> calibration -> evaluation -> checkpoint.

    python train_lora.py --data corpus/ --output runs/base --base-model openai/whisper-base    # on a laptop
    python train_lora.py --data uz=mdc:ID ru=cv-ru.tar.gz en=hub:google/fleurs:en_us --want 8000 --output runs/medium
    python train_lora.py --data corpus/ --output runs/base --prepare-only                      # data and its audit
    accelerate launch train_lora.py ...                                                         # several GPUs

Run it again with the same --output after any interruption and it goes on where it was. What it leaves in --output:

    dropped.tsv        every clip left out, and why          split.tsv          every other clip, and its part
    split_audit.json   proof that the parts share nothing    state.safetensors  the run itself, for going on
    adapter/           LoRA weights for PEFT                 merged/            a plain Transformers checkpoint
    metrics.json       what was measured, and on what
"""

import argparse
import contextlib
import csv
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import set_seed

from lid import audio
from lid.data import waveforms
from lid.data.curation import audit, conditions, losses, quality, splits, text
from lid.data.sources import spec
from lid.errors import InputError
from lid.evaluation import baselines, evaluate, open_set, shortcuts
from lid.identify import LanguageIdentifier, Prediction
from lid.languages import CODES
from lid.model import checkpoint, precision
from lid.model.calibration import Calibration
from lid.model.open_set import FILE_NAME as BACKGROUND_FILE
from lid.model.open_set import Background
from lid.release import publish
from lid.training import loop
from lid.training.batches import BalancedBatches, BatchOptions

PARTS = ("train", "validation", "test")


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        run(options)
    except InputError as error:
        print(f"train_lora: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    options.output.mkdir(parents=True, exist_ok=True)
    accelerator = Accelerator(cpu=options.cpu)
    if options.batch_size % accelerator.num_processes:  # each gets as many clips, or their mean is not the batch's
        raise InputError(f"--batch-size must be a multiple of the {accelerator.num_processes} processes.", "batch")
    if options.average_with and not options.checkpoint:
        raise InputError("--average-with goes with --checkpoint: train first, average afterwards.", "checkpoint")
    publishes = options.push_to_hub and accelerator.is_main_process and not options.prepare_only
    if publishes:
        publish.check(options.push_to_hub)
    set_seed(options.seed)

    # One process prepares; the others find everything in the cache.
    with accelerator.main_process_first():
        parts = prepare(options, accelerator.is_main_process)
    if options.prepare_only:
        return
    if options.checkpoint:
        if accelerator.is_main_process:
            refit(parts, options)
        return
    background = sorted({clip.language for clip in parts["train"][0]} - set(CODES))
    labels = (*CODES, *background)
    model = checkpoint.load_base(options.start_from or options.base_model, options.window, labels, options.layers)
    model = checkpoint.add_lora(model, options.lora_rank, options.lora_dropout)
    if accelerator.is_main_process:
        model.print_trainable_parameters()

    clips, speech = parts["train"]
    batches = BalancedBatches(
        speech,
        [labels.index(clip.language) for clip in clips],
        [clip.speaker for clip in clips],
        load_noises(options.noise),
        BatchOptions(options.batch_size, longest=options.window, speaker_cap=options.speaker_cap, seed=options.seed),
        options.steps,
        model.config.num_mel_bins,
        accelerator.process_index,
        accelerator.num_processes,
    )
    settings = loop.TrainingOptions(
        steps=options.steps,
        learning_rate=options.learning_rate,
        head_learning_rate=options.head_learning_rate,
        label_smoothing=options.label_smoothing,
        validate_every=options.validate_every,
        workers=options.workers,
        seed=options.seed,
        bf16=not options.fp32 and precision.supports_bf16(accelerator.device),
        gradient_checkpointing=options.gradient_checkpointing,
    )
    held_out = evaluate.copies(parts["validation"][1], _labels(parts["validation"][0]), options.seed)
    history = loop.train(
        model,
        batches,
        lambda current: evaluate.score(current.base_model.model, held_out),
        settings,
        options.output,
        accelerator,
    )
    if accelerator.is_main_process:
        finish(model, parts, batches, history, options)
    if publishes:
        publish.publish(options.output, options.push_to_hub)


def prepare(options: argparse.Namespace, speak: bool) -> dict[str, tuple[list, waveforms.Waveforms]]:
    """Clips and their decoded speech by part, after the checks and the split, whose records go to --output."""
    cache = Path(options.cache_dir)
    clips, orphans = _load(options.data, CODES, options, speak)
    spoken = [code for code in spec.languages(options.background) if code not in CODES]
    extra = [
        clip
        for specs, languages in ((options.train_only, CODES), (options.background, spoken))
        for clip in (_load(specs, languages, options, speak)[0] if specs else [])
    ]
    checked = quality.check(
        [*clips, *extra], cache / "facts.jsonl", workers=options.workers, progress=speak, orphans=orphans
    )
    if speak:
        quality.write_dropped_tsv(options.output / "dropped.tsv", checked.dropped)
    set_aside = {id(clip) for clip in extra}
    tested = [clip for clip in checked.kept if id(clip) not in set_aside or clip.language not in CODES]
    losses.require_languages(tested, checked.dropped, (*CODES, *spoken), options.want)
    split = splits.split(
        [clip for clip in checked.kept if id(clip) not in set_aside],
        seed=options.split_seed,
        threshold=options.similarity,
        same_speaker=checked.same_speaker,
    )
    if options.leave_out is not None:
        number, groups = options.leave_out
        own = [
            (clip, facts) for clip, facts in zip(checked.kept, checked.facts, strict=True) if id(clip) not in set_aside
        ]
        found = conditions.group(*zip(*own, strict=True), groups)
        held = {id(clip) for (clip, _), condition in zip(own, found, strict=True) if condition == number}
        split = conditions.leave_out(split, held, options.similarity)
    rest = [clip for clip in checked.kept if id(clip) in set_aside]
    split.train += [clip for clip in rest if clip.language not in options.foreign]
    unseen = [clip for clip in rest if clip.language in options.foreign]
    if speak:
        write_records(options, checked, split, unseen)
    if options.prepare_only:
        return {}
    rows = {**{part: getattr(split, part) for part in PARTS}, "foreign": unseen}
    return {part: (clips, waveforms.prepare(clips, cache, speak)) for part, clips in rows.items()}


def _load(specs: list[str], languages: Sequence[str], options: argparse.Namespace, speak: bool) -> tuple[list, dict]:
    """Rows of the sources named, and the files without a row by language."""
    clips = spec.load_clips(specs, languages, options.cache_dir, options.want, options.max_per_speaker, progress=speak)
    orphans: dict[str, list[str]] = {}
    for source, names in clips.orphans.items():
        orphans.setdefault(source.partition("=")[0], []).extend(names)
    return clips, orphans


def write_records(options: argparse.Namespace, checked: quality.Checked, split: splits.Split, unseen: list) -> None:
    """split.tsv and split_audit.json, and their sums on the screen."""
    output = options.output
    proof = audit.audit(split, options.similarity)
    proof["dropped_for_quality"] = quality.counts(checked.dropped)
    audit.write(output / "split_audit.json", proof)
    with (output / "split.tsv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(["part", "language", "path"])
        for part, rows in (*((part, getattr(split, part)) for part in PARTS), ("foreign", unseen)):
            table.writerows([part, clip.language, clip.path] for clip in rows)
        table.writerows([one.reason, one.clip.language, one.clip.path] for one in split.dropped)
    print(json.dumps(proof, indent=2, ensure_ascii=False))
    if audit.leaks(proof):
        raise InputError("The split leaks; nothing was trained. Report this with split_audit.json.", "leak")


def load_noises(folder: Path | None) -> list:
    """Recordings to mix in, as waveforms; made-up noise serves where no folder is named."""
    if folder is None:
        return []
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    if not files:
        raise InputError(f"{folder} holds no recordings. Give a folder of noise files, or leave --noise out.", "data")
    return [audio.decode(file) for file in files]


def finish(
    model: loop.PeftModel, parts: dict, batches: BalancedBatches, history: list[dict], options: argparse.Namespace
) -> None:
    """Save adapter and merged checkpoint, calibrate them on validation, and measure on test what is served."""
    if options.base_share:
        checkpoint.average_with_base(model, options.base_model, options.base_share)
    with checkpoint.writing(options.output / "adapter"):
        model.save_pretrained(options.output / "adapter")
    merged = options.output / "merged"
    calibration = calibrate(checkpoint.save_merged(model, merged), parts, options, merged)
    speakers = [clip.speaker for clip in parts["train"][0]]
    of_run = {
        "settings": lambda: _settings(options),
        "clips": lambda: {part: len(clips) for part, (clips, _) in parts.items()},
        "baselines": lambda: measure_baselines(parts, options),
        "shortcuts": lambda: shortcuts.compare(batches, speakers),
        "history": lambda: history,
    }
    measure(merged, calibration, parts, of_run, options)


def refit(parts: dict, options: argparse.Namespace) -> None:
    """Copy a finished run's checkpoint, average it with others and with the base if that is asked for, fit anew what
    lies beside it, and measure it again. What its metrics.json says of the run and of baselines stays."""
    merged, kept = options.output / "merged", options.checkpoint / "metrics.json"
    split = options.checkpoint / "split.tsv"
    if not kept.is_file() or not split.is_file() or split.read_bytes() != (options.output / "split.tsv").read_bytes():
        raise InputError(
            f"{options.checkpoint} holds no metrics.json and split.tsv of a run on this split. Give the sources it was "
            "trained with.",
            "checkpoint",
        )
    metrics = json.loads(kept.read_text())
    shutil.copytree(_weights(options.checkpoint), merged, dirs_exist_ok=True)
    for record in ("metrics.json", "split.tsv"):
        (merged / record).unlink(missing_ok=True)
    calibration = {name: metrics["calibration"][name] for name in ("temperature", "threshold")}
    background = _background(merged)
    if options.base_share or options.average_with:
        runs = [_weights(folder) for folder in options.average_with]
        others = [_background(run) for run in runs]
        (merged / BACKGROUND_FILE).unlink()  # what was fitted on the weights before
        temperatures = checkpoint.average_checkpoints(merged, runs)
        if options.base_share:
            checkpoint.average_checkpoint(merged, options.base_model, options.base_share)
        rows = background.averaged([one.cooled(t) for one, t in zip(others, temperatures, strict=True)])
        before, calibration = calibration, calibrate(rows, parts, options, merged)
        calibration["temperature"] *= before["temperature"]
        own = (1 - metrics["settings"].get("base_share", 0.0)) * (1 - options.base_share)
        metrics["settings"]["base_share"] = round(1 - own, 4)
        metrics["settings"]["runs"] = metrics["settings"].get("runs", 1) + len(others)
    elif background.languages:
        calibration["threshold"] = learn_known(background, parts, options, merged).threshold
    of_run = ("settings", "clips", "baselines", "shortcuts", "history")
    measure(merged, calibration, parts, {name: lambda name=name: metrics[name] for name in of_run}, options)


def _weights(folder: Path) -> Path:
    """Where the checkpoint is: in a run's merged/, or in the folder itself, as in assets/model."""
    return folder / "merged" if (folder / "merged").is_dir() else folder


def _background(folder: Path) -> Background:
    background = Background.load(folder)
    if background is None:
        raise InputError(f"{folder} holds no checkpoint of a run: {BACKGROUND_FILE} is missing.", "checkpoint")
    return background


def measure(
    merged: Path, calibration: dict, parts: dict, of_run: dict[str, Callable], options: argparse.Namespace
) -> None:
    """predictions.tsv and metrics.json: what the checkpoint in `merged` does, as served, and what `of_run` gives."""
    identifier = LanguageIdentifier.load(merged)
    clips, speech = parts["test"]
    labels = _labels(clips)
    predictions = evaluate.identify(identifier, clips)
    evaluate.write_predictions(options.output / "predictions.tsv", clips, predictions)
    measures = of_run | {
        "calibration": lambda: calibration | evaluate.calibrations(predictions, labels, calibration["temperature"]),
        "test": lambda: evaluate.report(predictions, clips),
        "lengths": lambda: evaluate.by_length(identifier.model, speech, labels),
        "channels": lambda: evaluate.by_channel(identifier.model, speech, labels, options.seed),
        "open_set": lambda: measure_openness(identifier, parts, predictions, options),
        "background": lambda: list(identifier.background.languages),
        "precision": lambda: identifier.model.precision,
    }
    metrics = {name: once(options.output / "measured", name, measure) for name, measure in measures.items()}
    (options.output / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    shutil.rmtree(options.output / "measured")
    low, high = metrics["test"]["accuracy_95"]
    print(f"test accuracy {metrics['test']['accuracy']:.2%}, 95 % interval {low:.2%} to {high:.2%}")


def once(folder: Path, name: str, measure: Callable[[], object]) -> object:
    """A measurement, kept in `folder` so that an evaluation that was killed does not make it again."""
    file = folder / f"{name}.json"
    if not file.exists():
        folder.mkdir(exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(measure()))
        partial.replace(file)
    return json.loads(file.read_text())


def calibrate(background: Background, parts: dict, options: argparse.Namespace, merged: Path) -> dict:
    """Fold its temperature into the checkpoint in `merged`, and write beside it what tells speech from noise and known
    languages from others. All of it is fitted on validation and training clips."""
    clips, speech = parts["validation"]
    held_out = evaluate.identify(LanguageIdentifier.load(merged), clips)
    temperature = Calibration.fit([p.logits for p in held_out], _labels(clips)).temperature
    checkpoint.fold_temperature(merged, temperature)
    background = background.cooled(temperature)
    identifier = LanguageIdentifier.load(merged)
    background = open_set.learn_speech(
        identifier, background, parts["train"][1], speech, load_noises(options.noise)[::2], options.seed
    )
    background.save(merged)
    if background.languages:
        background = learn_known(background, parts, options, merged)
    return {"temperature": temperature, "threshold": background.threshold}


def learn_known(background: Background, parts: dict, options: argparse.Namespace, merged: Path) -> Background:
    """Fit on training clips where the three languages and the others lie, and the threshold on validation, and save it
    beside the checkpoint."""
    identifier = LanguageIdentifier.load(merged)
    rest = [speech for clip, speech in zip(*parts["train"], strict=True) if clip.language not in CODES]
    known = _some(parts["train"], options.known_clips)
    open_set.learn_centres(identifier, background, *known, rest).save(merged)
    judge = LanguageIdentifier.load(merged)
    scores = [p.known_score for p in evaluate.identify(judge, parts["validation"][0])]
    background = judge.background.with_threshold(scores)
    background.save(merged)
    return background


def measure_openness(
    identifier: LanguageIdentifier, parts: dict, predictions: list[Prediction], options: argparse.Namespace
) -> dict:
    """No speech, on the half of the noise recordings that fitted nothing, and languages left out of training."""
    results = {"no_speech": open_set.no_speech(identifier, load_noises(options.noise)[1::2], options.seed)}
    clips, speech = parts["foreign"]
    if clips:
        languages = [clip.language for clip in clips]
        results |= open_set.served(predictions, evaluate.identify(identifier, clips), languages)
        results["scores"] = open_set.compare(identifier, parts["test"][1], speech)
    return results


def measure_baselines(parts: dict, options: argparse.Namespace) -> dict:
    """What others get on the same test clips."""
    train, (clips, speech) = _some(parts["train"], 400), parts["test"]
    labels = _labels(clips)
    seconds = [[len(w) / audio.SAMPLE_RATE for w in waveforms] for waveforms in (train[0], speech)]
    return {
        **baselines.length_only((seconds[0], train[1]), (seconds[1], labels)),
        **baselines.zero_shot(options.base_model, speech, labels),
        **baselines.linear_probe(options.base_model, options.window, train, (speech, labels)),
    }


def _some(part: tuple[list, waveforms.Waveforms], each: int) -> tuple[list, list[int]]:
    """Waveforms and labels of at most `each` clips of each of the three languages, evenly spaced."""
    clips, speech = part
    chosen = []
    for code in CODES:
        of = [i for i, clip in enumerate(clips) if clip.language == code]
        chosen += of[:: max(1, len(of) // each)][:each]
    return [speech[i] for i in chosen], _labels([clips[i] for i in chosen])


def _settings(options: argparse.Namespace) -> dict:
    """What the result depends on, without one machine's paths."""
    private = {
        "data",
        "train_only",
        "background",
        "output",
        "cache_dir",
        "noise",
        "cpu",
        "workers",
        "prepare_only",
        "push_to_hub",
        "checkpoint",
    }
    settings = {name: value for name, value in vars(options).items() if name not in private}
    return settings | {
        "base_model": Path(options.base_model).name,
        "start_from": options.start_from and Path(options.start_from).name,
        "recorded_noise": options.noise is not None,
    }


def _labels(clips: list) -> list[int]:
    return [CODES.index(clip.language) for clip in clips]


def _share(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0.0 <= float(text) < 1.0:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text} is no share from 0 to under 1.")


def _part(text: str) -> tuple[int, int]:
    """ "1/4" -> (1, 4)"""
    with contextlib.suppress(ValueError):
        number, groups = map(int, text.split("/"))
        if 0 <= number < groups:
            return number, groups
    raise argparse.ArgumentTypeError(f"{text} is not K/N with K from 0 to N - 1.")


def parser() -> argparse.ArgumentParser:
    """The recipe's arguments."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = arguments.add_argument
    add("--data", nargs="+", required=True, metavar="SOURCE", help=spec.HOW)
    add("--output", type=Path, required=True, help="folder for all results; the same one again resumes the run")
    add("--base-model", default="openai/whisper-medium", help="any Whisper id or folder")
    add("--start-from", metavar="FOLDER", help="another run's merged/, made from the same base model, to train further")
    add("--checkpoint", type=Path, metavar="FOLDER", help="train nothing: fit and measure this run's anew")
    add(
        "--average-with",
        nargs="+",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="with --checkpoint: other runs of the same split and start, whose weights are averaged in",
    )
    add(
        "--base-share",
        type=_share,
        default=0.0,
        help="share of the base's weights averaged into the trained encoder, from 0 to under 1",
    )
    add("--known-clips", type=int, default=250, help="of each language, to fit where it lies")
    add("--train-only", nargs="+", default=[], metavar="SOURCE", help="more of the three languages, never tested on")
    add(
        "--background",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="other languages, to know what is none of the three",
    )
    add(
        "--foreign", nargs="+", default=[], metavar="LANG", help="background languages kept out of training, to test on"
    )
    add("--cache-dir", type=Path, default=Path(os.environ.get("LID_CACHE", "cache")), help="streamed and decoded clips")
    add("--prepare-only", action="store_true", help="stop after the split and its audit")
    add("--push-to-hub", metavar="REPO", help="publish model and Space at the end; the token is tried at the start")
    add("--noise", type=Path, help="folder of noise recordings to mix in")
    add("--want", type=int, help="clips of each language at most; all by default")
    add("--max-per-speaker", type=int, help="clips of one voice at most, where clips are chosen")
    add(
        "--leave-out",
        type=_part,
        metavar="K/N",
        help="test on recording condition K (from 0) of N, and train without it",
    )
    add("--similarity", type=float, default=text.THRESHOLD, help="sentences at least this alike count as one")
    add("--window", type=float, default=10.0, help="seconds the model hears at once")
    add("--layers", type=int, help="keep only the encoder's first layers: faster to train and to serve")
    add("--steps", type=int, default=2000)
    add("--batch-size", type=int, default=24, help="clips a step, over all processes; languages take turns")
    add("--speaker-cap", type=int, default=40, help="clips for which one voice counts when batches are drawn")
    add("--learning-rate", type=float, default=4e-4, help="LoRA's peak")
    add("--head-learning-rate", type=float, default=1e-3)
    add("--lora-rank", type=int, default=16)
    add("--lora-dropout", type=float, default=0.05)
    add("--label-smoothing", type=float, default=0.05)
    add("--validate-every", type=int, default=250, metavar="STEPS")
    add("--workers", type=int, default=1, help="processes that decode and augment")
    add("--seed", type=int, default=0, help="what training and augmentation draw")
    add("--split-seed", type=int, default=0, help="which voices are in which part; keep it to compare runs")
    add("--fp32", action="store_true", help="no bfloat16 even where the hardware has it")
    add("--gradient-checkpointing", action="store_true", help="trade a third more time for much less memory")
    add("--cpu", action="store_true", help="leave the GPU alone")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
