"""What training whisper-medium costs on this card: speed, memory, number formats, and whether batches come fast enough.

    python benchmarks/gpu_training.py --write               # under five minutes; numbers into docs/gpu_training.json
    python benchmarks/gpu_training.py --cpu --shape tiny    # tries the whole of it out, on any machine
    python benchmarks/gpu_training.py --worked-out --write  # what can be said of cards where there is none

The encoder has the exact shape and random weights, so nothing is downloaded; what is trained is noise, which costs as
much as speech. A step is the recipe's: LoRA, the anchor's second pass, clips of 1 to 10 s. The peak is what a large
product of two matrices reaches on this card. FLOP are counted by PyTorch as the step runs, so attention is in them.

Without a card, memory is worked out from the tensors that a step on one clip keeps, and time from its FLOP and the peak
in the card's data sheet; how many clips a second a CPU core makes is measured.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
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

DOCS = Path(__file__).parents[1] / "docs" / "gpu_training.json"
SHAPES = {  # width, layers, heads, mel bins
    "tiny": (64, 2, 2, 80),
    "small": (768, 12, 12, 80),
    "medium": (1024, 24, 16, 80),
    "large-v3": (1280, 32, 20, 128),
}
CARDS = {  # memory in GB and dense peak in FLOP a second, in bfloat16 or (T4) float16: NVIDIA's data sheets
    "T4": (16, 65e12),
    "L4": (24, 121e12),
    "RTX 4090": (24, 165e12),
    "A100 40 GB": (40, 312e12),
    "A100 80 GB": (80, 312e12),
    "H100 80 GB": (80, 989e12),
}
UTILISATION = 0.3  # of the peak, where a step's time is worked out
RESERVED = 1.5  # GB of a card for CUDA itself and for what lies between tensors
STEPS, BATCH = 8_000, 24  # the full recipe
ON_CPU = 4  # clips at once there, for the sake of its memory
TOGETHER = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96)  # clips at once that are tried for memory


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="medium")
    parser.add_argument("--cpu", action="store_true", help="leave the GPU alone")
    parser.add_argument("--worked-out", action="store_true", help="leave out what only a card can tell")
    parser.add_argument("--seconds", type=float, default=12.0, help="for each measurement of speed")
    parser.add_argument("--dollars", type=float, help="what this machine costs an hour")
    parser.add_argument("--output", type=Path, help="where to write the numbers")
    parser.add_argument("--write", action="store_true", help="write them to docs/gpu_training.json")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        base = save_base(options.shape, Path(folder) / "base")
        found = without_card(base, options) if options.worked_out else measure(base, options, Path(folder))
    print(json.dumps(found, indent=1))
    for file in [options.output] * bool(options.output) + [DOCS] * options.write:
        file.write_text(json.dumps(found, indent=1) + "\n")


def measure(base: Path, options: argparse.Namespace, folder: Path) -> dict:
    on_card = torch.cuda.is_available() and not options.cpu
    formats = [("bf16", False), ("fp16", False), ("bf16", True)] if on_card else [("no", False), ("no", True)]
    if on_card and hardware.fastest_format() != "bf16":
        formats = [("fp16", False), ("no", False), ("fp16", True)]
    speeds = []
    for mixed_precision, checkpointing in formats:
        with trainer(base, mixed_precision, checkpointing, options.cpu) as made:
            speeds.append({"format": hardware.format_name(made.accelerator), "gradient_checkpointing": checkpointing})
            speeds[-1] |= speed(made, options.seconds)
    with trainer(base, formats[0][0], False, options.cpu) as made:
        memory = by_clips(made) if on_card else worked_out_memory(made)
        flops, workers = speeds[0]["teraflop_a_step"], hardware.default_workers()
        loaders = by_workers(made, workers, options.seconds)
        together = in_the_loop(made, workers, options.seconds)
    result = {
        "shape": options.shape,
        "device": torch.cuda.get_device_name() if on_card else "CPU",
        "clips_a_step": BATCH,
        "mean_clip_seconds": speeds[0].pop("mean_clip_seconds"),
        "formats": [{name: value for name, value in one.items() if name != "mean_clip_seconds"} for one in speeds],
        "memory": memory,
        "loader_clips_a_second": loaders,
        "with_loader": together | {"workers": workers},
        "resumed_loss_difference": resumed(base, formats[0][0], options.cpu, folder),
        "hours": round(STEPS / together["steps_a_second"] / 3600, 2),
        "steps": STEPS,
    }
    if options.dollars:
        result["dollars"] = round(result["hours"] * options.dollars, 2)
    if not on_card:
        result["cards"] = {name: worked_out(*card, flops, memory) for name, card in CARDS.items()}
    return result


def without_card(base: Path, options: argparse.Namespace) -> dict:
    with trainer(base, "no", False, True) as made:
        mean, memory = mean_seconds(made.batches), worked_out_memory(made)
        flops = BATCH * counted_flops(made, made.batch(1, mean), 1) / 1e12
        core = by_core(made.batches, options.seconds)
    return {
        "shape": options.shape,
        "device": "CPU",
        "clips_a_step": BATCH,
        "steps": STEPS,
        "mean_clip_seconds": round(mean, 2),
        "teraflop_a_step": round(flops, 3),
        "utilisation": UTILISATION,
        "memory": memory,
        "loader_clips_a_core_second": core,
        "cards": {name: worked_out(*card, flops, memory) for name, card in CARDS.items()},
    }


def save_base(shape: str, folder: Path) -> Path:
    """A Whisper of this shape with random weights, and no decoder to speak of."""
    width, layers, heads, mels = SHAPES[shape]
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=width,
        encoder_layers=layers,
        encoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        decoder_layers=1,
        num_mel_bins=mels,
        max_source_positions=1500,
    )
    WhisperForAudioClassification(config).save_pretrained(folder)
    return folder


class trainer:
    """A model to be trained as the recipe does, and all that a step needs; a context manager that frees the card."""

    def __init__(self, base: Path, mixed_precision: str, checkpointing: bool, cpu: bool):
        AcceleratorState._reset_state(True)  # it holds one number format for the whole process
        self.accelerator = Accelerator(cpu=cpu, mixed_precision=mixed_precision)
        self.options = Optimisation(steps=10**6, batch_size=BATCH, distil=0.0)
        shape = Model()
        model = checkpoint.load_base(str(base), shape.window)
        self.mels = model.config.num_mel_bins
        self.model = checkpoint.add_lora(model, shape.lora_rank, shape.lora_dropout).to(self.accelerator.device)
        if checkpointing:
            checkpoint.inside(self.model).gradient_checkpointing_enable()
        self.batches = batches(self.options, shape.window, self.mels)

    def __enter__(self) -> "trainer":
        self.run = loop.Run(self.model.train(), self.options, Path("/nowhere"), self.accelerator)
        heads = self.accelerator.prepare(loop._Heads(self.model))
        self.step = loop.Step(self.model, heads, self.options, 1.0, self.accelerator)
        return self

    def __exit__(self, *_) -> None:
        del self.run, self.step, self.model
        AcceleratorState._reset_state(True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def batch(self, rows: int, seconds: float) -> dict[str, torch.Tensor]:
        mel = torch.randn(rows, self.mels, 2 * int(seconds * 50))
        return {"mel": mel, "clean": mel, "labels": torch.arange(rows) % len(CODES)}


def batches(options: Optimisation, window: float, mels: int) -> BalancedBatches:
    rng = np.random.default_rng(0)
    noise = [rng.standard_normal(12 * SAMPLE_RATE).astype(np.float32) * 0.1 for _ in range(30)]
    clips = [Clip("", None, CODES[i % 3], str(i)) for i in range(30)]
    return BalancedBatches(Part(clips, noise), [], BatchOptions.of(options, window), options.steps, mels)


def speed(made: trainer, seconds: float) -> dict:
    """Steps a second without waiting for batches, and the share of the card's peak that they reach."""
    mean, rows = mean_seconds(made.batches), at_once(made)
    batch = made.batch(BATCH, mean)
    flops = counted_flops(made, batch, rows)

    def step() -> None:
        made.run.update(made.step(batch, rows))

    rate = repeated(step, seconds)
    peak = matrix_peak(made.accelerator)
    return {
        "mean_clip_seconds": round(mean, 2),
        "clips_at_once": rows,
        "steps_a_second": round(rate, 3),
        "clips_a_second": round(rate * BATCH, 1),
        "teraflop_a_step": round(flops / 1e12, 6),
        "share_of_peak": round(rate * flops / peak, 3),
        "peak_teraflops": round(peak / 1e12, 3),
    }


