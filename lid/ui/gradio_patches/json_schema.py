"""The shape of an endpoint's JSON, stated where programs read it.

What Gradio does (checked in 6.31): it describes every `gr.JSON` as "any valid json" in `/gradio_api/info`, in
`gradio_client.view_api` and on its API page.

`api_info` and `api_info_as_output` of the component are replaced; Gradio puts both into its configuration.

At an upgrade, check: that `Blocks.get_api_info` still reads "api_info_as_output", and whether `gr.JSON` takes a schema.
"""

import gradio as gr


def state(component: gr.JSON, schema: dict) -> gr.JSON:
    """Describe a component's value by a JSON Schema. Returns the component."""
    component.api_info = lambda: schema  # type: ignore[method-assign]
    component.api_info_as_output = lambda: schema  # type: ignore[method-assign]
    return component
