"""What is none of the three, and what is no speech."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from lid.errors import InputError
from lid.model import open_set
from lid.model.open_set import Background


@pytest.fixture
def background() -> Background:
    """Two background languages over states of three numbers: the first looks at state 0, the second at state 1."""
    return Background(("kk", "tr"), np.array([[1, 0, 0], [0, 1, 0]], np.float32), np.zeros(2, np.float32))


def test_the_score_falls_as_a_background_language_rises(background):
    logits = np.zeros(3)
    scores = [background.log_odds(logits, np.array([strength, 0, 0])) for strength in (0.0, 1.0, 2.0)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(np.log(3 / 2))


def test_what_lies_far_from_all_three_languages_scores_low(background):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 100)
    states = 5 * np.eye(3)[labels] + rng.normal(0, [1.0, 1.0, 0.1], (300, 3))
    assert not background.judges
    judge = background.with_centres(states, labels, rng.normal([0, -5, 0], 1.0, (300, 3)))
    assert judge.judges
    near, wide, narrow = (judge.nearness(np.array(place)) for place in ([5, 0, 0], [5, -2, 0], [5, 0, 2]))
    assert near > wide > narrow  # two units are far where clips hardly vary
    assert judge.score(np.array([5, 0, 0])) > 0 > judge.score(np.array([0, -5, 0]))


def test_how_far_out_a_clip_lies_does_not_count(background):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 100)
    states = 5 * np.eye(3)[labels] + rng.normal(size=(300, 3))
    judge = background.with_centres(states, labels, rng.normal([0, -5, 0], 1.0, (300, 3)))
    middle = np.mean([states[labels == label].mean(axis=0) for label in range(3)], axis=0)
    for place in (np.array([5, 0, 0]), np.array([0, -5, 0])):
        assert judge.score(middle + 3 * (place - middle)) == pytest.approx(judge.score(place), rel=1e-3)
    assert np.isfinite(judge.score(middle))


def test_what_moves_a_clip_from_everything_alike_leaves_its_score(background):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 100)
    languages = np.zeros((3, 40))
    languages[:, :3] = 5 * np.eye(3)
    states = languages[labels] + rng.normal(size=(300, 40))
    judge = background.with_centres(states, labels, rng.normal(-languages[1], 1.0, (300, 40)))
    of_no_language = np.eye(40)[39]
    ordinary, odd = (languages[0] + length * of_no_language for length in (5.0, 7.0))
    lost = (judge.nearness(odd) ** 2 - judge.nearness(ordinary) ** 2) / 2
    assert lost > 0
    assert abs(judge.score(ordinary) - judge.score(odd)) < lost


def test_the_threshold_keeps_its_share(background):
    scores = np.arange(1000.0)
    kept = scores >= background.with_threshold(scores).threshold
    assert kept.mean() == pytest.approx(open_set.KEPT, abs=0.002)


def test_cooling_divides_the_evidence(background):
    states = np.array([2.0, 0.0, 0.0])
    assert background.cooled(2.0).log_odds(np.zeros(3), states) == pytest.approx(
        background.log_odds(np.zeros(3), states / 2), abs=1e-6
    )


def test_speech_is_told_from_noise(background):
    rng = np.random.default_rng(0)
    speech, noise = rng.normal(1, 0.3, (200, 3)), rng.normal(-1, 0.3, (200, 3))
    learnt = background.with_speech(speech[:100], noise[:100], speech[100:])
    assert np.mean([learnt.is_speech(one) for one in speech[100:]]) > 0.97
    assert np.mean([learnt.is_speech(one) for one in noise[100:]]) < 0.03
    assert background.is_speech(noise[0])  # nothing learnt: everything passes


def test_it_comes_back_from_its_file(background, tmp_path):
    assert Background.load(tmp_path) is None
    learnt = background.with_speech(np.ones((5, 3)), -np.ones((5, 3)), np.ones((5, 3))).with_threshold(np.ones(3))
    states = np.random.default_rng(0).normal(size=(30, 3))
    learnt = learnt.with_centres(states, np.arange(30) % 3, states[:20] - 4)
    learnt.save(tmp_path)
    loaded = Background.load(tmp_path)
    assert (loaded.languages, loaded.threshold) == (learnt.languages, learnt.threshold)
    assert loaded.score(np.ones(3)) == pytest.approx(learnt.score(np.ones(3)))
    assert loaded.log_odds(np.zeros(3), np.ones(3)) == pytest.approx(learnt.log_odds(np.zeros(3), np.ones(3)))
    assert loaded.is_speech(np.ones(3)) == learnt.is_speech(np.ones(3))


@pytest.mark.parametrize("damage", ["cut", "foreign"])
def test_a_damaged_file_is_a_sentence(background, tmp_path, damage):
    background.save(tmp_path)
    file = tmp_path / open_set.FILE_NAME
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:40])
    else:
        save_file({"other": np.zeros(3)}, file, {"languages": "[]"})
    with pytest.raises(InputError, match="damaged"):
        Background.load(tmp_path)
