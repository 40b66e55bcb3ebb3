"""What is in use outlives strangers' calls."""

from contextlib import ExitStack

import gradio as gr
import pytest
from gradio.state_holder import StateHolder

from lid.ui.gradio_patches import sessions


@pytest.fixture
def holder(monkeypatch) -> StateHolder:
    monkeypatch.setattr(StateHolder, "update", sessions._update)
    with gr.Blocks(analytics_enabled=False) as page:
        state = gr.State(None)
    held = StateHolder()
    held.set_blocks(page)
    held.capacity, held.state = 5, state._id
    return held


def test_sessions_that_hold_nothing_go_first(holder):
    holder["visitor"][holder.state] = "a picture"
    for number in range(20):
        holder[f"stranger {number}"]
    assert holder["visitor"][holder.state] == "a picture"
    assert len(holder.session_data) == 5


def test_a_page_that_is_open_outlives_others_that_hold_as_much(holder):
    with sessions.page_open("visitor", "192.0.2.1"):
        holder["visitor"][holder.state] = "a picture"
        for number in range(20):
            holder[f"stranger {number}"][holder.state] = "another"
        assert holder["visitor"][holder.state] == "a picture"
    for number in range(20):
        holder[f"stranger {number}"][holder.state] = "another"
    assert "visitor" not in holder


def test_of_open_pages_those_of_the_address_with_most_go(holder):
    with ExitStack() as pages:
        pages.enter_context(sessions.page_open("visitor", "192.0.2.1"))
        holder["visitor"][holder.state] = "a picture"
        for number in range(20):
            pages.enter_context(sessions.page_open(f"stranger {number}", "192.0.2.2"))
            holder[f"stranger {number}"][holder.state] = "another"
        assert holder["visitor"][holder.state] == "a picture"
        assert len(holder.session_data) == 5
