"""The endpoints for programs: /identify and /identify_batch, with typed JSON."""

from collections.abc import Callable
from dataclasses import replace

import gradio as gr
import numpy as np

from lid import audio
from lid.audio import Limits
from lid.errors import InputError
from lid.identify import Prediction
from lid.languages import CODES
from lid.ui.gradio_patches import json_schema
from lid.ui.gradio_patches.links import uploads_only
from lid.ui.settings import MAX_FILES
from lid.ui.texts import ENGLISH

_PROBABILITIES = {"type": "object", "properties": {code: {"type": "number"} for code in CODES}}
_ENTRY = {
    "type": "object",
    "properties": {"start": {"type": "number"}, "end": {"type": "number"}, "probabilities": _PROBABILITIES},
}
PREDICTION_SCHEMA = {  # of `Prediction.to_dict`
    "type": "object",
    "properties": {
        "language": {"anyOf": [{"enum": list(CODES)}, {"type": "null"}]},
        "probabilities": _PROBABILITIES,
        "known": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        "known_score": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "duration_seconds": {"type": "number"},
        "speech_seconds": {"type": "number"},
        "timeline": {"type": "array", "items": _ENTRY},
    },
}
ERROR_SCHEMA = {"type": "object", "properties": {"error": {"type": "string"}}}
BATCH_SCHEMA = {"type": "array", "items": {"anyOf": [PREDICTION_SCHEMA, ERROR_SCHEMA]}}


class Endpoints:
    """The functions behind the endpoints, for one model and its limits."""

    def __init__(self, identify: Callable[[np.ndarray], Prediction], limits: Limits):
        self._identify = identify
        self.limits = limits

    def add(self) -> None:
        """Add both endpoints, inside a gr.Blocks. They have their own components: Gradio checks file paths through
        them."""
        options = {"concurrency_id": "model", "api_visibility": "public"}
        file = uploads_only(gr.File(visible=False, label="file"))
        answer = json_schema.state(gr.JSON(visible=False, label="prediction"), PREDICTION_SCHEMA)
        gr.Button(visible=False).click(self.identify, file, answer, api_name="identify", **options)
        files = uploads_only(gr.File(visible=False, label="files", file_count="multiple"))
        answers = json_schema.state(gr.JSON(visible=False, label="predictions"), BATCH_SCHEMA)
        gr.Button(visible=False).click(self.identify_batch, files, answers, api_name="identify_batch", **options)

    def identify(self, file: str | None) -> dict:
        """Tell Uzbek, Russian and English apart in one audio file.

        Answers language ("uz", "ru", "en", or null without speech), calibrated probabilities, known (whether it is any
        of the three; null if the model cannot tell) with known_score, duration_seconds, speech_seconds and a timeline
        of {start, end, probabilities}. A file that cannot be used is an error whose message is a sentence saying why.

        Args:
            file: The recording: WAV, FLAC, MP3, OGG/Opus, M4A/AAC or WebM.
        """
        try:
            if file is None:
                raise InputError(ENGLISH.no_file, "missing")
            return self._identify(audio.decode(file, self.limits)).to_dict()
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from error

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
            raise gr.Error(str(error), print_exception=False) from error
        return [self._one(path, budget) for path in files]

    def _one(self, path: str, budget: "Budget") -> dict:
        try:
            return self._identify(budget.spend(audio.decode(path, budget.limits()))).to_dict()
        except InputError as error:
            return {"error": str(budget.explained(error))}


class Budget:
    """The seconds that the files of one batch may last together: as long as one recording may. So a batch keeps other
    visitors waiting no longer than one long recording does."""

    def __init__(self, files: list[str] | None, limits: Limits):
        """Raises InputError when there are no files, or too many."""
        if not files:
            raise InputError(ENGLISH.no_file, "missing")
        if len(files) > MAX_FILES:
            raise InputError(ENGLISH.too_many_files.format(count=len(files), limit=MAX_FILES), "too_many")
        self._limits = limits
        self._left = limits.max_seconds

    def limits(self) -> Limits:
        """The limits of the next file."""
        return replace(self._limits, max_seconds=max(self._left, 0.0))

    def spend(self, waveform: np.ndarray) -> np.ndarray:
        self._left -= len(waveform) / audio.SAMPLE_RATE
        return waveform

    def explained(self, error: InputError) -> InputError:
        """The error to show: another one when the file is only too long because of the files before it."""
        if error.reason != "too_long" or self._left == self._limits.max_seconds:
            return error
        return InputError(ENGLISH.too_long_together.format(minutes=self._limits.max_seconds / 60), "too_long_together")
