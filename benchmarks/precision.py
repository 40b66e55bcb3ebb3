"""What the quantised graph costs in accuracy: `python benchmarks/precision.py --data SOURCE... --write`.

Every clip that the split (by default the embedded model's own) sets aside for testing is identified by the graph that
is served, in 8-bit numbers, and by PyTorch in float32: as a whole, cut to 2 s, and cut to 2 s after a random channel
(noise, room, codec, bandwidth, level), where more hangs by a thread. At most 0.1 point may be lost, on whole clips and
over all answers.
"""

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmark_docs import replace_section

from lid import LanguageIdentifier, audio
from lid.data.augment import augment
from lid.data.sources.spec import load_clips
from lid.languages import CODES
from lid.model import whisper
from lid.model.open_set import OpenSetDetector

ROOT = Path(__file__).parents[1]
ALLOWED = 0.1  # points of accuracy
SHORT = 2.0  # seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", nargs="+", required=True, metavar="SOURCE", help="as train_lora.py takes them")
    add("--split", type=Path, default=ROOT / "assets" / "model" / "split.tsv", help="says which clips are for testing")
    add("--copies", type=int, default=2, help="random channels that each clip is sent through")
    add("--model", type=Path, default=ROOT / "assets" / "model", help="a checkpoint; the embedded one by default")
    add("--write", action="store_true", help="put the table into docs/BENCHMARKS.md")
    options = parser.parse_args()
    waveforms, labels = load(options.data, options.split)
    exact = whisper.TorchModel(whisper.load(options.model))
    identifiers = {
        "float32": LanguageIdentifier(exact, "PyTorch", OpenSetDetector.load(options.model)),
        "int8": LanguageIdentifier.load(options.model),
    }
    lines = [
        "| clips | | accuracy | lost, points | other answers | mean change of p | 99 % below | largest | CPU s |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    found: dict[str, list[np.ndarray]] = {precision: [] for precision in identifiers}
    for name, clips in variants(waveforms, options.copies):
        for precision, identifier in identifiers.items():
            answers, seconds = identify(identifier, clips)
            found[precision].append(answers)
            lines.append(row(name, precision, answers, found["float32"][-1], labels) + f" {seconds:.0f} |")
            print(lines[-1], file=sys.stderr, flush=True)
    parts = len(found["float32"])
    for precision, answers in found.items():
        every = [np.concatenate(sets) for sets in (answers, found["float32"])]
        lines.append(row(f"all {len(every[0])}", precision, *every, np.tile(labels, parts)) + " |")
    lost = max(
        100 * (right(exact, truth) - right(answers, truth))
        for answers, exact, truth in (
            (found["int8"][0], found["float32"][0], labels),
            (np.concatenate(found["int8"]), np.concatenate(found["float32"]), np.tile(labels, parts)),
        )
    )
    verdict = (
        f"The graph loses {max(0.0, lost):.2f} points at most, on whole clips or over all answers: "
        f"{'within' if lost <= ALLOWED else 'NOT within'} the {ALLOWED:g} allowed."
    )
    text = (
        "`python benchmarks/precision.py`: the embedded model's test clips.\n\n" + "\n".join(lines) + "\n\n" + verdict
    )
    print(text)
    if options.write:
        replace_section("Precision", text)
    return int(lost > ALLOWED)


def variants(waveforms: list[np.ndarray], copies: int) -> Iterator[tuple[str, list[np.ndarray]]]:
    yield f"{len(waveforms)} whole", waveforms
    yield f"first {SHORT:g} s of them", cut(waveforms)
    for copy in range(1, copies + 1):
        sent = [augment(waveform, np.random.default_rng([copy, i])) for i, waveform in enumerate(cut(waveforms, 3.0))]
        yield f"{SHORT:g} s through a random channel, {copy}", cut(sent)


def row(name: str, precision: str, answers: np.ndarray, exact: np.ndarray, labels: np.ndarray) -> str:
    """A line of the table, but for the last column."""
    change = np.abs(answers - exact).max(axis=1)
    lost = 100 * (right(exact, labels) - right(answers, labels))
    others = int((answers.argmax(axis=1) != exact.argmax(axis=1)).sum())
    return (
        f"| {name} | {precision} | {right(answers, labels):.2%} | {lost + 0.0:.2f} | {others} | "
        f"{change.mean():.4f} | {np.quantile(change, 0.99):.3f} | {change.max():.3f} |"
    )


def load(specs: list[str], split: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Decoded test clips and their labels."""
    with split.open(encoding="utf-8", newline="") as file:
        wanted = {
            (row["language"], row["path"]) for row in csv.DictReader(file, delimiter="\t") if row["part"] == "test"
        }
    with tempfile.TemporaryDirectory() as cache:
        clips = [
            clip
            for clip in load_clips(specs, CODES, cache, progress=False)
            if (clip.language, clip.path) in wanted and clip.audio
        ]
        if not clips:
            raise SystemExit("None of the split's test clips are in this data.")
        waveforms = [audio.decode(clip.audio) for clip in clips]
    return waveforms, np.array([CODES.index(clip.language) for clip in clips])


def cut(waveforms: list[np.ndarray], seconds: float = SHORT) -> list[np.ndarray]:
    """The first seconds from where the sound has reached a tenth of its peak."""
    starts = [int(np.argmax(np.abs(w) > 0.1 * np.abs(w).max())) for w in waveforms]
    return [w[start : start + int(seconds * audio.SAMPLE_RATE)] for w, start in zip(waveforms, starts, strict=True)]


def identify(identifier: LanguageIdentifier, waveforms: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Probabilities (clips, 3), and the CPU seconds they took."""
    start = time.process_time()
    found = np.array([list(identifier.identify(waveform).probabilities.values()) for waveform in waveforms])
    return found, time.process_time() - start


def right(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


if __name__ == "__main__":
    sys.exit(main())
