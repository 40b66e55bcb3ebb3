"""What is fitted once training is over, in memory: the temperature, and all that the open-set detector goes by."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from lid.audio import SAMPLE_RATE
from lid.data import augment, sounds
from lid.data.parts import Part, Parts
from lid.evaluation import evaluate
from lid.evaluation.embeddings import clip_embeddings
from lid.identify import LanguageIdentifier
from lid.languages import CODES
from lid.model import open_set
from lid.model.calibration import Calibration
from lid.model.checkpoint import Checkpoint
from lid.model.open_set import OpenSetDetector

REGRESSION_CLIPS = 700  # of each of the three, and thrice as many of the background, for the logistic regression
KNOWN_CLIPS = 250  # of each of the three languages, to fit where it lies; 500 gained nothing (docs/LOG.md)
CROPS = 3  # of each validation clip: the threshold of that row hangs on the oddest few of all
SPEECH_CLIPS = 900  # crops of speech, and as many of sounds without, for the row that tells them apart


def fit(
    checkpoint: Checkpoint, parts: Parts, noises: Sequence[np.ndarray], seed: int, device: str = "cpu"
) -> dict[str, float]:
    """Fit temperature and detector on training and validation clips and recorded `noises`, and put them into the
    checkpoint. Returns `temperature`, and the `threshold` of the score for the three languages."""
    predictions = evaluate.identify(LanguageIdentifier.of(checkpoint.model, device=device), parts.validation.clips)
    logits = np.stack([p.logits for p in predictions])
    temperature = Calibration.fit(logits, parts.validation.labels).temperature
    checkpoint.divide_logits(temperature)
    identifier = LanguageIdentifier.of(checkpoint.model, device=device)
    detector = fit_speech(identifier, checkpoint.detector, parts, noises, seed)
    if detector.languages:
        detector = fit_known(identifier.with_detector(detector), parts)
    checkpoint.detector = detector
    return {"temperature": temperature, "threshold": detector.threshold}


def fit_known(identifier: LanguageIdentifier, parts: Parts) -> OpenSetDetector:
    """The identifier's detector with new distances and a new regression, from training clips, and a new score and
    threshold, from validation clips.

    Pauses are cut as in serving: corpora differ in theirs, and whole clips lie elsewhere.
    """
    known = parts.train.sample(KNOWN_CLIPS)
    background = parts.train.where(lambda clip: clip.language not in CODES)
    _, embeddings, labels = _evidence(identifier, known)
    detector = open_set.fitted(identifier).with_distances(embeddings, labels, _evidence(identifier, background)[1])
    rng = np.random.default_rng(5)
    own, others = parts.train.sample(REGRESSION_CLIPS), background.evenly(3 * REGRESSION_CLIPS)
    detector = detector.with_regression(*(_as_recorded_and_altered(identifier, part, rng) for part in (own, others)))
    detector = detector.with_score(*_evidence(identifier, parts.validation))
    predictions = evaluate.identify(identifier.with_detector(detector), parts.validation.clips)
    scores = np.array([p.known_score for p in predictions], float)
    return detector.with_threshold(scores, np.asarray(parts.validation.labels))


def fit_speech(
    identifier: LanguageIdentifier, detector: OpenSetDetector, parts: Parts, noises: Sequence[np.ndarray], seed: int
) -> OpenSetDetector:
    """`detector` with a row for speech, from augmented crops of training clips against as many sounds without speech,
    recorded (`noises`) and made up, through the same chain, and against such sounds as they are; its threshold comes
    from validation clips."""
    rng = np.random.default_rng([seed, 4])
    train, validation = parts.train.speech, parts.validation.speech

    def crop(waveform: np.ndarray) -> np.ndarray:
        samples = min(len(waveform), int(rng.uniform(1.0, 5.0) * SAMPLE_RATE))
        start = rng.integers(0, len(waveform) - samples + 1)
        return augment.augment(waveform[start : start + samples], rng)

    def sound(number: int) -> np.ndarray:
        if number % 4 == 0:
            return sounds.music(5.0, rng)
        recorded = number % 4 < 3 and len(noises) > 0
        return noises[int(rng.integers(len(noises)))] if recorded else augment.draw_noise(5 * SAMPLE_RATE, rng)

    each = min(SPEECH_CLIPS, 4 * len(train))
    speech = clip_embeddings(identifier.model, [crop(train[i]) for i in rng.integers(len(train), size=each)])
    as_they_are = [*noises, *(sounds.music(5.0, rng) for _ in range(each // 15))]
    noise = clip_embeddings(identifier.model, [*(crop(sound(number)) for number in range(each)), *as_they_are])
    crops = clip_embeddings(identifier.model, [crop(waveform) for _ in range(CROPS) for waveform in validation])
    return detector.with_speech(speech, noise, clip_embeddings(identifier.model, list(validation)), crops)


def _as_recorded_and_altered(identifier: LanguageIdentifier, part: Part, rng: np.random.Generator) -> np.ndarray:
    """Embeddings (clips, width) of a part's clips, and of a copy of each through a channel drawn at random."""
    altered = Part(part.clips, [augment.augment(waveform, rng) for waveform in part.speech])
    return np.concatenate([_evidence(identifier, one)[1] for one in (part, altered)])


def _evidence(identifier: LanguageIdentifier, part: Part) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits (clips, 3), embeddings (clips, width) and labels (clips,) of the clips in which speech is found."""
    found = [identifier.evidence(waveform) for waveform in tqdm(part.speech, "fitting", mininterval=2)]
    heard = [i for i, one in enumerate(found) if one is not None]
    logits, embeddings = zip(*(one for one in found if one is not None), strict=True)
    return np.stack(logits), np.stack(embeddings), np.asarray(part.labels)[heard]
