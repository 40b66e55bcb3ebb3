"""A queue that outlives whatever befalls it, with a share for each visitor.

What Gradio does (checked in 6.31):

- When a session's messages were forgotten while its call waits (see `mailboxes`), `send_message` raises KeyError in the
  loop that starts calls. Its `finally` stops the queue: everybody gets "503 Queue is stopped." until a restart.
- A call that is cancelled in the moment in which its turn comes keeps its turn for ever: its task ends before its first
  step, and so without its `finally`.
- All calls share the room of `max_size`, and whoever came first is served first: one caller fills it, and a call keeps
  its place though nobody reads its answer.
- A live stream that sends nothing keeps its turn to the end.
- It makes statistics of the last 10,000 calls with pandas after each call, also without a page that shows them.
- A full queue is told in English only, with its size.

`Queue` is replaced in its module by FairQueue. Turns go by `accounts`: whoever has had little lately comes first, in
each group of events (`concurrency_id`) by itself. A session, an address and all together have so many places. A place
is lost when nobody reads. Loops that end are started again.

At an upgrade, check: `Queue.push`, `.start`, `.start_processing`, `.get_events`, `.process_events`, `.send_message`,
`.wait_for_batch`, `.close` and `._cancel_asyncio_tasks`, the name `Queue` in `gradio.queueing`, and whether the first
two of these are mended (docs/GRADIO-REPORTS.md).
"""

import asyncio
import math
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from fastapi import Request
from gradio import queueing, route_utils
from gradio.server_messages import ProcessCompletedMessage
from gradio.utils import run_coro_in_background

from lid.ui import texts
from lid.ui.gradio_patches.accounts import ASKED, Accounts, Visitor
from lid.ui.gradio_patches.mailboxes import Mailboxes
from lid.ui.settings import (
    ADDRESSES,
    KEEP_ANSWERS_SECONDS,
    LIVE_OF_ADDRESS,
    LIVE_SILENT_SECONDS,
    PLACES_OF_SESSION,
    UNREAD_SECONDS,
)
from lid.ui.texts import ENGLISH

SWEEP_SECONDS = 1.0
RESTART_SECONDS = 0.1  # until a loop that ended is started again
MAILBOXES = 2000  # of which those that nobody needs are dropped, the oldest first
LOST = f"{ENGLISH.busy}. Nobody came to read the answer, so this call lost its place. Send it again."

_GradioQueue = queueing.Queue
Event = queueing.Event


def install() -> None:
    """For every page that is built from now on, in this process."""
    queueing.Queue = FairQueue  # type: ignore[misc]


@dataclass(frozen=True)
class _Place:
    """Whose call it is, for what kind of work, and when it came."""

    visitor: Visitor
    group: str
    came: float


