"""A full queue is told in the caller's language, by Gradio's own route for calls."""

import gradio as gr
import pytest
from gradio.routes import App
from starlette.testclient import TestClient

from lid.ui.gradio_patches import queue_full
from lid.ui.texts import ENGLISH, RUSSIAN, UZBEK


@pytest.fixture(scope="module")
def client() -> TestClient:
    with gr.Blocks(analytics_enabled=False) as page:
        gr.Button().click(lambda: None, api_name="identify")
    page.queue(max_size=0)
    queue_full.localize(page)
    return TestClient(App.create_app(page))


@pytest.mark.parametrize(("wanted", "words"), [("ru-RU", RUSSIAN), ("uz", UZBEK), ("de", ENGLISH), ("", ENGLISH)])
def test_the_sentence_is_in_the_language_asked_for(client, wanted, words):
    reply = client.post("/gradio_api/call/identify", json={"data": []}, headers={"Accept-Language": wanted})
    assert reply.status_code == 503
    assert reply.json()["detail"].startswith(f"{words.busy}. ")


def test_a_call_that_is_accepted_is_left_alone():
    with gr.Blocks(analytics_enabled=False) as page:
        gr.Button().click(lambda: None, api_name="identify")
    page.queue(max_size=5)
    queue_full.localize(page)
    assert "event_id" in TestClient(App.create_app(page)).post("/gradio_api/call/identify", json={"data": []}).json()
