"""The page's events."""

import gradio as gr

from lid import audio
from lid.ui import page, settings
from lid.ui.visit import Task, Visit
from tests.conftest import EXAMPLES


def test_what_is_drawn_or_asked_by_programs_leaves_visitors_their_places(identifier):
    """Gradio gives a group of events the smallest limit of any of them that was called."""
    blocks = page.build(identifier)
    for function in blocks.fns.values():
        blocks._queue.create_event_queue_for_fn(function)
    assert blocks._queue.event_queue_per_concurrency_id["model"].concurrency_limit == settings.AT_ONCE


def test_what_has_nothing_to_show_or_is_stopped_leaves_the_page_as_it_is(identifier):
    work = page.Page(identifier, lambda function: function, audio.DEFAULT_LIMITS).work
    visit = Visit()
    assert list(work.run(visit, 1, 0, "en")) == [gr.skip()]
    visit.begin(Task("file", (EXAMPLES / "uzbek.mp3", "Uzbek")))
    updates = work.run(visit, 1, 0, "en")
    assert [next(updates), next(updates)][1] != gr.skip()
    visit.begin()
    assert list(updates) == [gr.skip()]
