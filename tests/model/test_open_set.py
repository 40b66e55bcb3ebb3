"""What is none of the three, and what is no speech."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
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
    assert fitted.relative_distance(np.array([5, 0, 0])) > 0 > fitted.relative_distance(np.array([0, -5, 0]))


def test_how_far_out_a_clip_lies_does_not_count(detector):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 100)
    embeddings = 5 * np.eye(3)[labels] + rng.normal(size=(300, 3))
    fitted = detector.with_distances(embeddings, labels, rng.normal([0, -5, 0], 1.0, (300, 3)))
    middle = np.mean([embeddings[labels == label].mean(axis=0) for label in range(3)], axis=0)
    for place in (np.array([5, 0, 0]), np.array([0, -5, 0])):
        farther = fitted.relative_distance(middle + 3 * (place - middle))
        assert farther == pytest.approx(fitted.relative_distance(place), rel=1e-3)
    assert np.isfinite(fitted.relative_distance(middle))


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
    assert abs(fitted.relative_distance(ordinary) - fitted.relative_distance(odd)) < lost


def test_the_threshold_keeps_its_share_of_each_language(detector):
    scores, labels = np.arange(3000.0), np.repeat([0, 1, 2], 1000)  # the first language's lie lowest
    kept = scores >= detector.with_threshold(scores, labels).threshold
    shares = [kept[labels == label].mean() for label in range(3)]
    assert shares == pytest.approx([open_set.KEPT, 1, 1], abs=0.002)


def test_a_temperature_divides_the_evidence(detector):
    embeddings = np.array([2.0, 0.0, 0.0])
    assert detector.scaled(2.0).log_odds(np.zeros(3), embeddings) == pytest.approx(
        detector.log_odds(np.zeros(3), embeddings / 2), abs=1e-6
    )


def test_speech_is_told_from_noise(detector):
    rng = np.random.default_rng(0)
    speech, noise = rng.normal(1, 0.3, (200, 3)), rng.normal(-1, 0.3, (200, 3))
    learnt = detector.with_speech(speech[:100], noise[:100], speech[100:], speech[100:])
    assert np.mean([learnt.is_speech(one) for one in speech[100:]]) > 0.97
    assert np.mean([learnt.is_speech(one) for one in noise[100:]]) < 0.03
    assert detector.is_speech(noise[0])  # nothing learnt: everything passes


def test_a_sound_without_detected_voice_has_to_be_more_clearly_speech(detector):
    rng = np.random.default_rng(0)
    speech, noise = rng.normal(1, 0.3, (200, 3)), rng.normal(-1, 0.3, (200, 3))
    learnt = detector.with_speech(speech, noise, clips=speech, crops=speech - 0.8)
    doubtful = speech.mean(axis=0) - 0.9
    assert learnt.is_speech(doubtful)
    assert not learnt.is_speech(doubtful, faint=True)
    assert learnt.is_speech(speech.mean(axis=0), faint=True)
    older = replace(learnt, faint_threshold=None)  # as files from before have it
    assert older.is_speech(doubtful, faint=True)


def test_it_comes_back_from_its_file(detector, tmp_path):
    assert OpenSetDetector.load(tmp_path) is None
    learnt = detector.with_speech(np.ones((5, 3)), -np.ones((5, 3)), np.ones((5, 3)), np.ones((5, 3)))
    learnt = learnt.with_threshold(np.ones(3), np.arange(3))
    embeddings = np.random.default_rng(0).normal(size=(30, 3))
    learnt = learnt.with_distances(embeddings, np.arange(30) % 3, embeddings[:20] - 4)
    learnt.save(tmp_path)
    loaded = OpenSetDetector.load(tmp_path)
    assert (loaded.languages, loaded.threshold) == (learnt.languages, learnt.threshold)
    assert loaded.score(np.zeros(3), np.ones(3)) == pytest.approx(learnt.score(np.zeros(3), np.ones(3)))
    assert loaded.log_odds(np.zeros(3), np.ones(3)) == pytest.approx(learnt.log_odds(np.zeros(3), np.ones(3)))
    assert loaded.is_speech(np.ones(3)) == learnt.is_speech(np.ones(3))


RUSSIAN = np.array([0.0, 9.0, 0.0])  # logits of the three
UZBEK = np.array([9.0, 0.0, 0.0])
SOUNDS = ("en", "tr", "ru", "fa", "uz")


@pytest.fixture
def hearing(detector) -> OpenSetDetector:
    """With a second head that takes embedding number 0 for Russian, 1 for Turkish and 2 for English."""
    weight = np.zeros((5, 3), np.float32)
    weight[[2, 1, 0], [0, 1, 2]] = 1.0
    return detector.with_sounds(SOUNDS, weight, np.zeros(5))


def own(rng: np.random.Generator, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, embeddings and labels of clips in the three languages: the second head knows Russian and English."""
    labels = np.repeat([0, 1, 2], 100)
    places = np.array([[-5, -5, -5], [6, 0, 0], [0, 0, 6]])
    return 9 * np.eye(3)[labels], places[labels] + rng.normal(0, spread, (300, 3)), labels


