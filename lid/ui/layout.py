"""The components of the page and where they stand. What they do is in page.py."""

from pathlib import Path
from typing import Any

import gradio as gr

from lid.ui import settings
from lid.ui.gradio_patches import links, translation
from lid.ui.visit import Visit

EXAMPLE_FILES = ("uzbek.mp3", "russian.ogg", "english.m4a", "uzbek-then-english.webm")


class Layout:
    """Make it inside a gr.Blocks. `layers` and `heads` are how many the model has to choose from."""

    def __init__(self, layers: int, heads: int):
        gr.HTML(translation.mark("header"))
        with gr.Row(elem_classes="lid-top"):
            with gr.Column(scale=5, min_width=320, elem_classes="lid-inputs"):
                self._inputs()
            with gr.Column(scale=7, min_width=320, elem_classes="lid-panel"):
                self.answer = gr.HTML(translation.mark("waiting"), elem_id="answer")
                gr.HTML("<div id='earlier'></div>")  # history.js fills it
        with gr.Column(visible=False, elem_classes=["lid-panel", "lid-pictures"]) as self.what:
            with gr.Column(visible=False, elem_classes="lid-pictures") as self.when:
                self.timeline = _picture("timeline", gr.HTML(elem_id="timeline", render=False))
                self.evidence = _picture("evidence", _plot("evidence"))
            self.mel = _picture("mel", _plot("mel"))
        with gr.Column(visible=False, elem_classes="lid-panel") as self.where, gr.Row():
            with gr.Column(scale=5, min_width=260):
                gr.HTML(translation.mark("picture_attention"))
                gr.HTML(translation.mark("caption_attention"))
                with gr.Column(elem_classes="lid-choices"):
                    self._choices(layers, heads)
            with gr.Column(scale=7, min_width=260):
                self.attention = _plot("attention").render()
        self._unseen()

    def _inputs(self) -> None:
        microphone: dict[str, Any] = {"sources": ["microphone"], "type": "filepath", "editable": False, "buttons": []}
        microphone["show_label"] = False  # the tab has the same text
        with gr.Tabs(elem_classes="lid-tabs"):
            with gr.Tab(translation.mark("record")):
                self.microphone = gr.Audio(label=translation.mark("record"), elem_id="microphone", **microphone)
            with gr.Tab(translation.mark("live"), elem_id="live-tab"):
                self.live = gr.Audio(label=translation.mark("live"), elem_id="live", streaming=True, **microphone)
                gr.HTML(translation.mark("live_note"))
        gr.HTML(translation.mark("keys_note"))
        links.uploads_only(self.microphone)
        links.uploads_only(self.live)
        # Not gr.Audio: it refuses files that the browser knows no audio type for, such as .mp4, .amr, or no ending.
        self.files = links.uploads_only(
            gr.File(label=translation.mark("upload"), elem_id="upload", height=96, file_count="multiple")
        )
        gr.HTML(translation.mark("limits_note"))
        gr.HTML(translation.mark("examples"), elem_classes="lid-small")
        with gr.Row(elem_classes="lid-examples"):
            self.examples = [
                (gr.Button(translation.mark(f"example_{Path(file).stem}"), size="sm", min_width=80), file)
                for file in EXAMPLE_FILES
            ]
        gr.HTML(translation.mark("examples_note"))

    def _choices(self, layers: int, heads: int) -> None:
        every_layer = [(f"{layer} / {layers}", layer) for layer in range(1, layers + 1)]
        every_head = [(f"1–{heads}", 0), *((str(head), head) for head in range(1, heads + 1))]
        self.layer = gr.Dropdown(every_layer, value=layers, label=translation.mark("layer"), filterable=False)
        self.head = gr.Dropdown(every_head, value=0, label=translation.mark("head"), filterable=False)

    def _unseen(self) -> None:
        """What the scripts press and read: `visible` must be true, or the browser would not have them."""
        self.stop = _unseen("stop")
        self.ask = _unseen("ask")  # a row of the table, a part of a recording: lidAsked() says which
        self.restore = _unseen("restore")  # an earlier answer, which the browser keeps
        self.refused = _unseen("refused")  # the microphone cannot be used
        self.add = links.uploads_only(gr.File(elem_id="add", elem_classes="lid-unseen", file_count="multiple"))
        self.visit = gr.State(Visit(), time_to_live=settings.KEEP_SECONDS)
        self.buffer = gr.State(None, time_to_live=settings.KEEP_SECONDS)
        self.language = gr.Textbox(visible=False)
        self.asked = gr.JSON(visible=False)

    @property
    def shown(self) -> list[gr.components.Component]:
        """What an answer fills in."""
        return [self.answer, self.timeline, self.evidence, self.mel, self.attention, self.when, self.what, self.where]


def _unseen(name: str) -> gr.Button:
    return gr.Button(elem_id=name, elem_classes="lid-unseen")


def _plot(name: str) -> gr.Plot:
    return gr.Plot(show_label=False, container=False, elem_id=name, render=False)


def _picture(name: str, component):
    with gr.Column(elem_classes="lid-picture"):
        gr.HTML(translation.mark(f"picture_{name}"))
        component.render()
        gr.HTML(translation.mark(f"caption_{name}"))
    return component
