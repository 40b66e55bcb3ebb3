"""Mozilla Data Collective's protocol over loopback: links, keys, terms, refusals, and links that expire on the way."""

import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import pytest

from lid.data.sources.mdc import open_dataset
from lid.errors import InputError
from tests.data.sources.loopback import QUICK, Answer, Fault, File, Request, Server

if not find_spec("datacollective"):
    pytest.skip("SKIPPED: datacollective is for Python 3.11.4 and newer", allow_module_level=True)
DATA = np.random.default_rng(2).bytes(400_000)
ASK = "/api/datasets/cv-uz-1/download"


class Mdc(Server):
    """The service: a key, one data set, and links of which only the latest is served."""

    def __init__(self) -> None:
        super().__init__()
        self.links = 0
        self.checksum = "abc"
        self.files["/store/0"] = File(DATA)
        self.routes.append(self.route)

    def route(self, request: Request) -> Answer | File | None:
        if request.path == "/api/datasets/uzbek-slug" and request.method == "GET":
            return Answer(body=json.dumps({"id": "cv-uz-1"}).encode())
        if request.path == ASK and request.method == "POST":
            if request.headers.get("Authorization") != "Bearer good-key":
                return Answer(401, body=b'{"message": "Invalid API key"}')
            self.links += 1
            url = f"{self.url}/store/{self.links}?X-Signature=SECRET{self.links}"
            return Answer(
                body=json.dumps({"downloadUrl": url, "sizeBytes": "400000", "checksum": self.checksum}).encode()
            )
        if request.path.startswith("/store/"):
            return File(DATA) if request.path == f"/store/{self.links}" else Answer(403, body=b"Request has expired")
        return None

    def expire(self) -> None:
        """From now on the links given so far are refused."""
        self.links += 1


@pytest.fixture
def mdc(monkeypatch) -> Iterator[Mdc]:
    with Mdc() as server:
        monkeypatch.setenv("MDC_API_URL", f"{server.url}/api/")
        monkeypatch.setenv("MDC_API_KEY", "good-key")
        yield server


def read_all(dataset: str = "cv-uz-1") -> bytes:
    with open_dataset(dataset, QUICK) as stream:
        return b"".join(iter(lambda: stream.read(50_000), b""))


def refused(dataset: str = "cv-uz-1") -> InputError:
    with pytest.raises(InputError) as caught:
        read_all(dataset)
    assert "SECRET" not in str(caught.value)
    assert "good-key" not in str(caught.value)
    return caught.value


def test_a_dataset_is_read_with_the_key_sent_only_to_the_service(mdc):
    assert read_all() == DATA
    assert [request.headers.get("Authorization") for request in mdc.requests] == ["Bearer good-key", None]


def test_the_name_in_a_datasets_address_works_as_its_id(mdc):
    assert read_all("uzbek-slug") == DATA


def test_a_link_that_expires_in_the_middle_is_replaced_and_no_byte_is_lost(mdc):
    mdc.fail("/store/1", Fault(cut_after=150_000))
    with open_dataset("cv-uz-1", QUICK) as stream:
        start = stream.read(100_000)
        mdc.expire()
        assert start + b"".join(iter(lambda: stream.read(50_000), b"")) == DATA
    assert [request.path for request in mdc.requests] == [ASK, "/store/1", "/store/1", ASK, "/store/3"]
    assert mdc.requests[-1].headers["Range"] == "bytes=150000-"


def test_a_dataset_that_was_replaced_meanwhile_is_an_error(mdc):
    mdc.fail("/store/1", Fault(cut_after=150_000))
    with open_dataset("cv-uz-1", QUICK) as stream:
        stream.read(100_000)
        mdc.expire()
        mdc.checksum = "other"
        with pytest.raises(InputError) as caught:
            list(iter(lambda: stream.read(50_000), b""))
    assert caught.value.reason == "changed"


@pytest.mark.parametrize("key", ["", "  ", "with\nnewline", "ключ"])
def test_a_missing_or_garbled_key_is_asked_for(mdc, monkeypatch, key):
    monkeypatch.setenv("MDC_API_KEY", key)
    assert refused().reason == "mdc_key"
    assert not mdc.requests


def test_a_wrong_key_is_told_from_a_missing_one_and_not_tried_again(mdc, monkeypatch):
    monkeypatch.setenv("MDC_API_KEY", "bad-key")
    error = refused()
    assert error.reason == "mdc_key"
    assert "does not accept MDC_API_KEY" in str(error)
    assert "Invalid API key" in str(error)
    assert len(mdc.requests) == 1


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (402, "mdc_paid", "bought"),
        (403, "mdc_terms", "terms of mdc:cv-uz-1 are not accepted yet"),
        (410, "missing", "withdrawn"),
        (422, "connection", "answers 422"),
    ],
)
def test_refusals_are_sentences_and_not_tried_again(mdc, status, reason, words):
    mdc.fail(ASK, *[Fault(status, body=b'{"message": "Because of this."}')] * 3)
    error = refused()
    assert error.reason == reason
    assert words in str(error)
    assert str(error).endswith("It says: Because of this.")
    assert len(mdc.asked(ASK)) == 1


def test_an_unknown_dataset_is_said_so(mdc):
    assert "has no dataset nothing-here" in str(refused("nothing-here"))


@pytest.mark.parametrize("dataset", ["../users", "a b", "", "x?y=1"])
def test_what_cannot_be_an_id_is_never_asked_for(mdc, dataset):
    assert refused(dataset).reason == "missing"
    assert not mdc.requests


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_service_is_asked_again_and_given_up_in_the_end(mdc, status):
    mdc.fail(ASK, *[Fault(status, {"Retry-After": "0"})] * 3)
    assert read_all() == DATA
    mdc.fail(ASK, *[Fault(status)] * 20)
    error = refused()
    assert error.reason == "busy"
    assert f"answers {status}" in str(error)
    assert len(mdc.asked(ASK)) == 4 + 8


def test_a_service_that_gives_no_link_is_not_believed(mdc):
    mdc.routes.insert(0, lambda request: Answer(body=b"[]") if request.path == ASK else None)
    assert "gave no download link" in str(refused())


def test_no_service_at_all(mdc, monkeypatch):
    with Server() as gone:
        pass
    monkeypatch.setenv("MDC_API_URL", gone.url)
    assert refused().reason == "connection"


def test_without_the_package_it_says_what_to_install(mdc, monkeypatch):
    """None in sys.modules makes importing it fail as if it were not installed."""
    monkeypatch.setitem(sys.modules, "datacollective.api_utils", None)
    assert refused().reason == "mdc_package"
    assert not mdc.requests
