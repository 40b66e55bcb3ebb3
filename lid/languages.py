"""The three languages, in the one order used everywhere (class indices, tables, charts), and names of many others."""

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path

NAMES = {"uz": "Uzbek", "ru": "Russian", "en": "English"}
CODES = tuple(NAMES)
# A line for each of Whisper's 99 languages, and for some others that training may have as background: its code, and its
# name in English, Russian and Uzbek, after Unicode CLDR.
# Inside a sentence, the Russian ones are the same in the accusative, and the Uzbek ones go before "tili" (language).
NAMES_FILE = Path(__file__).with_name("language_names.tsv")


def name_of(code: str, in_language: str = "en") -> str:
    """The name of a language in English ("en"), Russian ("ru") or Uzbek ("uz"), as it stands inside a
    sentence. The code itself where there is none."""
    return _names(in_language).get(code, code)


@cache
def _names(in_language: str) -> dict[str, str]:
    with NAMES_FILE.open(encoding="utf-8", newline="") as file:
        return {row["code"]: row[in_language] for row in csv.DictReader(file, delimiter="\t")}


def label_order(labels: Sequence[str]) -> list[int]:
    """Where a model keeps each of CODES, given by code or English name, in whatever order it was trained with. Raises
    ValueError where one is missing."""
    known = {label.lower(): index for index, label in enumerate(labels)}
    try:
        return [next(known[key] for key in (code, NAMES[code].lower()) if key in known) for code in CODES]
    except StopIteration:
        raise ValueError(f"not the three languages: {', '.join(labels)}") from None
