"""A call that Gradio's own checks refuse says why, through Gradio's own routes."""

import json
import urllib.request

import gradio as gr
import pytest

from lid.ui.gradio_patches import call_errors


@pytest.fixture(scope="module")
def address():
    """A page of two endpoints, launched."""
    with gr.Blocks(analytics_enabled=False) as page:
        for name, count in (("identify", "single"), ("identify_batch", "multiple")):
            file = gr.File(file_count=count)
            gr.Button().click(lambda file: {"fine": True}, file, gr.JSON(), api_name=name)
    page.queue()
    call_errors.explain(page)
    page.launch(prevent_thread_lock=True, quiet=True)
    yield f"{page.local_url}gradio_api/call"
    page.close()


def call(address: str, endpoint: str, data: list) -> tuple[str, object]:
    """The last event of a call: its name and its data."""
    kind = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/{endpoint}", json.dumps({"data": data}).encode(), kind)
    event = json.load(urllib.request.urlopen(request))["event_id"]
    stream = urllib.request.urlopen(f"{address}/{endpoint}/{event}", timeout=60).read().decode()
    name, answer = stream.strip().split("\n")[-2:]
    return name.removeprefix("event: "), json.loads(answer.removeprefix("data: "))


def file(path: str) -> dict:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("path", [__file__, "/etc/hostname", "/nowhere/a.wav"])
@pytest.mark.parametrize("endpoint", ["identify", "identify_batch"])
def test_a_path_that_was_not_uploaded(address, endpoint, path):
    sent = file(path) if endpoint == "identify" else [file(path)]
    name, data = call(address, endpoint, [sent])
    assert (name, data["error"]) == ("error", call_errors.NOT_UPLOADED)


@pytest.mark.parametrize("data", [[{"path": __file__}], [__file__], ["hello"], [5], [{}], [[1]], []])
def test_an_argument_of_another_form(address, data):
    name, answer = call(address, "identify", data)
    assert name == "error"
    assert '{"data": [FILE]}' in answer["error"]


@pytest.mark.parametrize("data", [[[{"path": __file__}]], ["hello"], [[None]], []])
def test_a_list_of_another_form(address, data):
    assert '{"data": [[FILE, ...]]}' in call(address, "identify_batch", data)[1]["error"]


def test_a_call_that_is_right_is_left_alone(address):
    assert call(address, "identify", [None]) == ("complete", [{"fine": True}])
