"""Recordings a second on a GPU: `python benchmarks/gpu.py --write`, one command, under four minutes.

Recordings of 5 s, 30 s and 10 min, at the best of some batch sizes, with the embedded model (base) and with the medium
shape (random weights), in bfloat16 where the card has it: what the network alone does with windows that are cut
already, what `identify_batch` does with speech detection on the CPU, and what the stock Transformers pipeline does with
the same windows, batched on the same card in the same precision. The share of the peak counts the encoder's products.

Without a GPU it runs on the CPU: `python benchmarks/gpu.py --device cpu --seconds 0 --lengths 5 --batches 20`.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForAudioClassification, pipeline

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.benchmark_docs import replace_section  # noqa: E402
from lid import audio  # noqa: E402
from lid.features import FRAME_SAMPLES  # noqa: E402
from lid.identify import EMBEDDED_MODEL, LanguageIdentifier  # noqa: E402
from lid.model import whisper  # noqa: E402
from lid.model.precision import supports_bf16  # noqa: E402

LENGTHS = (5.0, 30.0, 600.0)  # seconds
BATCHES = (600.0, 1800.0, 3600.0)  # seconds of audio at once
MEDIUM = {"d_model": 1024, "encoder_layers": 24, "encoder_attention_heads": 16, "encoder_ffn_dim": 4096}
# Dense bf16 (T4: fp16) of the data sheets, in TFLOPS; of another card it is measured with one large product.
PEAKS = {"H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312, "L40S": 362, "L4": 121, "A10": 125, "T4": 65}
STOCK_BATCHES = (64, 256)
CORES = os.cpu_count() or 1  # that find where speech is, for the card


def checkpoint(shape: str, device: str) -> WhisperForAudioClassification:
    """A fresh model: whoever wraps it changes its precision in place."""
    if shape == "base":
        return whisper.load(EMBEDDED_MODEL, device)
    torch.manual_seed(0)
    config = WhisperConfig(
        **MEDIUM,
        decoder_layers=1,
        num_mel_bins=80,
        max_source_positions=500,
        id2label={0: "uz", 1: "ru", 2: "en"},
        label2id={"uz": 0, "ru": 1, "en": 2},
    )
    return WhisperForAudioClassification(config).to(device).eval()


def windows(recordings: list[np.ndarray], longest: int) -> list[np.ndarray]:
    """Each recording in windows of one length, none longer than the model's."""
    cut = []
    for sound in recordings:
        parts = -(-len(sound) // longest)
        step = len(sound) // parts // FRAME_SAMPLES * FRAME_SAMPLES
        cut += [sound[part * step : (part + 1) * step] for part in range(parts)]
    return cut


def best(work: Callable[[], object], device: str, seconds: float) -> float:
    """Median seconds of a call, in so many seconds of trying, the first call left out."""
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < 2 or time.perf_counter() - began < seconds:
        if device != "cpu":
            torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def flops(config: WhisperConfig, frames: int) -> float:
    """Of the encoder for one window: products with weights, and attention over its frames."""
    weights = 4 * config.d_model**2 + 2 * config.d_model * config.encoder_ffn_dim
    convolutions = 3 * config.d_model * (2 * config.num_mel_bins + config.d_model)
    layers = config.encoder_layers * (weights + 2 * frames * config.d_model)
    return 2.0 * frames * (layers + convolutions)


def peak(device: str, precision: str) -> tuple[float, str]:
    """FLOPS of the card, and where that is from."""
    name = torch.cuda.get_device_name() if device != "cpu" else "this CPU"
    for part, teraflops in PEAKS.items():
        if part in name:
            return teraflops * 1e12, f"{name}: {teraflops} TFLOPS by its data sheet"
    size = 8192 if device != "cpu" else 1024
    left = torch.randn(size, size, device=device, dtype=getattr(torch, precision))
    measured = 2 * size**3 / best(lambda: left @ left, device, 1.0)
    return measured, f"{name}: {measured / 1e12:.2f} TFLOPS measured with one product of {size} x {size}"


def stock(model: WhisperForAudioClassification, device: str, precision: str) -> Callable:
    """The pipeline as its documentation has it, in the same precision."""
    extractor = WhisperFeatureExtractor(chunk_length=10)
    return pipeline(
        "audio-classification",
        model=model.to(dtype=getattr(torch, precision)),
        feature_extractor=extractor,
        device=torch.device(device),
        dtype=getattr(torch, precision),
    )


def measure(
    shape: str, device: str, precision: str, seconds: float, lengths: list[float], batches: list[float]
) -> list[str]:
    """A row of the table for each length."""
    model = checkpoint(shape, device)
    wrapped = whisper.TorchModel(model, precision)
    identifier = LanguageIdentifier(wrapped, shape)
    usual = stock(checkpoint(shape, device), device, precision)
    voice = audio.decode(ROOT / "assets" / "examples" / "english.m4a")
    top, _ = peak(device, precision)
    lines = []
    for length in lengths:
        sound = np.resize(voice, int(length * audio.SAMPLE_RATE))
        found: dict[float, tuple[int, float]] = {}  # recordings a second -> how many at once, FLOPS
        for batch in batches:
            count = max(1, round(batch / length))
            cut = windows([sound] * count, wrapped.window_samples)
            taken = best(lambda cut=cut: wrapped.hear_all(cut), device, seconds)
            found[count / taken] = (count, len(cut) * flops(model.config, len(cut[0]) // FRAME_SAMPLES) / taken)
        fastest = max(found)
        count, done = found[fastest]
        sounds = [sound] * count
        whole = count / best(lambda sounds=sounds: identifier.identify_batch(sounds, CORES), device, seconds)
        pieces = [{"raw": one, "sampling_rate": audio.SAMPLE_RATE} for one in windows(sounds, wrapped.window_samples)]
        theirs = 0.0
        for size in STOCK_BATCHES if device != "cpu" else (8,):
            taken = best(lambda pieces=pieces, size=size: usual(list(pieces), batch_size=size), device, seconds)
            theirs = max(theirs, count / taken)
        lines.append(
            f"| {shape} | {length:g} s | {count} | {fastest:,.1f} | {done / top:.0%} | {whole:,.1f} | {theirs:,.1f} | "
            f"{fastest / theirs:.1f} |"
        )
        print(lines[-1], file=sys.stderr, flush=True)
    return lines


def agreement(folder: Path, device: str, precision: str) -> str:
    """How the answers to the recordings in a folder, all together on the card, differ from the CPU's one by one."""
    sounds = [audio.decode(file) for file in sorted(folder.iterdir())]
    here = [LanguageIdentifier.load().identify(sound) for sound in sounds]
    there = list(LanguageIdentifier.load(device=device, precision=precision).identify_batch(sounds))
    same = sum((a.language, a.known) == (b.language, b.known) for a, b in zip(here, there, strict=True))
    apart = [
        max(abs(a.probabilities[code] - b.probabilities[code]) for code in a.probabilities)
        for a, b in zip(here, there, strict=True)
    ]
    return (
        f"{same} of {len(sounds)} recordings get the CPU's verdict (8-bit graph, one by one) on the card too "
        f"({precision}, all together); a probability differs by {statistics.median(apart):.4f} in the middle, "
        f"{max(apart):.3f} at most."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shapes", nargs="+", default=["base", "medium"], choices=["base", "medium"])
    parser.add_argument("--seconds", type=float, default=3.0, help="of trying for each number")
    parser.add_argument("--lengths", type=float, nargs="+", default=LENGTHS, help="of recordings, in seconds")
    parser.add_argument("--batches", type=float, nargs="+", default=BATCHES, help="seconds of audio at once")
    parser.add_argument("--clips", type=Path, help="folder of recordings to compare the card's verdicts on")
    parser.add_argument("--write", action="store_true", help="put the table into docs/SCALE.md")
    options = parser.parse_args()
    if options.device != "cpu" and not torch.cuda.is_available():
        raise SystemExit("There is no GPU here. --device cpu tries the program out, with --seconds 1.")
    bf16 = supports_bf16(torch.device(options.device))
    precision = "bfloat16" if bf16 else "float16" if options.device != "cpu" else "float32"
    lines = [
        f"{peak(options.device, precision)[1]}; {precision}. Speech is found on the CPU, by {CORES} of its threads.",
        "",
        "| shape | recording | at once | network, recordings / s | share of the peak "
        "| `identify_batch`, recordings / s | stock pipeline, recordings / s | network against it |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for shape in options.shapes:
        lines += measure(shape, options.device, precision, options.seconds, options.lengths, options.batches)
    if options.clips:
        lines += ["", agreement(options.clips, options.device, precision)]
    text = "\n".join(lines)
    print(text)
    if options.write:
        replace_section("On a GPU", f"`python benchmarks/gpu.py`: {text}", ROOT / "docs" / "SCALE.md")


if __name__ == "__main__":
    main()
