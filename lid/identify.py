"""Waveform -> speech -> windows -> frame logits -> calibrated Prediction."""

import copy
import itertools
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from lid import speakers, vad, verdict
from lid.audio import SAMPLE_RATE, Channels, Recording, Track
from lid.errors import InputError
from lid.features import FRAME_SAMPLES, FRAME_SECONDS
from lid.languages import CODES, label_order
from lid.model import checksums, onnx
from lid.model.calibration import NO_SPEECH, softmax
from lid.model.onnx import OnnxDetector, OnnxModel

if TYPE_CHECKING:
    from transformers import WhisperForAudioClassification

    from lid.model.open_set import OpenSetDetector

# An installed package holds the model. In a checkout it is beside the package, where the repository shows it.
_PLACES = [folder / "assets" / "model" for folder in Path(__file__).parents[:2]]
EMBEDDED_MODEL = _PLACES[0] if _PLACES[0].is_dir() else _PLACES[1]
KEEP_PAUSES = 0.8  # seconds; longer silences between stretches of speech are cut out before the encoder
TIMELINE_STEP = 1.0  # seconds of speech a timeline entry covers; languages are not told apart in much less
AT_ONCE = 60  # windows of one recording that are heard together with those of others: ten minutes
SHORT_PIECE = 3.0  # seconds; speech shorter than this shares a window with what is next to it, for context


@dataclass(frozen=True)
class Prediction:
    """What was heard. Probabilities are calibrated; keys are "uz", "ru", "en"; times are seconds into the clip.

    `language` is None when no speech was found; `probabilities` are then equal. `known` tells whether it is any of the
    three at all, by `known_score`: higher is more surely one of them. Both are None with a model that cannot tell, and
    False and the lowest score without speech. `sounds_like` is there for speech that is none of the three, if the model
    can tell what else it is: {"language", "probability"}, the likeliest of the other languages that it has heard of.

    `timeline` has one entry for about each second of speech: {"start", "end", "probabilities"}. `frame_logits`, float32
    (frames, 3) in the order uz, ru, en, and `frame_starts`, seconds (frames,), hold the evidence of each 20 ms of
    speech: the clip's logits are their mean.

    `track` and `channels` tell what of a file was heard; None where there was nothing to choose. Where its two channels
    have speakers of their own, `speakers` has a Prediction for each in which somebody speaks. `probabilities` are then
    their mean, weighed by how long each speaks, `speech_seconds` is how long anybody does, and an entry of `timeline`
    has its "channel", from 1. Who speaks none of the three languages counts only where nobody speaks one of them.
    """

    language: str | None
    probabilities: dict[str, float]
    duration_seconds: float
    speech_seconds: float
    timeline: list[dict]
    frame_logits: np.ndarray = field(repr=False)
    frame_starts: np.ndarray = field(repr=False)
    known: bool | None = None
    known_score: float | None = None
    sounds_like: dict | None = None
    track: Track | None = None
    channels: Channels | None = None
    speakers: tuple["Prediction", ...] = ()

    @property
    def logits(self) -> np.ndarray:
        """The clip's uncalibrated logits, float32 (3,); zeros when there is no speech."""
        return self.frame_logits.mean(axis=0) if len(self.frame_logits) else np.zeros(len(CODES), np.float32)

    def to_dict(self, damaged: bool = False) -> dict:
        """The JSON-able part: what `lid --json` prints. `damaged`: part of the file could not be read.
        "track", "channels" and "speakers" are there only where a file left a choice."""
        decided = verdict.decide(self, damaged)
        told: dict[str, Any] = {
            "verdict": decided.kind,
            "languages": list(decided.languages),
            "language": self.language,
            "probabilities": self.probabilities,
            "known": self.known,
            "known_score": self.known_score,
            "sounds_like": self.sounds_like,
            "duration_seconds": round(self.duration_seconds, 3),
            "speech_seconds": round(self.speech_seconds, 3),
            "damaged": damaged,
            "timeline": self.timeline,
        }
        if self.track:
            told["track"] = asdict(self.track)
        if self.channels and self.channels.kind != "same":
            told["channels"] = {**asdict(self.channels), "heard": list(self.channels.heard)}
        if self.speakers:
            told["speakers"] = speakers.as_json(self)
        return told


