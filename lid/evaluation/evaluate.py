"""Metrics that others can compare with: every rate with its interval, every slice with its count."""

import csv
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp
from sklearn.metrics import f1_score
from tqdm import tqdm

from lid import audio
from lid.audio import SAMPLE_RATE
from lid.data import augment
from lid.data.parts import Part
from lid.evaluation import metrics
from lid.evaluation.embeddings import clip_logits, clip_means
from lid.identify import LanguageIdentifier, Model, Prediction
from lid.languages import CODES
from lid.model import whisper

if TYPE_CHECKING:
    from transformers import WhisperForAudioClassification

LENGTHS = (1.0, 2.0, 3.0, 5.0, 10.0)  # seconds
WHOLE = "whole"  # and all that the model hears at once
VERDICTS = (*CODES, "none", "no_speech")
# Conditions every language is put through alike; each takes a waveform and a generator.
CHANNELS = {
    "as recorded": lambda w, rng: w,
    "Opus, 8 kbit/s": lambda w, rng: augment.through_codec(w, "ogg", "libopus", 16_000, 8_000),
    "MP3, 32 kbit/s": lambda w, rng: augment.through_codec(w, "mp3", "libmp3lame", 16_000, 32_000),
    "AMR, 8 kHz": lambda w, rng: augment.through_codec(w, "amr", "libopencore_amrnb", 8_000, 7_950),
    "µ-law, 8 kHz": lambda w, rng: augment.through_codec(w, "wav", "pcm_mulaw", 8_000, 64_000),
    "noise at 10 dB": lambda w, rng: augment.add_noise(w, augment.draw_noise(len(w), rng), 10.0),
    "made-up room": augment.add_room,
    "gain +20 dB, clipped": lambda w, rng: np.clip(w * 10, -1, 1),
    "gain -20 dB": lambda w, rng: w * np.float32(0.1),
}


def copies(waveforms: Sequence[np.ndarray], labels: Sequence[int], seed: int, most: int = 100) -> dict[str, tuple]:
    """Three forms of a validation set, {name: (waveforms, labels)}: as it is, through random channels, 2 s of those.

    At most `most` clips of each language, drawn from the seed: validation should not cost more than training.
    """
    rng = np.random.default_rng(seed)
    labels = np.asarray(labels)
    chosen = np.sort(np.concatenate([rng.permutation(np.flatnonzero(labels == c))[:most] for c in np.unique(labels)]))
    clean = [waveforms[i] for i in chosen]
    changed = [augment.augment(w, np.random.default_rng([seed, i])) for i, w in zip(chosen, clean, strict=True)]
    short = [center_crop(w, 2.0) for w in changed]
    return {"clean": (clean, labels[chosen]), "channel": (changed, labels[chosen]), "short": (short, labels[chosen])}


def score(
    model: "WhisperForAudioClassification", held_out: dict[str, tuple], background: Sequence[np.ndarray] = ()
) -> dict[str, float]:
    """Accuracy on each of `copies`; `accuracy` and `loss` (nats) are their means, by which training selects. With
    voices of `background` languages it selects by `score`, the sum of accuracy and `auroc`: how well the head's rows
    keep the clean copy apart from those."""
    accuracy, loss = {}, []
    apart: dict[str, float] = {}
    for name, (waveforms, labels) in held_out.items():
        logits = clip_means(whisper.frame_logits, model, waveforms)
        own = logits[:, : len(CODES)]
        accuracy[name] = round(float((own.argmax(axis=1) == labels).mean()), 5)
        loss.append(metrics.nll(own, labels))
        if not apart and len(background) and logits.shape[1] > len(CODES):
            others = clip_means(whisper.frame_logits, model, background)
            scores = (_rows_log_odds(of).tolist() for of in (logits, others))
            apart = {"auroc": metrics.detection(*scores)["auroc"]}
    means = {"accuracy": float(np.mean(list(accuracy.values()))), "loss": float(np.mean(loss))}
    means |= apart and {**apart, "score": means["accuracy"] + apart["auroc"]}
    return {name: round(value, 5) for name, value in means.items()} | accuracy


def _rows_log_odds(logits: np.ndarray) -> np.ndarray:
    """Log-odds (clips,) of the three languages against the other rows of a head, by its logits (clips, rows)."""
    return logsumexp(logits[:, : len(CODES)], axis=1) - logsumexp(logits[:, len(CODES) :], axis=1)


def identify(identifier: LanguageIdentifier, clips: Sequence) -> list[Prediction]:
    """What is served, for each clip (an object with `audio`, a file's bytes)."""
    return [identifier.identify(audio.decode(clip.audio)) for clip in tqdm(clips, "evaluating", mininterval=2)]


def named(predictions: Sequence[Prediction]) -> np.ndarray:
    """Class indices (clips,) of the languages named; -1 where no speech was found."""
    return np.array([CODES.index(p.language) if p.language else -1 for p in predictions])


def by_channel(model: Model, waveforms: Sequence[np.ndarray], labels: Sequence[int], seed: int) -> dict[str, dict]:
    """Accuracy and recalls of the same clips sent through one channel after another, whatever their language."""
    labels = np.asarray(labels)
    results = {}
    for name, channel in CHANNELS.items():
        changed = [channel(w, np.random.default_rng([seed, i])) for i, w in enumerate(waveforms)]
        named = clip_logits(model, changed).argmax(axis=1)
        results[name] = metrics.rates(named, labels)
    return results


