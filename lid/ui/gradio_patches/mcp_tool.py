import gradio as gr


def keep_only_identify(page: gr.Blocks) -> None:
    if page.mcp_server_obj is not None:
        offered = page.mcp_server_obj.tool_to_endpoint  # a Space's tools are named after it: look at the endpoints
        page.mcp_server_obj.tool_to_endpoint = {tool: to for tool, to in offered.items() if to == "/identify"}