class Model(Protocol):
    """What an identifier asks of a model; `OnnxModel` says what each means."""

    labels: tuple[str, ...]
    layers: int
    heads: int
    d_model: int
    width: int
    window_samples: int

    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...
    def log_mel(self, waveforms: np.ndarray) -> np.ndarray: ...
    def hear(self, waveforms: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
    def hear_all(self, waveforms: Sequence[np.ndarray]) -> list["Heard"]: ...
    def attention(self, waveform: np.ndarray, layer: int) -> np.ndarray: ...


class Detector(Protocol):
    """What an identifier asks of open-set detection; `OpenSetDetector` says what each means."""

    @property
    def languages(self) -> tuple[str, ...]: ...
    @property
    def can_reject(self) -> bool: ...
    @property
    def threshold(self) -> float: ...
    def score(self, logits: np.ndarray, embedding: np.ndarray) -> float: ...
    def is_speech(self, embedding: np.ndarray, faint: bool = False) -> bool: ...
    def sounds_like(self, embedding: np.ndarray) -> tuple[str, float] | None: ...


Heard = tuple[np.ndarray, np.ndarray]  # of a window: frame logits (frames, labels) and embedding (width,)
# A generator that yields windows to be heard, each (samples,), is sent what was heard in them, and returns what it
# makes of it. So many recordings can be on their way at once, and all their windows be heard together.
Asked = Generator[list[np.ndarray], list[Heard], Any]


class _Windows(NamedTuple):
    """The stretches that a clip was heard in: the embedding (width,) of each, and how many frames it has."""

    embeddings: list[np.ndarray]
    frames: list[int]

    def mean(self) -> np.ndarray:
        """The clip's embedding, float32 (width,): the mean over its frames."""
        return np.average(np.stack(self.embeddings).astype(np.float64), axis=0, weights=self.frames).astype(np.float32)


class LanguageIdentifier:
    """A loaded checkpoint that names the language of a waveform. Make one with `load`, then call `identify`."""

    def __init__(self, model: Model, name: str, detector: Detector | None = None):
        self.model = model
        self.detector = detector
        self.name = name
        try:
            self._order = label_order(model.labels)
        except ValueError as error:
            raise InputError(
                f"{name} does not tell Uzbek, Russian and English apart: its labels differ.", "model"
            ) from error

    @classmethod
    def load(
        cls, source: str | os.PathLike | None = None, device: str = "cpu", precision: str = "float32"
    ) -> "LanguageIdentifier":
        """Load the embedded model, a folder, or a Hub id. Raises InputError when there is no usable model there.

        On "cpu" ONNX Runtime runs the graphs that `lid export` made, in 8-bit numbers, and PyTorch is not needed. On
        another device, such as "cuda", Transformers runs the weights as they are; so it does on a CPU where a
        checkpoint has no graphs. `precision` is then what the encoder multiplies in: "bfloat16" and "float16" are
        several times as fast on a GPU.
        """
        source = str(source or EMBEDDED_MODEL)
        folder = folder_of(source)
        if device == "cpu" and onnx.is_in(folder):
            checksums.verify(folder, [f"{onnx.FOLDER}/{name}" for name in onnx.SERVED])
            return cls.of_graphs(onnx.Graphs.read(folder), Path(source).name)
        try:
            from lid.model import whisper
            from lid.model.open_set import OpenSetDetector
        except ModuleNotFoundError as error:
            raise InputError(
                f"{source} has no graphs that this machine can run, so the package {error.name} is needed: pip install "
                "'lid-uz-ru-en[train]'. With it, `lid export FOLDER` makes the graphs.",
                "model",
            ) from error
        checksums.verify(folder, checksums.WEIGHTS)
        model = whisper.TorchModel(whisper.load(folder, device), precision)
        return cls(model, Path(source).name, OpenSetDetector.load(folder))

    @classmethod
    def of(
        cls, model: "WhisperForAudioClassification", detector: "OpenSetDetector | None" = None, device: str = "cpu"
    ) -> "LanguageIdentifier":
        """What `load` would make of a Transformers model and its detector, were they saved: no file is written."""
        from lid.model import graphs, whisper

        if device == "cpu":
            encoder, log_mel = graphs.of(model)
            return cls(OnnxModel(encoder, log_mel), "model", detector)
        return cls(whisper.TorchModel(copy.deepcopy(model).float().to(device)), "model", detector)

    @classmethod
    def of_graphs(cls, graphs: onnx.Graphs, name: str = "model") -> "LanguageIdentifier":
        """What serves graphs in memory."""
        return cls(OnnxModel(graphs.encoder, graphs.log_mel), name, OnnxDetector(graphs.decision))

    def with_detector(self, detector: Detector | None) -> "LanguageIdentifier":
        """The same model beside another detector."""
        return LanguageIdentifier(self.model, self.name, detector)

    def needed_detector(self) -> Detector:
        """The detector, for what cannot do without. Raises InputError where there is none."""
        if self.detector is None:
            raise InputError(f"{self.name} has nothing to tell other languages by beside its weights.", "model")
        return self.detector

    @property
    def layers(self) -> int:
        """How many encoder layers there are to draw."""
        return self.model.layers

    def identify(
        self, sound: np.ndarray | Recording, progress: Callable[[float, str], None] | None = None
    ) -> Prediction:
        """What is spoken in a Recording of `lid.audio.read`, or in mono float32 of shape (samples,) at 16 kHz, in
        [-1, 1]. Raises InputError for other arrays.

        `progress` is called after each window with the share of the speech done, in (0, 1], and the language that is
        likeliest in the window. The last call has 1; without speech there is none.
        """
        return self._answered([self._asked(sound, 1, progress or (lambda share, language: None))])[0]

    def identify_batch(self, sounds: Sequence[np.ndarray | Recording], threads: int = 1) -> list[Prediction]:
        """What is spoken in each of several sounds, in order, with the verdicts of `identify`. On a GPU windows of many
        sounds are heard together, which is many times as fast; `threads` of the CPU find where speech is. Raises
        InputError as `identify` does."""
        asked = [self._asked(sound, AT_ONCE, lambda share, language: None) for sound in sounds]
        return self._answered(asked, threads)

    def identify_heard_by(
        self, sound: np.ndarray | Recording, hear: Callable[[Sequence[np.ndarray]], list["Heard"]]
    ) -> Prediction:
        """As `identify`, with windows heard by `hear`, a function like the model's `hear_all`: for who knows already
        what is heard in them. The windows of a sound come in the same order each time."""
        return self._answered([self._asked(sound, AT_ONCE, lambda share, language: None)], hear=hear)[0]

    def _answered(
        self,
        asked: Sequence["Asked"],
        threads: int = 1,
        hear: Callable[[Sequence[np.ndarray]], list["Heard"]] | None = None,
    ) -> list[Any]:
        """What each of them returns, while the model hears the windows of all of them together."""
        returned: dict[int, Any] = {}
        heard: dict[int, list[Heard]] = {}
        wanted: dict[int, list[np.ndarray]] = {}

        def step(number: int) -> None:
            try:
                wanted[number] = asked[number].send(heard[number]) if heard else next(asked[number])
            except StopIteration as done:
                returned[number] = done.value

        while len(returned) < len(asked):
            wanted.clear()
            _each(step, [number for number in range(len(asked)) if number not in returned], threads)
            answers = iter((hear or self.model.hear_all)([one for windows in wanted.values() for one in windows]))
            for number, windows in wanted.items():
                heard[number] = list(itertools.islice(answers, len(windows)))
        return [returned[number] for number in range(len(asked))]

    def _asked(self, sound: np.ndarray | Recording, at_once: int, progress: Callable[[float, str], None]) -> "Asked":
        if not isinstance(sound, Recording):
            return (yield from self._identify(_checked(sound), at_once, progress))
        if len(sound.sounds) == 1:
            prediction = yield from self._identify(sound.sounds[0], at_once, progress)
        else:
            prediction = yield from self._identify_two(sound.sounds, at_once, progress)
        return replace(prediction, track=sound.track, channels=prediction.channels or sound.channels)

    def _identify(
        self,
        waveform: np.ndarray,
        at_once: int,
        progress: Callable[[float, str], None],
        spans: list[tuple[float, float]] | None = None,
    ) -> "Asked":
        """`spans` are the stretches of speech, if they are known already."""
        spans, faint = self._speech(waveform) if spans is None else (spans, False)
        pieces = _join(spans, len(waveform))
        logits, starts, windows = yield from self._frames(waveform, pieces, at_once, progress)
        if self.detector and len(logits) and not self.detector.is_speech(windows.mean(), faint):
            spans, logits, starts = [], logits[:0], starts[:0]
        calibrated = softmax(logits.mean(axis=0, dtype=np.float64) if len(logits) else np.zeros(len(CODES)))
        return Prediction(
            language=CODES[int(np.argmax(calibrated))] if len(logits) else None,
            probabilities=_named(calibrated),
            duration_seconds=len(waveform) / SAMPLE_RATE,
            speech_seconds=sum(end - start for start, end in spans),
            timeline=self._timeline(logits, starts),
            frame_logits=logits,
            frame_starts=starts,
            **self._openness(logits, windows),
        )

    def _identify_two(
        self, sounds: tuple[np.ndarray, ...], at_once: int, progress: Callable[[float, str], None]
    ) -> "Asked":
        """Two channels with sounds of their own: each speaker apart, then both together."""
        spans = [vad.find(sound) for sound in sounds]
        lengths = [sum(end - start for start, end in found) for found in spans]
        heard: dict[int, Prediction] = {}
        for index, sound in enumerate(sounds):
            if spans[index]:
                part = speakers.part_of(progress, sum(lengths[:index]) / sum(lengths), lengths[index] / sum(lengths))
                prediction = yield from self._identify(sound, at_once, part, spans[index])
                if prediction.language is not None:
                    heard[index + 1] = prediction
        if not heard:  # perhaps somebody far away in both
            both = yield from self._identify((sounds[0] + sounds[1]) / 2, at_once, progress)
            return replace(both, channels=Channels("same", tuple(range(1, len(sounds) + 1)), len(sounds)))
        if len(heard) == 1:
            return replace(*heard.values(), channels=Channels("one", tuple(heard), len(sounds)))
        return speakers.together(heard)

    def attention(self, waveform: np.ndarray, layer: int = -1) -> tuple[np.ndarray, float]:
        """Encoder self-attention over the first window of speech, for drawing.

        Returns float32 weights (heads, frames, frames), a frame being 20 ms and row t telling where frame t looks, and
        the second of the clip at which the first frame starts. Without speech: an array with no frames.
        """
        waveform = _checked(waveform)
        pieces = _join(self._speech(waveform)[0], len(waveform))
        if not pieces:
            return np.zeros((self.model.heads, 0, 0), np.float32), 0.0
        start = pieces[0][0]
        end = min(pieces[0][1], start + self.model.window_samples)
        weights = self.model.attention(waveform[start:end], range(self.layers)[layer])
        return weights, start / SAMPLE_RATE

    def evidence(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """What a clip's answer is made of, None without speech: its logits (3,), and its embedding (width,), by which
        `known` is decided. Both are means over the frames of its speech, the latter of the classifier's input."""
        waveform = _checked(waveform)
        pieces = _join(self._speech(waveform)[0], len(waveform))
        if not pieces:
            return None
        ((logits, _, windows),) = self._answered([self._frames(waveform, pieces, 1, lambda share, language: None)])
        return logits.mean(axis=0), windows.mean()

    def _speech(self, waveform: np.ndarray) -> tuple[list[tuple[float, float]], bool]:
        """Stretches of speech, and whether voice detection finds none: then of what might be, and the model has the
        last word on it."""
        found = vad.find(waveform)
        return found or (vad.find_faint(waveform) if self.detector else []), not found

    def _openness(self, logits: np.ndarray, windows: "_Windows") -> dict:
        """`known`, `known_score` and `sounds_like` of a clip's frame logits (frames, 3) and its windows.

        The score is the mean over windows: where a clip changes from one of the three languages to another, the mean
        of its embeddings lies between them, and is like neither.
        """
        if self.detector is None or not self.detector.can_reject:
            return {}
        if not len(logits):
            return {"known": False, "known_score": NO_SPEECH}
        parts = np.split(logits, np.cumsum(windows.frames)[:-1])
        scores = [
            self.detector.score(part.mean(axis=0), embedding)
            for part, embedding in zip(parts, windows.embeddings, strict=True)
        ]
        score = float(np.average(scores, weights=windows.frames))
        told: dict[str, Any] = {"known": score >= self.detector.threshold, "known_score": round(score, 4)}
        if not told["known"] and (likeliest := self.detector.sounds_like(windows.mean())):
            told["sounds_like"] = {"language": likeliest[0], "probability": round(likeliest[1], 6)}
        return told

    def _frames(
        self,
        waveform: np.ndarray,
        pieces: list[tuple[int, int]],
        at_once: int,
        progress: Callable[[float, str], None],
    ) -> "Asked":
        """Logits (frames, 3) and start second (frames,) of every frame of speech, and its `_Windows`."""
        done, total = 0, sum(end - start for start, end in pieces) // FRAME_SAMPLES
        # Made at once: kept one by one between a window's large arrays, they would hold on to an hour's memory.
        logits, starts = np.zeros((total, len(CODES)), np.float32), np.zeros(total)
        embeddings: list[np.ndarray] = []
        lengths: list[int] = []
        windows = _windows(pieces, self.model.window_samples)
        for first in range(0, len(windows), at_once):
            some = windows[first : first + at_once]
            heard = yield [np.concatenate([waveform[start:end] for start, end in window]) for window in some]
            for window, (found, embedding) in zip(some, heard, strict=True):
                frames = slice(done, done + len(found))
                logits[frames] = found[:, self._order]
                embeddings.append(embedding)
                lengths.append(len(found))
                starts[frames] = np.concatenate([np.arange(*piece, FRAME_SAMPLES) for piece in window]) / SAMPLE_RATE
                done = frames.stop
                progress(done / total, CODES[int(logits[frames].mean(axis=0).argmax())])
        return logits, starts, _Windows(embeddings, lengths)

    def _timeline(self, logits: np.ndarray, starts: np.ndarray) -> list[dict]:
        """About a second of adjoining frames an entry; an entry never spans a cut."""
        if not len(starts):
            return []
        entries = []
        cuts = np.flatnonzero(np.diff(starts) > 1.5 * FRAME_SECONDS) + 1
        for run in np.split(np.arange(len(starts)), cuts):
            parts = max(1, round(len(run) * FRAME_SECONDS / TIMELINE_STEP))
            for part in np.array_split(run, parts):
                entries.append(
                    {
                        "start": round(float(starts[part[0]]), 3),
                        "end": round(float(starts[part[-1]] + FRAME_SECONDS), 3),
                        "probabilities": _named(softmax(logits[part].mean(axis=0, dtype=np.float64))),
                    }
                )
        return entries


def _each(work: Callable[[int], None], numbers: Sequence[int], threads: int) -> None:
    """Call `work` with each number, on several threads if there is more than one."""
    if threads == 1:
        for number in numbers:
            work(number)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, numbers))


