"""The page's controller: which event does what. What it shows is made elsewhere.

layout.py has the components, view.py what they show, wording.py the sentences; scripts/*.js is what the browser does by
itself; launch.py serves the page.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from lid import audio
from lid.audio import Limits, Recording
from lid.errors import InputError, as_input_error
from lid.identify import EMBEDDED_MODEL, LanguageIdentifier, Prediction
from lid.runtime import cores
from lid.ui import live, player, settings, table, texts, wording
from lid.ui.api import Budget, Endpoints
from lid.ui.examples import Examples
from lid.ui.gradio_patches import call_errors, fair_queue, recorder, sessions, translation, uploads
from lid.ui.layout import Layout
from lid.ui.recording import FirstSegment, ProgressUpdate, RecordingResult, analyse, result_of, with_progress
from lid.ui.texts import Texts
from lid.ui.turns import Turns
from lid.ui.view import View
from lid.ui.visit import Task, Visit, light
from lid.verdict import is_damaged

EXAMPLES = Path(__file__).parents[2] / "assets" / "examples"
PROGRESS_EVERY = 0.3  # s between two updates of the progress bar
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
    """The functions that the page's events call. Each action of a visitor begins a Task, and `_run` does it."""

    def __init__(self, identifier: LanguageIdentifier, gpu: Callable[[Callable], Callable], limits: Limits):
        self.model = identifier.model
        self.layers, self.heads = self.model.layers, self.model.heads
        self.limits = limits
        self.hardware = _hardware(identifier.model.device)
        self.name = "" if identifier.name == EMBEDDED_MODEL.name else identifier.name
        self.size = SIZES.get(self.model.d_model, "")
        self._steps = gpu(with_progress(identifier.identify))
        self._attention = gpu(identifier.attention)
        self._turns = Turns()
        self._examples = Examples(self._analyse, self._head_attention)
        self._tasks: dict[str, Callable[..., Iterator[dict | None]]]
        self._tasks = {"file": self._file, "files": self._files, "example": self._example, "live": self._live}
        self._tasks["nothing"] = self._nothing
        with gr.Blocks(title=texts.ENGLISH.title, analytics_enabled=False) as self.blocks:
            self.at = Layout(self.layers, self.heads)
            self.view = View(self.at, self.hardware, self.name, self.size)
            self._wire()
            Endpoints(self._identify, limits).add()
        fair_queue.install()
        sessions.install()
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
        drawing |= {"api_visibility": "private", "js": WITH_LANGUAGE}
        view = ([at.visit, at.layer, at.head, at.language], at.attention)
        gr.on([at.layer.input, at.head.input], self._on_choice, *view, **drawing)
        self.blocks.load(None, js=ANNOUNCE)
        self.blocks.load(None, None, at.shown, js=RESTORE)

    def _starts(self, event: Callable, begin: Callable, given, cleared, js: str = WITH_LANGUAGE, group="model") -> None:
        """An action: `begin` is called at once, outside the queue, with what is `given`; then `_run` does its Task. A
        kept example does not wait for other visitors' recordings, so the examples are a `group` of their own."""
        at = self.at
        inputs = [*_listed(given), at.visit, *([at.asked] if js != WITH_LANGUAGE else []), at.language]
        outputs = [*at.shown, at.visit, *_listed(cleared)]
        now: dict[str, Any] = {"queue": False, "show_progress": "hidden", "trigger_mode": "multiple"}
        begun = event(begin, inputs, outputs, js=js, api_visibility="private", **now)
        begun.then(None, js=SHOW_ANSWER)
        inputs = [at.visit, at.layer, at.head, at.language]
        self._ends(begun.then(self._run, inputs, at.shown, **self._model_call(group)))

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
            return {}
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
        drawn = self._drawn(first, layer, head, texts.choose(language)) if first else {}
        return drawn if visit.first_segment is first else {}

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
        card = live.card(self._identify(buffer.waveform), texts.choose(buffer.language))
        return {**({self.at.answer: card} if visit.newest == buffer.action else {}), self.at.buffer: buffer}

    def _on_live_end(
        self, buffer: live.Buffer | None, visit: Visit, layer: int, head: int, language: str | None
    ) -> Iterator[dict]:
        yield {self.at.buffer: None, self.at.live: None}
        if buffer is None or visit.newest != buffer.action:  # something newer has begun
            return
        visit.begin(Task("live", (buffer.waveform,)) if len(buffer.samples) else Task("nothing"))
        yield from self._run(visit, layer, head, language)

    def _begun(self, visit: Visit, task: Task, language: str | None, name: str = "") -> dict:
        visit.begin(task)
        return {**self.view.card(wording.reading(texts.choose(language), name)), self.at.visit: visit}

    # What it leads to. Each of these yields updates of the page, and None after a step with nothing to show.

    def _run(self, visit: Visit, layer: int, head: int, language: str | None) -> Iterator[dict]:
        """Do what was asked last. It ends as soon as something newer is asked."""
        task, action = visit.take()
        if task is None:
            return
        words = texts.choose(language)
        for update in visit.while_newest(action, self._tasks[task.kind](visit, words, *task.arguments)):
            if update is not None:
                yield update
        if visit.newest == action and visit.first_segment:
            drawn = self._drawn(visit.first_segment, layer, head, words)
            if visit.newest == action:
                yield drawn

    def _nothing(self, visit: Visit, words: Texts) -> Iterator[dict]:
        yield self.view.card(wording.waiting(words))  # over what was still on its way to the browser

    def _file(
        self, visit: Visit, words: Texts, path: str | Path, name: str, part: tuple[float, float] | None = None
    ) -> Iterator[dict | None]:
        yield self.view.card(wording.reading(words, name))  # over what the action before was still sending
        if isinstance(path, Path):
            sound = player.of_example(path, name, words)
        elif os.path.exists(path):
            sound = player.of_upload(path, words) + wording.add(words)
        else:
            yield self.view.card(wording.failure(words, words.gone))
            return
        results = self._analyse(path, part)
        yield from self._answer(results, visit, words, sound, name, key=visit.remember(path, name))

    def _example(self, visit: Visit, words: Texts, path: Path) -> Iterator[dict | None]:
        name = words.example_names[path.stem]
        visit.rows = []
        aside = self.view.kept(words) if path in self._examples else ""
        sound = player.of_example(path, name, words)
        yield from self._answer(
            self._examples.analyse(path), visit, words, sound, name, aside, visit.remember(path, name)
        )

    def _live(self, visit: Visit, words: Texts, waveform: np.ndarray) -> Iterator[dict | None]:
        visit.rows = []
        recording = Recording((waveform,))
        results = (
            result_of(recording, step, self.model) if isinstance(step, Prediction) else step
            for step in self._in_turns(recording)
        )
        yield from self._answer(results, visit, words, player.of_waveform(waveform, words), words.live)

    def _answer(
        self,
        results: Iterator[ProgressUpdate | RecordingResult],
        visit: Visit,
        words: Texts,
        sound: str,
        name: str = "",
        aside: str = "",
        key: str = "",
    ) -> Iterator[dict | None]:
        """The progress bar with the languages so far, then the answer and its pictures. `key` is what the page calls
        the recording, where a part of it can be asked for."""
        updated = began = time.perf_counter()
        so_far: list[ProgressUpdate] = []
        try:
            for result in results:
                if isinstance(result, RecordingResult):
                    took = aside or self.view.took(time.perf_counter() - began, words)
                    visit.first_segment = result.first_segment
                    yield self.view.answer(result, words, sound, took, name, key)
                    if key and not visit.rows and not result.part:
                        visit.rows = [table.Row(name, light(result.prediction), result.damaged, key=key)]
                    return
                so_far.append(result)
                if time.perf_counter() - updated < PROGRESS_EVERY or result.share == 1:
                    yield None
                    continue
                updated = time.perf_counter()
                yield {self.at.answer: wording.working(so_far, words, name)}
        except InputError as error:
            yield self.view.card(wording.problem(error, words, self.limits))

    def _files(self, visit: Visit, words: Texts, paths: list[str]) -> Iterator[dict | None]:
        """A table that is filled row by row, after the rows that are there."""
        try:
            budget = Budget(paths, self.limits)
        except InputError as error:
            yield self.view.card(wording.problem(error, words, self.limits))
            return
        before = visit.rows
        rows = [table.Row(Path(path).name, key=visit.remember(path, Path(path).name)) for path in paths]
        done: dict[str, tuple[Prediction, bool]] = {}
        yield self.view.card(table.as_html([*before, *rows], words))
        for number, (row, path) in enumerate(list(zip(rows, paths, strict=True))):
            try:
                if (same := budget.key(path)) not in done:
                    recording = budget.read(path)
                    for step in self._in_turns(recording):
                        if isinstance(step, Prediction):
                            done[same] = (light(step), is_damaged(recording))
                        yield None
                row = replace(row, prediction=done[same][0], damaged=done[same][1])
            except Exception as error:  # whatever happens to one file, the others go on
                row = replace(row, error=wording.explained(as_input_error(error), words, self.limits))
            rows[number] = row
            yield {self.at.answer: table.as_html([*before, *rows], words)}
        visit.rows = [*before, *rows]

    # The model.

    def _in_turns(self, sound: np.ndarray | Recording) -> Iterator[ProgressUpdate | Prediction]:
        return self._turns.each(self._steps(sound))

    def _identify(self, sound: np.ndarray | Recording) -> Prediction:
        return next(step for step in self._in_turns(sound) if isinstance(step, Prediction))

    def _analyse(
        self, path: str | os.PathLike, part: tuple[float, float] | None = None
    ) -> Iterator[ProgressUpdate | RecordingResult]:
        return analyse(path, self._in_turns, self.model, self.limits, part)

    def _drawn(self, first_segment: FirstSegment, layer: int, head: int, words: Texts) -> dict:
        """`head` 0 is the average of all."""
        weights, start = self._examples.attention(first_segment, layer, head)
        return self.view.attention(weights, start, words)

    def _head_attention(self, first_segment: FirstSegment, layer: int, head: int) -> tuple[np.ndarray, float]:
        """Attention weights (frames, frames) and the second at which the first frame starts."""
        with self._turns.taken():
            weights, start = self._attention(first_segment.waveform, layer - 1)
        return weights[head - 1] if head else weights.mean(axis=0), first_segment.start + start


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
