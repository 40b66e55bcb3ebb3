"""What the splitter guarantees, tried on invented corpora, and what it costs on shapes that real corpora have."""

import random
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lid.data.clip import PARTS, Clip
from lid.data.curation import audit, splits, text
from lid.data.sources.folder import FolderSource
from lid.errors import InputError
from tests.conftest import ROOT

SENTENCES = [
    "",
    "Bugun havo juda yaxshi",
    "бугун ҳаво жуда яхши!",
    "Bugun havo juda yahshi",
    "O'zbekiston — kelajagi buyuk davlat",
    "OʻZBEKISTON KELAJAGI BUYUK DAVLAT",
    "Kitobni stol ustiga qo‘ying",
    "Ertaga yomg‘ir yog‘adi",
    "Ertaga yomg'ir yog'adimi",
    "Salom",
]
CLIPS = st.lists(
    st.tuples(
        st.sampled_from(["", *(f"s{i}" for i in range(12))]),
        st.sampled_from(SENTENCES),
        st.sampled_from(["uz", "uz", "ru"]),
    ),
    max_size=40,
).map(lambda rows: [Clip(f"{i}.mp3", b"", language, who, what) for i, (who, what, language) in enumerate(rows)])
SAME = st.lists(st.tuples(*[st.sampled_from([f"s{i}" for i in range(12)])] * 2), max_size=3)
relaxed = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def parts(result: splits.Split) -> list[list[Clip]]:
    return [result.train, result.validation, result.test]


def corpus(rows: list[tuple[str, str]], language: str = "uz") -> list[Clip]:
    return [Clip(f"{i}.mp3", b"", language, who, what) for i, (who, what) in enumerate(rows)]


def prompt(number: int) -> str:
    """A sentence unlike any other number's."""
    letters = random.Random(number)
    return " ".join("".join(letters.choices("abdefghijklmnopqrstuvxz", k=6)) for _ in range(5))


@relaxed
@given(CLIPS, SAME, st.integers(0, 3))
def test_nothing_is_lost_and_nothing_is_shared(clips, same, seed):
    result = splits.split(clips, seed=seed, same_speaker=same)
    everything = sorted(c.path for part in parts(result) for c in part) + sorted(d.clip.path for d in result.dropped)
    assert sorted(everything) == sorted(c.path for c in clips)
    ties = {frozenset(pair) for pair in same}
    for a, b in combinations(parts(result), 2):
        people = {c.speaker for c in a} - {""}, {c.speaker for c in b} - {""}
        assert not people[0] & people[1]
        assert not any(frozenset((x, y)) in ties for x in people[0] for y in people[1])
        keys = [{text.key(c.sentence, c.language) for c in part} - {""} for part in (a, b)]
        assert not any(text.similarity(x, y) >= text.THRESHOLD for x in keys[0] for y in keys[1])


