"""Which clips are fit to train on, and for every other one why not.

A clip is dropped for the first of `REASONS` that applies, and nothing is dropped without a line in the table. Each clip
is judged by its own `Facts`, then against its language (does the speech fit the text?), then against all others (is it
the same recording again?). The outcome depends on the set of clips, not on their order.
"""

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lid.data.clip import Clip
from lid.data.curation import fingerprint, text
from lid.data.curation.measurements import Facts, FactsCache, examine, gather

__all__ = ["REASONS", "Checked", "Dropped", "Facts", "QualityLimits", "check", "counts", "examine", "write_dropped_tsv"]

REASONS = {
    "malformed": "the row cannot be used",
    "missing": "the row names a file that does not exist",
    "no_row": "the file is in no row",
    "empty": "the file has 0 bytes",
    "truncated": "the file ends before its sound does",
    "unreadable": "the file is not audio",
    "too_short": "the clip is too short",
    "too_long": "the clip is too long",
    "silent": "nothing can be heard",
    "clipped": "the wave is cut to a square",
    "doubled": "the recording is in the file twice",
    "no_speech": "something can be heard, but nobody speaks",
    "text_too_long": "the text cannot be said in this time",
    "text_too_short": "there is far more speech than text",
    "conflicting_language": "the same recording is in two languages",
    "duplicate": "the same file is there again",
    "near_duplicate": "the same recording is there again in another file",
}


@dataclass(frozen=True)
class QualityLimits:
    """What is let through. The defaults were set on 6,200 clips of 15 languages, by looking on either side of them."""

    min_seconds: float = 1.0  # a word in its pauses; a second is also what the app asks a visitor for
    max_seconds: float = 30.0  # Whisper's window; Common Voice clips end at about 15 s
    min_speech: float = 0.3  # seconds: one short word. The shortest real commands have 0.48
    silence_db: float = -65.0  # dBFS of the loudest twentieth of frames; the quietest speech was at -47, blanks at -99
    max_clipped_share: float = (
        0.25  # share of samples at the top: 0.06 at most in natural clips, 0.3 when 17 dB over full scale
    )
    min_half_difference: float = (
        0.3  # differing bits between the halves: doubled clips 0.03 to 0.23, all others over 0.35
    )
    max_difference: float = (
        0.2  # differing bits of one recording in two files: up to 0.15 at 12 kbit/s; others over 0.25
    )
    min_coverage: float = 0.8  # of the longer clip; excerpts that overlap less are two clips
    missing_share: float = 0.05  # of the declared length that may be missing, but not less than `missing_seconds`:
    missing_seconds: float = 0.25  # containers round, and encoders pad
    # Letters a second, in robust standard deviations of its logarithm. Fast speech is bounded by the tongue (28 letters
    # a second in Uzbek), slow speech by nothing, so the lower bound is wider.
    spread_fast: float = 4.0
    spread_slow: float = 5.0
    min_texts: int = 50  # clips with text in a language before its speed of speech is taken as known


@dataclass(frozen=True)
class Dropped:
    """A clip left out: `reason` is a key of REASONS, `detail` the numbers behind it."""

    path: str
    language: str
    reason: str
    detail: str = ""


@dataclass
class Checked:
    """`kept` clips by language and path, with the `facts` of each, and what was `dropped`.

    `same_speaker` holds pairs of speaker hashes that share a recording: evidence of one person under two names, which
    the splitter has to respect.
    """

    kept: list[Clip] = field(default_factory=list)
    facts: list[Facts] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    same_speaker: list[tuple[str, str]] = field(default_factory=list)


