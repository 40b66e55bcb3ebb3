"""The stated shape is what Gradio tells programs."""

import gradio as gr

from lid.ui.gradio_patches import json_schema


def test_the_schema_is_in_the_description_of_the_api():
    schema = {"type": "object", "properties": {"language": {"type": "string"}}}
    with gr.Blocks(analytics_enabled=False) as page:
        answer = json_schema.state(gr.JSON(), schema)
        gr.Button().click(lambda: {}, None, answer, api_name="identify")
    endpoint = page.get_api_info()["named_endpoints"]["/identify"]
    assert endpoint["returns"][0]["type"] == schema
