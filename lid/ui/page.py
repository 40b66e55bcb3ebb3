"""The Gradio page: its components and the functions behind its events.

The sentences are made in wording.py, the pictures in plots.py; launch.py serves the page.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from lid import audio
from lid.audio import Limits
from lid.errors import InputError, as_input_error
from lid.identify import EMBEDDED_MODEL, LanguageIdentifier, Prediction
from lid.runtime import cores
from lid.ui import plots, settings, table, texts, wording
from lid.ui.api import Budget, Endpoints
from lid.ui.examples import Examples
from lid.ui.gradio_patches import call_errors, links, queue_full, recorder, translation, uploads
from lid.ui.live import Buffer
from lid.ui.recording import FirstSegment, ProgressUpdate, RecordingResult, analyse, result_of, with_progress
from lid.ui.texts import Texts
from lid.verdict import is_damaged

EXAMPLES = Path(__file__).parents[2] / "assets" / "examples"
EXAMPLE_FILES = ("uzbek.mp3", "russian.ogg", "english.m4a", "uzbek-then-english.webm")
PROGRESS_EVERY = 0.3  # s between two updates of the progress bar
# On a phone the answer is below the button that was clicked: scroll it to the top, the pictures come under it.
SHOW_ANSWER = """() => document.getElementById('answer').scrollIntoView(
  {behavior: 'smooth', block: window.innerWidth < 700 ? 'start' : 'nearest'})"""
ANNOUNCE = "() => document.getElementById('answer').setAttribute('aria-live', 'polite')"  # to screen readers
# The last input of each event is the language in which the browser shows the page.
WITH_LANGUAGE = "(...inputs) => [...inputs.slice(0, -1), document.documentElement.lang]"

SIZES = {384: "tiny", 512: "base", 768: "small", 1024: "medium", 1280: "large"}  # Whisper's, by the encoder's width


def build(
    identifier: LanguageIdentifier,
    gpu: Callable[[Callable], Callable] = lambda function: function,
    limits: Limits = audio.DEFAULT_LIMITS,
) -> gr.Blocks:
    """The page for a model. `gpu` wraps the functions that run it (ZeroGPU lends its GPU to such functions only)."""
    uploads.delete_old()
    return Page(identifier, gpu, limits).blocks


class Page:
    """The components of the page and the functions that their events call."""

    def __init__(self, identifier: LanguageIdentifier, gpu: Callable[[Callable], Callable], limits: Limits):
        self.model = identifier.model
        self.layers, self.heads = self.model.layers, self.model.heads
        self.limits = limits
        self.hardware = _hardware(identifier.model.device)
        self.name = "" if identifier.name == EMBEDDED_MODEL.name else identifier.name
        self.size = SIZES.get(self.model.d_model, "")
        self._identify = gpu(identifier.identify)
        self._identify_with_progress = gpu(with_progress(identifier.identify))
        self._attention = gpu(identifier.attention)
        self._live_turn = threading.Lock()
        self._examples = Examples(self._analyse, self._head_attention)
        with gr.Blocks(title=texts.ENGLISH.title, analytics_enabled=False) as self.blocks:
            self._lay_out()
            self._wire()
            Endpoints(self._identify, limits, gpu(identifier.identify_batch)).add()
        self.blocks.queue(max_size=settings.QUEUE_SIZE, default_concurrency_limit=1, api_open=False)
        queue_full.localize(self.blocks)
        call_errors.explain(self.blocks)

    def _lay_out(self) -> None:
        gr.HTML(translation.mark("header"))
        with gr.Row(elem_classes="lid-top"):
            with gr.Column(scale=5, min_width=320):
                self._lay_out_inputs()
            with gr.Column(scale=7, min_width=320, elem_classes="lid-panel"):
                self.answer = gr.HTML(translation.mark("waiting"), elem_id="answer")
                self.bars = _plot("bars")
                self.bars_note = gr.HTML(translation.mark("bars_note"), visible=False)
        with gr.Column(visible=False, elem_classes=["lid-panel", "lid-pictures"]) as self.what:
            with gr.Column(visible=False, elem_classes="lid-pictures") as self.when:
                self.timeline = _picture("timeline")
                self.evidence = _picture("evidence")
            self.mel = _picture("mel")
        with gr.Column(visible=False, elem_classes="lid-panel") as self.where, gr.Row():
            with gr.Column(scale=5, min_width=260):
                gr.HTML(translation.mark("picture_attention"))
                gr.HTML(translation.mark("caption_attention"))
                layers = [(f"{layer} / {self.layers}", layer) for layer in range(1, self.layers + 1)]
                heads = [(f"1–{self.heads}", 0), *((str(head), head) for head in range(1, self.heads + 1))]
                self.layer = gr.Dropdown(layers, value=self.layers, label=translation.mark("layer"), filterable=False)
                self.head = gr.Dropdown(heads, value=0, label=translation.mark("head"), filterable=False)
            with gr.Column(scale=7, min_width=260):
                self.attention = _plot("attention")
        self.first_segment = gr.State(None, time_to_live=settings.KEEP_SECONDS)
        self.buffer = gr.State(None, time_to_live=settings.KEEP_SECONDS)
        self.language = gr.Textbox(visible=False)

    def _lay_out_inputs(self) -> None:
        microphone: dict[str, Any] = {"sources": ["microphone"], "type": "filepath", "editable": False, "buttons": []}
        microphone["show_label"] = False  # the tab has the same text
        with gr.Tabs(elem_classes="lid-tabs"):
            with gr.Tab(translation.mark("record")):
                self.microphone = gr.Audio(label=translation.mark("record"), elem_id="microphone", **microphone)
            with gr.Tab(translation.mark("live"), elem_id="live-tab"):
                self.live = gr.Audio(label=translation.mark("live"), elem_id="live", streaming=True, **microphone)
                gr.HTML(translation.mark("live_note"))
        links.uploads_only(self.microphone)
        links.uploads_only(self.live)
        # Not gr.Audio: it refuses files that the browser knows no audio type for, such as .mp4, .amr, or no ending.
        self.files = links.uploads_only(
            gr.File(label=translation.mark("upload"), elem_id="upload", height=160, file_count="multiple")
        )
        gr.HTML(translation.mark("limits_note"))
        gr.HTML(translation.mark("examples"), elem_classes="lid-small")
        with gr.Row(elem_classes="lid-examples"):
            self.examples = [
                (gr.Button(translation.mark(f"example_{Path(file).stem}"), size="sm", min_width=80), file)
                for file in EXAMPLE_FILES
            ]
        gr.HTML(translation.mark("examples_note"))

    def _wire(self) -> None:
        shown = [self.answer, self.bars, self.bars_note, self.when, self.timeline, self.evidence, self.what, self.mel]
        shown += [self.where, self.first_segment]
        inputs = [self.microphone, self.files, self.buffer]
        private: dict[str, Any] = {"api_visibility": "private", "js": WITH_LANGUAGE}
        options = {**private, "concurrency_id": "model", "show_progress_on": self.answer}
        kept = {**options, "concurrency_id": "examples"}  # a kept result does not wait for other visitors' recordings
        answered = [
            self.microphone.stop_recording(
                self._on_recording, [self.microphone, self.language], [*shown, self.files], **options
            ),
            self.files.upload(self._on_upload, [self.files, self.language], [*shown, self.microphone], **options),
            self.live.stop_recording(
                self._on_live_end, [self.buffer, self.language], [*shown, self.buffer, self.live], **options
            ),
        ]
        clicked = []
        for button, name in self.examples:
            on_click = _fixed(self._on_example, EXAMPLES / name)
            clicked.append(button.click(on_click, self.language, [*shown, self.files, self.microphone], **kept))
        drawing = {**private, "concurrency_id": "model", "show_progress": "minimal"}
        view = ([self.first_segment, self.layer, self.head, self.language], self.attention)
        for event in (*answered, *clicked):
            event.then(None, js=SHOW_ANSWER)
            event.failure(None, None, self.answer, js=FAILED)
            turn = {"concurrency_id": "examples"} if event in clicked else {}
            event.success(self._draw_attention, *view, **{**drawing, **turn})
        gr.on([self.layer.input, self.head.input], self._draw_attention, *view, trigger_mode="always_last", **drawing)
        self.live.start_recording(None, None, self.live, js=recorder.piece_length(settings.LIVE_EVERY))
        self.live.start_recording(
            self._on_live_start, self.language, [*shown, *inputs], queue=False, show_progress="hidden", **private
        )
        heard = self.live.stream(
            self._on_live,
            [self.live, self.buffer, self.language],
            [self.answer, self.bars, self.bars_note, self.buffer],
            stream_every=settings.LIVE_EVERY,
            time_limit=settings.LIVE_TURN,
            concurrency_id="live",
            concurrency_limit=settings.LIVE_VISITORS,
            show_progress="hidden",
            **private,
        )
        heard.failure(None, None, self.answer, js=FAILED)
        self.blocks.load(None, js=ANNOUNCE)
        gr.on([self.microphone.clear, self.files.clear], self._on_clear, self.language, shown, queue=False, **private)

    def _on_recording(self, path: str | None, language: str | None) -> Iterator[dict]:
        for update in self._show(path, texts.choose(language), wording.player_of(path) if path else ""):
            yield {**update, self.files: None}

    def _on_upload(self, paths: list[str] | None, language: str | None) -> Iterator[dict]:
        words = texts.choose(language)
        if paths and len(paths) > 1:
            updates = self._show_several(paths, words)
        else:
            path = paths[0] if paths else None
            updates = self._show(path, words, wording.player_of(path) if path else "")
        for update in updates:
            yield {**update, self.microphone: None}

    def _on_example(self, path: Path, language: str | None) -> Iterator[dict]:
        words = texts.choose(language)
        aside = words.kept.format(model=self._model(words)) if path in self._examples else ""
        for update in self._answer(self._examples.analyse(path), words, wording.player_of_example(path), aside):
            yield {**update, self.files: None, self.microphone: None}

    def _on_clear(self, language: str | None) -> dict:
        return self._blank(texts.choose(language))

    def _on_live_start(self, language: str | None) -> dict:
        words = texts.choose(language)
        cleared = {self.microphone: None, self.files: None, self.buffer: Buffer(language=language or "")}
        return {**self._blank(words), self.answer: wording.listening(words), **cleared}

    def _on_live(self, path: str | None, buffer: Buffer | None, language: str | None) -> dict:
        """One piece of the microphone's sound. While the model works for another visitor, the last answer stays."""
        buffer = buffer or Buffer()
        buffer.language = language or buffer.language
        words = texts.choose(buffer.language)
        if path is not None:
            buffer.add(_chunk(path))
        if not buffer.due(time.monotonic()) or not self._live_turn.acquire(blocking=False):
            return {self.buffer: buffer}
        try:
            buffer.answered = time.monotonic()
            prediction = self._identify(buffer.waveform)
        finally:
            self._live_turn.release()
        if prediction.speech_seconds < wording.SHORT_SPEECH:
            return {self.answer: wording.listening(words), self.buffer: buffer}
        return {
            self.answer: wording.answer(prediction, texts=words),
            **self._bars(prediction, words),
            self.buffer: buffer,
        }

    def _on_live_end(self, buffer: Buffer | None, language: str | None) -> Iterator[dict]:
        words = texts.choose(language)
        done = {self.buffer: None, self.live: None}
        if buffer is None or not len(buffer.samples):
            yield {**self._blank(words), **done}
            return
        waveform = buffer.waveform
        began = time.perf_counter()
        for update in self._identify_with_progress(waveform):
            if isinstance(update, Prediction):
                result = result_of(waveform, update, self.model)
                aside = self._aside(time.perf_counter() - began, words)
                yield {**self._shown(result, words, aside, wording.player_of_waveform(waveform)), **done}

    def _show(self, path: str | None, words: Texts, player: str = "") -> Iterator[dict]:
        if path is None:
            yield self._blank(words)
        else:
            yield from self._answer(self._analyse(path), words, player)

    def _analyse(self, path: str | os.PathLike) -> Iterator[ProgressUpdate | RecordingResult]:
        return analyse(path, self._identify_with_progress, self.model, self.limits)

    def _answer(
        self, results: Iterator[ProgressUpdate | RecordingResult], words: Texts, player: str, aside: str = ""
    ) -> Iterator[dict]:
        """Updates of the page: the progress bar with the languages so far, then the answer and its pictures."""
        began = time.perf_counter()
        updated, so_far = began, []
        try:
            for result in results:
                if isinstance(result, RecordingResult):
                    aside = aside or self._aside(time.perf_counter() - began, words)
                    yield self._shown(result, words, aside, player)
                    continue
                so_far.append(result)
                if time.perf_counter() - updated > PROGRESS_EVERY and result.share < 1:
                    updated = time.perf_counter()
                    yield {self.answer: wording.working(so_far, words)}
        except InputError as error:
            yield {**self._blank(words), self.answer: wording.problem(error, words, self.limits)}

    def _show_several(self, paths: list[str], words: Texts) -> Iterator[dict]:
        """A table that is filled row by row."""
        try:
            budget = Budget(paths, self.limits)
        except InputError as error:
            yield {**self._blank(words), self.answer: wording.problem(error, words, self.limits)}
            return
        rows = [table.Row(Path(path).name) for path in paths]
        yield {**self._blank(words), self.answer: table.as_html(rows, words)}
        for index, path in enumerate(paths):
            try:
                recording = budget.spend(audio.read(path, budget.limits()))
                prediction = self._identify(recording)
                rows[index] = replace(rows[index], prediction=prediction, damaged=is_damaged(recording))
            except Exception as error:  # whatever happens to one file, the others go on
                problem = budget.explained(as_input_error(error))
                rows[index] = replace(rows[index], error=wording.explained(problem, words, self.limits))
            yield {self.answer: table.as_html(rows, words)}

    def _blank(self, words: Texts) -> dict:
        hidden = [self.bars, self.bars_note, self.when, self.what, self.where]
        return {
            self.answer: wording.waiting(words),
            **{component: gr.update(visible=False) for component in hidden},
            **{picture: None for picture in (self.timeline, self.evidence, self.mel)},
            self.first_segment: None,
        }

    def _aside(self, took: float, words: Texts) -> str:
        return words.took.format(took=wording.seconds(took, words), hardware=self.hardware, model=self._model(words))

    def _model(self, words: Texts) -> str:
        model = words.model.format(size=self.size)
        return f"{self.name} ({model})" if self.name else model

    def _shown(self, result: RecordingResult, words: Texts, aside: str, player: str) -> dict:
        card = wording.answer(result.prediction, result.damaged, words, player, aside)
        return {**self._blank(words), **self._pictures(result, words), self.answer: card}

    def _pictures(self, result: RecordingResult, words: Texts) -> dict:
        prediction, labels = result.prediction, words.labels
        mel = plots.mel(result.mel, prediction.duration_seconds, labels)
        pictures = {self.what: gr.update(visible=True), self.mel: mel}
        if prediction.language is None:
            return pictures
        pictures |= {self.where: gr.update(visible=True), self.first_segment: result.first_segment}
        if prediction.known is False:  # which of the three is likeliest does not matter then
            return pictures
        return pictures | {
            **self._bars(prediction, words),
            self.when: gr.update(visible=True),
            self.timeline: plots.timeline(prediction, labels),
            self.evidence: plots.evidence(prediction, labels),
        }

    def _bars(self, prediction: Prediction, words: Texts) -> dict:
        """No bars for a language outside the three: the probabilities only share it out between the three."""
        named = prediction.known is not False
        chart = {"value": plots.bars(prediction, words.labels)} if named else {}
        return {self.bars: gr.update(visible=named, **chart), self.bars_note: gr.update(visible=named)}

    def _draw_attention(self, first_segment: FirstSegment | None, layer: int, head: int, language: str | None):
        """`head` 0 is the average of all."""
        if first_segment is None:
            return None
        weights, start = self._examples.attention(first_segment, layer, head)
        return plots.attention(weights, start, texts.choose(language).labels)

    def _head_attention(self, first_segment: FirstSegment, layer: int, head: int) -> tuple[np.ndarray, float]:
        """Attention weights (frames, frames) and the second at which the first frame starts."""
        weights, start = self._attention(first_segment.waveform, layer - 1)
        return weights[head - 1] if head else weights.mean(axis=0), first_segment.start + start


