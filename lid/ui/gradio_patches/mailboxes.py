"""The messages for each session, until somebody reads them.

What Gradio does (checked in 6.31): it keeps the messages of 2,000 sessions, and then forgets the ones made first, also
those of a session whose call waits. It does not know whether anybody reads.

`Queue.pending_messages_per_session` becomes a `Mailboxes`. It forgets nobody by itself: `fair_queue` says who may go.

At an upgrade, check: that the queue and its routes still put `asyncio.Queue`s there by `mailboxes[session] = ...` and
read them with `get`.
"""

import asyncio
import time

from gradio.server_messages import EventMessage


class Mailbox(asyncio.Queue):
    """The messages of one session, and for how long nobody has read them."""

    def __init__(self) -> None:
        super().__init__()
        self._readers = 0
        self._read = time.monotonic()

    async def get(self) -> EventMessage:
        self._readers += 1
        try:
            return await super().get()
        finally:
            self._readers -= 1
            self._read = time.monotonic()

    @property
    def unread_seconds(self) -> float:
        """0 while somebody waits for a message."""
        return 0.0 if self._readers else time.monotonic() - self._read


class Mailboxes(dict[str, Mailbox]):
    def __setitem__(self, session: str, queue: asyncio.Queue) -> None:
        super().__setitem__(session, Mailbox())  # in place of Gradio's, which is new and empty

    def __delitem__(self, session: str) -> None:
        self.pop(session, None)

    def unread_seconds(self, session: str) -> float:
        """Infinite where there is no such mailbox."""
        return self[session].unread_seconds if session in self else float("inf")
