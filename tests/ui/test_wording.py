"""What the answer says, from predictions made to order."""

import numpy as np
import pytest

from lid.identify import Prediction
from lid.ui import wording


def make_prediction(shares: list[float], seconds: str = "uuuuuu", speech_seconds: float | None = None) -> Prediction:
    """`shares` of uz, ru, en for the clip; `seconds` names the language of each second: u, r, e, or . for unsure."""
    clear = {"u": (0.98, 0.01, 0.01), "r": (0.01, 0.98, 0.01), "e": (0.01, 0.01, 0.98), ".": (0.4, 0.3, 0.3)}
    timeline = [
        {"start": i, "end": i + 1, "probabilities": dict(zip(("uz", "ru", "en"), clear[letter], strict=True))}
        for i, letter in enumerate(seconds)
    ]
    language = max(zip(shares, ("uz", "ru", "en"), strict=True))[1] if seconds else None
    spoken = len(seconds) if speech_seconds is None else speech_seconds
    probabilities = dict(zip(("uz", "ru", "en"), shares, strict=True))
    return Prediction(language, probabilities, 10.0, spoken, timeline, np.zeros((0, 3)), np.zeros(0))


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ([0.97, 0.02, 0.01], "Little room for doubt."),
        ([0.85, 0.1, 0.05], "Fairly sure. Next comes Russian with 10 %."),
        ([0.4, 0.25, 0.35], "Too close to call."),
    ],
)
def test_the_answer_leads_with_the_language_and_says_how_sure(shares, words):
    html = wording.answer(make_prediction(shares), damaged=False)
    assert html.index("Uzbek") < html.index(f"{100 * shares[0]:.0f} %") < html.index(words)


def test_a_recording_that_switches_is_told_apart_from_an_unsure_one():
    assert wording.languages_heard(make_prediction([0.3, 0.1, 0.6], "uuuu.eeeee")) == ["uz", "en"]
    assert wording.languages_heard(make_prediction([0.3, 0.1, 0.6], "uu...eeeee")) == ["en"]
    html = wording.answer(make_prediction([0.3, 0.1, 0.6], "uuuu.eeeee"), damaged=False)
    assert "More than one language is heard: Uzbek, English." in html


def test_no_speech_little_speech_and_damage_are_said():
    silent = wording.answer(make_prediction([1 / 3] * 3, ""), damaged=True)
    assert "No speech heard" in silent
    assert "could not be read" in silent
    assert "%" not in silent
    short = wording.answer(make_prediction([0.9, 0.05, 0.05], "u", speech_seconds=0.4), damaged=False)
    assert "only 0.4 s of speech" in short


def test_what_a_visitor_sends_is_escaped():
    assert "<script>" not in wording.problem("<script>alert(1)</script>")
    assert "'" not in wording.player_of("/tmp/a'onerror='x.wav").split("src='")[1].split("' onerror=")[0]
