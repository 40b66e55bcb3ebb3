"""Train the language identifier: data -> quality -> split -> LoRA -> calibration -> evaluation -> checkpoint.

On a laptop, the smallest Whisper that is worth it:

    python train_lora.py --data corpus/ --output runs/base --base-model openai/whisper-base

On one GPU, Common Voice as a stream:

    python train_lora.py --data uz=mdc:ID ru=cv-ru.tar.gz en=hub:google/fleurs:en_us --want 8000 --output runs/medium

On several GPUs, or on several processes of a CPU:

    accelerate launch train_lora.py ...
    accelerate launch --multi_gpu --num_processes 2 train_lora.py --cpu ...

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
from dataclasses import replace
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import set_seed

from lid.data import sounds
from lid.errors import InputError, command
from lid.evaluation import baselines, evaluate, fit, measure, shortcuts, subsets
from lid.identify import LanguageIdentifier
from lid.model import checkpoint
from lid.model.checkpoint import Checkpoint
from lid.release import publish
from lid.training import loop, prepare, teacher
from lid.training.batches import BalancedBatches, BatchOptions
from lid.training.config import Config, save

VALIDATION_OTHERS = 300  # clips of background languages that help choosing a checkpoint: as many as of the three


@command("train_lora")
def main(arguments: list[str] | None = None) -> None:
    config = Config.parse(arguments, __doc__)
    sources, model_settings, optimisation, run = config.sources, config.model, config.optimisation, config.run
    accelerator = Accelerator(cpu=run.cpu)
    first = accelerator.is_main_process  # the one process that prepares, writes, and evaluates
    if optimisation.batch_size % accelerator.num_processes:  # each gets as many clips, or their mean is not the batch's
        raise InputError(f"--batch-size must be a multiple of the {accelerator.num_processes} processes.", "batch")
    for name, share in (
        ("background-share", optimisation.background_share),
        ("held-out-voices", config.evaluation.held_out_voices),
    ):
        if not 0 <= share < 1:
            raise InputError(f"--{name} is a share from 0 to under 1, not {share}.", "option")
    if run.push_to_hub and first and not run.prepare_only:
        publish.check(run.push_to_hub)
    run.output.mkdir(parents=True, exist_ok=True)

    # Prepare. One process does; the others find everything in the cache.
    with accelerator.main_process_first():
        selection = prepare.select(
            sources,
            config.data,
            config.evaluation,
            run.cache_dir,
            run.output if first else None,
            run.workers,
            progress=first,
        )
        if first:
            save(run.output, config.groups)
            prepare.write_records(selection, run.output)
        if run.prepare_only:
            return
        parts = prepare.decode(selection, run.cache_dir, progress=first)
        said = None
        if optimisation.distil:
            said = teacher.prepare(parts.train, sources.base_model, run.cache_dir, accelerator.device, progress=first)
    if optimisation.distil and said is None:
        if first:
            print(f"{sources.base_model} has no decoder that names languages, so there is nothing to distil.")
        optimisation = replace(optimisation, distil=0.0)
        config = replace(config, optimisation=optimisation)
    noises = sounds.load_noises(sources.noise)
    named_subsets = subsets.find(config.evaluation.subsets, parts.test.clips)
    former = LanguageIdentifier.load(config.evaluation.former) if config.evaluation.former and first else None

    # Train. The head has a row for each background language beside the three; a second one learns from the teacher.
    set_seed(optimisation.seed)  # here: what is drawn before depends on what the cache has already
    base = sources.init_from or sources.base_model
    model = checkpoint.load_base(base, model_settings.window, parts.train.languages, model_settings.layers)
    model = checkpoint.add_lora(model, model_settings.lora_rank, model_settings.lora_dropout)
    if said:
        checkpoint.add_sounds(model, said.languages)
    if first:
        model.print_trainable_parameters()
    batches = BalancedBatches(
        parts.train,
        noises,
        BatchOptions(
            optimisation.batch_size,
            model_settings.window,
            optimisation.speaker_cap,
            optimisation.seed,
            optimisation.background_share,
            clean=optimisation.anchor > 0,
        ),
        optimisation.steps,
        model.config.num_mel_bins,
        accelerator.process_index,
        accelerator.num_processes,
        said.probabilities if said else None,
    )
    held_out = evaluate.copies(parts.validation.speech, parts.validation.labels, optimisation.seed)
    others = parts.held_out_validation.evenly(VALIDATION_OTHERS).speech
    history = loop.train(
        model,
        batches,
        lambda current: evaluate.score(checkpoint.inside(current), held_out, others),
        optimisation,
        run.output,
        accelerator,
        run.workers,
    )
    if not first:
        return
    with checkpoint.writing(run.output / "adapter"):
        model.save_pretrained(str(run.output / "adapter"))

    # Fit what is served beside the weights, on one half of the recorded noise; the other half tests it.
    trained = Checkpoint.merged(model)
    calibration = fit.fit(trained, parts, noises[::2], optimisation.seed)

    # Save, once.
    trained.save(run.output / "merged")

    # Evaluate what is served.
    once = measure.Once(run.output / "measured")
    metrics = {
        "settings": config.published(),
        "clips": parts.counts(),
        "baselines": baselines.compare(parts, sources.base_model, model_settings.window, named_subsets, former, once),
        "shortcuts": once("shortcuts", shortcuts.compare, batches),
        "history": history,
        **measure.served(
            measure.load(run.output / "merged"),
            parts,
            calibration,
            noises[1::2],
            optimisation.seed,
            named_subsets,
            run.output,
            once,
        ),
    }
    measure.write(run.output / "metrics.json", metrics)
    shutil.rmtree(once.folder)

    if run.push_to_hub:
        publish.publish(run.output, run.push_to_hub, root=Path(__file__).parent)


if __name__ == "__main__":
    sys.exit(main())
