"""The bars of an answer, as HTML that is also its text: how likely a language is, or how much of the speech it has."""

from collections.abc import Iterable
from html import escape

from lid.identify import Prediction
from lid.languages import CODES
from lid.ui import segments
from lid.ui.colours import LANGUAGES as COLOURS
from lid.ui.number_format import percent, share
from lid.ui.texts import Texts


def probabilities(prediction: Prediction, texts: Texts, firm: float = 1.0) -> str:
    """Calibrated probabilities, in the fixed order uz, ru, en. `firm` in [0, 1]: how far the answer has firmed up."""
    told = prediction.probabilities
    return _bars(((code, told[code], percent(told[code])) for code in CODES), texts, texts.labels.probability, firm)


def shares(found: list[segments.Segment], texts: Texts) -> str:
    """Shares of the speech, of the languages that have one."""
    parts = segments.shares(found)
    return _bars(((code, part, share(part)) for code, part in parts.items() if part), texts, texts.shares)


def _bars(rows: Iterable[tuple[str, float, str]], texts: Texts, label: str, firm: float = 1.0) -> str:
    """`rows` are code, length in [0, 1] and the number as text."""
    lines = "".join(
        f"<div style='--tone:{COLOURS[code]};--length:{length:.4f}'><dt>{escape(texts.names[code])}</dt>"
        f"<dd><span class='lid-bar'></span><span>{number}</span></dd></div>"
        for code, length, number in rows
    )
    return f"<dl class='lid-bars' aria-label='{escape(label)}' style='--firm:{0.35 + 0.65 * firm:.2f}'>{lines}</dl>"
