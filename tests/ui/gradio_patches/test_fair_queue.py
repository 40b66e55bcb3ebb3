"""The queue outlives what befalls it, and nobody takes another's share: on a launched page, over HTTP."""

import asyncio
import contextlib
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest

from lid.ui.gradio_patches import fair_queue
from lid.ui.texts import ENGLISH, RUSSIAN, UZBEK

PLACES = 4


class Launched:
    """A page with one function, which waits until `go` is set and gives its argument back."""

    def __init__(self) -> None:
        self.go, self.order = threading.Event(), []
        fair_queue.install()
        with gr.Blocks(analytics_enabled=False) as self.page:
            given, back = gr.Textbox(), gr.Textbox()
            gr.Button().click(self.work, given, back, api_name="work")
        self.page.queue(max_size=PLACES)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.page.launch(server_port=port, prevent_thread_lock=True, quiet=True)
        self.queue = self.page._queue

    def work(self, given: str) -> str:
        self.go.wait(60)
        self.order.append(given)
        return given

    def post(self, path: str, body: dict, **headers: str) -> dict:
        kind = {"Content-Type": "application/json", **headers}
        asked = urllib.request.Request(f"{self.page.local_url}gradio_api/{path}", json.dumps(body).encode(), kind)
        with urllib.request.urlopen(asked, timeout=60) as reply:
            return json.load(reply)

    def call(self, given: str, address: str = "127.0.0.1", **headers: str) -> str:
        return self.post("call/work", {"data": [given]}, **{"X-Forwarded-For": address, **headers})["event_id"]

    def join(self, given: str, session: str, address: str = "127.0.0.1") -> str:
        body = {"data": [given], "fn_index": 0, "session_hash": session}
        return self.post("queue/join", body, **{"X-Forwarded-For": address})["event_id"]

    def answer(self, event: str) -> str:
        """What the call's stream says last."""
        with urllib.request.urlopen(f"{self.page.local_url}gradio_api/call/work/{event}", timeout=60) as stream:
            return stream.read().decode().strip().rpartition("data: ")[2]


@pytest.fixture
def launched() -> Iterator[Launched]:
    made = Launched()
    yield made
    made.go.set()
    made.page.close()


def until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_installed_gradio_still_has_what_is_replaced():
    for name in ("push", "start", "start_processing", "get_events", "process_events", "send_message", "close"):
        assert callable(getattr(fair_queue._GradioQueue, name))
    assert callable(fair_queue._GradioQueue.wait_for_batch)
    assert callable(fair_queue._GradioQueue._cancel_asyncio_tasks)


def test_a_flood_of_sessions_costs_nobody_an_answer(launched, monkeypatch):
    """As many sessions come and go as are remembered, and more, while calls wait."""
    monkeypatch.setattr(fair_queue, "MAILBOXES", 20)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(launched.answer, launched.call(str(n))) for n in range(3)]
        for n in range(60):
            event = launched.join("flood", f"fresh{n}", "10.0.0.1")
            launched.post("cancel", {"session_hash": f"fresh{n}", "fn_index": 0, "event_id": event})
        until(lambda: len(launched.queue.mailboxes) <= 20)
        launched.go.set()
        assert [one.result() for one in answers] == ['["0"]', '["1"]', '["2"]']
    assert launched.answer(launched.call("after")) == '["after"]'


def test_a_call_cancelled_before_its_first_step_gives_its_turn_back(launched):
    event = launched.call("x")
    until(lambda: launched.queue.active_jobs[0])
    loop = launched.queue.loops["sweep"].get_loop()
    waiting = launched.call("y")

    async def cancel_at_once() -> None:
        """As /cancel does, in the step of the loop in which the task is made."""
        while not (tasks := [task for task in launched.queue._asyncio_tasks if waiting in task.get_name()]):
            await asyncio.sleep(0)
        tasks[0].cancel()

    cancelled = asyncio.run_coroutine_threadsafe(cancel_at_once(), loop)
    launched.go.set()
    assert launched.answer(event) == '["x"]'
    cancelled.result(30)
    assert launched.answer(launched.call("after")) == '["after"]'


