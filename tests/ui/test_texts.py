"""The three languages of the page say the same things, in their own grammar."""

import string
import subprocess
import sys
from dataclasses import fields

import pytest

from lid.audio import DEFAULT_LIMITS, Limits
from lid.errors import InputError
from lid.ui import texts, wording
from lid.ui.texts import ENGLISH, RUSSIAN, UZBEK


def blanks(sentence: str) -> set[str]:
    """The {names} that a sentence leaves to be filled in."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def sentences(value) -> list[str]:
    if isinstance(value, dict):
        return [sentence for item in value.values() for sentence in sentences(item)]
    if isinstance(value, tuple):
        return [sentence for item in value for sentence in sentences(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("language", [RUSSIAN, UZBEK], ids=["ru", "uz"])
def test_languages_fill_in_the_same_blanks(language):
    for field in fields(ENGLISH):
        if field.name == "problems":
            continue
        ours, theirs = getattr(ENGLISH, field.name), getattr(language, field.name)
        assert type(ours) is type(theirs) or callable(ours)
        if isinstance(ours, dict):
            assert ours.keys() == theirs.keys(), field.name
        wanted = {blank for sentence in sentences(ours) for blank in blanks(sentence)}
        assert {blank for sentence in sentences(theirs) for blank in blanks(sentence)} == wanted, field.name


def test_uzbek_is_spelt_with_its_own_letters():
    for field in fields(UZBEK):
        for sentence in sentences(getattr(UZBEK, field.name)):
            assert not set("'`’‘") & set(sentence), sentence
            assert not any("Ѐ" <= letter <= "ӿ" for letter in sentence), sentence


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ("uz", "uz"),
        ("uz-Latn-UZ", "uz"),
        ("ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("EN-gb", "en"),
        ("de,ru;q=0.5", "en"),  # as the browser's own part of the page
        ("", "en"),
        (None, "en"),
    ],
)
def test_the_first_language_asked_for_decides(wanted, code):
    assert texts.choose(wanted).code == code


@pytest.mark.parametrize(
    ("count", "said"),
    [(1, "1 запись"), (3, "3 записи"), (5, "5 записей"), (12, "12 записей"), (21, "21 запись"), (114, "114 записей")],
)
def test_russian_plurals(count, said):
    assert wording.counted(RUSSIAN.files, count, RUSSIAN) == said


def test_plurals_of_the_others():
    assert [wording.counted(ENGLISH.files, count, ENGLISH) for count in (1, 2)] == ["1 recording", "2 recordings"]
    assert wording.counted(UZBEK.files, 2, UZBEK) == "2 ta audio"
    assert "до 21 минуты" in wording.limits_note(RUSSIAN, Limits(max_seconds=1260))
    assert "60 daqiqagacha" in wording.limits_note(UZBEK, DEFAULT_LIMITS)


REASONS = ["empty", "not_audio", "too_short", "too_long", "too_large", "unreadable", "sample_rate", "missing"]
REASONS += ["too_many", "too_long_together"]


@pytest.mark.parametrize("language", [RUSSIAN, UZBEK], ids=["ru", "uz"])
@pytest.mark.parametrize("reason", REASONS)
def test_every_error_is_said_in_the_visitors_language(language, reason):
    english = InputError("An English sentence.", reason)
    said = wording.explained(english, language, DEFAULT_LIMITS)
    assert "English" not in said
    assert "{" not in said


def test_a_translation_needs_neither_gradio_nor_plotly_nor_torch():
    code = "import sys, lid.ui.texts; sys.exit(str({'gradio', 'plotly', 'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.strip() == "set()"
