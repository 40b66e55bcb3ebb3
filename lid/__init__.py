"""Spoken-language identification for Uzbek, Russian and English.

    from lid import LanguageIdentifier, audio
    prediction = LanguageIdentifier.load().identify(audio.decode("clip.mp3"))
    prediction.language, prediction.probabilities

The names below load on first use, so that `import lid` costs nothing.
"""

from importlib import import_module

_HOMES = {"LanguageIdentifier": "lid.identify", "Prediction": "lid.identify", "InputError": "lid.errors"}
__all__ = ["InputError", "LanguageIdentifier", "Prediction"]


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lid' has no attribute {name!r}")
