"""Who asks, and what they have had lately: whoever asks rarely is served soon."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

HALF_LIFE = 30.0  # seconds after which half of what somebody had is forgotten
ASKED = 0.5  # seconds that a call counts for, also one that is refused; an answer counts what it took
MOST = 30.0  # seconds; so nobody waits for longer than this behind those who ask rarely


@dataclass(frozen=True)
class Visitor:
    """An address, and the session of a page or a client; "" for calls that name none, as those of curl.

    The address is the peer's, or where that is a trusted proxy what the proxy says (uvicorn's FORWARDED_ALLOW_IPS).
    """

    address: str
    session: str

    @classmethod
    def of(cls, request: Request, session: str | None) -> "Visitor":
        return cls(request.client.host if request.client else "", session or "")


class Accounts:
    """Seconds that visitors have had of each kind of work, the older the less. Those of an address count for all its
    sessions too: whoever takes a new session for each call gains nothing over other addresses."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._had: dict[tuple[str, str, str | None], tuple[float, float]] = {}  # seconds, and when they were counted

    def delay(self, work: str, visitor: Visitor) -> float:
        """Seconds by which somebody's turn comes later than that of one who has had nothing."""
        return self.had(work, visitor.address) + self.had(work, visitor.address, visitor.session)

    def charge(self, work: str, visitor: Visitor, seconds: float) -> None:
        for session in (None, visitor.session):
            had = self.had(work, visitor.address, session)
            self._had[work, visitor.address, session] = min(MOST, had + seconds), self._clock()

    def had(self, work: str, address: str, session: str | None = None) -> float:
        """Seconds, of a session, or of all of an address."""
        seconds, then = self._had.get((work, address, session), (0.0, 0.0))
        return seconds * 0.5 ** ((self._clock() - then) / HALF_LIFE)

    def forget(self) -> None:
        """Drop what no longer counts."""
        self._had = {key: value for key, value in self._had.items() if self.had(*key) > ASKED / 10}
