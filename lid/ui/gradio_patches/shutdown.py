"""When the server ends, everybody who waits for an answer is told.

What Gradio does (checked in 6.31): on SIGTERM, which a host sends before it restarts or moves an app, the connections
just break. A visitor waits, and then reads a message about a lost connection.

The handler puts a last message into the queue's streams, through `page._queue.pending_event_ids_session` (session ->
ids of events), `page._queue.pending_messages_per_session` (session -> queue of messages), and the loop of
`page.server.servers[0]`.

At an upgrade, check: those three, and `ProcessCompletedMessage`.
"""

import asyncio
import contextlib
import os
import signal

import gradio as gr
from gradio.server_messages import ProcessCompletedMessage

from lid.ui.gradio_patches import multipart
from lid.ui.texts import ENGLISH

SENTENCE = ENGLISH.restarting  # call_failure.js recognises it; it is shown in the page's language


def notify_clients_on_sigterm(page: gr.Blocks) -> None:
    """For a launched page; call it from the main thread."""

    def end(number: int, frame: object) -> None:
        with contextlib.suppress(Exception):  # the process ends in any case
            loop = page.server.servers[0].get_loop()
            asyncio.run_coroutine_threadsafe(notify_clients(page), loop).result(timeout=2)
        with contextlib.suppress(Exception):
            multipart.delete_unfinished()
        os._exit(0)  # at once: an orderly exit aborts while threads are in the middle of a matrix product

    signal.signal(signal.SIGTERM, end)


async def notify_clients(page: gr.Blocks) -> None:
    """Answer every waiting call with an error, and wait until the streams have carried it out."""
    queue = page._queue
    for session, events in queue.pending_event_ids_session.items():
        messages = queue.pending_messages_per_session.get(session)
        if messages is None:
            continue
        for event in events:
            output = {"error": SENTENCE}
            messages.put_nowait(ProcessCompletedMessage(output=output, success=False, event_id=event))
    await asyncio.sleep(0.5)
