"""The Gradio page: layout, wiring, and how it is served. What it says is in wording.py, what it draws in plots.py."""

from collections.abc import Callable
from pathlib import Path

import gradio as gr
from gradio_client.utils import is_http_url_like

from lid import audio, plots
from lid import model as whisper
from lid.errors import InputError
from lid.identify import LanguageIdentifier
from lid.ui import wording
from lid.ui.recording import Heard, Opening, hear

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "assets" / "examples"
EXAMPLE_FILES = {
    "Uzbek": "uzbek.mp3",
    "Russian": "russian.ogg",
    "English": "english.m4a",
    "Uzbek, then English": "uzbek-then-english.webm",
}

QUEUE_SIZE = 20  # waiting visitors; the next is told that the page is busy
SESSIONS = 200  # visitors whose opening (under 1 MB) is remembered for the attention picture
KEEP_SECONDS = 30 * 60  # how long uploads and openings stay
SWEEP_SECONDS = 5 * 60  # how often uploads past that are deleted
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Liberation Sans", "sans-serif"]  # nothing to download
SHOW_ANSWER = "() => document.getElementById('answer').scrollIntoView({behavior: 'smooth', block: 'nearest'})"  # phones
ANNOUNCE = "() => document.getElementById('answer').setAttribute('aria-live', 'polite')"  # to screen readers


def build(identifier: LanguageIdentifier, gpu: Callable[[Callable], Callable] = lambda function: function) -> gr.Blocks:
    """The page for a model. `gpu` wraps the functions that run it (ZeroGPU lends its GPU to such functions only)."""
    return Page(identifier, gpu).blocks


def launch_options() -> dict:
    """Arguments of `launch`: the look, and privacy. Nothing is fetched from or sent to another host."""
    return {
        "theme": _theme(),
        "css_paths": HERE / "style.css",
        "favicon_path": HERE / "favicon.svg",
        "footer_links": ["api", "settings"],
        "share": False,
        "ssr_mode": False,
        "run_history": False,
        "enable_monitoring": False,
        "max_file_size": audio.DEFAULT_LIMITS.max_bytes,
        "state_session_capacity": SESSIONS,
    }


