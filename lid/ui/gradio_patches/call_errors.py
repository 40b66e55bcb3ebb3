"""Every call of a public endpoint that fails says why.

What Gradio does (checked in 6.31): it checks a call's arguments in `Blocks.preprocess_data`, and answers
`{"error": null}` when that raises anything but `gr.Error`: for a path that was not uploaded, a file without `meta`, a
bare string in place of a file, or too few arguments. `launch(show_error=True)` would tell the text of every exception,
also of those that show the server's insides.

`preprocess_data` of the page is wrapped. Calls of the page's own events are left as they are: the page says what
went wrong by itself.

At an upgrade, check: the arguments of `Blocks.preprocess_data`, `BlockFunction.api_visibility` and `.api_name`, and
that a file outside the uploads still raises `InvalidPathError`.
"""

import gradio as gr
from gradio.exceptions import InvalidPathError

FILE = '{"path": "...", "meta": {"_type": "gradio.FileData"}}'
FORM = (
    'Call this endpoint with {{"data": [{argument}]}}, where FILE is '
    + FILE.replace("{", "{{").replace("}", "}}")
    + ", "
    "with the path that /gradio_api/upload returned for the file."
)
NOT_UPLOADED = (
    "This path is not an upload. Send the file to /gradio_api/upload first, then name it by the path that this returns."
)


def explain(page: gr.Blocks) -> None:
    """For a page whose events are all defined."""
    preprocess = page.preprocess_data

    async def preprocess_or_explain(block_fn, inputs, state, explicit_call=False):
        try:
            return await preprocess(block_fn, inputs, state, explicit_call)
        except gr.Error:
            raise
        except Exception as error:
            if block_fn.api_visibility != "public":
                raise
            raise gr.Error(_sentence(error, block_fn), print_exception=False) from error

    page.preprocess_data = preprocess_or_explain  # type: ignore[method-assign]


def _sentence(error: Exception, block_fn) -> str:
    if isinstance(error, InvalidPathError | FileNotFoundError):
        return NOT_UPLOADED
    several = any(getattr(block, "file_count", "single") == "multiple" for block in block_fn.inputs)
    return FORM.format(argument="[FILE, ...]" if several else "FILE")
