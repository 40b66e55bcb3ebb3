"""Sources -> clips that are fit to train on -> a split that leaks nothing -> parts with their decoded speech."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lid.data import waveforms
from lid.data.clip import BACKGROUND, EXTRA, HELD_OUT, OWN, PARTS, Clip, StoredClip
from lid.data.curation import audit, background, conditions, kept_split, losses, quality, splits
from lid.data.parts import Part, Parts
from lid.data.sources import spec
from lid.errors import InputError
from lid.languages import CODES
from lid.training import config, hardware
from lid.training.config import Data, Evaluation, Run, Sources

CONDITIONS = 3  # groups of voices of each language, by how they were recorded


@dataclass(frozen=True)
class Selection:
    """Which clip goes where: what passed the checks, the split of the three languages (its training part has extra and
    background clips as well), and what is kept out of training: clips of other languages to test on, whole languages
    and single voices, and other voices to choose checkpoints by."""

    checked: quality.Checked
    split: splits.Split
    held_out: Sequence[Clip | StoredClip]
    held_out_validation: Sequence[Clip | StoredClip]


def select(
    sources: Sources,
    data: Data,
    evaluation: Evaluation,
    cache_dir: Path,
    records: Path | None = None,
    workers: int | None = 0,
    progress: bool = True,
) -> Selection:
    """Read all sources, check every clip in `workers` other processes (None: as suits the machine), and split. The same
    selection for the same sources in every run. What was left out, and why, is written to dropped.tsv in the folder
    `records`.

    Raises InputError for sources that cannot be read, for held-out languages that none of them has, and where a
    language has lost its clips.
    """
    checked = check(sources, data, evaluation.held_out_languages, cache_dir, workers, progress)
    if records:  # first: it is what one looks at when the next line ends the run
        quality.write_dropped_tsv(records / "dropped.tsv", checked.dropped)
    tested = [clip for clip in checked.kept if clip.role != EXTRA]
    losses.require_languages(tested, checked.dropped, (*CODES, *background_languages(sources)), data.want or None)
    own = [clip for clip in checked.kept if clip.role == OWN]
    split = kept_split.split(own, checked.same_speaker, cache_dir)
    trained = trained_on(Path(sources.init_from)) if sources.init_from else set()
    split.validation, split.test = (_new(clips, trained, split) for clips in (split.validation, split.test))
    split.train += _of_other_voices([clip for clip in checked.kept if clip.role == EXTRA], split, checked)
    selection = _with_background(checked, split, evaluation)
    held_out, others = (_new(clips, trained, split) for clips in (selection.held_out, selection.held_out_validation))
    return replace(selection, held_out=held_out, held_out_validation=others)


def of_run(folder: Path) -> Selection:
    """The selection that the run in `folder` trained and tested on, once more: its sources must still be there, or in
    the cache. Raises InputError where the run has no settings.json."""
    sources, data = config.load(folder, Sources), config.load(folder, Data)
    evaluation, run = config.load(folder, Evaluation), config.load(folder, Run)
    if sources is None or data is None or evaluation is None or run is None:
        raise InputError(f"{folder} has no {config.FILE_NAME}: it is no run of train_lora.py, or an old one.", "run")
    return select(sources, data, evaluation, run.cache_dir, progress=False)


def _with_background(checked: quality.Checked, split: splits.Split, evaluation: Evaluation) -> Selection:
    """The selection with the clips of background languages in their parts. Those of languages held out whose voice also
    trains or validates, in another language, are dropped."""
    placed = {clip.speaker: part for part in PARTS for clip in getattr(split, part) if clip.speaker}
    clips = [clip for clip in checked.kept if clip.role in (BACKGROUND, HELD_OUT)]
    whole = evaluation.held_out_languages
    parts = background.split_voices(clips, evaluation.held_out_voices, whole, placed, checked.same_speaker)
    held_out: dict[str, list] = {background.VALIDATION: [], background.TEST: []}
    for clip, part in zip(clips, parts, strict=True):
        if clip.role == HELD_OUT and part != background.TEST:
            split.dropped.append(splits.Dropped(clip, "conflict"))
        elif part == background.TRAIN:
            split.train.append(clip)
        else:
            held_out[part].append(replace(clip, role=HELD_OUT))
    return Selection(checked, split, held_out[background.TEST], held_out[background.VALIDATION])


def trained_on(checkpoint: Path) -> set[tuple[str, str]]:
    """Language and path of each clip that a checkpoint was trained on, by the split.tsv in its folder or, of a run's
    merged/, in the run's. None are known of one without it."""
    for folder in (checkpoint, checkpoint.parent):
        if (folder / "split.tsv").is_file():
            with (folder / "split.tsv").open(encoding="utf-8", newline="") as file:
                rows = csv.DictReader(file, delimiter="\t")
                return {(row["language"], row["path"]) for row in rows if row["part"] == "train"}
    return set()


def _new(clips: Sequence, trained: set[tuple[str, str]], split: splits.Split) -> list:
    """Of clips to validate or test on those that another run has not `trained` on, whose weights this one goes on from.
    There are some where sources have changed since; the split drops them."""
    split.dropped += [splits.Dropped(clip, "trained_before") for clip in clips if (clip.language, clip.path) in trained]
    return [clip for clip in clips if (clip.language, clip.path) not in trained]