class Page:
    """The components, and the functions their events call."""

    def __init__(self, identifier: LanguageIdentifier, gpu: Callable[[Callable], Callable]):
        self.layers = identifier.layers
        self.heads = identifier.model.config.encoder_attention_heads
        self.window_seconds = whisper.window_seconds(identifier.model)
        self._identify = gpu(identifier.identify)
        self._attention = gpu(identifier.attention)
        keep = (SWEEP_SECONDS, KEEP_SECONDS)
        with gr.Blocks(title=wording.TITLE, analytics_enabled=False, delete_cache=keep) as self.blocks:
            self._lay_out()
            self._wire()
            self._add_api()
        self.blocks.queue(max_size=QUEUE_SIZE, default_concurrency_limit=1)

    def _lay_out(self) -> None:
        gr.HTML(wording.header())
        with gr.Row(elem_classes="lid-top"):
            with gr.Column(scale=5, min_width=320):
                self._lay_out_inputs()
            with gr.Column(scale=7, min_width=320, elem_classes="lid-panel"):
                self.answer = gr.HTML(wording.waiting(), elem_id="answer")
                self.bars = _plot("bars")
                self.bars_note = gr.HTML(wording.note(wording.BARS_NOTE), visible=False)
        with gr.Column(visible=False, elem_classes=["lid-panel", "lid-pictures"]) as self.what:
            with gr.Column(visible=False, elem_classes="lid-pictures") as self.when:
                self.timeline = _picture("timeline")
                self.evidence = _picture("evidence")
            self.mel = _picture("mel")
        with gr.Column(visible=False, elem_classes="lid-panel") as self.where, gr.Row():
            with gr.Column(scale=5, min_width=260):
                gr.HTML(wording.subheading(*wording.PICTURES["attention"]))
                layers = [(f"{layer} of {self.layers}", layer) for layer in range(1, self.layers + 1)]
                heads = [(wording.ALL_HEADS, 0), *((str(head), head) for head in range(1, self.heads + 1))]
                self.layer = gr.Dropdown(layers, value=self.layers, label=wording.LAYER, filterable=False)
                self.head = gr.Dropdown(heads, value=0, label=wording.HEAD, filterable=False)
            with gr.Column(scale=7, min_width=260):
                self.attention = _plot("attention")
        self.opening = gr.State(None, time_to_live=KEEP_SECONDS)

    def _lay_out_inputs(self) -> None:
        self.microphone = _no_links(
            gr.Audio(
                sources=["microphone"],
                type="filepath",
                label=wording.RECORD,
                editable=False,
                buttons=[],
                elem_id="microphone",
            )
        )
        # Not gr.Audio, which turns away what the browser has no audio type for: .mp4, .amr, or no ending at all.
        self.file = _no_links(gr.File(label=wording.UPLOAD, elem_id="upload", height=160))
        gr.HTML(wording.note(wording.LIMITS_NOTE))
        gr.HTML(wording.subheading(wording.EXAMPLES), elem_classes="lid-small")
        with gr.Row(elem_classes="lid-examples"):
            self.examples = [(gr.Button(name, size="sm", min_width=80), file) for name, file in EXAMPLE_FILES.items()]
        gr.HTML(wording.note(wording.EXAMPLES_NOTE))

    def _wire(self) -> None:
        shown = [self.answer, self.bars, self.bars_note, self.when, self.timeline, self.evidence, self.what, self.mel]
        shown += [self.where, self.opening]
        options = {"api_visibility": "private", "concurrency_id": "model", "show_progress_on": self.answer}
        answered = [
            self.microphone.stop_recording(self._on_recording, self.microphone, [*shown, self.file], **options),
            self.file.upload(self._on_upload, self.file, [*shown, self.microphone], **options),
        ]
        for button, name in self.examples:
            on_click = _fixed(self._on_example, EXAMPLES / name)
            answered.append(button.click(on_click, None, [*shown, self.file, self.microphone], **options))
        drawing = {"api_visibility": "private", "concurrency_id": "model", "show_progress": "minimal"}
        view = ([self.opening, self.layer, self.head], self.attention)
        for event in answered:
            event.then(None, js=SHOW_ANSWER)
            event.success(self._draw_attention, *view, **drawing)
        gr.on([self.layer.input, self.head.input], self._draw_attention, *view, trigger_mode="always_last", **drawing)
        self.blocks.load(None, js=ANNOUNCE)
        gr.on([self.microphone.clear, self.file.clear], self._blank, None, shown, queue=False, api_visibility="private")

    def _add_api(self) -> None:
        """The endpoint programs call. It has components of its own because Gradio checks a file's path through them."""
        file = _no_links(gr.File(visible=False, label="file"))
        result = gr.JSON(visible=False, label="prediction")
        call = gr.Button(visible=False)
        call.click(self.describe, file, result, api_name="identify", concurrency_id="model")

    def describe(self, file: str | None) -> dict:
        """Tell Uzbek, Russian and English apart in one audio file.

        Returns language ("uz", "ru", "en", or null without speech), calibrated probabilities, duration_seconds,
        speech_seconds and a timeline of {start, end, probabilities}: what `python -m lid --json` prints.
        """
        try:
            if file is None:
                raise InputError(wording.NO_FILE, "missing")
            return self._identify(audio.decode(file)).to_dict()
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def _on_recording(self, path: str | None) -> dict:
        return {**self._show(path), self.file: None}

    def _on_upload(self, path: str | None) -> dict:
        return {**self._show(path, wording.player_of(path) if path else ""), self.microphone: None}

    def _on_example(self, path: Path) -> dict:
        return {**self._show(str(path), wording.player_of_example(path)), self.file: None, self.microphone: None}

    def _show(self, path: str | None, player: str = "") -> dict:
        if path is None:
            return self._blank()
        try:
            heard = hear(path, self._identify, self.window_seconds)
        except InputError as error:
            return {**self._blank(), self.answer: wording.problem(str(error))}
        card = wording.answer(heard.prediction, heard.damaged, player)
        return {**self._blank(), **self._pictures(heard), self.answer: card}

    def _blank(self) -> dict:
        hidden = [self.bars, self.bars_note, self.when, self.what, self.where]
        return {
            self.answer: wording.waiting(),
            **{component: gr.update(visible=False) for component in hidden},
            **{picture: None for picture in (self.timeline, self.evidence, self.mel)},
            self.opening: None,
        }

    def _pictures(self, heard: Heard) -> dict:
        prediction = heard.prediction
        pictures = {self.what: gr.update(visible=True), self.mel: plots.mel(heard.mel, prediction.duration_seconds)}
        if prediction.language is None:
            return pictures
        return pictures | {
            self.bars: gr.update(value=plots.bars(prediction), visible=True),
            self.bars_note: gr.update(visible=True),
            self.when: gr.update(visible=True),
            self.timeline: plots.timeline(prediction),
            self.evidence: plots.evidence(prediction),
            self.where: gr.update(visible=True),
            self.opening: heard.opening,
        }

    def _draw_attention(self, opening: Opening | None, layer: int, head: int):
        """`head` 0 is the average of all."""
        if opening is None:
            return None
        weights, start = self._attention(opening.waveform, layer - 1)
        chosen = weights[head - 1] if head else weights.mean(axis=0)
        return plots.attention(chosen, opening.start + start)


def _plot(name: str) -> gr.Plot:
    return gr.Plot(show_label=False, container=False, visible=name != "bars", elem_id=name)


def _picture(name: str) -> gr.Plot:
    with gr.Column(elem_classes="lid-picture"):
        gr.HTML(wording.subheading(*wording.PICTURES[name]))
        return _plot(name)


def _fixed(function: Callable, argument) -> Callable:
    return lambda: function(argument)


def _no_links(component: gr.components.Component) -> gr.components.Component:
    """Take uploads only. Gradio would also fetch any address a caller sends in place of a file."""
    move = component.async_move_resource_to_block_cache

    async def refuse_or_move(path):
        if path is not None and is_http_url_like(str(path)):
            raise gr.Error(wording.NO_LINKS, print_exception=False)
        return await move(path)

    component.async_move_resource_to_block_cache = refuse_or_move
    return component


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
