"""What the answer says, from predictions made to order."""

import html
import json
import re
from dataclasses import replace

import pytest

from lid import InputError
from lid.audio import DEFAULT_LIMITS, Channels
from lid.ui import wording
from lid.ui.colours import LANGUAGES as COLOURS
from lid.ui.recording import ProgressUpdate
from lid.ui.texts import ALL, ENGLISH, RUSSIAN, UZBEK
from lid.verdict import SURE, languages_heard
from tests.ui.predictions import TURKISH, make_prediction


def kind(card: str) -> str:
    return re.search("data-kind='(.*?)'", card)[1]


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ([0.97, 0.02, 0.01], "Little room for doubt."),
        ([0.85, 0.1, 0.05], "Fairly sure. Next comes Russian with 10 %."),
        ([0.72, 0.2, 0.08], "It leans this way."),
    ],
)
def test_the_answer_leads_with_the_language_and_says_how_sure(shares, words):
    card = wording.answer(make_prediction(shares))
    assert card.index("Uzbek") < card.index(f"{100 * shares[0]:.0f} %") < card.index(words)


def test_a_close_call_names_no_language_but_says_between_which():
    card = wording.answer(make_prediction([0.4, 0.25, 0.35], "...."))
    assert kind(card) == "unsure"
    assert "<span>Not sure</span>" in card
    assert "It could be Uzbek (40 %) or English (35 %)." in card
    assert wording.verdict(make_prediction([SURE, 0.2, 0.1])) == ("Uzbek", "70 %")
    assert wording.verdict(make_prediction([SURE - 0.001, 0.2, 0.101])) == ("Not sure", "")


def test_another_language_is_none_of_the_three_however_sure_among_them():
    card = wording.answer(make_prediction([0.99, 0.005, 0.005], known=False, known_score=-4.0))
    assert kind(card) == "unknown"
    assert "None of the three" in card
    assert "99 %" not in html.unescape(card.split("data-copy")[0])
    assert kind(wording.answer(make_prediction([0.99, 0.005, 0.005], known=True, known_score=4.0))) == "uz"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (ENGLISH, "It sounds like Turkish."),
        (RUSSIAN, "Похоже на турецкий."),
        (UZBEK, "Bu turk tiliga oʻxshaydi."),
    ],
    ids=["en", "ru", "uz"],
)
def test_another_language_is_said_in_the_visitors(words, sentence):
    prediction = make_prediction([0.99, 0.005, 0.005], known=False, sounds_like=TURKISH)
    card = wording.answer(prediction, texts=words)
    assert kind(card) == "unknown"
    assert f"<span>{words.unknown}</span>" in card
    assert f"<p class='lid-lead'>{sentence} {words.sounds_like_advice}</p>" in card
    assert words.unknown_note not in card
    assert wording.numbers(prediction, words).startswith(f"{words.unknown}. {sentence} (")


def test_another_language_that_is_only_guessed_at_is_not_said():
    guessed = make_prediction([0.99, 0.005, 0.005], known=False, sounds_like=TURKISH | {"probability": 0.2})
    assert ENGLISH.unknown_note in wording.answer(guessed)
    assert "Turkish" not in wording.answer(guessed)


def test_no_speech_goes_before_none_of_the_three():
    assert kind(wording.answer(make_prediction([1 / 3] * 3, "", known=False, known_score=-30.0))) == "silence"


def test_a_recording_that_switches_is_told_apart_from_an_unsure_one():
    assert languages_heard(make_prediction([0.3, 0.1, 0.6], "uuuu.eeeee")) == ("uz", "en")
    assert languages_heard(make_prediction([0.3, 0.1, 0.6], "uu...eeeee")) == ("en",)
    switching = make_prediction([0.3, 0.1, 0.6], "uuuu.eeeee")
    assert [wording.verdict(switching, words)[0] for words in (ENGLISH, RUSSIAN, UZBEK)] == [
        "Uzbek and English",
        "Узбекский и английский",
        "Oʻzbekcha va inglizcha",
    ]
    all_three = make_prediction([0.3, 0.3, 0.4], "uuurrreeee")
    assert wording.verdict(all_three)[0] == "Uzbek, Russian and English"


def test_no_speech_little_speech_and_damage_are_said():
    silent = wording.answer(make_prediction([1 / 3] * 3, ""), damaged=True)
    assert "No speech heard" in silent
    assert "could not be read" in silent
    assert "<span>This file is damaged</span>" in silent
    assert "%" not in silent
    short = wording.answer(make_prediction([0.9, 0.05, 0.05], "u", speech_seconds=0.4))
    assert "only 0.4 s of speech" in short


