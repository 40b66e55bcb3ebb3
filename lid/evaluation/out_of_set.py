"""How well it knows what is none of the three languages, measured on languages that were left out of training, and
what is no speech at all."""

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from lid.audio import SAMPLE_RATE
from lid.data import augment, sounds
from lid.data.parts import Parts
from lid.evaluation import evaluate, metrics
from lid.evaluation.embeddings import clip_embeddings
from lid.identify import LanguageIdentifier, Prediction
from lid.model.calibration import softmax


def measure(
    identifier: LanguageIdentifier,
    parts: Parts,
    predictions: Sequence[Prediction],
    noises: Sequence[np.ndarray],
    seed: int,
) -> dict:
    """Everything below: on `noises` and made-up sounds, and on the languages held out against the `predictions` of the
    test clips."""
    results = {"no_speech": no_speech(identifier, noises, seed)}
    held_out = parts.held_out
    if len(held_out):
        languages = [clip.language for clip in held_out.clips]
        results |= served(predictions, evaluate.identify(identifier, held_out.clips), languages)
        results["scores"] = compare(identifier, parts.test.speech, held_out.speech)
    return results


def served(known: Sequence[Prediction], out_of_set: Sequence[Prediction], languages: Sequence[str]) -> dict:
    """What people get: the share of `known` clips refused, and for each of the out-of-set `languages`, and for all, how
    well `known_score` keeps them apart and how many are refused."""
    own = [p.known_score for p in known]
    groups = {
        code: [p for p, of in zip(out_of_set, languages, strict=True) if of == code] for code in sorted(set(languages))
    }
    return {
        "known_refused": metrics.rate(np.array([not p.known for p in known])),
        "foreign": {
            code: metrics.detection(own, [p.known_score for p in group])
            | {"refused": round(float(np.mean([not p.known for p in group])), 5)}
            for code, group in {**groups, "all": list(out_of_set)}.items()
        },
    }


def compare(identifier: LanguageIdentifier, known: Sequence[np.ndarray], out_of_set: Sequence[np.ndarray]) -> dict:
    """Five scores on the same clips: relative Mahalanobis distance (Ren et al. 2021), which is served, and distance to
    the nearest language alone (Lee et al. 2018), both of normalised embeddings; the head's rows of background
    languages; energy (Liu et al. 2020); and the largest probability (Hendrycks and Gimpel 2017)."""
    detector = identifier.detector
    scores: dict[str, list[np.ndarray]] = {}
    for waveforms in (known, out_of_set):
        embeddings = clip_embeddings(identifier.model, waveforms)
        logits = identifier.logits(embeddings)
        for name, values in {
            "relative Mahalanobis distance (served)": [detector.relative_distance(one) for one in embeddings],
            "Mahalanobis distance": [-detector.distance(one) for one in embeddings],
            "background languages": [detector.log_odds(*one) for one in zip(logits, embeddings, strict=True)],
            "energy": logsumexp(logits, axis=1),
            "largest probability": softmax(logits).max(axis=1),
        }.items():
            scores.setdefault(name, []).append(np.asarray(values))
    return {name: metrics.detection(*pair) for name, pair in scores.items()}


def no_speech(identifier: LanguageIdentifier, noises: Sequence[np.ndarray], seed: int = 0, each: int = 50) -> dict:
    """For recorded and made-up sounds without speech: the share for which no language is named."""
    rng = np.random.default_rng(seed)
    kinds = {
        "recorded noise": noises,
        "silence": (np.zeros(5 * SAMPLE_RATE, np.float32) for _ in range(each)),
        "made-up noise and hum": (_level(augment.draw_noise(5 * SAMPLE_RATE, rng), rng) for _ in range(each)),
        "made-up music": (_level(sounds.music(5.0, rng), rng) for _ in range(each)),
    }
    answers = {
        name: np.array([identifier.identify(sound).language is None for sound in waveforms])
        for name, waveforms in kinds.items()
    }
    answers["all"] = np.concatenate(list(answers.values()))
    return {name: metrics.rate(found) for name, found in answers.items() if len(found)}


def _level(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return augment.set_level(sound, rng.uniform(-45.0, -12.0))