def fitted(detector: OpenSetDetector) -> OpenSetDetector:
    rng = np.random.default_rng(0)
    logits, embeddings, labels = own(rng)
    detector = detector.with_distances(embeddings, labels, rng.normal([0, 6, 0], 1.0, (300, 3)))
    return detector.with_score(logits, embeddings, labels)


def test_what_it_sounds_like_is_the_likeliest_language_beside_the_three(hearing):
    code, probability = hearing.sounds_like(np.array([9.0, 2.0, 0.0]))  # most of all Russian, which is not asked
    assert code == "tr"
    assert probability == pytest.approx(np.exp(2) / (np.exp(2) + 1))  # against Persian alone


def test_many_background_rows_have_half_a_say_in_what_it_sounds_like(hearing):
    """Here Kurdish, which the second head does not know, and nine others; the rows of a few are not asked."""
    codes = ("ku", "tr", "fa", "kk", "az", "uk", "ar", "pl", "de", "it")
    weight = np.zeros((10, 3), np.float32)
    weight[0, 2] = 20.0
    asked = replace(hearing, languages=codes, weight=weight, bias=np.zeros(10, np.float32))
    kurdish = np.array([0.0, 0.0, 1.0])  # to the second head, as much Turkish as Persian
    assert sorted(asked.others) == sorted(codes)
    assert asked.sounds_like(kurdish) == ("ku", pytest.approx(0.5, abs=1e-3))
    few = replace(asked, languages=codes[:9], weight=weight[:9], bias=np.zeros(9, np.float32))
    assert few.sounds_like(kurdish) == ("tr", pytest.approx(0.5))


def test_without_a_second_head_nothing_is_said(detector):
    assert detector.sounds_like(np.array([0.0, 2.0, 0.0])) is None


def test_the_second_heads_word_counts_where_it_names_the_language(hearing):
    assert fitted(hearing).sounds_trusted == ("ru", "en")


def test_agreement_is_nothing_where_the_second_head_agrees_and_falls_as_it_does_not(hearing):
    trusting = fitted(hearing)
    assert trusting.agreement(RUSSIAN, np.array([20.0, 0.0, 0.0])) == 0.0
    even = trusting.agreement(RUSSIAN, np.array([2.0, 2.0, -9.0]))
    odds = np.log(np.exp(2) / (np.exp(2) + np.exp(-9) + 2))
    assert even == pytest.approx(odds - open_set.ENOUGH, abs=1e-4)
    assert trusting.agreement(RUSSIAN, np.array([0.0, 5.0, 0.0])) < even
    assert trusting.agreement(UZBEK, np.array([0.0, 5.0, 0.0])) == 0.0  # which Whisper hardly knows


def test_the_score_is_the_weighted_sum_of_its_scaled_parts(hearing):
    trusting = fitted(hearing)
    assert trusting.score_parts == ("rows", "distance", "sounds")
    embedding = np.array([2.0, 3.0, 0.0])
    rows, distance, sounds = (trusting.part(name, RUSSIAN, embedding) for name in trusting.score_parts)
    middle, spread = trusting.score_middle, trusting.score_spread
    expected = (rows - middle[0]) / spread[0] + (distance - middle[1]) / spread[1] + 0.5 * sounds
    assert trusting.score(RUSSIAN, embedding) == pytest.approx(expected, rel=1e-5)


