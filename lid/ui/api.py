"""What programs call: /identify and /identify_batch with typed JSON, and identify as an MCP tool."""

from collections.abc import Callable
from dataclasses import replace

import gradio as gr

from lid import audio
from lid.audio import Limits
from lid.errors import InputError
from lid.identify import Prediction
from lid.languages import CODES
from lid.ui.gradio_patches.uploads import no_links
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
    """The functions behind the endpoints, for a model and limits."""

    def __init__(self, identify: Callable[[audio.Recording], Prediction], limits: Limits):
        self._identify = identify
        self.limits = limits

    def add(self) -> None:
        """Within a gr.Blocks: add both. Components of their own, because Gradio checks a file's path through them."""
        options = {"concurrency_id": "model", "api_visibility": "public"}
        file = no_links(gr.File(visible=False, label="file"))
        answer = _typed(gr.JSON(visible=False, label="prediction"), PREDICTION_SCHEMA)
        gr.Button(visible=False).click(self.identify, file, answer, api_name="identify", **options)
        files = no_links(gr.File(visible=False, label="files", file_count="multiple"))
        answers = _typed(gr.JSON(visible=False, label="predictions"), BATCH_SCHEMA)
        gr.Button(visible=False).click(self.identify_batch, files, answers, api_name="identify_batch", **options)

    def identify(self, file: str | None) -> dict:
        """Tell Uzbek, Russian and English apart in one audio file.

        Answers language ("uz", "ru", "en", or null without speech), calibrated probabilities, known (whether it is any
        of the three; null if the model cannot tell) with known_score, duration_seconds, speech_seconds and a timeline
        of {start, end, probabilities}. Where a file leaves a choice, track and channels say what of it was heard; where
        each channel has a speaker, as in a call, speakers has the language of each, and timeline the channel. A file
        that cannot be used is an error whose message is a sentence saying why.

        Args:
            file: The recording: any usual format, of sound or of video with sound.
        """
        try:
            if file is None:
                raise InputError(ENGLISH.no_file, "missing")
            return self._identify(audio.read(file, self.limits)).to_dict()
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
            return self._identify(budget.spend(audio.read(path, budget.limits()))).to_dict()
        except InputError as error:
            return {"error": str(budget.explained(error))}


def keep_working_tools(page: gr.Blocks) -> None:
    """Of a launched page, offer agents `identify` alone. Gradio makes every endpoint a tool, but its MCP server neither
    describes nor converts a list of files, so that each call of the other would fail (checked in 6.31)."""
    if page.mcp_server_obj is not None:
        offered = page.mcp_server_obj.tool_to_endpoint  # a Space's tools are named after it: look at the endpoints
        page.mcp_server_obj.tool_to_endpoint = {tool: to for tool, to in offered.items() if to == "/identify"}


class Budget:
    """Seconds that several files together may last, so that one visitor's batch holds the others up no longer than one
    long recording would."""

    def __init__(self, files: list[str] | None, limits: Limits):
        """Raises InputError when there are no files, or too many."""
        if not files:
            raise InputError(ENGLISH.no_file, "missing")
        if len(files) > MAX_FILES:
            raise InputError(ENGLISH.too_many_files.format(count=len(files), limit=MAX_FILES), "too_many")
        self._limits = limits
        self._left = limits.max_seconds

    def limits(self) -> Limits:
        """What the next file has to keep to."""
        return replace(self._limits, max_seconds=max(self._left, 0.0))

    def spend(self, recording: audio.Recording) -> audio.Recording:
        self._left -= recording.seconds
        return recording

    def explained(self, error: InputError) -> InputError:
        """The error itself, unless it was the files before that left too little."""
        if error.reason != "too_long" or self._left == self._limits.max_seconds:
            return error
        return InputError(ENGLISH.too_long_together.format(minutes=self._limits.max_seconds / 60), "too_long_together")


def _typed(component: gr.JSON, schema: dict) -> gr.JSON:
    """State the shape of the JSON, which Gradio else calls "any valid json"."""
    component.api_info = lambda: schema
    component.api_info_as_output = lambda: schema
    return component
