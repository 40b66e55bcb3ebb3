"""Proof that a split leaks nothing, worked out from the clips alone and not from how the splitter went about it."""

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lid.data.clip import PARTS, Clip, StoredClip
from lid.data.curation import text
from lid.data.curation.splits import Split


def audit(
    split: Split,
    threshold: float = text.THRESHOLD,
    held_out: Sequence[Clip | StoredClip] = (),
    held_out_validation: Sequence[Clip | StoredClip] = (),
) -> dict:
    """What the parts hold and what they share, as JSON-able values.

    Clips of background languages are in the split's training part, in `held_out` (they test) and in
    `held_out_validation`; their voices count with those of test and validation, their sentences are not compared.
    `counts` are clips, speakers and sentences by part and language; `shared_speakers`, `shared_sentences` and
    `near_duplicates` count what is in two parts and must be 0 (sentences after normalising; near-duplicates are of
    similarity >= `threshold`, every pair compared); `closest_sentences` is the most alike pair found in two parts;
    `dropped_by_split` says how many clips the split cost, by reason and language.
    """
    parts = {name: getattr(split, name) for name in PARTS}
    voices = parts | {
        "validation": [*split.validation, *held_out_validation],
        "test": [*split.test, *held_out],
    }
    speakers = {name: _people(clips, split.same_speaker) for name, clips in voices.items()}
    keys = {name: sorted({_key(clip) for clip in clips} - {""}) for name, clips in parts.items()}
    pairs = list(itertools.combinations(PARTS, 2))
    return {
        "threshold": threshold,
        "shared_speakers": sum(len(speakers[a] & speakers[b]) for a, b in pairs),
        "shared_sentences": sum(len(set(keys[a]) & set(keys[b])) for a, b in pairs),
        "near_duplicates": sum(len(text.similar_across(keys[a], keys[b], threshold)) for a, b in pairs),
        "closest_sentences": _closest(keys, pairs),
        "dropped_by_split": _by_reason(split),
        "counts": {
            **{name: _counts(clips) for name, clips in parts.items()},
            "foreign": _counts(held_out),
            "foreign_validation": _counts(held_out_validation),
        },
    }


def leaks(report: dict) -> int:
    """How many things an audit found in two parts that should be in one."""
    return report["shared_speakers"] + report["shared_sentences"] + report["near_duplicates"]


def write(path: Path, report: dict) -> None:
    """Write an audit as JSON."""
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _key(clip: Clip | StoredClip) -> str:
    return text.key(clip.sentence, clip.language)


def _people(clips: Sequence[Clip | StoredClip], same_speaker: Sequence[tuple[str, str]]) -> set[str]:
    """Speakers by one hash each, also those known to have several; unknown ones are left out."""
    names = sorted({name for pair in same_speaker for name in pair} | {clip.speaker for clip in clips} - {""})
    number = {name: i for i, name in enumerate(names)}
    person = text.components(len(names), [(number[a], number[b]) for a, b in same_speaker])
    first: dict[int, str] = {}
    for name in names:
        first.setdefault(person[number[name]], name)
    return {first[person[number[clip.speaker]]] for clip in clips if clip.speaker}


def _closest(keys: dict[str, list[str]], pairs: list[tuple[str, str]]) -> dict | None:
    best: dict[str, Any] | None = None
    for a, b in pairs:
        found = text.closest(keys[a], keys[b])
        if found and (best is None or found[0] > best["similarity"]):
            best = {"similarity": round(found[0], 4), a: keys[a][found[1]], b: keys[b][found[2]]}
    return best


def _by_reason(split: Split) -> dict[str, dict[str, int]]:
    counts = Counter((one.reason, one.clip.language) for one in split.dropped)
    reasons = sorted({reason for reason, _ in counts})
    return {of: {language: n for (reason, language), n in sorted(counts.items()) if reason == of} for of in reasons}


def _counts(clips: Sequence[Clip | StoredClip]) -> dict[str, dict[str, int]]:
    result = {}
    for language in sorted({clip.language for clip in clips}):
        own = [clip for clip in clips if clip.language == language]
        result[language] = {
            "clips": len(own),
            "speakers": len({clip.speaker for clip in own}),
            "sentences": len({_key(clip) for clip in own} - {""}),
        }
    return result