def _of_other_voices(extra: Sequence, split: splits.Split, checked: quality.Checked) -> list:
    """Of extra clips those whose voice neither validates nor tests; the split drops the others."""
    tested = {clip.speaker: "test" for clip in (*split.validation, *split.test) if clip.speaker}
    person = background.people(extra, tested, checked.same_speaker)
    split.dropped += [splits.Dropped(clip, "conflict") for clip in extra if person[clip.speaker] in tested]
    return [clip for clip in extra if person[clip.speaker] not in tested]


def background_languages(sources: Sources) -> list[str]:
    """Codes of the languages beside the three that the background sources have."""
    return [code for code in spec.languages(sources.background) if code not in CODES]


def check(
    sources: Sources,
    data: Data,
    held_out_languages: Sequence[str],
    cache_dir: Path,
    workers: int | None = 0,
    progress: bool = True,
) -> quality.Checked:
    """Clips of all sources that are fit to use, each with its role, and why the others are not."""
    others = background_languages(sources)
    unknown = sorted(set(held_out_languages) - set(others))
    if unknown:
        raise InputError(f"--held-out-languages names {', '.join(unknown)}, which --background has not.", "data")

    def rows(specs: Sequence[str], languages: Sequence[str]) -> spec.Clips:
        return spec.load_clips(specs, languages, cache_dir, data.want or None, data.max_per_speaker, progress)

    own = rows(sources.data, CODES)
    extra = rows(sources.extra_train, CODES) if sources.extra_train else []
    foreign = rows(sources.background, others) if sources.background else []
    clips = [
        *own,
        *(replace(clip, role=EXTRA) for clip in extra),
        *(replace(clip, role=HELD_OUT if clip.language in held_out_languages else BACKGROUND) for clip in foreign),
    ]
    orphans: dict[str, list[str]] = {}
    for source, names in own.orphans.items():
        orphans.setdefault(source.partition("=")[0], []).extend(names)
    return _checked(clips, cache_dir, workers, progress, orphans)


def _checked(
    clips: Sequence,
    cache_dir: Path,
    workers: int | None,
    progress: bool,
    orphans: Mapping[str, Iterable[str]] | None = None,
) -> quality.Checked:
    workers = hardware.default_workers() if workers is None else workers
    return quality.check(clips, cache_dir / "facts.jsonl", workers=workers, progress=progress, orphans=orphans)


def other_corpora(
    specs: Sequence[str],
    trained: Selection,
    data: Data,
    cache_dir: Path,
    workers: int | None = 0,
    progress: bool = True,
) -> dict[str, list[Clip]]:
    """Clips of corpora that nothing is trained on, by the corpus's name. Clips that are unfit are left out, and those
    that the selection has as well, by their bytes or their voices. Raises InputError where nothing is left of one."""
    named: dict[str, list[str]] = {}
    for one in specs:
        named.setdefault(spec.corpus_name(one), []).append(one)
    known = {facts.sha256 for facts in trained.checked.facts}
    voices = {clip.speaker for clip in trained.checked.kept} - {""}
    result = {}
    for name, places in named.items():
        rows = spec.load_clips(places, CODES, cache_dir, data.want or None, data.max_per_speaker, progress)
        checked = _checked(rows, cache_dir, workers, progress)
        pairs = zip(checked.kept, checked.facts, strict=True)
        result[name] = [c for c, facts in pairs if facts.sha256 not in known and c.speaker not in voices]
        if not result[name]:
            raise InputError(f"--eval-also: no clip of {name} is fit to test on and new to the training.", "emptied")
    return result


def recording_conditions(selection: Selection) -> list[int]:
    """The recording condition of each clip that validates: numbers of groups of one language's voices."""
    facts = {_place(clip): one for clip, one in zip(selection.checked.kept, selection.checked.facts, strict=True)}
    clips = selection.split.validation
    found = conditions.group(clips, [facts[_place(clip)] for clip in clips], CONDITIONS)
    return [CONDITIONS * CODES.index(clip.language) + number for clip, number in zip(clips, found, strict=True)]


def _place(clip: Clip | StoredClip) -> tuple[str, str, str, str]:
    return clip.language, clip.source, clip.path, clip.speaker


def write_records(selection: Selection, folder: Path) -> None:
    """Write split.tsv and split_audit.json, and show the audit. Raises InputError when the split leaks."""
    split = selection.split
    proof = audit.audit(split, held_out=selection.held_out, held_out_validation=selection.held_out_validation)
    proof["dropped_for_quality"] = quality.counts(selection.checked.dropped)
    audit.write(folder / "split_audit.json", proof)
    with (folder / "split.tsv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(["part", "language", "path"])
        for part, rows in (
            *((part, getattr(split, part)) for part in PARTS),
            ("foreign", selection.held_out),
            ("foreign_validation", selection.held_out_validation),
        ):
            table.writerows([part, clip.language, clip.path] for clip in rows)
        table.writerows([one.reason, one.clip.language, one.clip.path] for one in split.dropped)
    print(json.dumps(proof, indent=2, ensure_ascii=False))
    if audit.leaks(proof):
        raise InputError("The split leaks; nothing was trained. Report this with split_audit.json.", "leak")


def decode(selection: Selection, cache_dir: Path, progress: bool = True) -> Parts:
    """The selection's clips with their speech, decoded into `cache_dir` once for all runs."""
    split = selection.split
    rows: list[Sequence[Clip | StoredClip]] = [split.train, split.validation, split.test]
    rows += [selection.held_out, selection.held_out_validation]
    return Parts(*(Part(clips, waveforms.prepare(clips, cache_dir, progress)) for clips in rows))
