"""Which voices of the background languages train, validate and test: no voice in two parts.

How well it is known what is none of the three languages is to be measured on voices that nobody trained on, as well as
on whole languages. Few voices of such languages are there, so the parts are filled voice by voice in an order that the
hash of each voice gives: the same whatever else is in the corpus.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from lid.data.clip import Clip, StoredClip
from lid.data.curation import text

TRAIN, VALIDATION, TEST = "train", "validation", "test"
OF_TEST = 0.4  # validation's share of the clips, as a part of the test's
MOST_TEST, MOST_VALIDATION = 0.55, 0.3  # of a language's clips, however few voices it has: the rest trains


def split_voices(
    clips: Sequence[Clip | StoredClip],
    share: float,
    whole: Sequence[str] = (),
    placed: Mapping[str, str] | None = None,
    same_speaker: Sequence[tuple[str, str]] = (),
    seed: int = 0,
) -> list[str]:
    """The part of each clip: "train", "validation" or "test", the last for about `share` of each language's clips.

    Languages in `whole` test. Of the others, one with a single voice trains whole, and one with two has none for
    validation; clips of unknown speakers train. `placed` holds the parts of voices that also speak one of the three
    languages: they stay there, in whatever language. `same_speaker` are pairs of voices that are one person.
    """
    person = people(clips, placed or {}, same_speaker)
    part = {person[voice]: of for voice, of in (placed or {}).items()}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        if clip.speaker and clip.language in whole:
            part.setdefault(person[clip.speaker], TEST)
        elif clip.speaker:
            counts[clip.language][person[clip.speaker]] += 1
    for language in sorted(counts):
        voices, total = counts[language], counts[language].total()
        taken: Counter[str] = Counter()
        for voice in sorted(voices, key=lambda name: _hash(name, seed)):
            if voice not in part:
                part[voice] = _choose(voices[voice], len(voices), total, taken, share)
            taken[part[voice]] += voices[voice]
    unknown = {clip.language: TEST if clip.language in whole else TRAIN for clip in clips}
    return [part[person[clip.speaker]] if clip.speaker else unknown[clip.language] for clip in clips]


def _choose(clips: int, voices: int, total: int, taken: Counter[str], share: float) -> str:
    """The part for a voice of so many clips; its language has `voices` and `total` clips, of which some are `taken`."""
    wanted = {TEST: share * total, VALIDATION: OF_TEST * share * total}
    if voices > 1 and taken[TEST] < wanted[TEST] and taken[TEST] + clips <= MOST_TEST * total:
        return TEST
    if voices > 2 and taken[VALIDATION] < wanted[VALIDATION] and taken[VALIDATION] + clips <= MOST_VALIDATION * total:
        return VALIDATION
    return TRAIN


def people(
    clips: Sequence[Clip | StoredClip], placed: Mapping[str, str], same_speaker: Sequence[tuple[str, str]]
) -> dict[str, str]:
    """One name for all names of a person, by each name that `clips`, `placed` and `same_speaker` have; of several one
    that is in `placed`. An unknown speaker ("") is a person of that name."""
    names = sorted({clip.speaker for clip in clips} | set(placed) | {name for pair in same_speaker for name in pair})
    number = {name: i for i, name in enumerate(names)}
    groups = text.components(len(names), [(number[a], number[b]) for a, b in same_speaker])
    first: dict[int, str] = {}
    for name in sorted(names, key=lambda name: (name not in placed, name)):
        first.setdefault(groups[number[name]], name)
    return {name: first[groups[number[name]]] for name in names}


def _hash(voice: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}/{voice}".encode(), digest_size=8).digest()
