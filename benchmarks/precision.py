"""What each precision costs in accuracy, on labelled clips: `python benchmarks/precision.py --data SOURCE... --write`.

Every clip that the split (by default the embedded model's own) sets aside for testing is identified in float32, in
bfloat16 and in int8, as a whole and cut to 2 s, where more hangs by a thread. At most 0.1 point may be lost.
"""

import argparse
import csv
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmark_docs import replace_section

from lid import InputError, LanguageIdentifier, audio
from lid.data.sources import load_clips
from lid.languages import CODES
from lid.precision import PRECISIONS, fastest

ROOT = Path(__file__).parents[1]
ALLOWED = 0.1  # points of accuracy
SHORT = 2.0  # seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", nargs="+", required=True, metavar="SOURCE", help="as train_lora.py takes them")
    add("--split", type=Path, default=ROOT / "assets" / "model" / "split.tsv", help="says which clips are for testing")
    add("--model", help="a checkpoint; the embedded one by default")
    add("--write", action="store_true", help="put the table into docs/BENCHMARKS.md")
    options = parser.parse_args()
    waveforms, labels = load(options.data, options.split)
    identifiers = usable(options.model)
    lines = [
        "| clips | precision | accuracy | lost, points | other answers | mean change of p | largest | CPU s |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    lost = 0.0
    for name, clips in ((f"{len(waveforms)} whole", waveforms), (f"first {SHORT:g} s of them", cut(waveforms))):
        answers = {}
        for precision, identifier in identifiers.items():
            answers[precision] = identify(identifier, clips)
            print(f"{name}, {precision}: {right(answers[precision][0], labels):.4f}", file=sys.stderr, flush=True)
        exact = answers["float32"][0]
        for precision, (found, seconds) in answers.items():
            accuracy, change = right(found, labels), np.abs(found - exact).max(axis=1)
            points = 100 * (right(exact, labels) - accuracy)
            lost = max(lost, points if precision == fastest() else 0.0)
            lines.append(
                f"| {name} | {precision} | {accuracy:.2%} | {points + 0.0:.2f} | "
                f"{int((found.argmax(axis=1) != exact.argmax(axis=1)).sum())} | {change.mean():.4f} | "
                f"{change.max():.3f} | {seconds:.1f} |"
            )
    verdict = (
        f'This CPU is fastest in {fastest()}, which `dtype="auto"` chooses; it loses {lost:.2f} points at most, '
        f"{'within' if lost <= ALLOWED else 'NOT within'} the {ALLOWED:g} allowed."
    )
    text = (
        "`python benchmarks/precision.py`: the embedded model's test clips.\n\n" + "\n".join(lines) + "\n\n" + verdict
    )
    print(text)
    if options.write:
        replace_section("Precision", text)
    return int(lost > ALLOWED)


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


def usable(model: str | None) -> dict[str, LanguageIdentifier]:
    identifiers = {}
    for precision in PRECISIONS:
        try:
            identifiers[precision] = LanguageIdentifier.load(model, dtype=precision)
        except InputError as error:
            print(f"{precision} left out: {error}", file=sys.stderr)
    return identifiers


def cut(waveforms: list[np.ndarray]) -> list[np.ndarray]:
    """The first 2 s from where the sound has reached a tenth of its peak."""
    starts = [int(np.argmax(np.abs(w) > 0.1 * np.abs(w).max())) for w in waveforms]
    return [w[start : start + int(SHORT * audio.SAMPLE_RATE)] for w, start in zip(waveforms, starts, strict=True)]


def identify(identifier: LanguageIdentifier, waveforms: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Probabilities (clips, 3), and the CPU seconds they took."""
    start = time.process_time()
    found = np.array([list(identifier.identify(waveform).probabilities.values()) for waveform in waveforms])
    return found, time.process_time() - start


def right(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


if __name__ == "__main__":
    sys.exit(main())
