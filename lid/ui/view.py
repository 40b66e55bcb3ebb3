"""Results -> updates of the page's components, as dictionaries for Gradio."""

from pathlib import Path

import gradio as gr
import numpy as np

from lid.ui import plots, strip, wording
from lid.ui.layout import Layout
from lid.ui.recording import RecordingResult
from lid.ui.texts import Texts


class View:
    """What the components show. `hardware` is what the model runs on; `name` is the model's, empty for our own; `size`
    is Whisper's name of it."""

    def __init__(self, layout: Layout, hardware: str, name: str, size: str):
        self._at = layout
        self._hardware, self._name, self._size = hardware, name, size

    def card(self, html: str) -> dict:
        """A card alone, and nothing under it."""
        at = self._at
        hidden = {part: gr.update(visible=False) for part in (at.when, at.what, at.where)}
        empty = {picture: None for picture in (at.timeline, at.evidence, at.mel, at.attention)}
        return {at.answer: html, **hidden, **empty}

    def answer(
        self, result: RecordingResult, words: Texts, player: str, took: str, name: str = "", key: str = ""
    ) -> dict:
        """The card of an answer and its pictures. `key` is what the page calls the recording, where a part of it can be
        asked for."""
        part = result.span if result.part else None
        card = wording.answer(result.prediction, result.damaged, words, player, took, name, part)
        return {**self.card(card), **self._pictures(result, words, name, key)}

    def _pictures(self, result: RecordingResult, words: Texts, name: str, key: str) -> dict:
        at, prediction, labels = self._at, result.prediction, words.labels
        pictures = {at.what: gr.update(visible=True), at.mel: plots.mel(result.mel, result.span, labels)}
        if prediction.language is None:
            return pictures
        pictures[at.where] = gr.update(visible=True)
        if prediction.known is False:  # which of the three is likeliest does not matter then
            return pictures
        stem = Path(name).stem or "languages"
        line = strip.as_html(prediction, result.peaks, result.span, stem, result.part, key, words)
        return pictures | {
            at.when: gr.update(visible=True),
            at.timeline: line,
            at.evidence: plots.evidence(prediction, result.span, labels),
        }

    def attention(self, weights: np.ndarray, start: float, words: Texts) -> dict:
        """The attention picture: weights (frames, frames), the first frame at `start` s of the file."""
        return {self._at.attention: plots.attention(weights, start, words.labels)}

    def took(self, seconds: float, words: Texts) -> str:
        """How long the answer took, and on what."""
        return words.took.format(took=wording.length(seconds, words), hardware=self._hardware, model=self._model(words))

    def kept(self, words: Texts) -> str:
        return words.kept.format(model=self._model(words))

    def _model(self, words: Texts) -> str:
        model = words.model.format(size=self._size)
        return f"{self._name} ({model})" if self._name else model
