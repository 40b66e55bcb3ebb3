"""What was sent for a component is not edited by what is sent after it."""

import gradio as gr

from lid.ui.gradio_patches import whole_values


def test_changes_are_of_the_whole_value():
    whole_values.install()
    with gr.Blocks(analytics_enabled=False) as page:
        gr.Button().click(lambda: None, None, gr.Plot())
    [function] = page.fns.values()
    picture, left_alone = {"type": "plotly", "plot": "{}"}, {"__type__": "update"}
    values = [picture, left_alone, picture, picture, "Uz", "Uzbek"]
    sent = [page.handle_streaming_diffs(function, [value], "session", "run", final=False)[0] for value in values]
    assert sent == [
        picture,
        [["replace", [], left_alone]],
        [["replace", [], picture]],
        [],
        [["replace", [], "Uz"]],
        [["append", [], "bek"]],
    ]