def check(
    clips: Iterable[Clip],
    facts_cache: Path | None = None,
    limits: QualityLimits = QualityLimits(),
    workers: int = 0,
    progress: bool = True,
    orphans: Mapping[str, Iterable[str]] | None = None,
) -> Checked:
    """Judge clips of any languages. `orphans` holds the files without a row, by language.

    `facts_cache` is a JSONL file to keep measures in, so that a second run decodes nothing; `workers` the number of
    other processes that measure. Clips are objects like `Clip`; their `audio` is read when needed and not held.
    """
    watched = tqdm(clips, "checking clips", unit="clip", mininterval=1, disable=not progress)
    judged: Pairs = sorted(gather(watched, FactsCache(facts_cache), workers), key=lambda pair: _place(pair[0]))
    dropped = [Dropped(path, language, "no_row") for language, paths in (orphans or {}).items() for path in paths]
    judged = _without(judged, _one_by_one(judged, limits), dropped)
    judged = _without(judged, _misfits(judged, limits), dropped)
    alike = _alike(judged, limits)
    same_speaker = _same_speaker(judged, alike)
    judged = _without(judged, _repeats(judged, alike, limits), dropped)
    dropped.sort(key=lambda one: (one.language, one.path, one.reason, one.detail))
    return Checked([clip for clip, _ in judged], [facts for _, facts in judged], dropped, same_speaker)


def counts(dropped: Iterable[Dropped]) -> dict[str, dict[str, int]]:
    """{language: {reason: clips}}, reasons in the order in which they are looked for."""
    found = Counter((one.language, one.reason) for one in dropped)
    languages = sorted({language for language, _ in found})
    return {of: {reason: found[of, reason] for reason in REASONS if found[of, reason]} for of in languages}


def write_dropped_tsv(path: Path, dropped: Iterable[Dropped]) -> None:
    """A table of language, path, reason, what the reason means, and detail. Holds no speaker and no text."""
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(["language", "path", "reason", "meaning", "detail"])
        table.writerows([one.language, one.path, one.reason, REASONS[one.reason], one.detail] for one in dropped)


Pairs = Sequence[tuple[Clip, Facts]]
Verdicts = dict[int, tuple[str, str]]  # index -> (reason, detail)


def _without(pairs: Pairs, verdicts: Verdicts, dropped: list[Dropped]) -> Pairs:
    """The pairs that no verdict is against; the others are added to `dropped`."""
    dropped += [Dropped(pairs[i][0].path, pairs[i][0].language, *verdicts[i]) for i in sorted(verdicts)]
    return [pair for i, pair in enumerate(pairs) if i not in verdicts]


def _place(clip: Clip) -> tuple:
    return (clip.language, clip.path, clip.source, clip.speaker, clip.sentence)


def _one_by_one(pairs: Pairs, limits: QualityLimits) -> Verdicts:
    verdicts = {i: _verdict(clip, facts, limits) for i, (clip, facts) in enumerate(pairs)}
    return {i: verdict for i, verdict in verdicts.items() if verdict}


def _verdict(clip: Clip, facts: Facts, limits: QualityLimits) -> tuple[str, str] | None:
    """The first reason against a clip that its own measures give."""
    expected = clip.duration if clip.duration is not None else facts.declared
    missing = 0.0 if expected is None else expected - facts.seconds
    rules = [
        (bool(clip.problem), "malformed", clip.problem),
        (bool(facts.failure), facts.failure, ""),
        (facts.broken, "truncated", f"{facts.seconds:.2f} s can be read"),
        (
            missing > max(limits.missing_seconds, limits.missing_share * (expected or 0.0)),
            "truncated",
            f"{facts.seconds:.2f} s of {expected or 0:.2f} s",
        ),
        (facts.seconds < limits.min_seconds, "too_short", f"{facts.seconds:.2f} s"),
        (facts.seconds > limits.max_seconds, "too_long", f"{facts.seconds:.2f} s"),
        (facts.level < limits.silence_db, "silent", f"{facts.level:.0f} dBFS"),
        (facts.clipped_share > limits.max_clipped_share, "clipped", f"{facts.clipped_share:.0%} of samples at the top"),
        (
            facts.half_difference < limits.min_half_difference,
            "doubled",
            f"halves differ in {facts.half_difference:.0%} of bits",
        ),
        (facts.speech < limits.min_speech, "no_speech", f"{facts.speech:.2f} s of speech in {facts.seconds:.2f} s"),
    ]
    return next(((reason, detail) for applies, reason, detail in rules if applies), None)