# Shown after a call that failed; the browser knows why (gradio_patches/browser/call_failure.js).
FAILURES = {why: translation.mark(why) for why in ("busy", "broken", "restarting")}
FAILED = f"() => [{json.dumps(FAILURES)}[window.lidFailure()]]"


def _plot(name: str) -> gr.Plot:
    return gr.Plot(show_label=False, container=False, visible=name != "bars", elem_id=name)


def _picture(name: str) -> gr.Plot:
    with gr.Column(elem_classes="lid-picture"):
        gr.HTML(translation.mark(f"picture_{name}"))
        plot = _plot(name)
        gr.HTML(translation.mark(f"caption_{name}"))
    return plot


def _fixed(function: Callable, argument) -> Callable:
    """A generator function with its first argument given. Not functools.partial: Gradio must see a generator
    function."""

    def call(language: str | None) -> Iterator:
        yield from function(argument, language)

    return call


def _chunk(path: str) -> np.ndarray:
    """A piece of the microphone's sound, float32 (samples,) at 16 kHz; empty when it cannot be read."""
    try:
        return audio.decode(path, Limits(min_seconds=0.0))
    except InputError:
        return np.zeros(0, np.float32)


def _hardware(device: str) -> str:
    """What answers, in words: a graphics card's name, or the number of cores."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return f"CPU × {cores()}"