def folder_of(source: str) -> Path:
    """The folder of a checkpoint given as one or as a Hub id, fetched unless it is in the Hub's cache."""
    if os.path.isdir(source):  # Path.is_dir raises where a name is too long
        return Path(source)
    try:
        from huggingface_hub import snapshot_download  # only here: a folder needs no network code
    except ModuleNotFoundError as error:
        raise InputError(
            f"There is no folder {source}. If it is a Hub id: pip install huggingface_hub fetches it.", "model"
        ) from error
    try:
        wanted = ["*.json", "*.safetensors", f"{onnx.FOLDER}/*"]
        return Path(snapshot_download(source, allow_patterns=wanted, ignore_patterns=["adapter/*"]))
    except (OSError, ValueError) as error:
        raise InputError(
            f"No model could be loaded from {source}. Give a folder or a Hub id of a Whisper audio-classification "
            f"checkpoint. ({error})",
            "model",
        ) from error


def _checked(waveform: np.ndarray) -> np.ndarray:
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or not np.issubdtype(waveform.dtype, np.floating):
        raise InputError("A waveform is a one-dimensional float array: mono, 16 kHz, values in [-1, 1].", "waveform")
    if not np.isfinite(waveform).all():
        raise InputError("The waveform holds NaN or infinite values.", "waveform")
    return waveform.astype(np.float32, copy=False)


