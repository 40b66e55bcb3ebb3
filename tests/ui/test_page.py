"""The page's events."""

from lid.ui import page, settings


def test_what_is_drawn_or_asked_by_programs_leaves_visitors_their_places(identifier):
    """Gradio gives a group of events the smallest limit of any of them that was called."""
    blocks = page.build(identifier)
    for function in blocks.fns.values():
        blocks._queue.create_event_queue_for_fn(function)
    assert blocks._queue.event_queue_per_concurrency_id["model"].concurrency_limit == settings.AT_ONCE
