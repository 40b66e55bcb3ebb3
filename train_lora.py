"""Train the language identifier: data -> quality -> split -> LoRA -> calibration -> evaluation -> checkpoint.

On a laptop, the smallest Whisper that is worth it:

    python train_lora.py --data corpus/ --output runs/base --base-model openai/whisper-base

On one GPU, Common Voice as a stream:

    python train_lora.py --data uz=mdc:ID ru=cv-ru.tar.gz en=hub:google/fleurs:en_us --steps 8000 --output runs/medium

On several GPUs, or on two processes of a CPU (configs/ has a file for each):

    accelerate launch --config_file configs/gpus.yaml train_lora.py ...
    accelerate launch --config_file configs/cpu.yaml train_lora.py --cpu ...

Only the data and its audit:

    python train_lora.py --data corpus/ --output runs/base --prepare-only

Run it again with the same --output after any interruption and it goes on where it was. What it leaves in --output:

    settings.json      all settings below            dropped.tsv        every clip left out, and why
    split.tsv          every other clip's part       split_audit.json   proof that the parts share nothing
    adapter/           LoRA weights for PEFT         state.safetensors  the run itself, for going on
    merged/            a Transformers checkpoint     predictions.tsv    what it says of every test clip
    metrics.json       what was measured, on what, and with which settings
    figures/           points that pictures of REPORT.md are drawn from

`lid soup` averages finished runs, with one another and with the base model. The settings are in lid/training/config.py.
"""

import shutil
import sys
from pathlib import Path

from accelerate.utils import set_seed

from lid.data import sounds
from lid.errors import command
from lid.evaluation import baselines, evaluate, fit, measure, shortcuts, subsets
from lid.identify import LanguageIdentifier
from lid.model import checkpoint
from lid.model.checkpoint import Checkpoint
from lid.release import publish
from lid.training import hardware, loop, prepare, teacher, tracking
from lid.training.batches import BalancedBatches, BatchOptions
from lid.training.config import Config, save

VALIDATION_OTHERS = 300  # clips of background languages that help choosing a checkpoint: as many as of the three


@command("train_lora")
def main(arguments: list[str] | None = None) -> None:
    config = Config.parse(arguments, __doc__)
    sources, shape, optimisation, run = config.sources, config.model, config.optimisation, config.run
    accelerator = hardware.accelerator(run.cpu, optimisation.fp32, **tracking.options(run.track, run.output))
    first = accelerator.is_main_process  # the one process that prepares, writes, and evaluates
    config.check(accelerator.num_processes)
    if run.push_to_hub and first and not run.prepare_only:
        publish.check(run.push_to_hub)
    run.output.mkdir(parents=True, exist_ok=True)

    # Prepare. One process does; the others find everything in the cache.
    with accelerator.main_process_first():
        records = run.output if first else None
        selection = prepare.select(sources, config.data, config.evaluation, run.cache_dir, records, run.workers, first)
        if first:
            save(run.output, config.groups)
            prepare.write_records(selection, run.output)
            unseen = prepare.other_corpora(sources.eval_also, selection, config.data, run.cache_dir, run.workers)
        if run.prepare_only:
            return
        parts = prepare.decode(selection, run.cache_dir, progress=first)
        said = None
        if optimisation.distil:
            said = teacher.prepare(parts.train, sources.base_model, run.cache_dir, accelerator.device, progress=first)
    config = config.with_teacher(said is not None)
    optimisation = config.optimisation
    noises = sounds.load_noises(sources.noise)
    named_subsets = subsets.find(config.evaluation.subsets, parts.test.clips)
    former = LanguageIdentifier.load(config.evaluation.former) if config.evaluation.former and first else None

    # Train. The head has a row for each background language beside the three; a second one learns from the teacher.
    set_seed(optimisation.seed)  # here: what is drawn before depends on what the cache has already
    start = Checkpoint.load(Path(sources.init_from)) if sources.init_from else None
    base = sources.init_from or sources.base_model
    model = checkpoint.load_base(base, shape.window, parts.train.languages, shape.layers)
    if start:
        checkpoint.take_rows(model, start)
    model = checkpoint.add_lora(model, shape.lora_rank, shape.lora_dropout)
    if said:
        checkpoint.add_sounds(model, said.languages, start.detector if start else None)
    if first:
        model.print_trainable_parameters()
    batches = BalancedBatches(
        parts.train,
        noises,
        BatchOptions.of(optimisation, shape.window),
        optimisation.steps,
        model.config.num_mel_bins,
        accelerator.process_index,
        accelerator.num_processes,
        said.probabilities if said else None,
    )
    validation, conditions = parts.validation, prepare.recording_conditions(selection)
    held_out = evaluate.copies(validation.speech, validation.labels, optimisation.seed, groups=conditions)
    others = parts.held_out_validation.evenly(VALIDATION_OTHERS).speech
    tracking.start(accelerator, run.output.name, config.published())
    trained = loop.train(
        model,
        batches,
        lambda current: evaluate.score(checkpoint.inside(current), held_out, others),
        optimisation,
        run.output,
        accelerator,
        run.workers,
        run.clips_at_once,
    )
    accelerator.end_training()
    if not first:
        return
    with checkpoint.writing(run.output / "adapter"):
        model.save_pretrained(str(run.output / "adapter"))

    # Fit what is served beside the weights, on one half of the recorded noise; the other half tests it.
    merged = Checkpoint.merged(model)
    device = hardware.for_evaluation(accelerator.device)
    calibration = fit.fit(merged, parts, noises[::2], optimisation.seed, device)

    # Save, once.
    merged.save(run.output / "merged")

    # Evaluate what is served.
    identifier, once = measure.load(run.output / "merged", device), measure.Once(run.output / "measured")
    metrics = {
        "settings": config.published(),
        "clips": parts.counts(),
        "baselines": baselines.compare(parts, sources.base_model, shape.window, named_subsets, former, once, device),
        "shortcuts": once("shortcuts", shortcuts.compare, batches),
        **trained._asdict(),
        **measure.served(
            identifier, parts, calibration, noises[1::2], optimisation.seed, named_subsets, run.output, once
        ),
        "other_corpora": measure.other_corpora(identifier, unseen, once),
    }
    measure.write(run.output / "metrics.json", metrics)
    shutil.rmtree(once.folder)

    if run.push_to_hub:
        publish.publish(run.output, run.push_to_hub, root=Path(__file__).parent)


if __name__ == "__main__":
    sys.exit(main())
