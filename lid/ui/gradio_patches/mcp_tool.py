"""The tool for agents: what it takes is described, and what it gives is JSON with a schema.

What Gradio does (checked in 6.31): it makes a tool of every public endpoint. Its MCP server neither describes nor
converts a list of files, so every call of `identify_batch` would fail. It describes a file as `{"type": "string",
"format": "Gradio File Input - a http or https url to a file"}`, and takes `data:` addresses without saying so. It turns
a result into text with `str`, which is Python's repr and not JSON; its `structured_output` wraps that text again. It
states no output schema, and it hands on the messages of errors in quotation marks.

So these are replaced on `page.mcp_server_obj` (a `GradioMCPServer`): `tool_to_endpoint`, `get_input_schema` and
`postprocess_output_data`. And on its `mcp_server`, from the `mcp` package, two `request_handlers` are wrapped: the one
that lists the tools and the one that calls a tool.

At an upgrade, check: these names, that `call_tool` still returns a `CallToolResult` with one text for each output, and
whether Gradio has learnt to return JSON.
"""

import base64
import binascii
import json

import gradio as gr

ENDPOINT = "/identify"
FILE = {
    "type": "string",
    "format": "uri",
    "description": "One recording: the address that `gradio upload-mcp` or the tool upload_file_to_gradio gives for it "
    "(http...), or the file itself as a data: address (data:audio/mpeg;base64,...). Other addresses, and paths, are "
    "refused. {formats}, at any sample rate.",
}
NOT_AN_ADDRESS = (
    "`file` must be the address of an upload to this server (http...), or the recording itself as a data: address "
    "(data:audio/mpeg;base64,...)."
)
BROKEN_DATA = "The data: address does not hold valid base64. Write it as data:audio/mpeg;base64,..."


def improve(page: gr.Blocks, output_schema: dict, formats: str) -> None:
    """For a launched page. `output_schema` is of the object that the endpoint answers; `formats` says what it reads."""
    server = page.mcp_server_obj
    if server is None:  # the mcp package is not installed
        return
    _offer_one_tool(server)
    _describe_input(server, {**FILE, "description": FILE["description"].format(formats=formats)})
    _describe_output(server, output_schema)
    _answer_in_json(server)


def _offer_one_tool(server) -> None:
    offered = server.tool_to_endpoint  # on a Space the tools have its name as a prefix, so go by the endpoints
    server.tool_to_endpoint = {tool: endpoint for tool, endpoint in offered.items() if endpoint == ENDPOINT}


def _describe_input(server, file: dict) -> None:
    get = server.get_input_schema

    def get_input_schema(tool_name: str, parameters: dict[str, str] | None = None):
        schema, file_positions = get(tool_name, parameters)
        return {**schema, "properties": {**schema["properties"], "file": file}}, file_positions

    server.get_input_schema = get_input_schema


def _describe_output(server, schema: dict) -> None:
    handlers, types = server.mcp_server.request_handlers, server.types
    list_tools = handlers[types.ListToolsRequest]

    async def list_described(request):
        listed = await list_tools(request)
        for tool in listed.root.tools:
            tool.outputSchema = schema
        return listed

    handlers[types.ListToolsRequest] = list_described


def _answer_in_json(server) -> None:
    handlers, types = server.mcp_server.request_handlers, server.types
    call_tool = handlers[types.CallToolRequest]

    def as_json(data: list, root_url: str) -> list:
        return [types.TextContent(type="text", text=json.dumps(output, ensure_ascii=False)) for output in data]

    async def call_structured(request):
        wrong = _wrong_with((request.params.arguments or {}).get("file"))
        if wrong:
            return types.ServerResult(_error(types, wrong))
        result = (await call_tool(request)).root
        (content,) = result.content
        if result.isError:
            return types.ServerResult(_error(types, _unquoted(content.text)))
        result.structuredContent = json.loads(content.text)
        return types.ServerResult(result)

    server.postprocess_output_data = as_json
    handlers[types.CallToolRequest] = call_structured


def _error(types, sentence: str):
    return types.CallToolResult(content=[types.TextContent(type="text", text=sentence)], isError=True)


def _wrong_with(file: object) -> str | None:
    """The sentence for a `file` that cannot be taken; a missing one is left to the check against the schema."""
    if file is None:
        return None
    if not isinstance(file, str) or not file.startswith(("http://", "https://", "data:")):
        return NOT_AN_ADDRESS
    if file.startswith("data:"):
        head, _, data = file.partition(",")
        try:
            if not head.endswith(";base64"):
                return BROKEN_DATA
            base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            return BROKEN_DATA
    return None


def _unquoted(message: str) -> str:
    """Gradio's errors tell their message as Python writes a string."""
    quoted = len(message) > 1 and message[0] == message[-1] and message[0] in "'\""
    return message[1:-1] if quoted else message
