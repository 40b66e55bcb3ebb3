"""What others get on the same clips: Whisper without any training, a linear probe, a guess by length, and the model
before this one."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm
from transformers import WhisperForAudioClassification, WhisperForConditionalGeneration

from lid.audio import SAMPLE_RATE
from lid.data.parts import Parts
from lid.evaluation import evaluate, metrics, out_of_set
from lid.evaluation import subsets as named_subsets
from lid.evaluation.embeddings import clip_means
from lid.identify import LanguageIdentifier
from lid.languages import CODES
from lid.model import checkpoint, whisper
from lid.training import teacher

PROBE_CLIPS = 400  # training clips of each language
FORMER = "the former model, as served"
FAMILIES = {
    "uz": ("uz", "tr", "az", "kk", "tk", "tt", "ba"),  # Turkic
    "ru": ("ru", "uk", "be", "bg", "pl", "cs", "sk", "sl", "hr", "sr", "bs", "mk"),  # Slavic
    "en": ("en",),
}


def compare(
    parts: Parts,
    base_model: str,
    window: float,
    subsets: Mapping[str, Sequence[int]],
    former: LanguageIdentifier | None,
    once: Callable,
) -> dict[str, dict]:
    """Accuracy of all of these on the test clips, and under "subsets" on those of each subset (indices of test clips).
    Of the `former` model, if there is one, also "open_set", on the clips held out. `once` is a
    `lid.evaluation.measure.Once`."""
    named = once("baselines", without_training, parts, base_model, window)
    results = {name: _rates(answers, parts.test.labels, subsets) for name, answers in named.items()}
    if former is not None:
        answers = once("former", former_model, former, parts)
        results[FORMER] = _rates(answers.pop("named"), parts.test.labels, subsets) | answers
    return results


def without_training(parts: Parts, base_model: str, window: float) -> dict[str, list[int]]:
    """What each method that trains no encoder names for the test clips: class indices (clips,)."""
    train, test = parts.train.sample(PROBE_CLIPS), parts.test
    seconds = [[len(waveform) / SAMPLE_RATE for waveform in part.speech] for part in (train, test)]
    methods = {
        **length_only((seconds[0], train.labels), seconds[1]),
        **zero_shot(base_model, test.speech),
        **linear_probe(base_model, window, (train.speech, train.labels), test.speech),
    }
    return {name: named.tolist() for name, named in methods.items()}


def former_model(identifier: LanguageIdentifier, parts: Parts) -> dict:
    """What another checkpoint's whole pipeline answers: `named` for the test clips, class indices (clips,), and
    `open_set` on the clips held out, where there are any and it can tell."""
    test, held_out = parts.test, parts.held_out
    predictions = evaluate.identify(identifier, test.clips)
    result = {"named": evaluate.named(predictions).tolist()}
    if len(held_out) and identifier.detector and identifier.detector.can_reject:
        of = [[clip.language for clip in part.clips] for part in (test, held_out)]
        answers = evaluate.identify(identifier, held_out.clips)
        result["open_set"] = out_of_set.served(predictions, of[0], answers, of[1], identifier.detector.languages)
    return result


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


def zero_shot(base_model: str, waveforms: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """What Whisper's own detection names, over the three languages and with the probabilities of their families: class
    indices (clips,) by the name of the method. None where it has no decoder."""
    detected = language_probabilities(base_model, waveforms)
    if detected is None:
        return {}
    languages, probabilities = detected

    def total(codes: Sequence[str]) -> np.ndarray:
        return probabilities[:, [languages.index(code) for code in codes]].sum(axis=1)

    alone = np.stack([total([code]) for code in CODES], axis=1)
    families = np.stack([total(FAMILIES[code]) for code in CODES], axis=1)
    return {
        "Whisper as it is, over the three languages": alone.argmax(axis=1),
        "Whisper as it is, Turkic for Uzbek and Slavic for Russian": families.argmax(axis=1),
    }


def linear_probe(
    base_model: str,
    window: float,
    train: tuple[Sequence[np.ndarray], Sequence[int]],
    test: Sequence[np.ndarray],
) -> dict[str, np.ndarray]:
    """What a logistic regression names on the mean states of two layers of the frozen encoder, those at two thirds and
    at the end, trained on clips as recorded: class indices (clips,) by the name of the method."""
    model = checkpoint.load_base(base_model, window).eval()
    last = len(model.encoder.layers)
    middle = max(1, round(last * 2 / 3))

    def states(model: WhisperForAudioClassification, mel: torch.Tensor) -> torch.Tensor:
        hidden = whisper.embed(model, mel)
        for number, layer in enumerate(model.encoder.layers, start=1):
            hidden = layer(hidden, None)
            if number == middle:
                kept = hidden
        return torch.cat([kept, model.encoder.layer_norm(hidden)], dim=-1)

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, C=0.1))
    probe.fit(clip_means(states, model, train[0]), train[1])
    name = f"logistic regression on the frozen encoder, layers {middle} and {last} of {last}, {len(train[1])} clips"
    return {name: probe.predict(clip_means(states, model, test))}


def length_only(train: tuple[Sequence[float], Sequence[int]], test: Sequence[float]) -> dict[str, np.ndarray]:
    """A guess from the seconds of speech alone: class indices (clips,) by the name of the method."""
    guess = HistGradientBoostingClassifier(max_iter=50, random_state=0)
    guess.fit(np.asarray(train[0])[:, None], train[1])
    return {"length of the clip only": guess.predict(np.asarray(test)[:, None])}


def _rates(named: metrics.Labels, labels: metrics.Labels, subsets: Mapping[str, Sequence[int]]) -> dict:
    return metrics.rates(named, labels) | {"subsets": named_subsets.rates(named, labels, subsets)}
