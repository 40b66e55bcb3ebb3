"""A short run on the processes that `accelerate launch` has started; the last of them may be killed on the way.

python -m accelerate.commands.launch --config_file configs/cpu.yaml tests/training/two_processes.py BASE FOLDER [STEP]
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from lid.evaluation import evaluate
from lid.training import hardware, loop
from lid.training.batches import BalancedBatches, BatchOptions
from lid.training.config import Optimisation
from tests.training.test_loop import said, tones, tunable

STEPS = 8


def main(base: str, folder: str, killed_at: int | None = None) -> None:
    torch.set_num_threads(1)
    accelerator = hardware.accelerator(cpu=True, fp32=True)
    corpus = tones()
    batches = BalancedBatches(
        corpus,
        [],
        BatchOptions(size=6, longest=2.0, speaker_cap=40, seed=0, clean=True),
        STEPS,
        process=accelerator.process_index,
        processes=accelerator.num_processes,
        posteriors=said(corpus),
    )
    if killed_at is not None and accelerator.process_index == accelerator.num_processes - 1:
        update = loop.Run.update

        def update_and_die(run: loop.Run, loss: torch.Tensor) -> None:
            update(run, loss)
            if run.step == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)

        loop.Run.update = update_and_die
    held_out = {"all": evaluate.HeldOut(corpus.speech, np.asarray(corpus.labels))}
    options = Optimisation(steps=STEPS, warmup=2, validate_every=4, save_every=2, fp32=True)
    loop.train(
        tunable(base),
        batches,
        lambda current: evaluate.score(current.base_model.model, held_out),
        options,
        Path(folder),
        accelerator,
        at_once=2,  # of three rows: gradients are exchanged once a batch, not once a piece
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else None)
