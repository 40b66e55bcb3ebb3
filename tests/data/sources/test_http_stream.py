"""The resuming stream against a server that cuts, stalls, refuses, forgets Range and changes the file."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from lid.data.sources.http_stream import HttpStream, Link
from lid.errors import InputError
from tests.data.sources.loopback import QUICK, Fault, File, Server

DATA = np.random.default_rng(1).bytes(700_000)  # several blocks, so that faults fall between and inside them


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        server.files["/a.bin"] = File(DATA)
        yield server


def stream(server: Server, path: str = "/a.bin", **options) -> HttpStream:
    return HttpStream(Link(server.url + path), "a.bin", policy=options.pop("policy", QUICK), **options)


def read_all(source: HttpStream, size: int = 100_000) -> bytes:
    with source:
        return b"".join(iter(lambda: source.read(size), b""))


def test_a_plain_file_is_read_in_one_request(server):
    source = stream(server)
    assert read_all(source) == DATA
    assert (source.size, len(server.asked("/a.bin"))) == (len(DATA), 1)


def test_an_empty_file_ends_at_once(server):
    server.files["/empty"] = File(b"")
    assert read_all(stream(server, "/empty")) == b""


def test_cuts_and_stalls_lose_nothing_and_repeat_nothing(server):
    server.fail("/a.bin", Fault(cut_after=0), Fault(cut_after=150_001), Fault(stall_after=99), Fault(cut_after=400_000))
    assert read_all(stream(server)) == DATA
    starts = [request.headers.get("Range") for request in server.asked("/a.bin")]
    assert starts[:2] == [None, None]
    assert all(start.startswith("bytes=") for start in starts[2:])
    assert all(request.headers["If-Range"] == '"v1"' for request in server.asked("/a.bin")[2:])


def test_a_server_without_range_is_read_forward_to_where_we_were(server):
    server.files["/a.bin"] = File(DATA, range=False)
    server.fail("/a.bin", Fault(cut_after=300_000), Fault(cut_after=500_000))
    assert read_all(stream(server)) == DATA


@pytest.mark.parametrize("status", [429, 500, 502, 503, 408])
def test_a_busy_server_is_asked_again(server, status):
    server.fail("/a.bin", Fault(status), Fault(status), Fault(cut_after=200_000), Fault(status))
    assert read_all(stream(server)) == DATA


def test_retry_after_is_waited_for_and_backoff_doubles_without_it(server):
    waits: list[float] = []
    policy = replace(QUICK, first_wait=1.0, max_wait=3.0, sleep=waits.append)
    server.fail("/a.bin", *[Fault(503)] * 3, Fault(429, {"Retry-After": "17"}), Fault(cut_after=300_000))
    assert read_all(stream(server, policy=policy)) == DATA
    assert waits == [1.0, 2.0, 3.0, 17.0, 1.0]  # the last one counts anew: bytes were gained


def test_retry_after_may_be_a_date_or_too_far_away(server):
    waits: list[float] = []
    policy = replace(QUICK, sleep=waits.append)
    server.fail(
        "/a.bin", Fault(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), Fault(429, {"Retry-After": "7200"})
    )
    with pytest.raises(InputError, match="120 minutes") as caught:
        read_all(stream(server, policy=policy))
    assert (caught.value.reason, waits) == ("busy", [0.0])


def test_a_server_that_stays_busy_is_given_up_with_a_sentence(server):
    server.fail("/a.bin", *[Fault(500)] * 20)
    with pytest.raises(InputError, match=r"answers 500 at byte 0, 8 times in a row\. Run this again later") as caught:
        read_all(stream(server))
    assert caught.value.reason == "busy"
    assert len(server.asked("/a.bin")) == 8


def test_no_server_at_all_is_given_up_soon():
    with Server() as server:
        pass
    with pytest.raises(InputError, match="no connection to the server at byte 0, 3 times in a row") as caught:
        read_all(stream(server))
    assert caught.value.reason == "connection"


@pytest.mark.parametrize(("status", "reason"), [(401, "refused"), (403, "refused"), (404, "missing"), (410, "refused")])
def test_a_refusal_is_not_asked_again(server, status, reason):
    server.fail("/a.bin", *[Fault(status)] * 5)
    with pytest.raises(InputError) as caught:
        read_all(stream(server))
    assert (caught.value.reason, len(server.asked("/a.bin"))) == (reason, 1)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_an_expired_link_is_renewed_and_reading_goes_on_at_the_same_byte(server, status):
    server.files["/fresh.bin"] = File(DATA)
    server.fail("/a.bin", Fault(cut_after=250_000), *[Fault(status)] * 3)
    assert read_all(stream(server, renew=lambda: Link(server.url + "/fresh.bin"))) == DATA
    assert [request.headers["Range"] for request in server.asked("/fresh.bin")] == ["bytes=250000-"]


def test_links_that_are_refused_as_soon_as_they_are_made_are_given_up(server):
    server.fail("/a.bin", *[Fault(403)] * 20)
    with pytest.raises(InputError) as caught:
        read_all(stream(server, renew=lambda: Link(server.url + "/a.bin")))
    assert (caught.value.reason, len(server.asked("/a.bin"))) == ("refused", 3)


def changed(server: Server, file: File) -> InputError:
    """The error when the file becomes `file` after its first 300,000 bytes."""
    server.fail("/a.bin", Fault(cut_after=300_000))
    source = stream(server)
    while source.tell() < 300_000:
        source.read(50_000)
    server.files["/a.bin"] = file
    with pytest.raises(InputError) as caught:
        read_all(source)
    return caught.value


@pytest.mark.parametrize(
    "file",
    [
        File(DATA[::-1], etag='"v2"'),
        File(DATA + b"more", etag=""),
        File(DATA[:1000], etag=""),
        File(DATA[::-1], etag="", range=False),
    ],
    ids=["other etag", "longer", "shorter", "same size, no etag, no range"],
)
def test_a_file_that_changed_is_an_error_not_a_mixture(server, file):
    server.files["/a.bin"] = replace(server.files["/a.bin"], etag=file.etag and '"v1"')
    assert changed(server, file).reason == "changed"


def test_a_fresh_link_to_another_version_is_an_error(server):
    server.fail("/a.bin", Fault(cut_after=250_000), Fault(403))
    source = HttpStream(Link(server.url + "/a.bin", version="1"), "a.bin", lambda: Link("x", version="2"), QUICK)
    with pytest.raises(InputError) as caught:
        read_all(source)
    assert caught.value.reason == "changed"


def test_no_sentence_holds_a_signed_address(server):
    for status in (403, 500, 404, 418):
        server.fail("/a.bin", *[Fault(status)] * 8)
        with pytest.raises(InputError) as caught:
            read_all(stream(server, "/a.bin?signature=SECRET"))
        server.faults.clear()
        assert "SECRET" not in str(caught.value)


def test_what_is_no_address_is_said_so():
    with pytest.raises(InputError, match="not an address"):
        HttpStream(Link("http://"), "a.bin", policy=QUICK).read()
