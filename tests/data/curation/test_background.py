"""Voices of background languages: each in one part, the same whatever else there is."""

from collections import Counter, defaultdict

from lid.data.clip import Clip
from lid.data.curation.background import split_voices


def clips(**voices: list[int]) -> list[Clip]:
    """{language: clips of each voice} -> those clips."""
    return [
        Clip(f"{language}-{voice}-{i}", b"", language, f"{language}{voice}")
        for language, counts in voices.items()
        for voice, count in enumerate(counts)
        for i in range(count)
    ]


def voices_by_part(corpus: list[Clip], parts: list[str]) -> dict[str, set[str]]:
    found = defaultdict(set)
    for clip, part in zip(corpus, parts, strict=True):
        found[part].add(clip.speaker)
    return found


def test_no_voice_is_in_two_parts_and_the_shares_are_near_those_wanted():
    corpus = clips(tr=[3] * 40, kk=[1, 2, 3, 4] * 10)
    parts = split_voices(corpus, 0.3)
    found = voices_by_part(corpus, parts)
    assert sum(len(voices) for voices in found.values()) == 80
    for language in ("tr", "kk"):
        counts = Counter(part for clip, part in zip(corpus, parts, strict=True) if clip.language == language)
        assert 0.3 <= counts["test"] / counts.total() < 0.36
        assert 0.12 <= counts["validation"] / counts.total() < 0.18


def test_few_voices_train_first():
    parts = {language: set(split_voices(clips(**{language: [10]}), 0.3)) for language in ("tr", "kk")}
    assert parts == {"tr": {"train"}, "kk": {"train"}}
    assert set(split_voices(clips(tr=[5, 5]), 0.3)) == {"train", "test"}
    assert Counter(split_voices(clips(tr=[90, 5, 5]), 0.3))["train"] >= 90  # nobody tests with nearly all there is


def test_a_voice_goes_where_it_went_without_the_other_languages():
    alone, together = clips(tr=[2] * 9), clips(az=[1] * 5, tr=[2] * 9, uk=[3] * 4)
    of = dict(zip((clip.path for clip in together), split_voices(together, 0.3), strict=True))
    assert [of[clip.path] for clip in alone] == split_voices(alone, 0.3)


def test_who_has_a_part_already_stays_there_under_every_name_and_in_every_language():
    corpus = [*clips(tr=[4] * 6, fr=[1] * 3), Clip("x", b"", "uk", "tr0")]
    placed = {"russian": "validation"}
    parts = split_voices(corpus, 0.3, ["fr"], placed, [("russian", "tr0"), ("fr1", "tr1")])
    found = {clip.path: part for clip, part in zip(corpus, parts, strict=True)}
    assert {found["tr-0-0"], found["x"]} == {"validation"}
    assert {found["fr-0-0"], found["fr-1-0"], found["tr-1-0"]} == {"test"}  # French tests whole, so its voice does


def test_who_is_unknown_trains_but_in_a_language_that_tests_whole():
    corpus = [Clip("a", b"", "tr"), Clip("b", b"", "fr")]
    assert split_voices(corpus, 0.3, ["fr"]) == ["train", "test"]


def test_with_no_share_all_train():
    assert set(split_voices(clips(tr=[1] * 20), 0.0)) == {"train"}