def test_a_message_for_nobody_is_no_error(launched):
    event = launched.call("x")
    until(lambda: launched.queue.active_jobs[0])
    del launched.queue.mailboxes[event]
    launched.go.set()
    until(lambda: launched.order == ["x"])
    assert launched.answer(launched.call("after")) == '["after"]'


@pytest.mark.parametrize("loop", ["start_processing", "start_progress_updates", "sweep"])
def test_a_loop_that_ends_is_started_again_and_no_call_is_lost(launched, loop):
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(launched.answer, launched.call(str(n), f"10.0.0.{n}")) for n in range(4)]
        for kill in range(20):
            task = launched.queue.loops[loop]
            task.get_loop().call_soon_threadsafe(task.cancel)
            until(lambda task=task: launched.queue.loops[loop] is not task)
            if kill == 10:
                launched.go.set()
        assert [one.result() for one in answers] == [f'["{n}"]' for n in range(4)]
    assert launched.answer(launched.call("after")) == '["after"]'


def test_an_address_has_so_many_places_and_another_has_its_own(launched):
    events = [launched.call(str(n)) for n in range(PLACES + 1)]  # one is being answered
    with pytest.raises(urllib.error.HTTPError) as refused:
        launched.call("one more")
    assert refused.value.code == 503
    with ThreadPoolExecutor(8) as pool:
        other = pool.submit(launched.answer, launched.call("other", "10.0.0.1"))
        answers = [pool.submit(launched.answer, event) for event in events]
        launched.go.set()
        assert other.result() == '["other"]'
        assert [one.result() for one in answers] == [f'["{n}"]' for n in range(PLACES + 1)]
    assert launched.order[:2] == ["0", "other"]


def test_who_asks_rarely_comes_before_who_asks_often_at_the_same_address(launched):
    events = [launched.call(str(n)) for n in range(PLACES + 1)]
    for _ in range(30):
        with contextlib.suppress(urllib.error.HTTPError):
            launched.call("hammer")
    page = launched.join("page", "a-page-that-is-open")
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(launched.answer, event) for event in [page, *events]]
        launched.go.set()
        assert [one.result() for one in answers] == ['["page"]', *(f'["{n}"]' for n in range(PLACES + 1))]
    assert launched.order[:2] == ["0", "page"]


def test_a_full_house_takes_a_place_from_who_asks_most(launched, monkeypatch):
    monkeypatch.setattr(fair_queue, "ADDRESSES", 1)
    events = [launched.call(str(n)) for n in range(PLACES + 1)]
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(launched.answer, event) for event in [*events, launched.call("other", "10.0.0.1")]]
        launched.go.set()
        *others, last, new = [one.result() for one in answers]
    assert (others, new) == ([f'["{n}"]' for n in range(PLACES)], '["other"]')
    assert json.loads(last)["error"].startswith(ENGLISH.busy)


def test_who_does_not_read_loses_the_place_and_is_told(launched, monkeypatch):
    monkeypatch.setattr(fair_queue, "UNREAD_SECONDS", 0.2)
    first, *unread = [launched.call(str(n)) for n in range(PLACES + 1)]
    until(lambda: len(launched.queue) == 0)
    assert json.loads(launched.answer(unread[0])) == {"error": fair_queue.LOST}
    launched.go.set()
    assert launched.answer(first) == '["0"]'


def test_a_session_may_pause_between_its_calls(launched, monkeypatch):
    monkeypatch.setattr(fair_queue, "UNREAD_SECONDS", 0.5)
    launched.go.set()
    for given in ("first", "second"):
        assert launched.answer(launched.join(given, "a-client")) == f'["{given}"]'
        time.sleep(0.6)


@pytest.mark.parametrize(("wanted", "words"), [("ru-RU", RUSSIAN), ("uz", UZBEK), ("de", ENGLISH), ("", ENGLISH)])
def test_a_full_queue_is_told_in_the_language_asked_for(launched, wanted, words):
    for n in range(PLACES + 1):
        launched.call(str(n))
    with pytest.raises(urllib.error.HTTPError) as refused:
        launched.call("one more", **{"Accept-Language": wanted})
    assert json.load(refused.value)["detail"].startswith(f"{words.busy}. ")
