"""The sentence for a full queue, in the language of the request.

What Gradio does (checked in 6.31): a call that finds the queue full gets status 503 with "Queue is full. Max size is 20
and size is 20.", in English only.

`Queue.push` is wrapped: it returns (accepted, event id or sentence, state), and the sentence is replaced when the state
is "queue_full".

At an upgrade, check: the arguments and the three results of `Queue.push`, and the name of that state.
"""

import gradio as gr
from fastapi import Request

from lid.ui import texts
from lid.ui.settings import QUEUE_SIZE


def localize(page: gr.Blocks) -> None:
    """For a page with its queue configured."""
    push = page._queue.push

    async def push_localized(body, request: Request, username: str | None):
        accepted, event_id_or_sentence, state = await push(body=body, request=request, username=username)
        if state == "queue_full":
            words = texts.choose(request.headers.get("accept-language"))
            event_id_or_sentence = f"{words.busy}. {words.busy_note.format(limit=QUEUE_SIZE)}"
        return accepted, event_id_or_sentence, state

    page._queue.push = push_localized  # type: ignore[method-assign]