def counted_flops(made: trainer, batch: dict[str, torch.Tensor], rows: int) -> int:
    """FLOP of one step, the pass of the base model included."""
    with FlopCounterMode(display=False) as counter:
        made.step(batch, rows)
    made.run.update(torch.zeros((), device=made.accelerator.device))
    return counter.get_total_flops()


def mean_seconds(drawn: BalancedBatches) -> float:
    """The mean length of a batch's rows."""
    return float(np.mean([length(drawn, step) for step in range(2000)]))


def length(drawn: BalancedBatches, step: int) -> float:
    """Seconds of the rows of a batch, as `BalancedBatches` draws them."""
    options = drawn.options
    rng = np.random.default_rng([options.seed, step])
    return float(np.exp(rng.uniform(np.log(options.shortest), np.log(options.longest))))


def at_once(made: trainer) -> int:
    on_card = made.accelerator.device.type == "cuda"
    return loop._most_at_once(made.step, made.batches, made.accelerator) if on_card else ON_CPU


def repeated(work: Callable[[], None], seconds: float) -> float:
    """Calls a second, after one that does not count."""
    work()
    synchronise()
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < seconds or not calls:
        work()
        calls += 1
    synchronise()
    return calls / (time.perf_counter() - start)


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def matrix_peak(accelerator: Accelerator) -> float:
    """FLOP a second of a product of two large matrices in the format that steps are made in."""
    size = 8192 if accelerator.device.type == "cuda" else 1024
    dtype = getattr(torch, hardware.format_name(accelerator))
    a, b = (torch.randn(size, size, device=accelerator.device, dtype=dtype) for _ in range(2))
    return 2 * size**3 * repeated(lambda: a @ b, 1.0)


