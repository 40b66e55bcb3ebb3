"""Does the recipe run at whisper-medium's size? Some real steps of it with random weights, no download needed.

    python experiments/medium_shape.py --steps 3 --output docs/medium_shape.json

The encoder has whisper-medium's exact shape (24 layers of 1,024; 307 million weights), LoRA, gradient checkpointing
and, where the hardware has it, bf16; the batches are noise of 1 to 10 s, drawn as in training. Writes seconds a step
and peak memory.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from transformers import WhisperConfig, WhisperForAudioClassification

sys.path.insert(0, str(Path(__file__).parents[1]))

from lid.audio import SAMPLE_RATE
from lid.data.clip import Clip
from lid.data.parts import Part
from lid.languages import CODES
from lid.model import checkpoint
from lid.training import hardware, loop
from lid.training.batches import BalancedBatches, BatchOptions
from lid.training.config import Model, Optimisation

SHAPE = {
    "d_model": 1024,
    "encoder_layers": 24,
    "encoder_attention_heads": 16,
    "encoder_ffn_dim": 4096,
    "decoder_layers": 1,  # the classifier has none; the configuration wants a number
    "num_mel_bins": 80,
    "max_source_positions": 1500,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=24)
    parser.add_argument("--output", type=Path, default=Path("docs/medium_shape.json"))
    parser.add_argument("--cpu", action="store_true")
    options = parser.parse_args()
    accelerator = hardware.accelerator(options.cpu)
    rng = np.random.default_rng(0)
    noise = [rng.standard_normal(12 * SAMPLE_RATE).astype(np.float32) * 0.1 for _ in range(30)]
    clips = [Clip("", None, CODES[i % 3], str(i)) for i in range(30)]
    shape, usual = Model(), Optimisation()
    drawn = BatchOptions(options.batch_size, shape.window, usual.speaker_cap, usual.seed, clean=True)
    batches = BalancedBatches(Part(clips, noise), [], drawn, options.steps)
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        WhisperForAudioClassification(WhisperConfig(**SHAPE)).save_pretrained(folder)
        model = checkpoint.add_lora(checkpoint.load_base(folder, shape.window), shape.lora_rank, dropout=0.0)
        settings = Optimisation(
            steps=options.steps,
            warmup=1,
            validate_every=1,
            patience=options.steps,
            save_every=options.steps,
            gradient_checkpointing=True,
            distil=0.0,  # a second head's share of the memory is nothing; the anchor is a second pass
        )
        seconds: list[float] = []
        started = time.perf_counter()

        def tick(_: torch.nn.Module) -> dict[str, float]:
            seconds.append(time.perf_counter() - started)
            return {"accuracy": 0.0, "loss": 0.0}

        trained = loop.train(model, batches, tick, settings, Path(folder) / "run", accelerator)
    audio_seconds = [batches[step]["mel"].shape[2] / 100 * options.batch_size for step in range(options.steps)]
    result = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "batch_size": options.batch_size,
        "steps": options.steps,
        "seconds_a_step": [round(float(s), 1) for s in np.diff([0.0, *seconds])],
        "audio_seconds_a_step": [round(s, 1) for s in audio_seconds],
        "losses": [entry["train_loss"] for entry in trained.history],
        "peak_memory_gb": round(_peak_gb(accelerator), 2),
        "device": str(accelerator.device),
        "threads": torch.get_num_threads(),
    }
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def _peak_gb(accelerator: Accelerator) -> float:
    if accelerator.device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
