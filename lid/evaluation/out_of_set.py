"""How well it knows what is none of the three languages, measured on languages and voices that were left out of
training, and what is no speech at all."""

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from lid import verdict
from lid.audio import SAMPLE_RATE
from lid.data import augment, sounds
from lid.data.parts import Parts
from lid.evaluation import evaluate, metrics
from lid.evaluation.embeddings import heard
from lid.identify import LanguageIdentifier, Prediction
from lid.languages import CODES
from lid.model import open_set
from lid.model.calibration import softmax

CONFIDENT = 0.9  # probability from which an answer counts as sure


def measure(
    identifier: LanguageIdentifier,
    parts: Parts,
    predictions: Sequence[Prediction],
    noises: Sequence[np.ndarray],
    seed: int,
) -> dict:
    """Everything below: on `noises` and made-up sounds, and on the clips held out against the `predictions` of the test
    clips."""
    results = {"no_speech": no_speech(identifier, noises, seed)}
    held_out = parts.held_out
    if len(held_out):
        languages = [clip.language for clip in held_out.clips]
        answers = evaluate.identify(identifier, held_out.clips)
        spoken = [clip.language for clip in parts.test.clips]
        results |= served(predictions, spoken, answers, languages, identifier.needed_detector().languages)
        results["scores"] = compare(identifier, parts.test.speech, held_out.speech)
    return results


def served(
    known: Sequence[Prediction],
    spoken: Sequence[str],
    out_of_set: Sequence[Prediction],
    languages: Sequence[str],
    trained: Sequence[str],
) -> dict:
    """What people get of clips in the three languages (`known`, of which `spoken` are the languages), and of clips in
    the out-of-set `languages`. Some of these are among the background languages `trained`, but with other voices.

    `known_refused`: the share of `known` refused, and of each language alone. `foreign`: for each out-of-set language
    and for all, how well `known_score` keeps them apart, how many are refused, of how many of these it is said what
    they sound like, of how many rightly, and `verdicts`. `foreign_groups`: the same for the languages that trained with
    other voices, and for those never trained on. `roc`: the curve of each.
    """
    own = [p.known_score for p in known]
    languages = np.asarray(languages)
    seen = np.isin(languages, list(trained))

    def group(which: np.ndarray) -> dict:
        return _against(own, [out_of_set[int(i)] for i in np.flatnonzero(which)], languages[which])

    of = {str(code): languages == code for code in np.unique(languages)} | {"all": np.ones(len(languages), bool)}
    groups = {name: which for name, which in {"other voices": seen, "never trained": ~seen}.items() if which.any()}
    refused, spoken = np.array([not p.known for p in known]), np.asarray(spoken)
    return {
        "known_refused": metrics.rate(refused)
        | {"languages": {code: metrics.rate(refused[spoken == code]) for code in CODES}},
        "foreign": {code: group(which) | {"trained": code in trained} for code, which in of.items() if code != "all"}
        | {"all": group(of["all"])},
        "foreign_groups": {name: group(which) for name, which in groups.items()},
        "roc": {"false": metrics.ROC_GRID.tolist()}
        | {
            code: metrics.roc(own, [out_of_set[int(i)].known_score for i in np.flatnonzero(which)])
            for code, which in of.items()
        },
    }


def _against(own: metrics.Scores, group: Sequence[Prediction], languages: np.ndarray) -> dict:
    """Out-of-set clips, in these `languages`, against the scores of the test clips. `confident_errors` is the share
    called one of the three with a probability of CONFIDENT or more."""
    told = [verdict.decide(p).sounds_like for p in group]
    sure = [p.known is not False and max(p.probabilities.values()) >= CONFIDENT for p in group]
    return metrics.detection(own, [p.known_score for p in group]) | {
        "refused": round(float(np.mean([not p.known for p in group])), 5),
        "confident_errors": round(float(np.mean(sure)), 5),
        "sounds_like": {
            "told": sum(code is not None for code in told),
            "right": sum(code == language for code, language in zip(told, languages, strict=True)),
        },
        "verdicts": evaluate.verdicts(group),
    }


def compare(identifier: LanguageIdentifier, known: Sequence[np.ndarray], out_of_set: Sequence[np.ndarray]) -> dict:
    """Scores on the same clips: what is served, where that is a sum of parts; relative Mahalanobis distance (Ren et al.
    2021), distance to the nearest language alone (Lee et al. 2018) and a logistic regression, if there is one, all of
    normalised embeddings; the head's rows of background languages; energy (Liu et al. 2020); and the largest
    probability (Hendrycks and Gimpel 2017)."""
    detector = open_set.fitted(identifier)
    parts = detector.score_parts
    scores: dict[str, list[np.ndarray]] = {}
    for waveforms in (known, out_of_set):
        logits, embeddings = heard(identifier.model, waveforms)
        pairs = list(zip(logits, embeddings, strict=True))
        values = {
            f"relative Mahalanobis distance{'' if parts else ' (served)'}": [
                detector.relative_distance(one) for one in embeddings
            ],
            "Mahalanobis distance": [-detector.distance(one) for one in embeddings],
            "background languages": [detector.log_odds(*one) for one in pairs],
            "energy": logsumexp(logits, axis=1),
            "largest probability": softmax(logits).max(axis=1),
        }
        if "regression" in parts:
            values["logistic regression"] = [detector.regression(one) for one in embeddings]
        if parts:
            values[f"{', '.join(parts)} (served)"] = [detector.score(*one) for one in pairs]
        for name, of in values.items():
            scores.setdefault(name, []).append(np.asarray(of))
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
