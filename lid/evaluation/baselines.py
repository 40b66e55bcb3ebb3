"""What others get on the same clips: Whisper without any training, a linear probe, and a guess by length."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm
from transformers import WhisperForConditionalGeneration

from lid.audio import SAMPLE_RATE
from lid.data.parts import Parts
from lid.evaluation import metrics
from lid.evaluation.embeddings import clip_means
from lid.languages import CODES
from lid.model import checkpoint, whisper
from lid.training import teacher

PROBE_CLIPS = 400  # training clips of each language
FAMILIES = {
    "uz": ("uz", "tr", "az", "kk", "tk", "tt", "ba"),  # Turkic
    "ru": ("ru", "uk", "be", "bg", "pl", "cs", "sk", "sl", "hr", "sr", "bs", "mk"),  # Slavic
    "en": ("en",),
}


def compare(parts: Parts, base_model: str, window: float) -> dict[str, dict]:
    """All of these on the test clips."""
    train, test = parts.train.sample(PROBE_CLIPS), parts.test
    seconds = [[len(waveform) / SAMPLE_RATE for waveform in part.speech] for part in (train, test)]
    return {
        **length_only((seconds[0], train.labels), (seconds[1], test.labels)),
        **zero_shot(base_model, test.speech, test.labels),
        **linear_probe(base_model, window, (train.speech, train.labels), (test.speech, test.labels)),
    }


def language_probabilities(base_model: str, waveforms: Sequence[np.ndarray]) -> tuple[list[str], np.ndarray] | None:
    """Whisper's own detection: its languages, and the probability of each for every waveform, float32 (clips, 99).

    None where `base_model` has no decoder or knows no languages.
    """
    tokens = teacher.language_tokens(base_model)
    if tokens is None:
        return None
    model = WhisperForConditionalGeneration.from_pretrained(base_model, use_safetensors=True, dtype=torch.float32)
    numbers = list(tokens.values())
    rows = [
        teacher.probabilities(model.eval(), [waveform], numbers)[0]
        for waveform in tqdm(waveforms, "zero-shot Whisper", mininterval=2)
    ]
    return list(tokens), np.stack(rows)


def zero_shot(base_model: str, waveforms: Sequence[np.ndarray], labels: Sequence[int]) -> dict[str, dict]:
    """Accuracy of Whisper's own detection, over the three languages and with the probabilities of their families."""
    detected = language_probabilities(base_model, waveforms)
    if detected is None:
        return {}
    languages, probabilities = detected

    def total(codes: Sequence[str]) -> np.ndarray:
        return probabilities[:, [languages.index(code) for code in codes]].sum(axis=1)

    alone = np.stack([total([code]) for code in CODES], axis=1)
    families = np.stack([total(FAMILIES[code]) for code in CODES], axis=1)
    return {
        "Whisper as it is, over the three languages": metrics.rates(alone.argmax(axis=1), labels),
        "Whisper as it is, Turkic for Uzbek and Slavic for Russian": metrics.rates(families.argmax(axis=1), labels),
    }


def linear_probe(
    base_model: str,
    window: float,
    train: tuple[Sequence[np.ndarray], Sequence[int]],
    test: tuple[Sequence[np.ndarray], Sequence[int]],
) -> dict[str, dict]:
    """Logistic regression on the mean of the frozen encoder's states, trained on clips as recorded."""
    model = checkpoint.load_base(base_model, window).eval()
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, C=0.1))
    probe.fit(clip_means(whisper.encode, model, train[0]), train[1])
    named = probe.predict(clip_means(whisper.encode, model, test[0]))
    return {f"logistic regression on the frozen encoder, {len(train[1])} clips": metrics.rates(named, test[1])}


def length_only(train: tuple[Sequence[float], Sequence[int]], test: tuple[Sequence[float], Sequence[int]]) -> dict:
    """A guess from the seconds of speech alone."""
    guess = HistGradientBoostingClassifier(max_iter=50, random_state=0)
    guess.fit(np.asarray(train[0])[:, None], train[1])
    return {"length of the clip only": metrics.rates(guess.predict(np.asarray(test[0])[:, None]), test[1])}