class FairQueue(_GradioQueue):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.mailboxes = Mailboxes()
        self.pending_messages_per_session = self.mailboxes  # type: ignore[assignment]
        self.accounts = Accounts()
        self.loops: dict[str, asyncio.Task] = {}  # by name
        self._places: WeakKeyDictionary[Event, _Place] = WeakKeyDictionary()
        self._closing = False
        # `max_size` is what an address may have. Gradio's own bound, over all of them, is not used.
        self.places_of_address, self.max_size = self.max_size, None

    # A call comes

    async def push(self, body, request: Request, username: str | None):
        if body.fn_index is None:
            return await super().push(body, request, username)
        group = str(route_utils.get_fn(self.blocks, None, body).concurrency_id)
        visitor = Visitor.of(request, body.session_hash)
        place = _Place(visitor, group, time.monotonic())
        has_room = self._has_room(place)
        self.accounts.charge(group, visitor, ASKED)
        if not has_room:
            return False, self._busy(request), "queue_full"
        accepted, answer, state = await super().push(body, request, username)
        event = self.event_ids_to_events.get(answer) if accepted and isinstance(answer, str) else None
        if event is not None:
            self._places[event] = place
        return accepted, answer, state

    def _has_room(self, place: _Place) -> bool:
        """Whether a call may wait. Where all places are taken, the last in turn loses its place to an earlier one."""
        most = self.places_of_address
        if most is None:
            return True
        visitor, waiting = place.visitor, self._waiting(place.group)
        visitors = [self._places[event].visitor for event in waiting if event in self._places]
        own = visitors.count(visitor)
        of_address = sum(other.address == visitor.address for other in visitors)
        if own >= (min(most, PLACES_OF_SESSION) if visitor.session else most):
            return False
        # Who has had little is not kept out by others at the same address, as long as there are not too many of them.
        heaviest = max((self._had(place.group, other) for other in visitors), default=0.0)
        little = not own and self._had(place.group, visitor) < heaviest / 2
        if of_address >= (2 * most if little else most):
            return False
        if len(waiting) < ADDRESSES * most:
            return True
        last = max(waiting, key=self._turn)
        if self._turn(last) <= self._turn_of(place):
            return False
        self._give_up(last, self._busy(last.request))
        return True

    def _had(self, group: str, visitor: Visitor) -> float:
        return self.accounts.had(group, visitor.address, visitor.session)

    def _busy(self, request: Request) -> str:
        words = texts.choose(request.headers.get("accept-language"))
        return f"{words.busy}. {words.busy_note.format(limit=self.places_of_address)}"

    def _waiting(self, group: str | None) -> list[Event]:
        found = self.event_queue_per_concurrency_id.get(str(group))
        return found.queue if found else []

    def _turn(self, event: Event) -> float:
        return self._turn_of(self._places[event]) if event in self._places else 0.0

    def _turn_of(self, place: _Place) -> float:
        """When a call's turn comes: later than it came, by what its visitor has had by now."""
        return place.came + self.accounts.delay(place.group, place.visitor)

    # A call's turn comes

    def get_events(self) -> tuple[list[Event], bool, str] | None:
        """The next event that can be started. Those that wait are put in the order of their turns, which is told to
        their visitors as well."""
        for group in self.event_queue_per_concurrency_id.values():
            if group.concurrency_limit is not None and group.current_concurrency >= group.concurrency_limit:
                continue
            group.queue.sort(key=self._turn)
            for event in list(group.queue):
                if self._is_unread(event):
                    self._give_up(event, LOST)
                elif not (event.streaming and self._streams_enough(event)):
                    group.queue.remove(event)
                    return [event], False, group.concurrency_id
        return None

    def _is_unread(self, event: Event) -> bool:
        waits = time.monotonic() - event.enqueue_time  # a session may be older than its call
        return min(waits, self.mailboxes.unread_seconds(event.session_hash)) > UNREAD_SECONDS

    def _streams_enough(self, event: Event) -> bool:
        """Whether an address has as many live turns as it may."""
        if event not in self._places:
            return False
        address = self._places[event].visitor.address
        streaming = [other for job in self.active_jobs for other in job or () if other.streaming]
        others = [self._places[other].visitor.address for other in streaming if other in self._places]
        return others.count(address) >= LIVE_OF_ADDRESS

    def _give_up(self, event: Event, sentence: str) -> None:
        """End a call that waits, and say why, should somebody read it after all."""
        self._waiting(event.concurrency_id).remove(event)
        self.event_ids_to_events.pop(event._id, None)
        self.send_message(event, ProcessCompletedMessage(output={"error": sentence}, success=False))

    def process_events(self, events: list[Event], batch: bool, begin_time: float, fn) -> Coroutine[Any, Any, None]:
        """What Gradio makes a task of, and cancels by its name. A task that is cancelled before its first step never
        gives its place back, so the work is a task of its own, which is certain to begin."""
        return self._processed(asyncio.ensure_future(self._process(events, batch, begin_time, fn)))

    async def _processed(self, work: asyncio.Task) -> None:
        await work  # cancelling this cancels the work

    async def _process(self, events: list[Event], batch: bool, begin_time: float, fn) -> None:
        try:
            await super().process_events(events, batch, begin_time, fn)
        finally:
            for event in events:
                if event in self._places:
                    visitor = self._places[event].visitor
                    self.accounts.charge(str(event.concurrency_id), visitor, time.time() - begin_time)

    @staticmethod
    async def wait_for_batch(events: list[Event], timeouts: list[float]) -> tuple[list[Event], list[Event]]:
        """The next piece of a stream. A stream that sends none for long has ended."""
        return await _GradioQueue.wait_for_batch(events, [min(seconds, LIVE_SILENT_SECONDS) for seconds in timeouts])

    def send_message(self, event: Event, event_message) -> None:
        if event.session_hash in self.pending_messages_per_session:  # else nobody can read it
            super().send_message(event, event_message)

    def compute_analytics_summary(self, records):
        return self.cached_event_analytics_summary

    # The loops

    def start(self) -> None:
        self.active_jobs = [None] * self.max_thread_count
        loops = [self.start_processing, self.start_progress_updates, self.sweep]
        for loop in loops if self.live_updates else [*loops, self.notify_clients]:
            self._keep_running(loop)

    def _keep_running(self, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        def ended(task: asyncio.Task) -> None:
            if self._closing:
                return
            why = "was cancelled" if task.cancelled() else repr(task.exception())
            print(f"lid: the queue's {loop.__name__} ended ({why}); it starts again.", file=sys.stderr)
            task.get_loop().call_later(RESTART_SECONDS, self._keep_running, loop)

        task = self.loops[loop.__name__] = run_coro_in_background(loop)
        task.add_done_callback(ended)

    async def start_processing(self) -> None:
        try:
            await super().start_processing()
        finally:
            self.stopped = self._closing  # Gradio's own `finally` stops the queue

    def _cancel_asyncio_tasks(self) -> None:
        if self._closing:  # else the calls that are being answered go on
            super()._cancel_asyncio_tasks()

    def close(self) -> None:
        self._closing = True
        super().close()

    async def sweep(self) -> None:
        """Take places from those who do not read, and drop what nobody needs."""
        while not self._closing:
            await asyncio.sleep(SWEEP_SECONDS)
            for group in self.event_queue_per_concurrency_id.values():
                for event in [event for event in group.queue if self._is_unread(event)]:
                    self._give_up(event, LOST)
            for event in [event for job in self.active_jobs for event in job or ()]:
                if event.streaming and self._is_unread(event):
                    event.closed, event.run_time = True, math.inf
                    event.signal.set()
            self._drop_mailboxes()
            self.accounts.forget()

    def _drop_mailboxes(self) -> None:
        engaged = {event.session_hash for event in self.event_ids_to_events.values()}
        idle = [session for session in self.mailboxes if session not in engaged]  # in the order they were made
        surplus = max(0, len(self.mailboxes) - MAILBOXES)
        for index, session in enumerate(idle):
            unread = self.mailboxes.unread_seconds(session)
            if unread > (SWEEP_SECONDS if index < surplus else KEEP_ANSWERS_SECONDS):
                del self.mailboxes[session]
        for session in self.pending_event_ids_session.keys() - self.mailboxes.keys() - engaged:
            del self.pending_event_ids_session[session]