def test_parts_are_counted_from_their_median_in_standard_deviations(hearing):
    logits, embeddings, labels = own(np.random.default_rng(1))
    trusting = fitted(hearing).with_score(logits, embeddings, labels)
    rows = [trusting.log_odds(*one) for one in zip(logits, embeddings, strict=True)]
    assert trusting.score_middle[0] == pytest.approx(np.median(rows), abs=1e-4)
    assert trusting.score_spread[0] == pytest.approx(np.diff(np.quantile(rows, (0.16, 0.84)))[0] / 2, abs=1e-4)


def test_without_a_second_head_the_score_has_the_other_parts(detector):
    assert fitted(detector).score_parts == ("rows", "distance")


def test_the_score_of_an_older_file_is_the_distance(detector, tmp_path):
    rng = np.random.default_rng(0)
    _, embeddings, labels = own(rng)
    detector.with_distances(embeddings, labels, rng.normal([0, 6, 0], 1.0, (300, 3))).save(tmp_path)
    with safe_open(tmp_path / open_set.FILE_NAME, "np") as file:
        names = set(file.metadata()) | set(file.keys())
    assert not {name for name in names if name.startswith(("sounds", "score"))}
    older = OpenSetDetector.load(tmp_path)
    for embedding in embeddings[::50]:
        assert older.score(RUSSIAN, embedding) == older.relative_distance(embedding)
    assert older.sounds_like(embeddings[0]) is None


def test_the_regression_counts_in_the_score_where_it_was_fitted(detector):
    rng = np.random.default_rng(1)
    logits, embeddings, labels = own(rng)
    background = rng.normal([0, 6, 0], 1.0, (300, 3))
    plain = detector.with_distances(embeddings, labels, background)
    with pytest.raises(ValueError, match="with_distances"):
        detector.with_regression(embeddings, background)
    regressed = plain.with_regression(embeddings, background)
    assert min(map(regressed.regression, embeddings[::20])) > 0 > max(map(regressed.regression, background[::20]))
    assert plain.with_score(logits, embeddings, labels).score_parts == ("rows", "distance")
    scored = regressed.with_score(logits, embeddings, labels)
    assert scored.score_parts == ("rows", "distance", "regression")
    assert scored.score(UZBEK, embeddings[0]) > scored.score(UZBEK, background[0])


def test_second_head_and_score_come_back_from_their_file(hearing, tmp_path):
    rng = np.random.default_rng(2)
    logits, embeddings, labels = own(rng)
    trusting = fitted(hearing).with_regression(embeddings, rng.normal([0, 6, 0], 1.0, (300, 3)))
    trusting = trusting.with_score(logits, embeddings, labels)
    trusting.save(tmp_path)
    loaded = OpenSetDetector.load(tmp_path)
    embedding = np.array([1.0, 3.0, 0.0])
    assert loaded.score(RUSSIAN, embedding) == pytest.approx(trusting.score(RUSSIAN, embedding))
    assert loaded.sounds_like(embedding) == trusting.sounds_like(embedding)
    assert (loaded.sounds_languages, loaded.sounds_trusted) == (SOUNDS, ("ru", "en"))


def test_a_temperature_leaves_the_second_head_and_takes_the_score(hearing):
    trusting = fitted(hearing)
    cooler = trusting.scaled(2.0)
    embedding = np.array([1.0, 3.0, 0.0])
    assert cooler.sounds_like(embedding) == trusting.sounds_like(embedding)
    assert cooler.score_parts == ()


def test_what_was_fitted_goes_and_what_was_trained_stays(hearing, detector):
    bare = fitted(hearing).unfitted()
    assert (bare.weight == hearing.weight).all()
    assert (bare.sounds_weight == hearing.sounds_weight).all()
    assert (bare.language_means, bare.score_parts, bare.speech_weight) == (None, (), None)
    assert detector.unfitted().sounds_languages == ()


def test_a_second_head_with_rows_missing_is_damage(hearing, tmp_path):
    hearing.save(tmp_path)
    file = tmp_path / open_set.FILE_NAME
    with safe_open(file, "np") as opened:
        about, tensors = opened.metadata(), {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    save_file(tensors | {"sounds_weight": tensors["sounds_weight"][:3]}, file, about)
    with pytest.raises(InputError, match="damaged"):
        OpenSetDetector.load(tmp_path)


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