def calibrations(predictions: Sequence[Prediction], labels: Sequence[int], temperature: float) -> dict:
    """Calibration of the clips in which speech was found, as served and before the temperature was folded in."""
    heard = [i for i, p in enumerate(predictions) if p.language]
    logits, truth = np.stack([predictions[i].logits for i in heard]), [labels[i] for i in heard]
    return {"before": metrics.calibration(logits * temperature, truth), "after": metrics.calibration(logits, truth)}


def write_predictions(file: Path, clips: Sequence, predictions: Sequence[Prediction]) -> None:
    """A table of what was answered for each clip, to look for mistakes in. Holds no speaker and no text."""
    with file.open("w", encoding="utf-8", newline="") as output:
        table = csv.writer(output, delimiter="\t", lineterminator="\n")
        table.writerow(["path", "spoken", "named", *CODES, "known_score", "speech_seconds"])
        for clip, p in zip(clips, predictions, strict=True):
            row = [clip.path, clip.language, p.language or "", *p.probabilities.values()]
            table.writerow([*row, p.known_score, round(p.speech_seconds, 3)])


def by_length(model: Model, part: Part, seconds: Sequence[float] = LENGTHS) -> dict[str, dict]:
    """Accuracy and recalls on the first so many seconds of each clip that has them, and on the whole of every clip,
    with intervals over clips and by speaker."""
    labels, waveforms, speakers = np.asarray(part.labels), part.speech, np.asarray(part.speakers)
    results = {}
    for length in (*seconds, None):
        samples = None if length is None else int(length * SAMPLE_RATE)
        chosen = [i for i, w in enumerate(waveforms) if len(w) >= (samples or 0)]
        if chosen:
            named = clip_logits(model, [waveforms[i][:samples] for i in chosen]).argmax(axis=1)
            interval = metrics.bootstrap_by_speaker(named == labels[chosen], speakers[chosen])
            name = WHOLE if length is None else f"{length:g}"
            results[name] = metrics.rates(named, labels[chosen]) | {"accuracy_95_by_speaker": interval}
    return results


def verdicts(predictions: Sequence[Prediction]) -> dict[str, int]:
    """How many were called each of the three languages, none of them, and no speech."""
    named = ["no_speech" if p.language is None else "none" if p.known is False else p.language for p in predictions]
    return {kind: named.count(kind) for kind in VERDICTS}


def report(predictions: Sequence[Prediction], clips: Sequence) -> dict:
    """What is served, measured: `clips` (objects with `language` and `speaker`) and the Prediction of each.

    A clip in which no speech was found counts as wrong. `confusion` has the likeliest language even where the answer is
    none of the three; `verdicts` has what is said.
    """
    truth = np.array([CODES.index(clip.language) for clip in clips])
    answers = named(predictions)
    probabilities = np.array([[p.probabilities[code] for code in CODES] for p in predictions])
    seconds = np.array([p.speech_seconds for p in predictions])
    return {
        **metrics.rate(answers == truth),
        "speakers": len({clip.speaker for clip in clips}),
        "accuracy_95_by_speaker": metrics.bootstrap_by_speaker(answers == truth, [clip.speaker for clip in clips]),
        "no_speech": int((answers < 0).sum()),
        "macro_f1": round(f1_score(truth, answers, labels=range(len(CODES)), average="macro", zero_division=0.0), 5),
        **_calibrated(probabilities, truth),
        "brier": round(metrics.brier(probabilities, truth), 5),
        "recall": {
            code: metrics.rate(answers[truth == i] == i)
            | {"speakers": len({clip.speaker for clip in clips if clip.language == code})}
            for i, code in enumerate(CODES)
        },
        "confusion": {
            code: {other: int(((truth == i) & (answers == j)).sum()) for j, other in enumerate(CODES)}
            for i, code in enumerate(CODES)
        },
        "calibration_by_language": {
            code: _calibrated(probabilities[truth == i], truth[truth == i]) for i, code in enumerate(CODES)
        },
        "verdicts": {
            code: verdicts([p for p, clip in zip(predictions, clips, strict=True) if clip.language == code])
            for code in CODES
        },
        "by_speech_seconds": {
            f"{low:g}-{high:g}": metrics.rate((answers == truth)[(seconds >= low) & (seconds < high)])
            for low, high in itertools.pairwise((0, 2, 3, 5, 10, 60))
        },
    }


def _calibrated(probabilities: np.ndarray, truth: np.ndarray) -> dict[str, float | None]:
    """ECE, and NLL in nats, of probabilities (clips, 3); None of no clips."""
    if not len(truth):
        return {"ece": None, "nll": None}
    likelihood = metrics.nll(np.log(np.maximum(probabilities, 1e-9)), truth)
    return {"ece": round(metrics.ece(probabilities, truth), 5), "nll": round(likelihood, 5)}


def center_crop(waveform: np.ndarray, seconds: float) -> np.ndarray:
    """The middle `seconds` of a waveform (samples,) at 16 kHz; a shorter one stays whole."""
    samples = int(seconds * SAMPLE_RATE)
    start = max(0, (len(waveform) - samples) // 2)
    return waveform[start : start + samples]
