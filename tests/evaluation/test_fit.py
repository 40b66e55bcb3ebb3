"""What is fitted once training is over."""

import numpy as np
import pytest

from lid import LanguageIdentifier, audio
from lid.data.clip import Clip
from lid.data.parts import Part, Parts
from lid.evaluation import fit
from lid.languages import CODES
from lid.model.open_set import OpenSetDetector
from tests.conftest import MODEL
from tests.recordings import voice, wav


@pytest.fixture(scope="module")
def parts() -> Parts:
    """A second of each synthetic voice at a time; the English robot stands for another language, too. Of fewer pieces
    the covariances would hang on last digits."""

    def part(languages: dict[str, str], pieces: range) -> Part:
        said = [(label, voice(code, 6)[i * 16_000 :][:16_000]) for label, code in languages.items() for i in pieces]
        clips = [Clip(f"{i}.wav", wav(sound), label) for i, (label, sound) in enumerate(said)]
        return Part(clips, [audio.decode(clip.audio) for clip in clips])

    own = {code: code for code in ("uz", "ru", "en")}
    validation = part(own, range(6))
    return Parts(part({**own, "tr": "en"}, range(6)), validation, validation, part({}, range(0)))


def test_score_and_threshold_are_fitted_on_validation_as_served(identifier: LanguageIdentifier, parts: Parts):
    logits, embeddings = zip(*(identifier.evidence(speech) for speech in parts.validation.speech), strict=True)
    codes = [clip.language for clip in parts.validation.clips]
    means = [np.mean([e for e, c in zip(embeddings, codes, strict=True) if c == code], axis=0) for code in ("ru", "en")]
    weight = 100 * np.stack([means[0] - means[1], means[1] - means[0], 0 * means[0]])
    middle = weight @ np.mean(means, axis=0)
    detector = OpenSetDetector.load(MODEL).with_sounds(("ru", "en", "tr"), weight, -middle)

    fitted = fit.fit_known(identifier.with_detector(detector), parts)
    assert fitted.score_parts == ("rows", "distance", "regression", "sounds")
    assert fitted.sounds_trusted == ("ru", "en")  # Uzbek is none of its languages
    rows = [fitted.log_odds(*one) for one in zip(logits, embeddings, strict=True)]
    assert fitted.score_middle[0] == pytest.approx(np.median(rows), abs=0.1)
    scores = [identifier.with_detector(fitted).identify(speech).known_score for speech in parts.validation.speech]
    by_language = [[s for s, code in zip(scores, codes, strict=True) if code == own] for own in CODES]
    assert fitted.threshold == pytest.approx(min(np.quantile(of, 0.02) for of in by_language), abs=0.1)
