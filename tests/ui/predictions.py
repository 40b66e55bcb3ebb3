"""Predictions made to order."""

import numpy as np

from lid.identify import Prediction

TURKISH = {"language": "tr", "probability": 0.71}


def make_prediction(shares: list[float], seconds: str = "uuuuuu", **fields) -> Prediction:
    """`shares` of uz, ru, en for the clip; `seconds` names the language of each second: u, r, e, or . for unsure."""
    clear = {"u": (0.98, 0.01, 0.01), "r": (0.01, 0.98, 0.01), "e": (0.01, 0.01, 0.98), ".": (0.4, 0.3, 0.3)}
    timeline = [
        {"start": i, "end": i + 1, "probabilities": dict(zip(("uz", "ru", "en"), clear[letter], strict=True))}
        for i, letter in enumerate(seconds)
    ]
    language = max(zip(shares, ("uz", "ru", "en"), strict=True))[1] if seconds else None
    probabilities = dict(zip(("uz", "ru", "en"), shares, strict=True))
    return Prediction(
        **{
            "language": language,
            "probabilities": probabilities,
            "duration_seconds": 10.0,
            "speech_seconds": float(len(seconds)),
            "timeline": timeline,
            "frame_logits": np.zeros((0, 3), np.float32),
            "frame_starts": np.zeros(0),
            **fields,
        }
    )
