"""How well it knows what is none of the three languages, measured on languages that were left out of training, and
what is no speech at all."""

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp
from tqdm import tqdm

from lid.audio import SAMPLE_RATE
from lid.data import augment
from lid.evaluation import metrics
from lid.evaluation.evaluate import clip_means
from lid.identify import LanguageIdentifier, Prediction
from lid.model import whisper
from lid.model.calibration import softmax
from lid.model.open_set import Background


def served(known: Sequence[Prediction], foreign: Sequence[Prediction], languages: Sequence[str]) -> dict:
    """What people get: the share of `known` clips refused, and for each of the foreign `languages`, and for all, how
    well `known_score` keeps them apart and how many are refused."""
    own = [p.known_score for p in known]
    groups = {
        code: [p for p, of in zip(foreign, languages, strict=True) if of == code] for code in sorted(set(languages))
    }
    return {
        "known_refused": metrics.rate(np.array([not p.known for p in known])),
        "foreign": {
            code: metrics.detection(own, [p.known_score for p in group])
            | {"refused": round(float(np.mean([not p.known for p in group])), 5)}
            for code, group in {**groups, "all": list(foreign)}.items()
        },
    }


def compare(identifier: LanguageIdentifier, known: Sequence[np.ndarray], foreign: Sequence[np.ndarray]) -> dict:
    """Five scores on the same clips: relative Mahalanobis distance (Ren et al. 2021), which is served, the distance to
    the nearest language alone (Lee et al. 2018), both of directions, rows of background languages, energy (Liu et al.
    2020), and the largest probability (Hendrycks and Gimpel 2017)."""
    background = identifier.background
    scores: dict[str, list[np.ndarray]] = {}
    for waveforms in (known, foreign):
        states = clip_means(whisper.project, identifier.model, waveforms)
        logits = _logits(identifier, states)
        for name, values in {
            "relative Mahalanobis distance (served)": np.array([background.score(one) for one in states]),
            "Mahalanobis distance": np.array([background.nearness(one) for one in states]),
            "background languages": np.array([background.log_odds(*one) for one in zip(logits, states, strict=True)]),
            "energy": logsumexp(logits, axis=1),
            "largest probability": softmax(logits).max(axis=1),
        }.items():
            scores.setdefault(name, []).append(values)
    return {name: metrics.detection(*pair) for name, pair in scores.items()}


def learn_centres(
    identifier: LanguageIdentifier,
    background: Background,
    waveforms: Sequence[np.ndarray],
    labels: Sequence[int],
    rest: Sequence[np.ndarray],
) -> Background:
    """Fit where training clips lie, as recorded and as served, of the three languages (`waveforms` and `labels`) and of
    the background (`rest`). Pauses are cut as in serving: corpora differ in theirs, and whole clips lie elsewhere."""
    states = [identifier.states(waveform) for waveform in tqdm([*waveforms, *rest], "fitting", mininterval=2)]
    heard = [i for i, state in enumerate(states[: len(waveforms)]) if state is not None]
    others = [state for state in states[len(waveforms) :] if state is not None]
    return background.with_centres(np.stack([states[i] for i in heard]), np.asarray(labels)[heard], np.stack(others))


def learn_speech(
    identifier: LanguageIdentifier,
    background: Background,
    train: Sequence[np.ndarray],
    validation: Sequence[np.ndarray],
    noises: Sequence[np.ndarray],
    seed: int,
    each: int = 600,
) -> Background:
    """Fit `background`'s row for speech: `each` augmented crops of training clips against as many sounds without
    speech, recorded (`noises`) and made up, through the same chain; its threshold comes from validation clips."""
    rng = np.random.default_rng([seed, 4])

    def crop(waveform: np.ndarray) -> np.ndarray:
        samples = min(len(waveform), int(rng.uniform(1.0, 5.0) * SAMPLE_RATE))
        start = rng.integers(0, len(waveform) - samples + 1)
        return augment.augment(waveform[start : start + samples], rng)

    def sound(number: int) -> np.ndarray:
        if number % 3 == 0:
            return music(5.0, rng)
        recorded = number % 3 == 1 and len(noises) > 0
        return noises[rng.integers(len(noises))] if recorded else augment.draw_noise(5 * SAMPLE_RATE, rng)

    def states(waveforms: list[np.ndarray]) -> np.ndarray:
        return clip_means(whisper.project, identifier.model, waveforms)

    each = min(each, 4 * len(train))
    speech = states([crop(train[i]) for i in rng.integers(len(train), size=each)])
    noise = states([crop(sound(number)) for number in range(each)])
    held_out = [*validation, *(crop(w) for w in validation)]
    return background.with_speech(speech, noise, states(held_out))


def no_speech(identifier: LanguageIdentifier, noises: Sequence[np.ndarray], seed: int = 0, each: int = 50) -> dict:
    """For recorded and made-up sounds without speech: the share for which no language is named."""
    rng = np.random.default_rng(seed)
    kinds = {
        "recorded noise": noises,
        "silence": (np.zeros(5 * SAMPLE_RATE, np.float32) for _ in range(each)),
        "made-up noise and hum": (_level(augment.draw_noise(5 * SAMPLE_RATE, rng), rng) for _ in range(each)),
        "made-up music": (_level(music(5.0, rng), rng) for _ in range(each)),
    }
    answers = {
        name: np.array([identifier.identify(sound).language is None for sound in sounds])
        for name, sounds in kinds.items()
    }
    answers["all"] = np.concatenate(list(answers.values()))
    return {name: metrics.rate(found) for name, found in answers.items() if len(found)}


def music(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Chords of plucked strings, float32 (samples,) at 16 kHz: no recording of music is needed."""
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    beat, decay, brightness = rng.uniform(0.2, 0.6), rng.uniform(1.0, 6.0), rng.uniform(1.0, 2.0)
    sound = np.zeros_like(times)
    for start in np.arange(0.0, seconds, beat):
        ringing = times[times >= start] - start
        for hertz in 220.0 * 2.0 ** (rng.integers(-12, 24, 3) / 12):
            overtones = sum(np.sin(2 * np.pi * hertz * n * ringing) / n**brightness for n in range(1, 6))
            sound[len(times) - len(ringing) :] += np.exp(-decay * ringing) * overtones
    return (sound / np.abs(sound).max()).astype(np.float32)


def _level(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return augment.set_level(sound, rng.uniform(-45.0, -12.0))


def _logits(identifier: LanguageIdentifier, states: np.ndarray) -> np.ndarray:
    head = identifier.model.classifier
    weight, bias = (tensor.detach().float().cpu().numpy() for tensor in (head.weight, head.bias))
    return (states @ weight.T + bias)[:, identifier.labels]
