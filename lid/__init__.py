"""Spoken-language identification for Uzbek, Russian and English.

    from lid import LanguageIdentifier, audio
    prediction = LanguageIdentifier.load().identify(audio.decode("clip.mp3"))
    prediction.language, prediction.probabilities

The names below load on first use, so that `import lid` costs nothing. CONTRIBUTING.md has a map of the package.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lid.errors import InputError
    from lid.identify import LanguageIdentifier, Prediction

__version__ = "0.1.0"
__all__ = ["InputError", "LanguageIdentifier", "Prediction", "__version__"]

_HOMES = {"LanguageIdentifier": "lid.identify", "Prediction": "lid.identify", "InputError": "lid.errors"}


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lid' has no attribute {name!r}")
