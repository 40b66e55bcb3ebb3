"""The end of the server: on SIGTERM, which a host sends before it restarts or moves an app, whoever waits for an answer
is told."""

import asyncio
import contextlib
import os
import signal

import gradio as gr
from gradio.server_messages import ProcessCompletedMessage

from lid.ui.texts import ENGLISH

SENTENCE = ENGLISH.restarting  # by which the page's script knows it, to say it in the page's language


def tell_on_sigterm(page: gr.Blocks) -> None:
    """For a launched page, from the main thread."""

    def end(number: int, frame: object) -> None:
        with contextlib.suppress(Exception):  # whatever happens, it is the end
            loop = page.server.servers[0].get_loop()
            asyncio.run_coroutine_threadsafe(_tell(page), loop).result(timeout=2)
        os._exit(0)  # at once: threads in the midst of a matrix product would abort an orderly exit

    signal.signal(signal.SIGTERM, end)


async def _tell(page: gr.Blocks) -> None:
    queue = page._queue
    for session, events in queue.pending_event_ids_session.items():
        messages = queue.pending_messages_per_session.get(session)
        for event in events if messages else ():
            output = {"error": SENTENCE}
            messages.put_nowait(ProcessCompletedMessage(output=output, success=False, event_id=event))
    await asyncio.sleep(0.5)  # for the streams to carry it out