def by_clips(made: trainer) -> dict:
    """GB at most in a step of so many of the longest clips, until they do not fit."""
    peaks: dict[str, float] = {}
    for clips in TOGETHER:
        torch.cuda.reset_peak_memory_stats()
        try:
            made.step(made.batch(clips, Model().window), clips)
        except torch.OutOfMemoryError:
            break
        peaks[str(clips)] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    made.model.zero_grad()
    return {"gb_by_clips": peaks}


def worked_out_memory(made: trainer) -> dict:
    """The same from what a step keeps for its way back, in float32: halved, it is what it would be in 16 bits, but for
    the norms, whose share is small."""
    kept = [saved_bytes(made, clips) for clips in (1, 2)]
    weights = sum(parameter.nbytes for parameter in made.model.parameters())
    trained = sum(parameter.nbytes for parameter in made.model.parameters() if parameter.requires_grad)
    return {
        "gb_a_clip": round((kept[1] - kept[0]) / 2 / 1e9, 4),
        "gb_fixed": round((weights * 1.5 + 6 * trained) / 1e9, 4),  # 32 and 16 bits; gradient, Adam, average, best
    }


def saved_bytes(made: trainer, clips: int) -> int:
    """Bytes of the tensors that a step on clips of full length keeps for its way back, weights not among them."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in made.model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        made.step(made.batch(clips, Model().window), clips)
    made.model.zero_grad()
    return sum(kept.values())


def worked_out(gigabytes: float, peak: float, teraflop: float, memory: dict) -> dict:
    """What a card of this memory and peak should do, worked out."""
    rate = peak * UTILISATION / (teraflop * 1e12)
    fitting = (gigabytes - RESERVED - memory["gb_fixed"]) / memory["gb_a_clip"]
    return {
        "clips_at_once": max(0, min(BATCH, int(fitting))),
        "clips_a_second": round(rate * BATCH, 1),
        "hours": round(STEPS / rate / 3600, 2),
    }


def by_workers(made: trainer, workers: int, seconds: float) -> dict[int, float]:
    """Clips a second that are made by one process, by half of so many, and by all."""
    return {count: loader(made.batches, count, seconds) for count in sorted({1, max(1, workers // 2), workers})}


def by_core(drawn: BalancedBatches, seconds: float) -> float:
    """Clips that are made in a second of one core's time, which other programs' work hardly changes."""
    torch.set_num_threads(1)
    start, made = time.process_time(), 0
    while time.process_time() - start < seconds or not made:
        drawn[made]
        made += 1
    return round(BATCH * made / (time.process_time() - start), 1)


def loader(drawn: BalancedBatches, workers: int, seconds: float) -> float:
    """Clips a second of so many processes that make batches."""
    made = iter(DataLoader(drawn, batch_size=None, num_workers=workers, prefetch_factor=hardware.PREFETCH))
    for _ in range(workers):  # what was made while they started
        next(made)
    return round(BATCH * repeated(lambda: next(made) and None, seconds), 1)


def in_the_loop(made: trainer, workers: int, seconds: float) -> dict:
    """Steps with batches made beside them, augmentation and all, and the share of the time that the card waited."""
    rows, waited = at_once(made), 0.0
    drawn = iter(loop._loader(made.batches, 0, made.options.steps, workers, made.accelerator))

    def step() -> None:
        nonlocal waited
        start = time.perf_counter()
        batch = next(drawn)
        waited += time.perf_counter() - start
        made.run.update(made.step(batch, rows))

    step()
    waited, start = 0.0, time.perf_counter()
    rate = repeated(step, 2 * seconds)
    return {
        "steps_a_second": round(rate, 3),
        "clips_a_second": round(rate * BATCH, 1),
        "share_waited": round(waited / (time.perf_counter() - start), 3),
    }


def resumed(base: Path, mixed_precision: str, cpu: bool, folder: Path) -> float:
    """How far the loss after six steps lies from that of a run that was broken off after three and went on."""
    losses = []
    for name, parts in (("whole", (6,)), ("broken", (3, 6))):
        for steps in parts:
            losses.append(_short_run(base, mixed_precision, cpu, folder / name, steps))
    return abs(losses[0] - losses[2])


def _short_run(base: Path, mixed_precision: str, cpu: bool, folder: Path, steps: int) -> float:
    AcceleratorState._reset_state(True)
    torch.manual_seed(0)
    accelerator = Accelerator(cpu=cpu, mixed_precision=mixed_precision)
    options = Optimisation(steps=6, batch_size=6, warmup=1, validate_every=6, save_every=3, patience=6, distil=0.0)
    model = checkpoint.load_base(str(base), 2.0)
    drawn = _Until(batches(options, 2.0, model.config.num_mel_bins), steps)
    try:
        tuned, nothing = checkpoint.add_lora(model, 4, 0.05), {"accuracy": 0.0, "loss": 0.0}
        trained = loop.train(tuned, drawn, lambda _: nothing, options, folder, accelerator)
    except _BrokenOff:
        return float("nan")
    return trained.history[-1]["train_loss"]


class _BrokenOff(Exception):
    pass


class _Until:
    """Batches that end the run after so many."""

    def __init__(self, drawn: BalancedBatches, steps: int):
        self.drawn, self.steps = drawn, steps

    def __getitem__(self, step: int) -> dict[str, torch.Tensor]:
        if step >= self.steps:
            raise _BrokenOff
        return self.drawn[step]

    def longest(self) -> dict[str, torch.Tensor]:
        return self.drawn.longest()


if __name__ == "__main__":
    main()
