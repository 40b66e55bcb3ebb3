"""The map of embeddings shows test clips and those held out, and says no more of them than it needs."""

import numpy as np

from lid.data.clip import Clip
from lid.data.parts import Part, Parts
from lid.evaluation import embedding_map
from lid.languages import CODES
from lid.model import checkpoint
from lid.model.whisper import TorchModel
from tests.evaluation.test_baselines import tones


def part(each: int, languages=CODES) -> Part:
    hertz = {"uz": 300, "ru": 900, "en": 2700, "kk": 1500}
    clips = [Clip(f"{code}{i}", b"", code, f"voice {code}{i}") for code in languages for i in range(each)]
    return Part(clips, [waveform for code in languages for waveform in tones(hertz[code], each)])


def test_languages_that_sound_apart_lie_apart(miniature):
    model = TorchModel(checkpoint.load_base(str(miniature), 2.0))
    points = embedding_map.draw(model, Parts(part(8), part(0), part(3), part(2, ["kk"])))
    assert [point["language"] for point in points] == [code for code in CODES for _ in range(3)] + ["kk"] * 2
    assert all(set(point) == {"x", "y", "language", "bandwidth"} for point in points)
    places = {code: np.array([(p["x"], p["y"]) for p in points if p["language"] == code]) for code in CODES}
    spread = max(np.ptp(of, axis=0).max() for of in places.values())
    assert all(np.abs(places[a].mean(0) - places[b].mean(0)).max() > spread for a, b in (("uz", "ru"), ("ru", "en")))
