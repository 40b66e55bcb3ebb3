"""The recipe's settings: each is documented and has its default here, and nowhere else.

The fields are the command line (`--learning-rate` is `learning_rate`), and the whole is the run's record: it is kept in
the run's folder as settings.json. The groups `Sources` and `Run` hold what is one machine's own, such as paths; the
other groups and the names of the models go into metrics.json, which is published.
"""

import argparse
import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from lid.data.sources.spec import HOW
from lid.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FILE_NAME = "settings.json"
CACHE = Path(os.environ.get("LID_CACHE", "cache"))
Group = TypeVar("Group", bound="DataclassInstance")


def setting(default: Any, help: str, metavar: str | None = None, before: Any = MISSING) -> Any:
    """A field of a group; MISSING as its default makes it one that must be given. `before` is what runs did that are
    older than the setting."""
    return field(default=default, metadata={"help": help, "metavar": metavar, "before": before})


def before(group: type) -> dict[str, Any]:
    """What runs did that are older than some of a group's settings, by the names of these."""
    return {one.name: one.metadata["before"] for one in fields(group) if one.metadata["before"] is not MISSING}


@dataclass(frozen=True)
class Sources:
    """what is read; of models and noise only the names are published, of data nothing"""

    data: tuple[str, ...] = setting(MISSING, f"Uzbek, Russian and English. {HOW}", "SOURCE")
    extra_train: tuple[str, ...] = setting((), "more of the three languages, never tested on", "SOURCE")
    background: tuple[str, ...] = setting((), "other languages, to know what is none of the three", "SOURCE")
    eval_also: tuple[str, ...] = setting(
        (),
        "corpora that nothing is trained or chosen on, to test on, as in hub:google/fleurs:uz_uz:test",
        "SOURCE",
        before=(),
    )
    noise: Path | None = setting(None, "folder of noise recordings to mix in", "FOLDER")  # noqa: RUF009
    base_model: str = setting("openai/whisper-medium", "any Whisper id or folder", "MODEL")
    init_from: str | None = setting(
        None, "another run's merged/, made from the same base model, to train further", "FOLDER"
    )


@dataclass(frozen=True)
class Data:
    """which of the clips are taken"""

    # Of 8,000 steps of 24 clips five in eight rows are of the three languages: 40,000 draws of each. 20,000 clips, of
    # which 16,000 train, are then heard two or three times, never augmented alike; more would hardly be heard.
    want: int = setting(20_000, "clips of each language at most; 0 takes all", before=0)
    max_per_speaker: int | None = setting(None, "clips of one voice at most, where clips are chosen")


@dataclass(frozen=True)
class Model:
    """its shape, and that of LoRA"""

    window: float = setting(10.0, "seconds the model hears at once")
    layers: int | None = setting(None, "keep only the encoder's first layers: faster to train and to serve")
    lora_rank: int = setting(16, "rank of LoRA's matrices; alpha is twice as much")
    lora_dropout: float = setting(0.05, "share of LoRA's inputs left out at random while training")


@dataclass(frozen=True)
class Optimisation:
    """how it is trained"""

    steps: int = setting(2000, "optimizer steps")
    batch_size: int = setting(24, "clips a step, over all processes; languages take turns")
    speaker_cap: int = setting(40, "clips for which one voice counts when batches are drawn")
    background_share: float = setting(0.375, "share of a batch that is of background languages")
    distil: float = setting(
        0.5, "weight of what the base model's own decoder says of each clip; 0 learns none of it", before=0.0
    )
    anchor: float = setting(
        0.3, "weight of the distance of the encoder's mean states from the base model's; 0 lets them go", before=0.0
    )
    outlier_exposure: float = setting(
        0.0, "weight of being torn evenly between the three where another language is heard, such as 1", before=0.0
    )
    learning_rate: float = setting(4e-4, "LoRA's peak")
    head_learning_rate: float = setting(1e-3, "the head's peak")
    weight_decay: float = setting(0.01, "AdamW's")
    warmup: int = setting(100, "steps until the learning rates reach their peaks", "STEPS")
    label_smoothing: float = setting(0.05, "share of the target spread over all languages")
    average_decay: float = setting(0.99, "of the running average of weights, which is what is validated and kept")
    validate_every: int = setting(250, "how often the average is measured", "STEPS")
    patience: int = setting(4, "validations without a better one before the run ends")
    save_every: int = setting(50, "how often the run's state is written", "STEPS")
    seed: int = setting(0, "what training and augmentation draw; the split does not depend on it")
    fp32: bool = setting(False, "no bfloat16 even where the hardware has it")
    gradient_checkpointing: bool = setting(False, "trade a third more time for much less memory")


@dataclass(frozen=True)
class Evaluation:
    """what it is tested on, beside clips of the three languages"""

    held_out_languages: tuple[str, ...] = setting((), "background languages kept out of training, to test on", "LANG")
    held_out_voices: float = setting(
        0.3, "share of every other background language's clips, voices whole, kept out to test on", before=0.0
    )
    subsets: Path | None = setting(  # noqa: RUF009
        None,
        "TSV with the columns subset, language, path: test clips whose accuracy is told apart as well",
        "FILE",
        before=None,
    )
    former: Path | None = setting(  # noqa: RUF009
        None, "checkpoint to measure on the same clips, as served", "FOLDER", before=None
    )


