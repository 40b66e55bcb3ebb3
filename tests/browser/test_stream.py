"""How messages come must not matter: all at once, or the end of a stream late."""

from pathlib import Path

import pytest

from lid.ui.gradio_patches import browser
from tests.browser.visitor import example

pytestmark = pytest.mark.browser

STREAM = "**/gradio_api/queue/data*"
SCRIPT = (Path(browser.__file__).parent / "stream.js").read_text(encoding="utf-8")
# A server of which each message and each reply is sent by hand, and what a page has read of it.
BY_HAND = """
window.streams = [], window.replies = [], window.seen = [];
const data = (message) => new TextEncoder().encode(`data: ${JSON.stringify(message)}\n\n`);
window.turns = () => new Promise((resolve) => setTimeout(resolve, 50));
window.fetch = (address) => new Promise((resolve) => {
  if (address.includes("/queue/join")) replies.push((id) => resolve(Response.json({event_id: id})));
  else resolve(new Response(new ReadableStream({start: (stream) => { streams.push(stream); }})));
});
window.say = async (stream, message) => { streams[stream].enqueue(data(message)); await turns(); };
window.accept = async (call, id) => { replies[call](id); await turns(); };
window.join = async () => { await fetch("/queue/join"); seen.push("joined"); };
window.read = async () => {
  window.abort = new AbortController();
  const {body} = await fetch("/queue/data", {signal: abort.signal});
  for await (const piece of body.pipeThrough(new TextDecoderStream())) seen.push(JSON.parse(piece.slice(6)).msg);
};
"""


def test_pictures_are_drawn_when_all_messages_come_at_once(open_page):
    page = open_page()
    page.route(STREAM, lambda route: route.fulfill(response=route.fetch()))
    example(page, "Russian")
    for picture in ("evidence", "mel", "attention"):
        page.locator(f"#{picture} .xtitle").wait_for()


def test_a_call_made_as_the_stream_ends_is_answered(open_page):
    page = open_page()
    held = []
    page.route(STREAM, lambda route: route.continue_() if held else held.append(route))
    example(page, "Russian")
    while not held:
        page.wait_for_timeout(50)
    first = held[0].fetch()  # the answer, and the end of the stream
    with page.expect_response("**/gradio_api/queue/join*"):
        example(page, "English")
    page.wait_for_timeout(500)
    held[0].fulfill(response=first)
    page.locator("#answer [data-kind=en]").wait_for()
    page.locator("#attention .xtitle").wait_for()
    example(page, "Russian")  # and the page goes on
    page.locator("#answer [data-kind=ru]").wait_for()


@pytest.fixture
def by_hand(chromium):
    with chromium("uz").new_context() as context:
        page = context.new_page()
        page.evaluate(f"() => {{{BY_HAND}}}")
        page.evaluate(f"() => {{{SCRIPT}}}")
        yield lambda steps: page.evaluate(f"async () => {{{steps}; return seen}}")


def test_a_stream_goes_on_for_a_call_that_is_on_its_way(by_hand):
    """Each message in a piece of its own."""
    seen = by_hand(
        """join(); await accept(0, "first"); read();
        join(); await say(0, {msg: "process_completed", event_id: "first"});
        await say(0, {msg: "close_stream"}); await accept(1, "second");
        await say(1, {msg: "process_completed", event_id: "second"});
        await say(1, {msg: "close_stream"})"""
    )
    assert seen == ["joined", "process_completed", "joined", "process_completed", "close_stream"]


def test_a_call_made_after_the_end_is_told_once_the_end_is_noted(by_hand):
    end = """join(); await accept(0, "first"); read();
        await say(0, {msg: "process_completed", event_id: "first"}); await say(0, {msg: "close_stream"});
        join(); await accept(1, "second");"""
    assert by_hand(end) == ["joined", "process_completed", "close_stream"]
    assert by_hand("abort.abort(); await turns()") == ["joined", "process_completed", "close_stream", "joined"]
