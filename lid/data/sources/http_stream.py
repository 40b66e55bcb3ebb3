"""A byte stream over HTTP that outlives what long downloads meet: cuts, stalls, busy servers, links that expire.

What was read is never read again and nothing is left out: a lost connection goes on with a Range request at the very
next byte. A server that ignores Range is read forward to that byte, checked by CRC. A file that changed meanwhile is an
error. No library does all of it: renewed links, going on in the middle of a body, and servers without Range.
"""

import io
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import requests
import urllib3
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

from lid.data.sources.retry import BUSY, Retries, RetryPolicy, retry_after
from lid.errors import InputError

BLOCK = 256 * 1024  # bytes asked for at a time: far above a packet, far below what memory notices
REFUSED = frozenset({400, 401, 403, 404, 410})  # what object stores answer to a presigned link that is no longer valid
RENEWALS = 2  # fresh links in a row that brought no byte


@dataclass(frozen=True)
class Link:
    """Where the bytes are. `version` names the content as the one who gave the link knows it ("" when unknown)."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    version: str = ""


class HttpStream(io.RawIOBase):
    """The body of `link.url` from its first byte to its last; `tell()` is the next byte, `size` the total if known.

    `name` is what sentences call the file: links may hold signatures, so they are never shown. `renew` gives a fresh
    link when the present one has expired. Reading raises InputError: "connection", "busy", "refused", "missing",
    "changed".
    """

    def __init__(
        self, link: Link, name: str, renew: Callable[[], Link] | None = None, policy: RetryPolicy | None = None
    ):
        self.name = name
        self.size: int | None = None
        self._link, self._renew, self._renewals = link, renew, 0
        self._policy = policy or RetryPolicy()
        self._retries = Retries(name, self._policy)
        self._response: requests.Response | None = None
        self._position, self._crc, self._etag, self._validator = 0, 0, "", ""

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        self._drop()
        super().close()

    def readinto(self, buffer) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = BLOCK) -> bytes:
        """At most `size` bytes (and at most BLOCK); b"" only at the true end of the file."""
        while True:
            try:
                data = self._read_some(min(size, BLOCK) if size > 0 else BLOCK)
            except _Busy as busy:
                self._retry(str(busy), busy.retry_after, busy=True)
            except (InvalidSchema, InvalidURL, MissingSchema):
                raise InputError(f"{self.name} is not an address that can be opened.", "missing") from None
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                self._retry(_in_words(error, self._policy))
            else:
                return data

    def _read_some(self, size: int) -> bytes:
        if self._response is None:
            self._response = self._connect()
        data = self._response.raw.read(size, decode_content=False)
        if not data and self.size is not None and self._position < self.size:
            raise ConnectionError("cut")  # some servers close politely in the middle
        if data:
            self._position += len(data)
            self._crc = zlib.crc32(data, self._crc)
            self._retries.gained()
            self._renewals = 0
        return data

    def _retry(self, problem: str, wait: float | None = None, busy: bool = False) -> None:
        self._drop()
        self._retries.failed(f"{problem} at byte {self._position:,}", wait, busy)

    def _drop(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def _connect(self) -> requests.Response:
        """A response whose next byte is the one at `_position`."""
        while True:
            headers = {"Accept-Encoding": "identity", **self._link.headers}
            if self._position:
                headers["Range"] = f"bytes={self._position}-"
                if self._validator:
                    headers["If-Range"] = self._validator
            response = requests.get(self._link.url, headers=headers, stream=True, timeout=self._policy.timeouts)
            try:
                if self._accept(response):
                    return response
            except BaseException:
                response.close()
                raise
            response.close()

    def _accept(self, response: requests.Response) -> bool:
        """True when `response` goes on where we are, False when the link was renewed and is to be asked again."""
        status = response.status_code
        self._retries.answered()
        if status in BUSY:
            raise _Busy(f"the server answers {status}", retry_after(response.headers))
        if status in REFUSED:
            return self._renewed(status)
        if status == 416:
            raise self._changed()
        if status not in (200, 206):
            raise InputError(f"{self.name}: the server answers {status}, which is not a file.", "refused")
        if self._position == 0:
            self._learn(response)
        else:
            self._check_same(response)
            self._skip(response, self._position - _first_byte(response))
        return True

    def _renewed(self, status: int) -> bool:
        if self._renew is None or self._renewals >= RENEWALS:
            if status == 404:
                raise InputError(f"{self.name} does not exist (404). Check the address.", "missing")
            raise InputError(
                f"{self.name}: the server refuses the download ({status}). The link may have expired, or needs access "
                "rights: get a fresh one.",
                "refused",
            )
        self._renewals += 1
        fresh = self._renew()
        if self._link.version and fresh.version and fresh.version != self._link.version:
            raise self._changed()
        self._link = fresh
        return False

    def _learn(self, response: requests.Response) -> None:
        length = response.headers.get("Content-Length", "")
        self.size = int(length) if length.isdecimal() else None
        self._etag = response.headers.get("ETag", "")
        # A weak ETag must not be used in If-Range (RFC 9110, 13.1.5); the date is the next best.
        weak = not self._etag or self._etag.startswith("W/")
        self._validator = response.headers.get("Last-Modified", "") if weak else self._etag

    def _check_same(self, response: requests.Response) -> None:
        etag, total = response.headers.get("ETag", ""), _total(response)
        if (etag and self._etag and etag != self._etag) or (total and self.size and total != self.size):
            raise self._changed()

    def _skip(self, response: requests.Response, count: int) -> None:
        """Read `count` bytes again and forget them, for a server without Range; their CRC shows a changed file."""
        if count < 0:
            raise _Busy("the server skipped a part of the file")
        crc, left = 0, count
        while left:
            data = response.raw.read(min(left, BLOCK), decode_content=False)
            if not data:
                raise ConnectionError("cut")
            crc, left = zlib.crc32(data, crc), left - len(data)
        if count == self._position and crc != self._crc:
            raise self._changed()

    def _changed(self) -> InputError:
        return InputError(f"{self.name} has changed on the server while it was read. Run this again.", "changed")


class _Busy(Exception):
    def __init__(self, problem: str, retry_after: float | None = None):
        super().__init__(problem)
        self.retry_after = retry_after


def _first_byte(response: requests.Response) -> int:
    """Where a response's body begins in the file: 0 unless it is a part (206)."""
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if response.status_code == 206 and match else 0


def _total(response: requests.Response) -> int | None:
    """The whole file's size as a full or partial response tells it."""
    if response.status_code == 206:
        match = re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))
        return int(match[1]) if match else None
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _in_words(error: Exception, policy: RetryPolicy) -> str:
    """The error without the address, which may be signed."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return f"no connection within {policy.connect_timeout:g} s"
    if isinstance(error, requests.exceptions.ReadTimeout | urllib3.exceptions.ReadTimeoutError):
        return f"the server was silent for {policy.read_timeout:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate was not accepted"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection to the server"
    return "the connection was cut"
