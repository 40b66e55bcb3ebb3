"""What callers are told when the queue is full."""

import gradio as gr
from fastapi import Request

from lid.ui import texts
from lid.ui.settings import QUEUE_SIZE


def say_so(page: gr.Blocks) -> None:
    """Have status 503 carry a sentence, in the language that the request asks for, in place of Gradio's "Queue is full.
    Max size is 20 and size is 20." """
    push = page._queue.push

    async def push_or_say(body, request: Request, username: str | None):
        accepted, said, state = await push(body=body, request=request, username=username)
        if state == "queue_full":
            words = texts.choose(request.headers.get("accept-language"))
            said = f"{words.busy}. {words.busy_note.format(limit=QUEUE_SIZE)}"
        return accepted, said, state

    page._queue.push = push_or_say