def _misfits(pairs: Pairs, limits: QualityLimits) -> Verdicts:
    """Clips whose speech is much too short or too long for their text, measured against their own language."""
    by_language = defaultdict(list)
    for i, (clip, facts) in enumerate(pairs):
        letters = _letters(clip)
        if letters:
            by_language[clip.language].append((i, letters, facts))
    verdicts: Verdicts = {}
    for members in by_language.values():
        if len(members) < limits.min_texts:
            continue
        speeds = np.log([letters / facts.speech for _, letters, facts in members])
        middle = float(np.median(speeds))
        deviation = max(0.1, 1.4826 * float(np.median(np.abs(speeds - middle))))  # not 0 where all speak alike
        fastest = math.exp(middle + limits.spread_fast * deviation)
        slowest = math.exp(middle - limits.spread_slow * deviation)
        for i, letters, facts in members:
            # Voice activity detection may miss speech but hardly invents it: only the whole clip is surely long enough.
            if letters / facts.seconds > fastest:
                verdicts[i] = (
                    "text_too_long",
                    f"{letters} letters in {facts.seconds:.2f} s, up to {fastest:.1f} a second",
                )
            elif letters / facts.speech < slowest:
                verdicts[i] = (
                    "text_too_short",
                    f"{letters} letters in {facts.speech:.2f} s, from {slowest:.1f} a second",
                )
    return verdicts


def _letters(clip: Clip) -> int:
    """Letters to be said; a digit counts as five, about what its name has."""
    return sum(5 if char.isdigit() else 1 for char in text.key(clip.sentence, clip.language) if char != " ")


def _alike(pairs: Pairs, limits: QualityLimits) -> list[tuple[int, int, float, float]]:
    """(left, right, difference, coverage) of clips that share audio; equal bytes differ by 0."""
    first: dict[str, int] = {}
    same = [(first.setdefault(facts.sha256, i), i, 0.0, 1.0) for i, (_, facts) in enumerate(pairs)]
    found = fingerprint.matches([facts.words for _, facts in pairs], limits.max_difference)
    return [one for one in same if one[0] != one[1]] + [(m.left, m.right, m.difference, m.coverage) for m in found]


def _repeats(pairs: Pairs, alike: Sequence[tuple[int, int, float, float]], limits: QualityLimits) -> Verdicts:
    """All but one clip of each recording; all of them where they contradict each other about the language."""
    ties = [(left, right) for left, right, _, coverage in alike if coverage >= limits.min_coverage]
    groups = defaultdict(list)
    for i, group in enumerate(text.components(len(pairs), ties)):
        groups[group].append(i)
    clips_of = Counter(clip.speaker for clip, _ in pairs)
    verdicts: Verdicts = {}
    for members in groups.values():
        languages = sorted({pairs[i][0].language for i in members})
        best = min(members, key=lambda i: _claim(pairs[i][0], clips_of))
        for i in members if len(languages) > 1 else (i for i in members if i != best):
            if len(languages) > 1:
                verdicts[i] = ("conflicting_language", f"also in {', '.join(languages)}")
            else:
                same = pairs[i][1].sha256 == pairs[best][1].sha256
                verdicts[i] = ("duplicate" if same else "near_duplicate", f"kept: {pairs[best][0].path}")
    return verdicts


def _claim(clip: Clip, clips_of: Mapping[str, int]) -> tuple:
    """Orders copies of a recording: known speaker and text first, then whoever is heard more often: a name that has
    nothing else is more likely the borrowed one."""
    return (not clip.speaker, not clip.sentence, -clips_of[clip.speaker], _place(clip))


def _same_speaker(pairs: Pairs, alike: Sequence[tuple[int, int, float, float]]) -> list[tuple[str, str]]:
    speakers = ((pairs[left][0].speaker, pairs[right][0].speaker) for left, right, _, _ in alike)
    return sorted({(min(pair), max(pair)) for pair in speakers if all(pair) and pair[0] != pair[1]})
