"""The tool that agents see, on a page of one endpoint: asked through the handlers of the installed MCP server."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest

from lid.ui.gradio_patches import mcp_tool

types = pytest.importorskip("mcp.types", reason="MCP needs: pip install 'gradio[mcp]'")
SCHEMA = {"type": "object", "properties": {"language": {"type": "string"}}}


@pytest.fixture
def page():
    def identify(file: str) -> dict:
        """Tell the language.

        Args:
            file: The recording.
        """

    def identify_batch(files: list[str]) -> list[dict]:
        """Tell the languages."""

    with gr.Blocks(analytics_enabled=False) as page:
        gr.Button().click(identify, gr.File(), gr.JSON(), api_name="identify")
        gr.Button().click(identify_batch, gr.File(file_count="multiple"), gr.JSON(), api_name="identify_batch")
    page.mcp_server_obj = gr.mcp.GradioMCPServer(page)
    return page


def ask(server, request):
    """The answer of the MCP server to a request, without a network."""
    server.get_selected_tools_from_request = lambda: None  # it looks at the HTTP request, and there is none
    handler = server.mcp_server.request_handlers[type(request)]
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, handler(request)).result().root


def call(server, file):
    params = types.CallToolRequestParams(name="identify", arguments={"file": file})
    return ask(server, types.CallToolRequest(method="tools/call", params=params))


def test_one_tool_is_offered_and_described(page):
    mcp_tool.improve(page, SCHEMA, "WAV or MP3")
    (tool,) = ask(page.mcp_server_obj, types.ListToolsRequest(method="tools/list")).tools
    assert tool.name == "identify"
    assert tool.outputSchema == SCHEMA
    assert tool.inputSchema["required"] == ["file"]
    for word in ("data:audio/mpeg;base64,", "WAV or MP3", "http"):
        assert word in tool.inputSchema["properties"]["file"]["description"]
    assert page.mcp_server_obj.get_input_schema("identify")[1] == [["file"]]  # Gradio still knows it as a file


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("/etc/hostname", mcp_tool.NOT_AN_ADDRESS),
        ("file:///etc/hostname", mcp_tool.NOT_AN_ADDRESS),
        (5, mcp_tool.NOT_AN_ADDRESS),
        ("data:audio/mpeg;base64,!!!", mcp_tool.BROKEN_DATA),
        ("data:audio/mpeg,abc", mcp_tool.BROKEN_DATA),
    ],
)
def test_what_is_no_file_is_told_in_a_sentence(page, file, sentence):
    mcp_tool.improve(page, SCHEMA, "WAV")
    answer = call(page.mcp_server_obj, file)
    assert answer.isError
    assert answer.content[0].text == sentence


def test_results_are_json(page):
    mcp_tool.improve(page, SCHEMA, "WAV")
    (text,) = page.mcp_server_obj.postprocess_output_data([{"language": None, "ʻ": True}], "http://127.0.0.1")
    assert json.loads(text.text) == {"language": None, "ʻ": True}


def test_without_the_package_there_is_nothing_to_do():
    with gr.Blocks(analytics_enabled=False) as page:
        pass
    mcp_tool.improve(page, SCHEMA, "WAV")
