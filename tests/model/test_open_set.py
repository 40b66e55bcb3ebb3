"""What is none of the three, and what is no speech."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from lid.errors import InputError
from lid.model import open_set
from lid.model.open_set import OpenSetDetector


@pytest.fixture
def detector() -> OpenSetDetector:
    """Two background languages over embeddings of three numbers: the first looks at state 0, the second at state 1."""
    return OpenSetDetector(("kk", "tr"), np.array([[1, 0, 0], [0, 1, 0]], np.float32), np.zeros(2, np.float32))


def test_the_score_falls_as_a_background_language_rises(detector):
    logits = np.zeros(3)
    scores = [detector.log_odds(logits, np.array([strength, 0, 0])) for strength in (0.0, 1.0, 2.0)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(np.log(3 / 2))


def test_what_lies_far_from_all_three_languages_scores_low(detector):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 100)
    embeddings = 5 * np.eye(3)[labels] + rng.normal(0, [1.0, 1.0, 0.1], (300, 3))
    assert not detector.can_reject
    fitted = detector.with_distances(embeddings, labels, rng.normal([0, -5, 0], 1.0, (300, 3)))
    assert fitted.can_reject
    near, wide, narrow = (fitted.distance(np.array(place)) for place in ([5, 0, 0], [5, -2, 0], [5, 0, 2]))
    assert near < wide < narrow  # two units are far where clips hardly vary
    assert fitted.score(np.array([5, 0, 0])) > 0 > fitted.score(np.array([0, -5, 0]))


def test_how_far_out_a_clip_lies_does_not_count(detector):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 100)
    embeddings = 5 * np.eye(3)[labels] + rng.normal(size=(300, 3))
    fitted = detector.with_distances(embeddings, labels, rng.normal([0, -5, 0], 1.0, (300, 3)))
    middle = np.mean([embeddings[labels == label].mean(axis=0) for label in range(3)], axis=0)
    for place in (np.array([5, 0, 0]), np.array([0, -5, 0])):
        assert fitted.score(middle + 3 * (place - middle)) == pytest.approx(fitted.score(place), rel=1e-3)
    assert np.isfinite(fitted.score(middle))


def test_what_moves_a_clip_from_everything_alike_leaves_its_score(detector):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 100)
    languages = np.zeros((3, 40))
    languages[:, :3] = 5 * np.eye(3)
    embeddings = languages[labels] + rng.normal(size=(300, 40))
    fitted = detector.with_distances(embeddings, labels, rng.normal(-languages[1], 1.0, (300, 40)))
    of_no_language = np.eye(40)[39]
    ordinary, odd = (languages[0] + length * of_no_language for length in (5.0, 7.0))
    lost = (fitted.distance(odd) ** 2 - fitted.distance(ordinary) ** 2) / 2
    assert lost > 0
    assert abs(fitted.score(ordinary) - fitted.score(odd)) < lost


def test_the_threshold_keeps_its_share(detector):
    scores = np.arange(1000.0)
    kept = scores >= detector.with_threshold(scores).threshold
    assert kept.mean() == pytest.approx(open_set.KEPT, abs=0.002)


def test_a_temperature_divides_the_evidence(detector):
    embeddings = np.array([2.0, 0.0, 0.0])
    assert detector.scaled(2.0).log_odds(np.zeros(3), embeddings) == pytest.approx(
        detector.log_odds(np.zeros(3), embeddings / 2), abs=1e-6
    )


def test_speech_is_told_from_noise(detector):
    rng = np.random.default_rng(0)
    speech, noise = rng.normal(1, 0.3, (200, 3)), rng.normal(-1, 0.3, (200, 3))
    learnt = detector.with_speech(speech[:100], noise[:100], speech[100:])
    assert np.mean([learnt.is_speech(one) for one in speech[100:]]) > 0.97
    assert np.mean([learnt.is_speech(one) for one in noise[100:]]) < 0.03
    assert detector.is_speech(noise[0])  # nothing learnt: everything passes


def test_it_comes_back_from_its_file(detector, tmp_path):
    assert OpenSetDetector.load(tmp_path) is None
    learnt = detector.with_speech(np.ones((5, 3)), -np.ones((5, 3)), np.ones((5, 3))).with_threshold(np.ones(3))
    embeddings = np.random.default_rng(0).normal(size=(30, 3))
    learnt = learnt.with_distances(embeddings, np.arange(30) % 3, embeddings[:20] - 4)
    learnt.save(tmp_path)
    loaded = OpenSetDetector.load(tmp_path)
    assert (loaded.languages, loaded.threshold) == (learnt.languages, learnt.threshold)
    assert loaded.score(np.ones(3)) == pytest.approx(learnt.score(np.ones(3)))
    assert loaded.log_odds(np.zeros(3), np.ones(3)) == pytest.approx(learnt.log_odds(np.zeros(3), np.ones(3)))
    assert loaded.is_speech(np.ones(3)) == learnt.is_speech(np.ones(3))


@pytest.mark.parametrize("damage", ["cut", "foreign"])
def test_a_damaged_file_is_a_sentence(detector, tmp_path, damage):
    detector.save(tmp_path)
    file = tmp_path / open_set.FILE_NAME
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:40])
    else:
        save_file({"other": np.zeros(3)}, file, {"languages": "[]"})
    with pytest.raises(InputError, match="damaged"):
        OpenSetDetector.load(tmp_path)
