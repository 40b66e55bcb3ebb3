"""A server that ends answers the calls that wait: on a launched page, with a call that never finishes."""

import json
import threading
import urllib.request

import gradio as gr

from lid.ui.gradio_patches import shutdown


def test_who_waits_is_told():
    started, end = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        end.wait(60)

    with gr.Blocks(analytics_enabled=False) as page:
        gr.Button().click(wait, api_name="identify")
    page.queue()
    page.launch(prevent_thread_lock=True, quiet=True)
    try:
        address = f"{page.local_url}gradio_api/call/identify"
        kind = {"Content-Type": "application/json"}
        call = urllib.request.Request(address, json.dumps({"data": []}).encode(), kind)
        event = json.load(urllib.request.urlopen(call))["event_id"]
        stream = urllib.request.urlopen(f"{address}/{event}", timeout=60)
        assert started.wait(60)
        loop = page.server.servers[0].get_loop()
        shutdown.asyncio.run_coroutine_threadsafe(shutdown.notify_clients(page), loop).result(60)
        assert shutdown.SENTENCE in stream.read().decode()
    finally:
        end.set()
        page.close()
