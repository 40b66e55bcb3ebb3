"""The split of a corpus, kept on disk: at full size it takes minutes, and every process of a training needs it."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from filelock import FileLock

from lid.data.clip import Clip
from lid.data.curation import splits

VERSION = 1  # raise it when `splits.places` places clips differently


def split(clips: Iterable[Clip], same_speaker: Iterable[tuple[str, str]], folder: Path) -> splits.Split:
    """`splits.split` of these clips, or what an earlier call made of the same clips and kept in `folder`."""
    ordered, ties = splits.in_order(clips), sorted(same_speaker)
    file = folder / f"split-{_name(ordered, ties)}.json"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):  # another process may be making the same
        if not file.exists():
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps(splits.places(ordered, ties)))
            partial.replace(file)
    return splits.as_split(ordered, json.loads(file.read_text()), ties)


def _name(ordered: Sequence[Clip], ties: Sequence[tuple[str, str]]) -> str:
    digest = hashlib.sha256(json.dumps([VERSION, ties]).encode())
    for clip in ordered:
        digest.update(json.dumps([clip.language, clip.path, clip.source, clip.speaker, clip.sentence]).encode())
    return digest.hexdigest()[:16]
