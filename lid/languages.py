"""The three languages, in the one order used everywhere (class indices, tables, charts)."""

NAMES = {"uz": "Uzbek", "ru": "Russian", "en": "English"}
CODES = tuple(NAMES)
