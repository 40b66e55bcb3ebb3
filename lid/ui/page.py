"""The Gradio page: layout, wiring, and how it is served. What it says is in wording.py, what it draws in plots.py."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import gradio as gr
import numpy as np
import torch
from gradio.i18n import I18nData

from lid import audio
from lid.audio import Limits
from lid.errors import InputError
from lid.identify import EMBEDDED_MODEL, LanguageIdentifier, Prediction
from lid.model import whisper
from lid.ui import plots, settings, table, texts, wording
from lid.ui.api import Budget, Endpoints, keep_working_tools
from lid.ui.examples import Examples
from lid.ui.gradio_patches import guard, queue_full, shutdown, uploads
from lid.ui.live import Buffer
from lid.ui.recording import Heard, Opening, Step, hear, of_waveform, steps
from lid.ui.texts import Texts

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "assets" / "examples"
EXAMPLE_FILES = ("uzbek.mp3", "russian.ogg", "english.m4a", "uzbek-then-english.webm")
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Liberation Sans", "sans-serif"]  # nothing to download
PROGRESS_EVERY = 0.3  # s between two movements of the progress bar
# On a phone the answer is under what was clicked: put it at the top, with room for what is still being drawn.
SHOW_ANSWER = """() => document.getElementById('answer').scrollIntoView(
  {behavior: 'smooth', block: window.innerWidth < 700 ? 'start' : 'nearest'})"""
ANNOUNCE = "() => document.getElementById('answer').setAttribute('aria-live', 'polite')"  # to screen readers
# The last input of each event is the language that the browser's part of the page shows.
WITH_LANGUAGE = "(...inputs) => [...inputs.slice(0, -1), document.documentElement.lang]"

SIZES = {384: "tiny", 512: "base", 768: "small", 1024: "medium", 1280: "large"}  # Whisper's, by the encoder's width

# Gradio's recorder sends a piece every 0.1 s whatever its event asks for, and pieces that come faster than they are
# dealt with are lost. It reads this property as it starts, a moment after it says that it does.
LONGER_PIECES = f"() => ({{__type__: 'update', stream_every: {settings.LIVE_EVERY}}})"


def build(
    identifier: LanguageIdentifier,
    gpu: Callable[[Callable], Callable] = lambda function: function,
    limits: Limits = audio.DEFAULT_LIMITS,
) -> gr.Blocks:
    """The page for a model. `gpu` wraps the functions that run it (ZeroGPU lends its GPU to such functions only)."""
    uploads.keep_clean()
    return Page(identifier, gpu, limits).blocks


def serve(page: gr.Blocks, limits: Limits, port: int) -> None:
    """Launch the page on a port and stay until it is stopped."""
    page.launch(server_port=port, prevent_thread_lock=True, **launch_options(limits))
    keep_working_tools(page)
    shutdown.tell_on_sigterm(page)
    page.block_thread()


def launch_options(limits: Limits) -> dict:
    """Arguments of `launch`: the look, and privacy. Nothing is fetched from or sent to another host."""
    return {
        "theme": _theme(),
        "css_paths": HERE / "style.css",
        "head": _script(limits),
        "i18n": gr.I18n(**{code: _static(words, limits) for code, words in texts.ALL.items()}),
        "favicon_path": HERE / "favicon.svg",
        "footer_links": ["api", "settings"],
        "share": False,
        "ssr_mode": False,
        "run_history": False,
        "enable_monitoring": False,
        "app_kwargs": guard.guards(limits),
        "mcp_server": find_spec("mcp") is not None,
        "max_file_size": limits.max_bytes,
        "state_session_capacity": settings.SESSIONS,
    }


def _script(limits: Limits) -> str:
    """page.js, and what it has to say."""
    too_large = InputError("", "too_large")
    words = {
        code: {
            "failed": said.failed,
            "too_large": wording.explained(too_large, said, limits),
            "status": {"queue:": f"{said.queued}:", "processing |": f"{said.working} |"},
            "restarting": said.restarting,
        }
        for code, said in texts.ALL.items()
    }
    return f"<script>window.lidWords = {json.dumps(words)};\n{(HERE / 'page.js').read_text(encoding='utf-8')}</script>"


def _static(words: Texts, limits: Limits) -> dict[str, str]:
    """What the page shows before anything is asked of the server: translated in the browser, by these keys."""
    legends = dict.fromkeys(("timeline", "evidence"), wording.legend(words))
    pictures = {}
    for name, (heading, how_to_read) in words.pictures.items():
        pictures[f"picture_{name}"] = wording.subheading(heading, legends.get(name, ""))
        pictures[f"caption_{name}"] = wording.note(how_to_read)
    examples = {f"example_{name}": said for name, said in words.example_names.items()}
    return {
        "title": words.title,
        "header": wording.header(words),
        "record": words.record,
        "live": words.live,
        "live_note": wording.live_note(words),
        "upload": words.upload,
        "limits_note": wording.limits_note(words, limits),
        "examples": wording.subheading(words.examples),
        "examples_note": wording.note(words.examples_note),
        "waiting": wording.waiting(words),
        "busy": wording.busy(words),
        "broken": wording.failure(words, words.broken_note),
        "restarting": wording.failure(words, words.restarting),
        "bars_note": wording.note(words.bars_note),
        "layer": words.layer,
        "head": words.head,
        **pictures,
        **examples,
    }


class Page:
    """The components, and the functions their events call."""

    def __init__(self, identifier: LanguageIdentifier, gpu: Callable[[Callable], Callable], limits: Limits):
        self.layers = identifier.layers
        self.heads = identifier.model.config.encoder_attention_heads
        self.window_seconds = whisper.window_seconds(identifier.model)
        self.limits = limits
        self.hardware = _hardware(identifier.model.device)
        self.name = "" if identifier.name == EMBEDDED_MODEL.name else identifier.name
        self.size = SIZES.get(identifier.model.config.d_model, "")
        self._identify = gpu(identifier.identify)
        self._listen = gpu(steps(identifier.identify))
        self._attention = gpu(identifier.attention)
        self._live_turn = threading.Lock()
        self._examples = Examples(self._hear, self._look)
        with gr.Blocks(title=texts.ENGLISH.title, analytics_enabled=False) as self.blocks:
            self._lay_out()
            self._wire()
            Endpoints(self._identify, limits).add()
        self.blocks.queue(max_size=settings.QUEUE_SIZE, default_concurrency_limit=1, api_open=False)
        queue_full.say_so(self.blocks)

    def _lay_out(self) -> None:
        gr.HTML(_translated("header"))
        with gr.Row(elem_classes="lid-top"):
            with gr.Column(scale=5, min_width=320):
                self._lay_out_inputs()
            with gr.Column(scale=7, min_width=320, elem_classes="lid-panel"):
                self.answer = gr.HTML(_translated("waiting"), elem_id="answer")
                self.bars = _plot("bars")
                self.bars_note = gr.HTML(_translated("bars_note"), visible=False)
        with gr.Column(visible=False, elem_classes=["lid-panel", "lid-pictures"]) as self.what:
            with gr.Column(visible=False, elem_classes="lid-pictures") as self.when:
                self.timeline = _picture("timeline")
                self.evidence = _picture("evidence")
            self.mel = _picture("mel")
        with gr.Column(visible=False, elem_classes="lid-panel") as self.where, gr.Row():
            with gr.Column(scale=5, min_width=260):
                gr.HTML(_translated("picture_attention"))
                gr.HTML(_translated("caption_attention"))
                layers = [(f"{layer} / {self.layers}", layer) for layer in range(1, self.layers + 1)]
                heads = [(f"1–{self.heads}", 0), *((str(head), head) for head in range(1, self.heads + 1))]
                self.layer = gr.Dropdown(layers, value=self.layers, label=_translated("layer"), filterable=False)
                self.head = gr.Dropdown(heads, value=0, label=_translated("head"), filterable=False)
            with gr.Column(scale=7, min_width=260):
                self.attention = _plot("attention")
        self.opening = gr.State(None, time_to_live=settings.KEEP_SECONDS)
        self.buffer = gr.State(None, time_to_live=settings.KEEP_SECONDS)
        self.language = gr.Textbox(visible=False)

    def _lay_out_inputs(self) -> None:
        microphone = {"sources": ["microphone"], "type": "filepath", "editable": False, "buttons": []}
        microphone["show_label"] = False  # the tab says it
        with gr.Tabs(elem_classes="lid-tabs"):
            with gr.Tab(_translated("record")):
                self.microphone = gr.Audio(label=_translated("record"), elem_id="microphone", **microphone)
            with gr.Tab(_translated("live"), elem_id="live-tab"):
                self.live = gr.Audio(label=_translated("live"), elem_id="live", streaming=True, **microphone)
                gr.HTML(_translated("live_note"))
        uploads.no_links(self.microphone)
        uploads.no_links(self.live)
        # Not gr.Audio, which turns away what the browser has no audio type for: .mp4, .amr, or no ending at all.
        self.files = uploads.no_links(
            gr.File(label=_translated("upload"), elem_id="upload", height=160, file_count="multiple")
        )
        gr.HTML(_translated("limits_note"))
        gr.HTML(_translated("examples"), elem_classes="lid-small")
        with gr.Row(elem_classes="lid-examples"):
            self.examples = [
                (gr.Button(_translated(f"example_{Path(file).stem}"), size="sm", min_width=80), file)
                for file in EXAMPLE_FILES
            ]
        gr.HTML(_translated("examples_note"))

    def _wire(self) -> None:
        shown = [self.answer, self.bars, self.bars_note, self.when, self.timeline, self.evidence, self.what, self.mel]
        shown += [self.where, self.opening]
        inputs = [self.microphone, self.files, self.buffer]
        private = {"api_visibility": "private", "js": WITH_LANGUAGE}
        options = {**private, "concurrency_id": "model", "show_progress_on": self.answer}
        kept = {**options, "concurrency_id": "examples"}  # what was heard before waits for no one's recording
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
        view = ([self.opening, self.layer, self.head, self.language], self.attention)
        for event in (*answered, *clicked):
            event.then(None, js=SHOW_ANSWER)
            event.failure(None, None, self.answer, js=FAILED)
            turn = {"concurrency_id": "examples"} if event in clicked else {}
            event.success(self._draw_attention, *view, **{**drawing, **turn})
        gr.on([self.layer.input, self.head.input], self._draw_attention, *view, trigger_mode="always_last", **drawing)
        self.live.start_recording(None, None, self.live, js=LONGER_PIECES)
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
        for update in self._tell(self._examples.hear(path), words, wording.player_of_example(path), aside):
            yield {**update, self.files: None, self.microphone: None}

    def _on_clear(self, language: str | None) -> dict:
        return self._blank(texts.choose(language))

    def _on_live_start(self, language: str | None) -> dict:
        words = texts.choose(language)
        cleared = {self.microphone: None, self.files: None, self.buffer: Buffer(language=language or "")}
        return {**self._blank(words), self.answer: wording.listening(words), **cleared}

    def _on_live(self, path: str | None, buffer: Buffer | None, language: str | None) -> dict:
        """One chunk of the microphone. While the model is at work for someone else, the last answer stays."""
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
        for step in self._listen(waveform):
            if isinstance(step, Prediction):
                heard = of_waveform(waveform, step, self.window_seconds)
                aside = self._aside(time.perf_counter() - began, words)
                yield {**self._shown(heard, words, aside, wording.player_of_waveform(waveform)), **done}

    def _show(self, path: str | None, words: Texts, player: str = "") -> Iterator[dict]:
        if path is None:
            yield self._blank(words)
        else:
            yield from self._tell(self._hear(path), words, player)

    def _hear(self, path: str | os.PathLike) -> Iterator[Step | Heard]:
        return hear(path, self._listen, self.window_seconds, self.limits)

    def _tell(self, steps: Iterator[Step | Heard], words: Texts, player: str, aside: str = "") -> Iterator[dict]:
        """Updates of the page: how far it is and what was heard so far, then the answer and its pictures."""
        began = time.perf_counter()
        moved, so_far = began, []
        try:
            for step in steps:
                if isinstance(step, Heard):
                    aside = aside or self._aside(time.perf_counter() - began, words)
                    yield self._shown(step, words, aside, player)
                    continue
                so_far.append(step)
                if time.perf_counter() - moved > PROGRESS_EVERY and step.share < 1:
                    moved = time.perf_counter()
                    yield {self.answer: wording.working(so_far, words)}
        except InputError as error:
            yield {**self._blank(words), self.answer: wording.problem(error, words, self.limits)}

    def _show_several(self, paths: list[str], words: Texts) -> Iterator[dict]:
        """A table that fills up row by row."""
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
                rows[index] = replace(rows[index], prediction=self._identify(recording))
            except InputError as error:
                sentence = wording.explained(budget.explained(error), words, self.limits)
                rows[index] = replace(rows[index], error=sentence)
            yield {self.answer: table.as_html(rows, words)}

    def _blank(self, words: Texts) -> dict:
        hidden = [self.bars, self.bars_note, self.when, self.what, self.where]
        return {
            self.answer: wording.waiting(words),
            **{component: gr.update(visible=False) for component in hidden},
            **{picture: None for picture in (self.timeline, self.evidence, self.mel)},
            self.opening: None,
        }

    def _aside(self, took: float, words: Texts) -> str:
        return words.took.format(took=wording.seconds(took, words), hardware=self.hardware, model=self._model(words))

    def _model(self, words: Texts) -> str:
        model = words.model.format(size=self.size)
        return f"{self.name} ({model})" if self.name else model

    def _shown(self, heard: Heard, words: Texts, aside: str, player: str) -> dict:
        card = wording.answer(heard.prediction, heard.damaged, words, player, aside)
        return {**self._blank(words), **self._pictures(heard, words), self.answer: card}

    def _pictures(self, heard: Heard, words: Texts) -> dict:
        prediction, labels = heard.prediction, words.labels
        mel = plots.mel(heard.mel, prediction.duration_seconds, labels)
        pictures = {self.what: gr.update(visible=True), self.mel: mel}
        if prediction.language is None:
            return pictures
        pictures |= {self.where: gr.update(visible=True), self.opening: heard.opening}
        if prediction.known is False:  # between the three there is nothing to tell of it
            return pictures
        return pictures | {
            **self._bars(prediction, words),
            self.when: gr.update(visible=True),
            self.timeline: plots.timeline(prediction, labels),
            self.evidence: plots.evidence(prediction, labels),
        }

    def _bars(self, prediction: Prediction, words: Texts) -> dict:
        """No bars for what is none of the three: they tell only how it would be shared out if it were."""
        named = prediction.known is not False
        chart = {"value": plots.bars(prediction, words.labels)} if named else {}
        return {self.bars: gr.update(visible=named, **chart), self.bars_note: gr.update(visible=named)}

    def _draw_attention(self, opening: Opening | None, layer: int, head: int, language: str | None):
        """`head` 0 is the average of all."""
        if opening is None:
            return None
        weights, start = self._examples.look(opening, layer, head)
        return plots.attention(weights, start, texts.choose(language).labels)

    def _look(self, opening: Opening, layer: int, head: int) -> tuple[np.ndarray, float]:
        """Attention weights (frames, frames) and the second at which the first frame starts."""
        weights, start = self._attention(opening.waveform, layer - 1)
        return weights[head - 1] if head else weights.mean(axis=0), opening.start + start


def _translated(key: str) -> str:
    """A mark that the browser replaces by the sentence in its language. As a string, which every component takes."""
    return str(I18nData(key))


# After a call that came to nothing; page.js knows why.
FAILURES = {why: _translated(why) for why in ("busy", "broken", "restarting")}
FAILED = f"() => [{json.dumps(FAILURES)}[window.lidFailure()]]"


def _plot(name: str) -> gr.Plot:
    return gr.Plot(show_label=False, container=False, visible=name != "bars", elem_id=name)


def _picture(name: str) -> gr.Plot:
    with gr.Column(elem_classes="lid-picture"):
        gr.HTML(_translated(f"picture_{name}"))
        plot = _plot(name)
        gr.HTML(_translated(f"caption_{name}"))
    return plot


def _fixed(function: Callable, argument) -> Callable:
    """A generator function with its first argument given; Gradio looks at the function to see that it is one."""

    def call(language: str | None) -> Iterator:
        yield from function(argument, language)

    return call


def _chunk(path: str) -> np.ndarray:
    """What the microphone sent in a second or so; nothing when it cannot be read."""
    try:
        return audio.decode(path, Limits(min_seconds=0.0))
    except InputError:
        return np.zeros(0, np.float32)


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU × {os.cpu_count()}"


def _theme() -> gr.themes.Base:
    return gr.themes.Base(
        primary_hue="blue",
        neutral_hue="zinc",
        radius_size="lg",
        font=FONTS,
        font_mono=["ui-monospace", "monospace"],
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
    )