@pytest.mark.parametrize("words", ALL.values(), ids=ALL)
def test_every_card_is_filled_in_in_every_language(words):
    error = InputError("This file is empty.", "empty")
    cards = [
        wording.answer(make_prediction([0.97, 0.02, 0.01]), True, words, took="1"),
        wording.answer(make_prediction([0.8, 0.15, 0.05], "u", speech_seconds=0.4), texts=words),
        wording.answer(make_prediction([0.4, 0.3, 0.3], "..."), texts=words),
        wording.answer(make_prediction([0.3, 0.1, 0.6], "uuuu.eeeee"), texts=words),
        wording.answer(make_prediction([0.9, 0.1, 0.0], known=False), texts=words),
        wording.answer(make_prediction([0.9, 0.1, 0.0], known=False, sounds_like=TURKISH), texts=words),
        wording.answer(make_prediction([1 / 3] * 3, ""), texts=words),
        wording.answer(make_prediction([1 / 3] * 3, ""), True, words),
        wording.working([ProgressUpdate(0.1, "uz"), ProgressUpdate(0.25, "en")], words),
        wording.listening(words),
        wording.waiting(words),
        wording.problem(error, words, DEFAULT_LIMITS),
        wording.busy(words),
        wording.failure(words, words.broken_note),
        wording.limits_note(words, DEFAULT_LIMITS),
        wording.listening(words, make_prediction([0.9, 0.1, 0.0]), 0.5),
        wording.reading(words, "clip.wav"),
        wording.microphone("denied", "chrome", words),
    ]
    assert len({kind(card) for card in cards[:12]}) == 9  # two name Uzbek, two no speech, two none of the three
    assert not any("{" in re.sub("(data-copy|href)='[^']*'", "", card) for card in cards)


def test_numbers_to_copy_are_the_results_own_in_the_visitors_notation():
    prediction = make_prediction([0.853, 0.1, 0.047])
    assert wording.numbers(prediction) == (
        "Uzbek 85 % (Uzbek 85.3 %, Russian 10.0 %, English 4.7 %; 6.0 s of speech in 10.0 s)"
    )
    assert "Узбекский 85,3 %" in wording.numbers(prediction, RUSSIAN)
    assert wording.numbers(prediction) in html.unescape(wording.answer(prediction))


def test_the_json_to_copy_is_what_the_command_line_prints():
    prediction = make_prediction([0.853, 0.1, 0.047])
    copied = re.findall("data-copy='([^']*)'", wording.answer(prediction))
    assert [html.unescape(text) for text in copied] == [wording.numbers(prediction), json.dumps(prediction.to_dict())]


def test_the_bar_of_a_long_recording_is_coloured_by_what_was_heard():
    card = wording.working([ProgressUpdate(0.1, "uz"), ProgressUpdate(0.2, "uz"), ProgressUpdate(0.5, "en")], ENGLISH)
    assert "50 % heard" in card
    bar = re.findall("width:([0-9.]+)%;background:(#[0-9A-F]+)", card)
    assert bar == [("20.00", COLOURS["uz"]), ("30.00", COLOURS["en"])]


def test_what_a_visitor_sends_is_escaped():
    error = InputError("There is no file named <script>{alert(1)}</script>.", "odd")
    assert "<script>" not in wording.problem(error, ENGLISH, DEFAULT_LIMITS)


def test_several_languages_have_shares_of_the_speech_and_no_probability():
    switching = make_prediction([0.3, 0.1, 0.6], "uuuueeeeee")
    card = wording.answer(switching)
    assert re.findall("<dt>(.*?)</dt>.*?<span>(.*?)</span></dd>", card) == [("Uzbek", "40 %"), ("English", "60 %")]
    assert ENGLISH.shares_note in card
    assert "Shares of the speech: Uzbek 40.0 %, Russian 0.0 %, English 60.0 %" in wording.numbers(switching)


def test_one_language_has_its_probabilities_and_what_they_mean():
    card = wording.answer(make_prediction([0.97, 0.02, 0.01]))
    assert re.findall("<dd>.*?<span>(.*?)</span></dd>", card) == ["97 %", "2 %", "1 %"]
    assert ENGLISH.bars_note in card
    assert "lid-bars" not in wording.answer(make_prediction([0.9, 0.1, 0.0], known=False))


def test_a_call_has_shares_for_each_channel():
    one = make_prediction([0.9, 0.1, 0.0], "uuuu")
    two = make_prediction([0.1, 0.9, 0.0], "rrrr")
    three = make_prediction([0.1, 0.9, 0.0], "rrrr", known=False)
    timeline = [{**entry, "channel": 1} for entry in one.timeline] + [{**entry, "channel": 2} for entry in two.timeline]
    call = replace(one, timeline=timeline, channels=Channels("two", (1, 2), 2), speakers=(one, two))
    card = wording.answer(call)
    assert re.findall("<h3>(.*?)</h3>", card) == ["Channel 1: 4.0 s of speech", "Channel 2: 4.0 s of speech"]
    assert re.findall("<dt>(.*?)</dt>", card) == ["Uzbek", "Russian"]
    foreign = replace(call, timeline=timeline[:4], speakers=(one, three))
    assert "None of the three" in wording.answer(foreign).split("Channel 2")[1]
