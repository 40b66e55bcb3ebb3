"""Whose state is dropped when there are too many sessions.

What Gradio does (checked in 6.31): it keeps the state of `state_session_capacity` sessions and drops the one that was
used least lately. A call that names no session gets one of its own; so as many calls as that, by anybody, drop the
state of everybody who has the page open.

`StateHolder.update` is replaced. State goes in this order: of sessions that hold nothing, of those whose page is not
open, of the address with most pages open. The page is open while its heartbeat is: `request_guard` tells.

At an upgrade, check: `StateHolder.update`, `.session_data`, `.time_last_used`, `.capacity`, `.lock`, and
`SessionState.state_data`.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gradio.state_holder import StateHolder

_open: dict[str, list[str]] = {}  # session -> the addresses at which its page is open


def install() -> None:
    """For every page in this process."""
    StateHolder.update = _update  # type: ignore[method-assign]


@contextmanager
def page_open(session: str, address: str) -> Iterator[None]:
    """While a heartbeat goes on."""
    _open.setdefault(session, []).append(address)
    try:
        yield
    finally:
        _open[session].remove(address)
        if not _open[session]:
            del _open[session]


def _update(self: StateHolder, session_id: str) -> None:
    with self.lock:
        if session_id in self.session_data:
            self.session_data.move_to_end(session_id)
        while len(self.session_data) > self.capacity:
            gone = _next_to_go(self, session_id)
            del self.session_data[gone]
            self.time_last_used.pop(gone, None)


def _next_to_go(holder: StateHolder, used_now: str) -> str:
    """The sessions are in the order of their last use. The one in use now is the last choice."""
    sessions = [session for session in holder.session_data if session != used_now] or [used_now]
    closed = [session for session in sessions if session not in _open]
    empty = (session for session in closed if not _holds(holder, session))
    if (gone := next(empty, None)) or (closed and (gone := closed[0])):
        return gone
    pages = Counter(address for session in sessions for address in set(_open[session]))
    ((most, _),) = pages.most_common(1)
    return next(session for session in sessions if most in _open[session])


def _holds(holder: StateHolder, session: str) -> bool:
    return any(value is not None for value in holder.session_data[session].state_data.values())
