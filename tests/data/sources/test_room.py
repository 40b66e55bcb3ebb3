"""A disk that will be too small is told of before anything is streamed."""

import shutil
from collections import namedtuple

import pytest

from lid.data.sources import room
from lid.data.sources.spec import load_clips
from lid.errors import InputError
from tests.data.sources.loopback import QUICK, File, Server, corpus

Usage = namedtuple("Usage", "total used free")
EACH = room.ENCODED + room.DECODED
LANGUAGES = ("uz", "ru", "en")


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.fixture
def disk(monkeypatch):
    """A function that says how many bytes are free from then on."""
    return lambda free: monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**12, 10**12 - free, free))


@pytest.fixture
def archive(server):
    """The address of one that has room for some 20 clips."""
    server.files["/uz.tar.gz"] = File(corpus("uz", clips=20, clip_bytes=room.ENCODED).archive())
    return f"uz={server.url}/uz.tar.gz"


def load(archive, folder, want=None):
    return load_clips([archive], LANGUAGES, folder, want, policy=QUICK, progress=False)


def test_too_small_a_disk_is_a_sentence_and_nothing_was_streamed(archive, server, disk, tmp_path):
    disk(10 * EACH)
    with pytest.raises(InputError, match=r"clips and the speech decoded from them will take about 0.0 GB") as raised:
        load(archive, tmp_path, want=1000)
    assert raised.value.reason == "disk"
    assert "--want 9." in str(raised.value)
    assert not list(tmp_path.rglob("clips.bin"))


def test_what_was_wanted_and_fits_is_streamed_without_a_question(archive, server, disk, tmp_path):
    disk(10 * EACH)
    assert len(load(archive, tmp_path, want=9)) >= 9
    assert len(server.requests) == 1


def test_an_archive_that_has_less_than_was_wanted_needs_no_more_room(archive, disk, tmp_path):
    disk(30 * EACH)
    assert load(archive, tmp_path, want=1000)


def test_what_is_there_already_needs_no_room(archive, disk, tmp_path):
    first = load(archive, tmp_path / "cache", want=15)
    (tmp_path / "cache" / "speech.i16").write_bytes(bytes(15 * room.DECODED))
    disk(8 * EACH)
    assert load(archive, tmp_path / "cache", want=15) == first
