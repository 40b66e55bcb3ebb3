"""The texts of the page in its three languages: Uzbek in Latin script, Russian, English."""

from lid.ui.texts.english import ENGLISH
from lid.ui.texts.russian import RUSSIAN
from lid.ui.texts.schema import Texts
from lid.ui.texts.uzbek import UZBEK

ALL = {texts.code: texts for texts in (ENGLISH, RUSSIAN, UZBEK)}


def choose(wanted: str | None) -> Texts:
    """The texts for a language tag ("uz-Latn-UZ") or an Accept-Language header ("de, ru;q=0.8"): the first language
    named decides, as it does in the browser; a language that the page does not have gives English."""
    first = (wanted or "").split(",")[0].split(";")[0].strip().lower()
    return ALL.get(first.split("-")[0], ENGLISH)


__all__ = ["ALL", "ENGLISH", "RUSSIAN", "UZBEK", "Texts", "choose"]
