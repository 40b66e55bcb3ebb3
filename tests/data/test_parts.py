"""Parts of a corpus: labels, selections, counts."""

import numpy as np
import pytest

from lid.data.clip import BACKGROUND, OWN, Clip
from lid.data.parts import Part, Parts


@pytest.fixture
def part() -> Part:
    """Two clips of Uzbek, four of Russian, one of English, and two other languages; a clip's speech is its number."""
    languages = ["uz", "uz", "ru", "ru", "ru", "ru", "en", "tr", "kk"]
    clips = [
        Clip(f"{i}.wav", None, language, f"s{i}", role=OWN if i < 7 else BACKGROUND)
        for i, language in enumerate(languages)
    ]
    return Part(clips, [np.full(1, i, np.float32) for i in range(len(clips))])


def test_labels_count_the_three_first_and_then_the_others_by_name(part):
    assert part.languages == ("uz", "ru", "en", "kk", "tr")
    assert part.labels == [0, 0, 1, 1, 1, 1, 2, 4, 3]
    assert part.speakers[-1] == "s8"


def test_a_sample_is_even_and_of_the_three_languages_alone(part):
    sample = part.sample(2)
    assert [clip.path for clip in sample.clips] == ["0.wav", "1.wav", "2.wav", "4.wav", "6.wav"]
    assert [float(speech[0]) for speech in sample.speech] == [0, 1, 2, 4, 6]
    assert sample.labels == [0, 0, 1, 1, 2]


def test_speech_goes_with_the_clips_that_are_chosen(part):
    chosen = part.where(lambda clip: clip.role == BACKGROUND)
    assert [clip.language for clip in chosen.clips] == ["tr", "kk"]
    assert [float(speech[0]) for speech in chosen.take([1]).speech] == [8]


def test_counts_have_the_names_of_metrics_json(part):
    empty = Part([], [])
    counts = {"train": 9, "validation": 1, "test": 0, "foreign": 0, "foreign_validation": 2}
    assert Parts(part, part.take([0]), empty, empty, part.take([7, 8])).counts() == counts


def test_evenly_takes_some_of_all(part):
    assert [clip.path for clip in part.evenly(3).clips] == ["0.wav", "3.wav", "6.wav"]
    assert len(part.evenly(100)) == 9
    assert len(part.take([]).evenly(5)) == 0
