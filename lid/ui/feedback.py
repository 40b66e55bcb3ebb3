"""What a visitor may save, and pass on, about a wrong answer: its numbers, and which language it really was."""

import json
from html import escape

from lid.identify import Prediction
from lid.languages import CODES
from lid.ui.exports import download
from lid.ui.texts import Texts
from lid.verdict import LANGUAGE, NONE_OF_THE_THREE, decide

FILE = "wrong-answer.json"
OTHER = "other"
KEPT = ("verdict", "languages", "language", "probabilities", "known", "known_score", "sounds_like")
KEPT += ("duration_seconds", "speech_seconds", "damaged")  # of `Prediction.to_dict`: no name, no time, no sound


def links(prediction: Prediction, damaged: bool, texts: Texts) -> str:
    """One link for each language that the answer has not named, and one for all others."""
    told = prediction.to_dict(damaged)
    decided = decide(prediction, damaged)
    named = decided.languages if decided.kind == LANGUAGE else ()
    choices = {code: texts.names[code] for code in CODES if code not in named}
    if decided.kind != NONE_OF_THE_THREE:
        choices[OTHER] = texts.wrong_other
    numbers = {key: told[key] for key in KEPT}
    each = "".join(
        download(label, FILE, json.dumps({"spoken": code, "answer": numbers}, indent=1), "application/json")
        for code, label in choices.items()
    )
    note = f"<p class='lid-fine'>{escape(texts.wrong_note)}</p>"
    return f"<p class='lid-save'><span>{escape(texts.wrong)}</span>{each}</p>{note}"
