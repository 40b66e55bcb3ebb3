"""The endpoints for programs: /identify and /identify_batch, with typed JSON."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr

from lid import audio
from lid.audio import Limits, Recording
from lid.errors import InputError, as_input_error
from lid.identify import Prediction
from lid.languages import CODES
from lid.speakers import TOLD
from lid.ui.gradio_patches import json_schema
from lid.ui.gradio_patches.links import uploads_only
from lid.ui.settings import BATCH_CPU, MAX_FILES
from lid.ui.texts import ENGLISH
from lid.verdict import KINDS, is_damaged

_PROBABILITIES = {"type": "object", "properties": {code: {"type": "number"} for code in CODES}}
_ENTRY = {
    "type": "object",
    "properties": {
        "start": {"type": "number"},
        "end": {"type": "number"},
        "probabilities": _PROBABILITIES,
        "channel": {"type": "integer"},
    },
}
_SOUNDS_LIKE = {
    "type": "object",
    "properties": {"language": {"type": "string"}, "probability": {"type": "number"}},
    "required": ["language", "probability"],
}
ENDPOINTS = ("identify", "identify_batch")
PREDICTION_SCHEMA: dict[str, Any] = {  # of `Prediction.to_dict`
    "type": "object",
    "properties": {
        "verdict": {"enum": list(KINDS)},
        "languages": {"type": "array", "items": {"enum": list(CODES)}},
        "language": {"anyOf": [{"enum": list(CODES)}, {"type": "null"}]},
        "probabilities": _PROBABILITIES,
        "known": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        "known_score": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "sounds_like": {"anyOf": [_SOUNDS_LIKE, {"type": "null"}]},
        "duration_seconds": {"type": "number"},
        "speech_seconds": {"type": "number"},
        "damaged": {"type": "boolean"},
        "timeline": {"type": "array", "items": _ENTRY},
    },
}
PREDICTION_SCHEMA["required"] = list(PREDICTION_SCHEMA["properties"])
_COUNT = {"type": "integer", "minimum": 1}
_SPEAKER = {key: PREDICTION_SCHEMA["properties"][key] for key in TOLD}
PREDICTION_SCHEMA["properties"] |= {  # where a file left a choice
    "track": {"type": "object", "properties": {"number": _COUNT, "of": _COUNT}},
    "channels": {
        "type": "object",
        "properties": {
            "kind": {"enum": ["opposite", "one", "two"]},
            "heard": {"type": "array", "items": _COUNT},
            "of": _COUNT,
        },
    },
    "speakers": {"type": "array", "items": {"type": "object", "properties": {"channel": _COUNT, **_SPEAKER}}},
}
ERROR_SCHEMA = {"type": "object", "properties": {"error": {"type": "string"}}}
BATCH_SCHEMA = {"type": "array", "items": {"anyOf": [PREDICTION_SCHEMA, ERROR_SCHEMA]}}


class Endpoints:
    """The functions behind the endpoints, for one model and its limits."""

    def __init__(
        self,
        identify: Callable[[Recording], Prediction],
        limits: Limits,
        identify_batch: Callable[[list[Recording]], list[Prediction]] | None = None,
    ):
        self._identify = identify
        self._identify_batch = identify_batch or (lambda recordings: [identify(one) for one in recordings])
        self.limits = limits

    def add(self) -> None:
        """Add both endpoints, inside a gr.Blocks. They have their own components: Gradio checks file paths through
        them."""
        # One call at a time. In the page's group this limit would be the page's, too.
        options: dict[str, Any] = {"concurrency_id": "api", "api_visibility": "public"}
        file = uploads_only(gr.File(visible=False, label="file"))
        answer = json_schema.state(gr.JSON(visible=False, label="prediction"), PREDICTION_SCHEMA)
        gr.Button(visible=False).click(self.identify, file, answer, api_name=ENDPOINTS[0], **options)
        files = uploads_only(gr.File(visible=False, label="files", file_count="multiple"))
        answers = json_schema.state(gr.JSON(visible=False, label="predictions"), BATCH_SCHEMA)
        gr.Button(visible=False).click(self.identify_batch, files, answers, api_name=ENDPOINTS[1], **options)

    def identify(self, file: str | None) -> dict:
        """Tell Uzbek, Russian and English apart in one audio file.

        Answers a verdict: "language", "not_sure", "none_of_the_three", "several" (languages, one after another),
        "no_speech" or "damaged"; languages, the codes that the verdict names; language, the likeliest ("uz", "ru",
        "en", or null without speech), with calibrated probabilities; known (whether it is any of the three; null if the
        model cannot tell) with known_score; sounds_like, the other language {language, probability} that speech in none
        of the three sounds like (a Whisper code such as "tr"; null elsewhere); duration_seconds, speech_seconds;
        damaged (whether part of the file could not be read); and a timeline of {start, end, probabilities}. Where a
        file left a choice, track, channels, and speakers (one for each channel of a call) say what was heard. Go by the
        verdict: language is also given where the verdict is "not_sure" or "none_of_the_three". A file that cannot be
        used is an error whose message is a sentence that says why.

        Args:
            file: The recording: any usual format, of sound or of video with sound.
        """
        try:
            if file is None:
                raise InputError(ENGLISH.no_file, "missing")
            return self._answer(audio.read(file, self.limits))
        except Exception as error:
            raise _told(error) from error

    def identify_batch(self, files: list[str] | None) -> list[dict]:
        """Tell Uzbek, Russian and English apart in each of several audio files.

        Answers a list in the order of the files. Each item is what identify answers, or {error: a sentence} for a file
        that cannot be used; the others go on.

        Args:
            files: The recordings, at most 50, together no longer than the longest single recording may be.
        """
        try:
            budget = Budget(files, self.limits)
        except InputError as error:
            raise _told(error) from error
        keys = [budget.key(path) for path in files or []]
        read = {key: self._read(path, budget) for key, path in dict(zip(keys, files or [], strict=True)).items()}
        heard = {key: one for key, one in read.items() if isinstance(one, Recording)}
        answers = {key: one for key, one in read.items() if isinstance(one, dict)}
        answers |= zip(heard, self._answers(list(heard.values())), strict=True)
        return [answers[key] for key in keys]

    def _read(self, path: str, budget: "Budget") -> Recording | dict:
        """A recording, or its error: whatever happens to one file, the others go on."""
        try:
            return budget.read(path)
        except Exception as error:
            return {"error": _sentence(as_input_error(error))}

    def _answers(self, recordings: list[Recording]) -> list[dict]:
        try:
            predictions = self._identify_batch(recordings)
            return [one.to_dict(is_damaged(sound)) for sound, one in zip(recordings, predictions, strict=True)]
        except Exception as error:
            if len(recordings) == 1:
                return [{"error": _sentence(as_input_error(error))}]
            return [answer for one in recordings for answer in self._answers([one])]

    def _answer(self, recording: Recording) -> dict:
        return self._identify(recording).to_dict(is_damaged(recording))


class Budget:
    """What the files of one batch may take together: as many seconds of sound as one recording may last, and BATCH_CPU
    seconds of processor time before they give sound. So a batch keeps other visitors waiting no longer than one long
    recording does. Files with the same `key` need to be read and identified once."""

    def __init__(self, files: list[str] | None, limits: Limits):
        """Raises InputError when there are no files, or too many."""
        if not files:
            raise InputError(ENGLISH.no_file, "missing")
        if len(files) > MAX_FILES:
            raise InputError(ENGLISH.too_many_files.format(count=len(files), limit=MAX_FILES), "too_many")
        self._limits = limits
        self._left = limits.max_seconds
        self._cost = audio.Cost(BATCH_CPU)

    def key(self, path: str) -> str:
        """Equal for equal files: a checksum of their bytes; the path itself where it cannot be opened."""
        try:
            with open(path, "rb") as file:
                digest = hashlib.sha256()
                while piece := file.read(1024**2):
                    digest.update(piece)
        except OSError:
            return path
        return digest.hexdigest()

    def read(self, path: str) -> Recording:
        """The recording at `path`; it takes its part of the budget. Raises InputError for a file that cannot be used,
        and for one that is too much after those before it."""
        if self._cost.left <= 0:
            sentence = "The files before this one took too long to decode. Send this one apart."
            raise InputError(sentence, "too_costly_together")
        try:
            recording = audio.read(path, replace(self._limits, max_seconds=max(self._left, 0.0)), self._cost)
        except InputError as error:
            raise self._explained(error) from error
        self._left -= recording.seconds
        return recording

    def _explained(self, error: InputError) -> InputError:
        """The error to show: another one when the file is only too long because of the files before it."""
        if error.reason != "too_long" or self._left == self._limits.max_seconds:
            return error
        return InputError(ENGLISH.too_long_together.format(minutes=self._limits.max_seconds / 60), "too_long_together")


def _told(error: Exception) -> gr.Error:
    """The error that carries a sentence to the caller."""
    return gr.Error(_sentence(as_input_error(error)), print_exception=False)


def _sentence(error: InputError) -> str:
    """What happened on the server stays there: an unexpected error's own text is in the server's log."""
    return ENGLISH.broken_note if error.reason == "unexpected" else str(error)