def _join(spans: list[tuple[float, float]], samples: int) -> list[tuple[int, int]]:
    """Stretches of speech in seconds -> sample ranges of whole encoder frames, short pauses and a margin inside."""
    pieces: list[list[int]] = []
    for start, end in spans:
        first = int(start * SAMPLE_RATE)
        last = min(samples, int(end * SAMPLE_RATE))
        if pieces and first - pieces[-1][1] <= KEEP_PAUSES * SAMPLE_RATE:
            pieces[-1][1] = last
        else:
            pieces.append([first, last])
    margin = int(vad.MARGIN * SAMPLE_RATE)  # less than half of a pause that is cut, so pieces stay apart
    wider = [(max(0, first - margin), min(samples, last + margin)) for first, last in pieces]
    trimmed = [(start, start + (end - start) // FRAME_SAMPLES * FRAME_SAMPLES) for start, end in wider]
    return [(start, end) for start, end in trimmed if end > start]


def _windows(pieces: list[tuple[int, int]], longest: int) -> list[list[tuple[int, int]]]:
    """Pieces of speech (sample ranges) -> windows of at most `longest` samples, each a list of ranges, in order.

    What fits into one window goes there whole, as a stock pipeline would take it. Else long pieces keep to themselves,
    so that one language does not colour another across a pause, and short ones join their neighbours.
    """
    if sum(end - start for start, end in pieces) <= longest:
        return [pieces] if pieces else []
    windows: list[list[tuple[int, int]]] = []
    room, last = 0, 0  # samples left in the last window, length of its last piece
    for start, end in pieces:
        frames = (end - start) // FRAME_SAMPLES
        parts = -(-(end - start) // longest)
        edges = [start + frames * part // parts * FRAME_SAMPLES for part in range(parts + 1)]
        for piece in itertools.pairwise(edges):
            length = piece[1] - piece[0]
            if length <= room and min(length, last) < SHORT_PIECE * SAMPLE_RATE:
                windows[-1].append(piece)
            else:
                windows.append([piece])
                room = longest
            room, last = room - length, length
    return windows


def _named(probabilities: np.ndarray) -> dict[str, float]:
    return {code: round(float(p), 6) for code, p in zip(CODES, probabilities, strict=True)}
