"""Train, validation and test with no speaker and no sentence in two of them.

Every speaker and every cluster of nearly equal sentences is given to one split; a clip is kept when its speaker and its
sentence are in the same one. Where one prompt was read by many people and everybody read many prompts, all clips hang
together in one piece, so some have to go: simulated annealing looks for the assignment that loses fewest clips while
validation and test stay large enough and rich in voices. Where nothing conflicts nothing is dropped.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lid.data.clip import PARTS, Clip
from lid.data.curation import text
from lid.errors import InputError

TRAIN, VALIDATION, TEST = range(3)
SLACK = 0.2  # validation and test may be this much under or over their share if that saves clips
TOO_SMALL, TOO_LARGE = 30.0, 10.0  # penalty per clip beyond the slack, in clips lost: more than it could ever save
OFF_SHARE = 0.05  # clips lost per clip off the share within the slack: breaks ties
MISSING_SPEAKER = 25.0  # clips lost per speaker that a part lacks
CROWDING = 0.5  # weight of sum(n**2) / share over the n clips of each speaker in a small split: heavy voices train
MOVES_TIED = 1200  # moves tried per speaker or sentence of those that hang together
MOVES_FREE = 100  # moves tried per speaker who shares no sentence
FEWEST_MOVES, MOST_MOVES = 2_000, 6_000_000  # the latter take about two minutes
CONFLICT = "conflict"
FIRST_TEMPERATURE, LAST_TEMPERATURE = 15.0, 0.3  # clips: the loss accepted one time in e at the start and at the end


@dataclass(frozen=True)
class Dropped:
    """A clip in no split. `reason`: "conflict" (its sentence went to another split than its speaker), "similar" (like a
    sentence of another split, where `without_similar` was asked for), "unknown_speaker", "trained_before" (the run goes
    on from a checkpoint that knows it)."""

    clip: Clip
    reason: str


@dataclass
class Split:
    """Clips by language and path in each part; `same_speaker` is what the split knew about people under two names."""

    train: list[Clip] = field(default_factory=list)
    validation: list[Clip] = field(default_factory=list)
    test: list[Clip] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    same_speaker: list[tuple[str, str]] = field(default_factory=list)


def split(
    clips: Iterable[Clip],
    fractions: Mapping[str, Sequence[float]] | Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    threshold: float = text.THRESHOLD,
    min_speakers: int = 20,
    same_speaker: Iterable[tuple[str, str]] = (),
    unknown_speakers: str = "train",
) -> Split:
    """Assign every clip to a split, or drop it, the same way whatever the order of `clips`.

    `fractions` are the shares of train, validation and test in what is kept, for all languages or by language code
    (a language not named gets the default). Sentences of similarity >= `threshold` count as one; "" constrains nothing.
    Validation and test get at least `min_speakers` voices in each language that has five times as many, else a fifth,
    and training no fewer than three fifths: a model learns voices, not hours.
    `same_speaker` holds pairs of hashes that are one person. Who speaks in a clip without a speaker cannot be known, so
    such clips never enter validation or test, where they could be a voice of training: they train ("train") or, for
    whoever needs to be sure that none of them is a voice of the test, are left out ("drop").
    Raises InputError for options that make no sense.
    """
    if unknown_speakers not in ("train", "drop"):
        raise InputError(f'unknown_speakers is "train" or "drop", not {unknown_speakers!r}.', "option")
    if not 0 < threshold <= 1:
        raise InputError(f"The similarity threshold lies above 0 and up to 1, not at {threshold}.", "option")
    ordered, ties = in_order(clips), sorted(same_speaker)
    known = [clip for clip in ordered if clip.speaker or unknown_speakers == "train"]
    result = as_split(known, places(known, ties, fractions, seed, threshold, min_speakers), ties)
    if unknown_speakers == "drop":
        result.dropped += [Dropped(clip, "unknown_speaker") for clip in ordered if not clip.speaker]
        result.dropped.sort(key=lambda one: (one.clip.language, one.clip.path, one.reason))
    return result


def in_order(clips: Iterable[Clip]) -> list[Clip]:
    """Clips in the one order in which they are split."""
    return sorted(clips, key=lambda c: (c.language, c.path, c.source, c.speaker, c.sentence))


def places(
    ordered: Sequence[Clip],
    same_speaker: Sequence[tuple[str, str]],
    fractions: Mapping[str, Sequence[float]] | Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    threshold: float = text.THRESHOLD,
    min_speakers: int = 20,
) -> list[str]:
    """What `split` does with each of these clips: the name of its part, or CONFLICT where it is dropped."""
    graph = _Graph(ordered, threshold, same_speaker)
    shares = {language: _fractions(fractions, language) for language in graph.languages}
    speakers, sentences = _Search(graph, shares, min_speakers, seed).run()
    return [
        PARTS[speakers[speaker]] if sentence is None or speakers[speaker] == sentences[sentence] else CONFLICT
        for speaker, sentence in zip(graph.speaker_of, graph.sentence_of, strict=True)
    ]


def as_split(ordered: Sequence[Clip], place: Sequence[str], same_speaker: list[tuple[str, str]]) -> Split:
    """The clips in their `places`."""
    parts: dict[str, list[Clip]] = {name: [] for name in (*PARTS, CONFLICT)}
    for clip, name in zip(ordered, place, strict=True):
        parts[name].append(clip)
    dropped = [Dropped(clip, CONFLICT) for clip in parts.pop(CONFLICT)]
    return Split(**parts, dropped=dropped, same_speaker=same_speaker)


def _fractions(fractions: Mapping[str, Sequence[float]] | Sequence[float], language: str) -> tuple[float, ...]:
    shares = fractions.get(language, (0.8, 0.1, 0.1)) if isinstance(fractions, Mapping) else fractions
    if len(shares) != 3 or min(shares) < 0 or not math.isclose(sum(shares), 1.0, abs_tol=1e-6):
        raise InputError(f"Fractions are three numbers that add up to 1, not {tuple(shares)}.", "option")
    return tuple(shares)


def without_similar(split: Split, threshold: float = text.THRESHOLD) -> Split:
    """Drop from validation and test what resembles a sentence of another part: compares all, misses nothing. Where
    parts were made by `split` there is nothing to drop; where clips were moved there may be."""
    parts, dropped = [split.train, split.validation, split.test], list(split.dropped)
    keys = [[text.key(clip.sentence, clip.language) for clip in part] for part in parts]
    for smaller, others in ((TEST, (TRAIN,)), (VALIDATION, (TRAIN, TEST))):
        own = sorted(set(keys[smaller]) - {""})
        rest = sorted({key for other in others for key in keys[other]} - {""})
        bad = {own[i] for i in text.similar_across(own, rest, threshold)}
        dropped += [Dropped(c, "similar") for c, key in zip(parts[smaller], keys[smaller], strict=True) if key in bad]
        parts[smaller] = [c for c, key in zip(parts[smaller], keys[smaller], strict=True) if key not in bad]
        keys[smaller] = [key for key in keys[smaller] if key not in bad]
    dropped.sort(key=lambda one: (one.clip.language, one.clip.path, one.reason))
    return Split(parts[TRAIN], parts[VALIDATION], parts[TEST], dropped, split.same_speaker)


class _Graph:
    """Who read what: clips counted by speaker, sentence cluster and language, all numbered.

    `speaker_of` and `sentence_of` name the numbers for each clip; a sentence that only one speaker read is None, as it
    ties nothing together. `unknown` is the number of the speaker "", None when there is none.
    """

    def __init__(self, clips: Sequence[Clip], threshold: float, same_speaker: Sequence[tuple[str, str]]):
        names = sorted({clip.speaker for clip in clips})
        number = {name: i for i, name in enumerate(names)}
        ties = [(number[a], number[b]) for a, b in same_speaker if a in number and b in number and a and b]
        person = text.components(len(names), ties)
        self.speaker_of = [person[number[clip.speaker]] for clip in clips]
        self.speakers = max(person, default=-1) + 1
        self.unknown = person[number[""]] if "" in number else None
        self.sentence_of = self._shared(clips, threshold)
        self.sentences = max((s for s in self.sentence_of if s is not None), default=-1) + 1
        self.languages = sorted({clip.language for clip in clips})
        by_speaker: dict[int, Counter[tuple[int | None, int]]] = defaultdict(Counter)
        by_sentence: dict[int, Counter[tuple[int, int]]] = defaultdict(Counter)
        for clip, speaker, sentence in zip(clips, self.speaker_of, self.sentence_of, strict=True):
            language = self.languages.index(clip.language)
            by_speaker[speaker][sentence, language] += 1
            if sentence is not None:
                by_sentence[sentence][speaker, language] += 1
        # [(sentence or None, language, clips)] of each speaker, [(speaker, language, clips)] of each sentence
        self.read_by = [[(*key, n) for key, n in by_speaker[i].items()] for i in range(self.speakers)]
        self.readers = [[(*key, n) for key, n in by_sentence[i].items()] for i in range(self.sentences)]

    def _shared(self, clips: Sequence[Clip], threshold: float) -> list[int | None]:
        keys = [text.key(clip.sentence, clip.language) for clip in clips]
        distinct = sorted(set(keys) - {""})
        cluster = dict(zip(distinct, text.clusters(distinct, threshold), strict=True))
        people = defaultdict(set)
        for key, speaker in zip(keys, self.speaker_of, strict=True):
            if key:
                people[cluster[key]].add(speaker)
        number = {c: i for i, c in enumerate(sorted(c for c, speakers in people.items() if len(speakers) > 1))}
        return [number.get(cluster[key]) if key else None for key in keys]


class _Language:
    """Running totals of one language: clips kept, voices heard and sum of squares of their clips, for each split."""

    def __init__(self, clips: int, speakers: int, shares: Sequence[float], min_speakers: int):
        self.clips, self.shares = clips, shares
        few = min(min_speakers, speakers // 5)
        self.voices_wanted = (3 * speakers // 5, few, few)
        self.kept, self.voices, self.squares = [0, 0, 0], [0, 0, 0], [0, 0, 0]

    def add(self, split: int, before: int, after: int) -> None:
        """A speaker in `split` goes from `before` to `after` kept clips."""
        self.kept[split] += after - before
        self.voices[split] += (after > 0) - (before > 0)
        self.squares[split] += after * after - before * before

    def loss(self) -> float:
        """In clips: those dropped, and what is wrong with validation and test."""
        kept = sum(self.kept)
        total = float(self.clips - kept)
        total += TOO_SMALL * sum(have for have, share in zip(self.kept, self.shares, strict=True) if share == 0)
        if self.shares[TRAIN]:
            total += MISSING_SPEAKER * max(0, self.voices_wanted[TRAIN] - self.voices[TRAIN])
        for split in (VALIDATION, TEST):
            want, have = self.shares[split] * kept, self.kept[split]
            if want == 0:
                continue
            total += TOO_SMALL * max(0.0, want * (1 - SLACK) - have) + TOO_LARGE * max(0.0, have - want * (1 + SLACK))
            total += OFF_SHARE * abs(want - have) + MISSING_SPEAKER * max(
                0, self.voices_wanted[split] - self.voices[split]
            )
            total += CROWDING * self.squares[split] / max(want, 1.0)
        return total


class _Search:
    """Simulated annealing over the splits of speakers and shared sentences."""

    def __init__(self, graph: _Graph, shares: Mapping[str, Sequence[float]], min_speakers: int, seed: int):
        self.graph, self.random = graph, random.Random(f"split {seed}")
        self.kept: dict[tuple[int, int], int] = Counter()  # (speaker, language) -> clips kept
        clips: Counter[int] = Counter()
        speakers: Counter[int] = Counter()
        for edges in graph.read_by:
            speakers.update({language for _, language, _ in edges})
            for _, language, n in edges:
                clips[language] += n
        self.languages = [
            _Language(clips[i], speakers[i], shares[name], min_speakers) for i, name in enumerate(graph.languages)
        ]
        open_splits = [k for k in range(3) if any(of.shares[k] > 0 for of in self.languages)]
        self.choices = open_splits or [TRAIN]
        self.speaker_split = self._heaviest_train()
        self.sentence_split = [TRAIN] * graph.sentences
        for number, readers in enumerate(graph.readers):
            votes: Counter[int] = Counter()
            for speaker, _, n in readers:
                votes[self.speaker_split[speaker]] += n
            self.sentence_split[number] = max(self.choices, key=lambda k: (votes[k], -k))
        for speaker in range(graph.speakers):
            for sentence, language, n in graph.read_by[speaker]:
                if sentence is None or self.sentence_split[sentence] == self.speaker_split[speaker]:
                    self._change(speaker, language, n, self.speaker_split[speaker])

        self.losses = [of.loss() for of in self.languages]

    def _heaviest_train(self) -> list[int]:
        """A start for the search: the speakers with most clips fill train, then the next ones test and validation.

        One move at a time cannot exchange a heavy voice for many light ones, so the search must not have to.
        """
        splits = [TRAIN] * self.graph.speakers
        filled = [[0, 0, 0] for _ in self.languages]
        weight = [sum(n for _, _, n in edges) for edges in self.graph.read_by]
        for speaker in sorted(range(self.graph.speakers), key=lambda i: (i != self.graph.unknown, -weight[i], i)):
            number = max(self.graph.read_by[speaker], key=lambda edge: edge[2])[1]
            shares, have = self.languages[number].shares, filled[number]
            hungry = (k for k in range(3) if have[k] < shares[k] * self.languages[number].clips)
            if speaker != self.graph.unknown:
                splits[speaker] = next(hungry, TRAIN)
            have[splits[speaker]] += weight[speaker]
        return splits

    def run(self) -> tuple[list[int], list[int]]:
        """The split of every speaker and of every shared sentence."""
        movable = [s for s in range(self.graph.speakers) if s != self.graph.unknown]
        if len(self.choices) < 2 or not movable:
            return self.speaker_split, self.sentence_split
        free = [s for s in movable if all(sentence is None for sentence, _, _ in self.graph.read_by[s])]
        tied = sorted(set(movable) - set(free))
        # (how to move, what, its splits now) of everything that can be moved; those that hang together come first
        nodes: list[tuple[Callable[[int, int], None], int, list[int]]] = []
        nodes += [(self._move_speaker, speaker, self.speaker_split) for speaker in tied]
        nodes += [(self._move_sentence, sentence, self.sentence_split) for sentence in range(self.graph.sentences)]
        first = MOVES_TIED * len(nodes)
        nodes += [(self._move_speaker, speaker, self.speaker_split) for speaker in free]
        wanted = first + MOVES_FREE * len(free)
        moves = min(MOST_MOVES, max(FEWEST_MOVES, wanted))
        for step in range(moves):
            temperature = FIRST_TEMPERATURE * (LAST_TEMPERATURE / FIRST_TEMPERATURE) ** (step / moves)
            place = self.random.randrange(wanted)
            node = nodes[place // MOVES_TIED if place < first else first // MOVES_TIED + (place - first) // MOVES_FREE]
            self._propose(*node, temperature)
        return self.speaker_split, self.sentence_split

    def _propose(self, move, node: int, splits: list[int], temperature: float) -> None:
        old = splits[node]
        new = self.random.choice([k for k in self.choices if k != old])
        touched = self._touched(node, splits)
        move(node, new)
        losses = {i: self.languages[i].loss() for i in touched}
        worse = sum(losses.values()) - sum(self.losses[i] for i in touched)
        if worse > 0 and self.random.random() >= math.exp(-worse / temperature):
            move(node, old)
        else:
            for i, loss in losses.items():
                self.losses[i] = loss

    def _touched(self, node: int, splits: list[int]) -> set[int]:
        edges = self.graph.read_by[node] if splits is self.speaker_split else self.graph.readers[node]
        return {language for _, language, _ in edges}

    def _move_speaker(self, speaker: int, new: int) -> None:
        for split, sign in ((self.speaker_split[speaker], -1), (new, 1)):  # one after the other: `kept` is of one split
            for sentence, language, n in self.graph.read_by[speaker]:
                if sentence is None or self.sentence_split[sentence] == split:
                    self._change(speaker, language, sign * n, split)
        self.speaker_split[speaker] = new

    def _move_sentence(self, sentence: int, new: int) -> None:
        old, self.sentence_split[sentence] = self.sentence_split[sentence], new
        for speaker, language, n in self.graph.readers[sentence]:
            if self.speaker_split[speaker] == old:
                self._change(speaker, language, -n, old)
            elif self.speaker_split[speaker] == new:
                self._change(speaker, language, n, new)

    def _change(self, speaker: int, language: int, by: int, split: int) -> None:
        before = self.kept[speaker, language]
        self.kept[speaker, language] = before + by
        self.languages[language].add(split, before, before + by)