@relaxed
@given(CLIPS, SAME, st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(clips, same, seed, shuffler):
    shuffled, pairs = list(clips), [tuple(reversed(pair)) for pair in same]
    shuffler.shuffle(shuffled)
    shuffler.shuffle(pairs)
    first = splits.split(clips, seed=seed, same_speaker=same)
    second = splits.split(shuffled, seed=seed, same_speaker=pairs)
    assert parts(first) == parts(second)
    assert first.dropped == second.dropped


@relaxed
@given(CLIPS, st.integers(0, 3))
def test_unknown_voices_are_never_evaluated_on(clips, seed):
    result = splits.split(clips, seed=seed)
    assert all(c.speaker for c in result.validation + result.test)
    strict = splits.split(clips, seed=seed, unknown_speakers="drop")
    assert all(c.speaker for part in parts(strict) for c in part)
    assert {d.clip for d in strict.dropped if d.reason == "unknown_speaker"} == {c for c in clips if not c.speaker}


@relaxed
@given(CLIPS, st.integers(0, 3))
def test_without_sentences_nothing_is_dropped(clips, seed):
    silent = [Clip(c.path, b"", c.language, c.speaker) for c in clips]
    assert splits.split(silent, seed=seed).dropped == []


def test_shares_and_voices_are_met_where_nothing_conflicts():
    sizes = [200, 150, 100, *[10] * 60]
    rows = [(f"s{i}", "") for i, size in enumerate(sizes) for _ in range(size)]
    result = splits.split(corpus(rows), seed=1)
    total = len(rows)
    assert result.dropped == []
    for part in (result.validation, result.test):
        voices = Counter(c.speaker for c in part)
        assert 0.08 * total <= len(part) <= 0.12 * total
        assert not voices.keys() & {"s0", "s1", "s2"}  # heavy voices train
        assert len(voices) >= 8  # of 10 clips each; no part of this size has room for the 15 that are wanted
    assert {"s0", "s1", "s2"} <= {c.speaker for c in result.train}


def test_fractions_by_language():
    clips = corpus([(f"u{i}", "") for i in range(300)]) + corpus([(f"r{i}", "") for i in range(300)], "ru")
    result = splits.split(clips, {"uz": (0.5, 0.25, 0.25), "ru": (0, 0, 1)})
    counts = {name: Counter(c.language for c in part) for name, part in zip(PARTS, parts(result), strict=True)}
    assert 60 <= counts["test"]["uz"] <= 90
    assert 60 <= counts["validation"]["uz"] <= 90
    assert counts["test"]["ru"] == 300


def test_a_popular_prompt_costs_only_the_readers_outside_its_split():
    """200 people read one prompt and nine of their own: connected groups would make it one piece."""
    rows = [(f"s{i}", prompt(0) if j == 0 else prompt(1 + 9 * i + j)) for i in range(200) for j in range(10)]
    result = splits.split(corpus(rows), seed=0)
    held_out = {c.speaker for c in result.validation + result.test}
    assert len(result.dropped) <= len(held_out)
    assert all(d.clip.sentence == prompt(0) for d in result.dropped)
    assert min(len(result.validation), len(result.test)) >= 0.08 * (len(rows) - len(result.dropped))


def test_groups_that_share_nothing_are_not_cut():
    """Ten groups of ten people, each with prompts of its own: cutting between the groups loses nothing."""
    rows = [(f"s{g}-{i}", prompt(g * 10 + j)) for g in range(10) for i in range(10) for j in range(10)]
    result = splits.split(corpus(rows), seed=0, min_speakers=5)
    assert len(result.dropped) == 0
    assert len(result.validation) == len(result.test) == 100


def test_a_dense_corpus_keeps_most_and_fills_every_part():
    """Everybody reads a random twentieth of the prompts: no cut is free. Speakers first, then the majority of each
    prompt, keeps about half at equal sizes of validation and test."""
    draw = random.Random(0)
    rows = [(f"s{i}", prompt(j)) for i in range(100) for j in draw.sample(range(200), 10)]
    result = splits.split(corpus(rows), seed=0, min_speakers=10)
    kept = len(rows) - len(result.dropped)
    assert kept >= 0.5 * len(rows)
    for part in (result.validation, result.test):
        assert len(part) >= 0.079 * kept
        assert len({c.speaker for c in part}) >= 10


def test_a_dense_human_corpus():
    """150 people who read the same 400 prompts: one connected piece, of which most can be kept."""
    folder = ROOT.parent / "shared" / "corpus" / "uz"
    if not folder.is_dir():
        pytest.skip(f"NOT TESTED ON HUMAN SPEECH: there is no corpus at {folder}")
    clips = list(FolderSource("uz", "uz", "uz", folder=folder).stored())
    result = splits.split(clips)
    kept = len(clips) - len(result.dropped)
    assert kept >= 0.75 * len(clips)
    for part in (result.validation, result.test):
        assert len(part) >= 0.079 * kept
        assert len({c.speaker for c in part}) >= 15
    report = audit.audit(result)
    assert audit.leaks(report) == 0
    assert report["closest_sentences"]["similarity"] < text.THRESHOLD


@pytest.mark.parametrize(
    "wrong",
    [
        {"fractions": (0.5, 0.5)},
        {"fractions": (0.9, 0.2, -0.1)},
        {"fractions": {"uz": (1, 1, 1)}},
        {"threshold": 0},
        {"unknown_speakers": "test"},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InputError):
        splits.split(corpus([("s", "")]), **wrong)
