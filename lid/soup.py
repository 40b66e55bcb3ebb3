"""Average the encoders of finished runs, or one with its base model's, and fit and measure what comes of it.

    lid soup runs/seed0 runs/seed1 --output runs/soup
    lid soup runs/base --base-share 0.2 --output runs/mixed
    lid soup runs/seed0 runs/seed1 --start-share 0.5 --output runs/half    # of the checkpoint that both went on from
    lid soup runs/base --output runs/again                     # one run, averaged with nothing

The mean of runs that began alike, with different seeds, is often better on the unfamiliar than the best of them (a
model soup, Wortsman et al. 2022, arXiv:2203.05482). So is an encoder averaged with the one that it was made from
(WiSE-FT, Wortsman et al. 2022, arXiv:2109.01903), at some cost on what is familiar. The head is the first run's. Runs
that went on from a trained checkpoint (--init-from) can be averaged with that, head and all.
After averaging, temperature, row for speech and what tells the three languages from others are fitted anew. One run
averaged with nothing keeps its weights and its temperature: only what tells the three from others is fitted anew.

Fitting and measuring need the data of the runs, which must all have the same split. Where the data is says the
settings.json of the first run; flags given here come first. Older runs and folders such as assets/model have no such
file: name the same --data, --background and so on as when they were trained. With --subsets or --former, other methods
are measured anew too; without them what the first run says of other methods is kept.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lid.data import sounds
from lid.errors import InputError, command
from lid.evaluation import baselines, fit, measure, subsets
from lid.identify import LanguageIdentifier
from lid.model import checkpoint
from lid.model.checkpoint import Checkpoint
from lid.training import config, prepare
from lid.training.config import Data, Evaluation, Run, Sources

SOURCES = ("data", "extra_train", "background", "noise", "base_model", "eval_also")


@dataclass(frozen=True)
class Finished:
    """A run that has ended, or a folder such as assets/model: where its weights are, and what it says of itself."""

    folder: Path
    merged: Path
    metrics: dict

    @classmethod
    def open(cls, folder: Path) -> "Finished":
        merged = folder / "merged" if (folder / "merged").is_dir() else folder
        try:
            metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
            for needed in ("settings", "calibration", "clips", "baselines", "shortcuts", "history"):
                metrics[needed]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{folder} holds no finished run: metrics.json is missing or damaged.", "run") from error
        return cls(folder, merged, metrics)

    @property
    def settings(self) -> dict:
        """The published ones. Those of older runs have some under other names."""
        return self.metrics["settings"]

    @property
    def sources(self) -> Sources:
        """Where its data was: nowhere known, for a run that kept no settings.json."""
        return config.load(self.folder, Sources) or Sources(data=(), base_model=self.settings["base_model"])

    @property
    def data(self) -> Data:
        return Data(self.settings.get("want") or 0, self.settings.get("max_per_speaker"))

    @property
    def evaluation(self) -> Evaluation:
        languages = tuple(self.settings.get("held_out_languages", self.settings.get("foreign", ())))
        voices = self.settings.get("held_out_voices", config.before(Evaluation)["held_out_voices"])
        return Evaluation(languages, voices)

    @property
    def run(self) -> Run:
        return config.load(self.folder, Run) or Run(output=self.folder)

    def has_split(self, split: bytes) -> bool:
        """Whether this is its split.tsv."""
        file = self.folder / "split.tsv"
        return file.is_file() and file.read_bytes() == split


@command("soup")
def main(arguments: Sequence[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    runs = [Finished.open(folder) for folder in given.runs]
    first, output, seed = runs[0], given.output, runs[0].settings["seed"]
    sources, data = config.read(given, Sources, first.sources), config.read(given, Data, first.data)
    evaluation, run = config.read(given, Evaluation, first.evaluation), config.read(given, Run, first.run)
    if output.resolve() in {one.folder.resolve() for one in runs}:
        raise InputError("--output is one of the runs, and would be written over. Name another folder.", "output")
    if not sources.data:
        raise InputError(
            f"{first.folder} has no {config.FILE_NAME}, so say where its data is: give the --data, --background, "
            "--extra-train and --noise that it was trained with.",
            "data",
        )
    noises = sounds.load_noises(sources.noise)

    # Prepare the data that the runs had.
    output.mkdir(parents=True, exist_ok=True)
    selection = prepare.select(sources, data, evaluation, run.cache_dir, output, run.workers)
    config.save(output, (sources, data, evaluation, run))
    prepare.write_records(selection, output)
    split = (output / "split.tsv").read_bytes()
    for one in runs:
        if not one.has_split(split):
            raise InputError(
                f"{one.folder} has no split.tsv, or another than these sources make. Name the sources it was trained "
                "with, and runs on one split.",
                "checkpoint",
            )
    unseen = prepare.other_corpora(sources.eval_also, selection, data, run.cache_dir, run.workers)
    parts = prepare.decode(selection, run.cache_dir)
    named_subsets = subsets.find(evaluation.subsets, parts.test.clips)
    former = LanguageIdentifier.load(evaluation.former) if evaluation.former else None

    # Average, fit, save.
    soup, kept = Checkpoint.load(first.merged), first.metrics["calibration"]
    calibration = {name: kept[name] for name in ("temperature", "threshold")}
    if len(runs) > 1 or given.base_share or given.start_share:
        soup = checkpoint.average([soup, *(Checkpoint.load(one.merged) for one in runs[1:])])
        if given.base_share:
            checkpoint.average_with_base(soup.model, sources.base_model, given.base_share)
        if given.start_share:
            checkpoint.average_with_start(soup, start_of(runs), given.start_share)
        calibration = fit.fit(soup, parts, noises[::2], seed)
        calibration["temperature"] *= kept["temperature"]  # which is in the weights already
    elif soup.detector.languages:
        soup.detector = fit.fit_known(LanguageIdentifier.of(soup.model, soup.detector), parts)
        calibration["threshold"] = soup.detector.threshold
    soup.save(output / "merged")

    # Evaluate. What was measured of the first run and of others' methods stays, unless more of it is asked for.
    once = measure.Once(output / "measured")
    others = first.metrics["baselines"]
    if evaluation.subsets or former:
        others = baselines.compare(parts, sources.base_model, soup.window, named_subsets, former, once)
    identifier = measure.load(output / "merged")
    metrics = {
        "settings": first.settings | provenance(runs, given.base_share) | {"start_share": given.start_share},
        "baselines": others,
        **{name: first.metrics[name] for name in ("clips", "shortcuts", "history")},
        **measure.served(identifier, parts, calibration, noises[1::2], seed, named_subsets, output, once),
        "other_corpora": measure.other_corpora(identifier, unseen, once),
    }
    measure.write(output / "metrics.json", metrics)
    shutil.rmtree(once.folder)


def start_of(runs: Sequence[Finished]) -> Checkpoint:
    """The checkpoint that all runs went on from. Raises InputError where there is none."""
    starts = {one.sources.init_from for one in runs}
    start = starts.pop()
    if start is None or starts:
        raise InputError("--start-share is for runs that went on from one checkpoint (--init-from).", "option")
    return Checkpoint.load(Path(start))


def provenance(runs: Sequence[Finished], base_share: float) -> dict:
    """What is in the mean: `runs`, of how many trained ones it is, and `base_share`, the base model's part of the
    encoder, with what was averaged into each of them before."""
    own = sum(1 - one.settings.get("base_share", 0.0) for one in runs) / len(runs) * (1 - base_share)
    return {"base_share": round(1 - own, 4), "runs": sum(one.settings.get("runs", 1) for one in runs)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lid soup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's --output, or such as assets/model")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="for checkpoint and measures")
    parser.add_argument(
        "--base-share", type=_share, default=0.0, metavar="X", help="of the base's weights in the encoder, 0 to under 1"
    )
    parser.add_argument(
        "--start-share",
        type=_share,
        default=0.0,
        metavar="X",
        help="the same of what the runs went on from, head and all",
    )
    for group, names in ((Sources, SOURCES), (Data, None), (Evaluation, None), (Run, ("cache_dir", "workers"))):
        config.add_arguments(parser, group, names, recorded=True)
    return parser


def _share(text: str) -> float:
    """A number from 0 to under 1."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if 0.0 <= share < 1.0:
        return share
    raise argparse.ArgumentTypeError(f"{text} is no share from 0 to under 1.")


if __name__ == "__main__":
    sys.exit(main())
