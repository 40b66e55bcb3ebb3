"""What an action of a visitor leads to: its Task is done, and the page is updated step by step."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np

from lid.audio import Limits, Recording
from lid.errors import InputError, as_input_error
from lid.identify import Model, Prediction
from lid.ui import player, table, texts, wording
from lid.ui.api import Budget
from lid.ui.examples import Examples
from lid.ui.layout import Layout
from lid.ui.recording import FirstSegment, ProgressUpdate, RecordingResult, analyse, result_of
from lid.ui.texts import Texts
from lid.ui.turns import Turns
from lid.ui.view import View
from lid.ui.visit import Visit, light
from lid.verdict import is_damaged

PROGRESS_EVERY = 0.3  # s between two updates of the progress bar


class Work:
    """`run` does a visitor's newest task. `steps` is `with_progress(identify)`, `attention` is the identifier's, and
    `model` is what both run.

    The functions for the kinds of task yield updates of the page, and None after a step with nothing to show.
    """

    def __init__(self, at: Layout, view: View, steps: Callable, attention: Callable, model: Model, limits: Limits):
        self._at, self._view = at, view
        self._steps, self._attention = steps, attention
        self._model, self._limits = model, limits
        self._turns = Turns()
        self._examples = Examples(self._analyse, self._head_attention)
        self._tasks: dict[str, Callable[..., Iterator[dict | None]]]
        self._tasks = {"file": self._file, "files": self._files, "example": self._example, "live": self._live}
        self._tasks["nothing"] = self._nothing

    def run(self, visit: Visit, layer: int, head: int, language: str | None) -> Iterator[dict]:
        """Do what was asked last. It ends as soon as something newer is asked."""
        yield gr.skip()  # Gradio empties the page where a call ends that has yielded nothing
        task, action = visit.take()
        if task is None:
            return
        words = texts.choose(language)
        for update in visit.while_newest(action, self._tasks[task.kind](visit, words, *task.arguments)):
            if update is not None:
                yield update
        if visit.newest == action and visit.first_segment:
            drawn = self.drawn(visit.first_segment, layer, head, words)
            if visit.newest == action:
                yield drawn
        if visit.newest != action:
            yield gr.skip()  # at a call's end Gradio sends once more what came last, over what is newer

    def _nothing(self, visit: Visit, words: Texts) -> Iterator[dict]:
        yield self._view.card(wording.waiting(words))  # over what was still on its way to the browser

    def _file(
        self, visit: Visit, words: Texts, path: str | Path, name: str, part: tuple[float, float] | None = None
    ) -> Iterator[dict | None]:
        yield self._view.card(wording.reading(words, name))  # over what the action before was still sending
        if isinstance(path, Path):
            sound = player.of_example(path, name, words)
        elif os.path.exists(path):
            sound = player.of_upload(path, words) + wording.add(words)
        else:
            yield self._view.card(wording.failure(words, words.gone))
            return
        results = self._analyse(path, part)
        yield from self._answer(results, visit, words, sound, name, key=visit.remember(path, name))

    def _example(self, visit: Visit, words: Texts, path: Path) -> Iterator[dict | None]:
        name = words.example_names[path.stem]
        visit.rows = []
        aside = self._view.kept(words) if path in self._examples else ""
        sound = player.of_example(path, name, words)
        yield from self._answer(
            self._examples.analyse(path), visit, words, sound, name, aside, visit.remember(path, name)
        )

    def _live(self, visit: Visit, words: Texts, waveform: np.ndarray) -> Iterator[dict | None]:
        visit.rows = []
        recording = Recording((waveform,))
        results = (
            result_of(recording, step, self._model) if isinstance(step, Prediction) else step
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
                    took = aside or self._view.took(time.perf_counter() - began, words)
                    visit.first_segment = result.first_segment
                    yield self._view.answer(result, words, sound, took, name, key)
                    if key and not visit.rows and not result.part:
                        visit.rows = [table.Row(name, light(result.prediction), result.damaged, key=key)]
                    return
                so_far.append(result)
                if time.perf_counter() - updated < PROGRESS_EVERY or result.share == 1:
                    yield None
                    continue
                updated = time.perf_counter()
                yield {self._at.answer: wording.working(so_far, words, name)}
        except InputError as error:
            yield self._view.card(wording.problem(error, words, self._limits))

    def _files(self, visit: Visit, words: Texts, paths: list[str]) -> Iterator[dict | None]:
        """A table that is filled row by row, after the rows that are there."""
        try:
            budget = Budget(paths, self._limits)
        except InputError as error:
            yield self._view.card(wording.problem(error, words, self._limits))
            return
        before = visit.rows
        rows = [table.Row(Path(path).name, key=visit.remember(path, Path(path).name)) for path in paths]
        done: dict[str, tuple[Prediction, bool]] = {}
        yield self._view.card(table.as_html([*before, *rows], words))
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
                row = replace(row, error=wording.explained(as_input_error(error), words, self._limits))
            rows[number] = row
            yield {self._at.answer: table.as_html([*before, *rows], words)}
        visit.rows = [*before, *rows]

    def _in_turns(self, sound: np.ndarray | Recording) -> Iterator[ProgressUpdate | Prediction]:
        return self._turns.each(self._steps(sound))

    def identify(self, sound: np.ndarray | Recording) -> Prediction:
        return next(step for step in self._in_turns(sound) if isinstance(step, Prediction))

    def _analyse(
        self, path: str | os.PathLike, part: tuple[float, float] | None = None
    ) -> Iterator[ProgressUpdate | RecordingResult]:
        return analyse(path, self._in_turns, self._model, self._limits, part)

    def drawn(self, first_segment: FirstSegment, layer: int, head: int, words: Texts) -> dict:
        """`head` 0 is the average of all."""
        weights, start = self._examples.attention(first_segment, layer, head)
        return self._view.attention(weights, start, words)

    def _head_attention(self, first_segment: FirstSegment, layer: int, head: int) -> tuple[np.ndarray, float]:
        """Attention weights (frames, frames) and the second at which the first frame starts."""
        with self._turns.taken():
            weights, start = self._attention(first_segment.waveform, layer - 1)
        return weights[head - 1] if head else weights.mean(axis=0), first_segment.start + start
