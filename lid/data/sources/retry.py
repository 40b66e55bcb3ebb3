"""When to try a request again, how long to wait before it, and when to give up with a sentence.

urllib3's own Retry tries a whole request again. What is counted here goes on within one download: a failure after bytes
were gained is the first again, and the sentence says at which byte the line keeps failing.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from lid.errors import InputError

log = logging.getLogger(__name__)

BUSY = frozenset({408, 425, 429, *range(500, 600)})  # statuses that mean "not now", RFC 9110 and 6585


@dataclass(frozen=True)
class RetryPolicy:
    """How patient to be. Waits and timeouts are in seconds.

    `tries` bounds failures in a row with nothing gained between them, `first_tries` those before the first answer,
    where a wrong address is likelier than a bad line. The wait doubles from `first_wait` up to `max_wait`. A server
    that asks by Retry-After for longer than `longest_wait` is not waited for. `read_timeout` is for a line gone silent.
    """

    tries: int = 8
    first_tries: int = 3
    first_wait: float = 1.0
    max_wait: float = 60.0
    longest_wait: float = 600.0
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    sleep: Callable[[float], None] = time.sleep

    @property
    def timeouts(self) -> tuple[float, float]:
        return self.connect_timeout, self.read_timeout


class Retries:
    """Counts failures in a row of one job called `name` and waits between them."""

    def __init__(self, name: str, policy: RetryPolicy):
        self.name, self.policy = name, policy
        self._failures, self._answered = 0, False

    def answered(self) -> None:
        """The server is there: from now on the patient limit holds."""
        self._answered = True

    def gained(self) -> None:
        """Something was achieved: the next failure is the first again."""
        self._failures, self._answered = 0, True

    def failed(self, problem: str, retry_after: float | None = None, busy: bool = False) -> None:
        """Wait before the next try, or raise InputError("connection", or "busy") when there is no use in one."""
        self._failures += 1
        limit = self.policy.tries if self._answered else self.policy.first_tries
        if self._failures >= limit:
            advice = "Run this again later." if busy else "Check the connection and run this again."
            reason = "busy" if busy else "connection"
            raise InputError(f"{self.name}: {problem}, {self._failures} times in a row. {advice}", reason)
        wait = min(self.policy.first_wait * 2 ** (self._failures - 1), self.policy.max_wait)
        if retry_after is not None:
            if retry_after > self.policy.longest_wait:
                minutes = f"{retry_after / 60:.0f} minutes"
                raise InputError(f"{self.name}: {problem} and asks to wait {minutes}. Run this again then.", "busy")
            wait = max(retry_after, 0.0)
        log.info("%s: %s; trying again in %.1f s", self.name, problem, wait)
        self.policy.sleep(wait)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds a response asks to wait by Retry-After, a number or an HTTP date (RFC 9110, 10.2.3); None without one."""
    try:
        return Retry().parse_retry_after(headers.get("Retry-After", ""))
    except InvalidHeader:
        return None
