"""The page's controller: which event does what. What it shows is made elsewhere.

layout.py has the components, work.py does what was asked, view.py and wording.py say what is then shown; scripts/*.js
is what the browser does by itself; launch.py serves the page.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from lid import audio
from lid.audio import Limits
from lid.errors import InputError
from lid.identify import EMBEDDED_MODEL, LanguageIdentifier
from lid.runtime import cores
from lid.ui import live, settings, texts, wording
from lid.ui.api import Endpoints
from lid.ui.gradio_patches import call_errors, fair_queue, recorder, sessions, translation, uploads, whole_values
from lid.ui.layout import Layout
from lid.ui.recording import with_progress
from lid.ui.view import View
from lid.ui.visit import Task, Visit
from lid.ui.work import Work

EXAMPLES = Path(__file__).parents[2] / "assets" / "examples"
ANNOUNCE = "() => document.getElementById('answer').setAttribute('aria-live', 'polite')"  # to screen readers
SHOW_ANSWER = "() => lidShowAnswer()"
# The last input of each event is the language in which the browser shows the page.
WITH_LANGUAGE = "(...inputs) => [...inputs.slice(0, -1), document.documentElement.lang]"
# The input before it is what the browser alone knows: which row was clicked, whether an upload came too late.
ASKED = "(...inputs) => [...inputs.slice(0, -2), lidAsked(), document.documentElement.lang]"
LATE = ASKED.replace("lidAsked", "lidLate")

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
    """The functions that the page's events call. Each action of a visitor begins a Task, and `work` does it."""

    def __init__(self, identifier: LanguageIdentifier, gpu: Callable[[Callable], Callable], limits: Limits):
        self.model = identifier.model
        self.layers, self.heads = self.model.layers, self.model.heads
        self.limits = limits
        self.hardware = _hardware(identifier.model.device)
        self.name = "" if identifier.name == EMBEDDED_MODEL.name else identifier.name
        self.size = SIZES.get(self.model.d_model, "")
        steps, attention = gpu(with_progress(identifier.identify)), gpu(identifier.attention)
        with gr.Blocks(title=texts.ENGLISH.title, analytics_enabled=False) as self.blocks:
            self.at = Layout(self.layers, self.heads)
            self.view = View(self.at, self.hardware, self.name, self.size)
            self.work = Work(self.at, self.view, steps, attention, self.model, limits)
            self._wire()
            Endpoints(self.work.identify, limits, gpu(identifier.identify_batch)).add()
        fair_queue.install()
        sessions.install()
        whole_values.install()
        self.blocks.queue(max_size=settings.QUEUE_SIZE, default_concurrency_limit=1, api_open=False)
        call_errors.explain(self.blocks)

    def _wire(self) -> None:
        at = self.at
        self._starts(at.microphone.stop_recording, self._on_recording, at.microphone, at.microphone)
        self._starts(at.files.upload, self._on_upload, at.files, at.files, LATE)
        self._starts(at.add.upload, self._on_add, at.add, at.add, LATE)
        self._starts(at.ask.click, self._on_ask, None, None, ASKED)
        self._starts(at.stop.click, self._on_stop, None, None)
        for button, file in at.examples:
            self._starts(button.click, _fixed(self._on_example, EXAMPLES / file), None, None, group="examples")
        now: dict[str, Any] = {"queue": False, "show_progress": "hidden", "trigger_mode": "multiple"}
        now |= {"api_visibility": "private", "js": WITH_LANGUAGE}
        at.restore.click(self._on_restore, [at.visit, at.language], None, **now).then(None, None, at.shown, js=RESTORE)
        at.refused.click(None, None, at.answer, js="() => lidMicrophoneCard()")
        self._wire_live(now)
        drawing: dict[str, Any] = {"concurrency_id": "model", "show_progress": "minimal", "trigger_mode": "always_last"}
        drawing |= {"api_visibility": "private", "js": WITH_LANGUAGE, "concurrency_limit": settings.AT_ONCE}
        view = ([at.visit, at.layer, at.head, at.language], at.attention)
        gr.on([at.layer.input, at.head.input], self._on_choice, *view, **drawing)
        self.blocks.load(None, js=ANNOUNCE)
        self.blocks.load(None, None, at.shown, js=RESTORE)

    def _starts(self, event: Callable, begin: Callable, given, cleared, js: str = WITH_LANGUAGE, group="model") -> None:
        """An action: `begin` is called at once, outside the queue, with what is `given`; then its Task is done. A
        kept example does not wait for other visitors' recordings, so the examples are a `group` of their own."""
        at = self.at
        inputs = [*_listed(given), at.visit, *([at.asked] if js != WITH_LANGUAGE else []), at.language]
        outputs = [*at.shown, at.visit, *_listed(cleared)]
        now: dict[str, Any] = {"queue": False, "show_progress": "hidden", "trigger_mode": "multiple"}
        begun = event(begin, inputs, outputs, js=js, api_visibility="private", **now)
        begun.then(None, js=SHOW_ANSWER)
        inputs = [at.visit, at.layer, at.head, at.language]
        self._ends(begun.then(self.work.run, inputs, at.shown, **self._model_call(group)))

    def _model_call(self, group: str) -> dict[str, Any]:
        return {
            "js": WITH_LANGUAGE,
            "concurrency_id": group,
            "concurrency_limit": settings.AT_ONCE,
            "show_progress": "minimal",
            "show_progress_on": self.at.answer,
            "trigger_mode": "multiple",
            "api_visibility": "private",
        }

    def _ends(self, ran) -> None:
        """What follows a call that showed an answer."""
        at = self.at
        ran.failure(None, None, at.answer, js=FAILED)
        ran.then(None, js=SHOW_ANSWER)  # once more: now there is something under it
        ran.then(None, [at.answer, at.timeline, at.evidence, at.mel, at.attention], js=KEEP)

    def _wire_live(self, now: dict[str, Any]) -> None:
        at = self.at
        at.live.start_recording(None, None, at.live, js=recorder.piece_length(settings.LIVE_EVERY))
        outputs = [*at.shown, at.visit, at.buffer]
        began = at.live.start_recording(self._on_live_start, [at.visit, at.language], outputs, **now)
        began.then(None, js="() => lidShowAnswer('live')")  # and the button above the answer, to stop
        heard = at.live.stream(
            self._on_live,
            [at.live, at.buffer, at.visit, at.language],
            [at.answer, at.buffer],
            stream_every=settings.LIVE_EVERY,
            time_limit=settings.LIVE_TURN,
            concurrency_id="live",
            concurrency_limit=settings.LIVE_VISITORS,
            show_progress="hidden",
            api_visibility="private",
            js=WITH_LANGUAGE,
        )
        heard.failure(None, None, at.answer, js=FAILED)
        # In one call: a second one might come just when Gradio closes the stream, and would not be answered.
        ended = at.live.stop_recording(
            self._on_live_end,
            [at.buffer, at.visit, at.layer, at.head, at.language],
            [*at.shown, at.visit, at.buffer, at.live],
            **self._model_call("model"),
        )
        self._ends(ended)

    # What a visitor does. Each of these answers at once.

    def _on_recording(self, path: str | None, visit: Visit, language: str | None) -> dict:
        if path is None:
            return gr.skip()
        visit.rows = []
        name = texts.choose(language).own_recording
        return {**self._begun(visit, Task("file", (path, name)), language, name), self.at.microphone: None}

    def _on_upload(self, paths: list[str] | None, visit: Visit, late: bool, language: str | None) -> dict:
        if late or not paths:  # something newer was asked for while the bytes were on their way
            return {self.at.files: None}
        visit.rows = []
        return {**self._on_files(paths, visit, language), self.at.files: None}

    def _on_add(self, paths: list[str] | None, visit: Visit, late: bool, language: str | None) -> dict:
        if late or not paths:
            return {self.at.add: None}
        return {**self._on_files(paths, visit, language), self.at.add: None}

    def _on_files(self, paths: list[str], visit: Visit, language: str | None) -> dict:
        if len(paths) + len(visit.rows) > 1:
            return self._begun(visit, Task("files", (paths,)), language)
        name = Path(paths[0]).name
        return self._begun(visit, Task("file", (paths[0], name)), language, name)

    def _on_example(self, path: Path, visit: Visit, language: str | None) -> dict:
        visit.begin(Task("example", (path,)))
        return {self.at.visit: visit}  # a kept answer comes too soon for a card before it

    def _on_ask(self, visit: Visit, asked: list | None, language: str | None) -> dict:
        """One of the visitor's recordings again: [its key] or [its key, from, to] in seconds."""
        key, *part = asked or [""]
        if key not in visit.known:
            return self.view.card(wording.failure(texts.choose(language), texts.choose(language).gone))
        path, name = visit.known[key]
        return self._begun(visit, Task("file", (path, name, tuple(part) or None)), language, name)

    def _on_stop(self, visit: Visit, language: str | None) -> dict:
        visit.begin(Task("nothing"))
        return {**self.view.card(wording.waiting(texts.choose(language))), self.at.visit: visit}

    def _on_restore(self, visit: Visit, language: str | None) -> None:
        visit.begin()

    def _on_choice(self, visit: Visit, layer: int, head: int, language: str | None) -> dict:
        first = visit.first_segment
        drawn = self.work.drawn(first, layer, head, texts.choose(language)) if first else gr.skip()
        return drawn if visit.first_segment is first else gr.skip()

    def _on_live_start(self, visit: Visit, language: str | None) -> dict:
        visit.begin()
        card = self.view.card(wording.listening(texts.choose(language)))
        buffer = live.Buffer(language=language or "", action=visit.newest)
        return {**card, self.at.visit: visit, self.at.buffer: buffer}

    def _on_live(self, path: str | None, buffer: live.Buffer | None, visit: Visit, language: str | None) -> dict:
        """One piece of the microphone's sound."""
        buffer = buffer or live.Buffer()
        buffer.language = language or buffer.language
        if path is not None:
            buffer.add(_chunk(path, replace(self.limits, min_seconds=0.0)))
        if visit.newest != buffer.action or not buffer.due(time.monotonic()):
            return {self.at.buffer: buffer}
        buffer.answered = time.monotonic()
        card = live.card(self.work.identify(buffer.waveform), texts.choose(buffer.language))
        return {**({self.at.answer: card} if visit.newest == buffer.action else {}), self.at.buffer: buffer}

    def _on_live_end(
        self, buffer: live.Buffer | None, visit: Visit, layer: int, head: int, language: str | None
    ) -> Iterator[dict]:
        yield {self.at.buffer: None, self.at.live: None}
        if buffer is None or visit.newest != buffer.action:  # something newer has begun
            return
        visit.begin(Task("live", (buffer.waveform,)) if len(buffer.samples) else Task("nothing"))
        yield from self.work.run(visit, layer, head, language)

    def _begun(self, visit: Visit, task: Task, language: str | None, name: str = "") -> dict:
        visit.begin(task)
        return {**self.view.card(wording.reading(texts.choose(language), name)), self.at.visit: visit}


# Shown after a call that failed; the browser knows why (gradio_patches/browser/call_failure.js).
FAILURES = {why: translation.mark(why) for why in ("busy", "broken", "restarting")}
FAILED = f"() => [{json.dumps(FAILURES)}[window.lidFailure()]]"
# The browser keeps what was shown, and shows it again (scripts/history.js).
KEEP = "(...shown) => lidHistory.keep(shown)"
RESTORE = "() => lidHistory.restored()"


def _listed(components) -> list:
    """None, one component or a list of them, as a list."""
    return components if isinstance(components, list) else [components] if components else []


def _fixed(function: Callable, argument) -> Callable:
    """A function of a visit and a language with its first argument given. Not functools.partial: Gradio counts
    arguments."""
    return lambda visit, language: function(argument, visit, language)


def _chunk(path: str, limits: Limits) -> np.ndarray:
    """A piece of the microphone's sound, float32 (samples,) at 16 kHz; empty when it cannot be read."""
    try:
        return audio.decode(path, limits)
    except InputError:
        return np.zeros(0, np.float32)


def _hardware(device: str) -> str:
    """What answers, in words: a graphics card's name, or the number of cores."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return f"CPU × {cores()}"