@dataclass(frozen=True)
class Run:
    """where and how far it runs; never published"""

    output: Path = setting(MISSING, "folder for all results; the same again resumes the run", "FOLDER")  # noqa: RUF009
    cache_dir: Path = setting(CACHE, "where streamed and decoded clips are kept", "FOLDER")  # noqa: RUF009
    workers: int | None = setting(
        None, "processes that decode and augment; by default all cores but one for a GPU, else one"
    )
    clips_at_once: int | None = setting(
        None, "clips that go through the device together; as many as fit by default", before=None
    )
    track: str | None = setting(
        None, "where to draw curves as it runs: tensorboard, trackio or wandb, once installed", "TRACKER", before=None
    )
    cpu: bool = setting(False, "leave the GPU alone")
    prepare_only: bool = setting(False, "stop after the split and its audit")
    push_to_hub: str | None = setting(
        None, "publish model and Space at the end; the token is tried at the start", "REPO"
    )


@dataclass(frozen=True)
class Config:
    """All of it. `train_lora.main` alone knows the whole; what it calls is given a group, or values."""

    sources: Sources
    data: Data
    model: Model
    optimisation: Optimisation
    evaluation: Evaluation
    run: Run

    def check(self, processes: int) -> None:
        """Raise InputError for settings that make no sense, or not for so many processes that train together."""
        if self.optimisation.batch_size % processes:  # each gets as many clips, or their mean is not the batch's
            raise InputError(f"--batch-size must be a multiple of the {processes} processes.", "batch")
        for name, share in (
            ("background-share", self.optimisation.background_share),
            ("held-out-voices", self.evaluation.held_out_voices),
        ):
            if not 0 <= share < 1:
                raise InputError(f"--{name} is a share from 0 to under 1, not {share}.", "option")
        if self.run.clips_at_once is not None and self.run.clips_at_once < 1:
            raise InputError(f"--clips-at-once is 1 or more, not {self.run.clips_at_once}.", "option")

    def with_teacher(self, found: bool) -> "Config":
        """These settings; without distillation where the base model turned out to be no teacher."""
        if found or not self.optimisation.distil:
            return self
        return dataclasses.replace(self, optimisation=dataclasses.replace(self.optimisation, distil=0.0))

    @property
    def groups(self) -> list:
        return [getattr(self, one.name) for one in fields(self)]

    @classmethod
    def parse(cls, arguments: Sequence[str] | None, description: str) -> "Config":
        """From a command line; None is the process's own."""
        parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        for group in get_type_hints(cls).values():
            add_arguments(parser, group)
        given = parser.parse_args(arguments)
        return cls(**{name: read(given, group) for name, group in get_type_hints(cls).items()})

    def published(self) -> dict:
        """The record that goes into metrics.json: what a result depends on, without one machine's paths."""
        start = self.sources.init_from
        names = {
            "base_model": Path(self.sources.base_model).name,
            "init_from": start and Path(start).name,
            "recorded_noise": self.sources.noise is not None,
        }
        evaluation = asdict(self.evaluation) | {"subsets": self.evaluation.subsets is not None}
        evaluation["former"] = self.evaluation.former and self.evaluation.former.name
        return names | asdict(self.data) | asdict(self.model) | asdict(self.optimisation) | evaluation


def add_arguments(
    parser: argparse.ArgumentParser, group: type, names: Sequence[str] | None = None, recorded: bool = False
) -> None:
    """A flag for each field of a group, or for those in `names`. What has a default may be left out; where a record of
    an earlier run gives the defaults, everything may."""
    section = parser.add_argument_group(group.__name__.lower(), group.__doc__)
    kinds = get_type_hints(group)
    for one in fields(group):
        if names is not None and one.name not in names:
            continue
        flag, kind = f"--{one.name.replace('_', '-')}", kinds[one.name]
        if kind is bool:
            section.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=one.metadata["help"])
            continue
        many = get_origin(kind) is tuple
        shown = not recorded and one.default not in (MISSING, None, ())
        section.add_argument(
            flag,
            type=_type(kind),
            nargs="+" if many else None,
            required=one.default is MISSING and not recorded,
            default=argparse.SUPPRESS,
            metavar=one.metadata["metavar"] or ("N" if _type(kind) is int else "X"),
            help=one.metadata["help"] + (f" (default: {one.default})" if shown else ""),
        )


def read(given: argparse.Namespace, group: type[Group], recorded: Group | None = None) -> Group:
    """A group from parsed arguments; what was not given is as in `recorded`, else as the group's defaults say."""
    values = {one.name: getattr(given, one.name) for one in fields(group) if hasattr(given, one.name)}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return group(**values) if recorded is None else dataclasses.replace(recorded, **values)


def save(folder: Path, groups: Sequence[Any]) -> None:
    """Keep groups in a run's folder, under FILE_NAME."""
    kept = {type(group).__name__.lower(): asdict(group) for group in groups}
    text = json.dumps(kept, indent=2, default=str, ensure_ascii=False)
    (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")


def load(folder: Path, group: type[Group]) -> Group | None:
    """A group as the run in `folder` kept it; None for runs without FILE_NAME."""
    file = folder / FILE_NAME
    if not file.is_file():
        return None
    kinds = get_type_hints(group)
    try:
        kept = before(group) | json.loads(file.read_text(encoding="utf-8"))[group.__name__.lower()]
        return group(**{key: _restored(kept[key], kinds[key]) for key in kinds})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is damaged ({error}). Name the sources on the command line.", "settings") from error


def _type(kind: Any) -> type:
    """`int` of int, int | None and tuple[int, ...]."""
    if get_origin(kind) in (tuple, Union, UnionType):
        return next(one for one in get_args(kind) if one not in (NoneType, ...))
    return kind


def _restored(value: Any, kind: Any) -> Any:
    """A value as JSON has it, in its field's type again."""
    if isinstance(value, list):
        return tuple(value)
    return Path(value) if value is not None and _type(kind) is Path else value
