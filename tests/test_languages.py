"""Names of languages, in the three languages of the page."""

import pytest
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from lid.languages import name_of


def test_english_names_are_whispers_own():
    other = {"no": "norwegian", "nn": "norwegian nynorsk", "my": "burmese"}  # which Whisper calls otherwise
    for code, name in LANGUAGES.items():
        if code != "yue":  # the hundredth, of Whisper large-v3 alone
            assert name_of(code).lower() == other.get(code, name)


@pytest.mark.parametrize("language", ["en", "ru", "uz"])
def test_each_language_has_a_name_of_its_own_and_in_its_script(language):
    names = [name_of(code, language) for code in (*LANGUAGES, "ku", "ky", "ug", "eo") if code != "yue"]
    assert len(set(names)) == 103
    for name in names:
        letters = {"ru": {chr(letter) for letter in range(0x430, 0x450)}, "uz": set("abcdefghijklmnopqrstuvxyzʻ")}
        assert language == "en" or set(name) <= letters[language], name


def test_a_language_without_a_name_is_told_by_its_code():
    assert name_of("xx", "ru") == "xx"
