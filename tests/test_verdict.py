"""One verdict for every interface: which it is, where its limits lie, and how the command line says it."""

from dataclasses import dataclass

import pytest

from lid import verdict
from tests.ui.predictions import TURKISH, make_prediction

SURE, UNSURE = [0.97, 0.02, 0.01], [0.3, 0.62, 0.08]


@pytest.mark.parametrize(
    ("prediction", "kind", "languages"),
    [
        (make_prediction(SURE), "language", ("uz",)),
        (make_prediction(SURE, known=True), "language", ("uz",)),
        (make_prediction([0.7, 0.2, 0.1]), "language", ("uz",)),
        (make_prediction([0.699, 0.2, 0.101]), "not_sure", ()),
        (make_prediction(SURE, known=False), "none_of_the_three", ()),
        (make_prediction(UNSURE, "uuuurrrr", known=False), "none_of_the_three", ()),
        (make_prediction(UNSURE, "rrrr.uuu"), "several", ("ru", "uz")),
        (make_prediction(UNSURE, "rrrr.uu"), "not_sure", ()),
        (make_prediction(SURE, "u" * 31 + "rrr"), "language", ("uz",)),  # three seconds, but under a tenth
        (make_prediction(SURE, "u" * 30 + "rrrr"), "several", ("uz", "ru")),
        (make_prediction([1 / 3] * 3, "", known=False), "no_speech", ()),
    ],
)
def test_the_verdict(prediction, kind, languages):
    assert verdict.decide(prediction) == verdict.Verdict(kind, languages)
    assert kind in verdict.KINDS


@pytest.mark.parametrize(("probability", "said"), [(0.4, "tr"), (0.399, None)])
def test_what_it_sounds_like_is_said_where_it_is_likely_enough(probability, said):
    sounds_like = {"language": "tr", "probability": probability}
    refused = make_prediction(SURE, known=False, sounds_like=sounds_like)
    assert verdict.decide(refused) == verdict.Verdict("none_of_the_three", sounds_like=said)
    assert refused.to_dict()["sounds_like"] == sounds_like  # programs decide for themselves


def test_damage_decides_only_where_no_speech_was_found():
    assert verdict.decide(make_prediction([1 / 3] * 3, ""), damaged=True).kind == "damaged"
    assert verdict.decide(make_prediction(SURE), damaged=True) == verdict.Verdict("language", ("uz",))


@dataclass
class Recording:
    damaged: bool
    declared_seconds: float | None
    seconds: float = 9.0


@pytest.mark.parametrize(
    ("recording", "damaged"),
    [
        (Recording(False, None), False),
        (Recording(False, 9.9), False),
        (Recording(False, 11.0), True),
        (Recording(True, 9.0), True),
    ],
)
def test_damage_is_what_could_not_be_read_or_is_missing(recording, damaged):
    assert verdict.is_damaged(recording) == damaged


def test_the_json_tells_the_verdict_and_keeps_its_other_keys():
    told = make_prediction(UNSURE, "rrrr.uuu").to_dict(damaged=True)
    assert (told["verdict"], told["languages"], told["damaged"]) == ("several", ["ru", "uz"], True)
    kept = ["language", "probabilities", "known", "known_score", "duration_seconds", "speech_seconds", "timeline"]
    assert [key for key in told if key in kept] == kept
    assert make_prediction(SURE).to_dict()["damaged"] is False


@pytest.mark.parametrize(
    ("prediction", "words"),
    [
        (make_prediction(SURE), "Uzbek (uz 97.0%, ru 2.0%, en 1.0%; 6.0 s of speech)"),
        (make_prediction(UNSURE, "..."), "Not sure: Russian 62 % (uz 30.0%, ru 62.0%, en 8.0%; 3.0 s of speech)"),
        (make_prediction(SURE, known=False), "None of the three (6.0 s of speech)"),
        (
            make_prediction(SURE, known=False, sounds_like=TURKISH),
            "None of the three, sounds like Turkish (6.0 s of speech)",
        ),
        (
            make_prediction(UNSURE, "rrrr.uuu"),
            "Russian and Uzbek (uz 30.0%, ru 62.0%, en 8.0%; 8.0 s of speech)",
        ),
        (make_prediction([1 / 3] * 3, ""), "No speech heard in 10.0 s"),
    ],
)
def test_the_command_line_says_it_in_words(prediction, words):
    assert verdict.in_words(prediction) == words


def test_the_command_line_tells_of_damage():
    silent = make_prediction([1 / 3] * 3, "")
    assert verdict.in_words(silent, damaged=True) == "Damaged: no speech in the 10.0 s that could be read"
    assert verdict.in_words(make_prediction(SURE), damaged=True).endswith("; part of the file could not be read)")
