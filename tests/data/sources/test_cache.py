"""The cache: what is stored, that it is stored once, and that it survives sharing, killing and damage."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lid.data.clip import Clip
from lid.data.sources.base import Journal, Progress, Source, silent
from lid.data.sources.cache import ClipCache
from lid.data.sources.selection import Selector
from lid.data.sources.spec import load_clips
from lid.errors import InputError
from tests.data.sources.loopback import Fault, File, Server, corpus, tables_last

ROOT = Path(__file__).parents[3]
LOAD = """
import sys
from lid.data.sources.spec import load_clips
rows = load_clips([sys.argv[1]], ["uz"], sys.argv[2], progress=False)
print(len(rows), sum(len(row.audio or b"") for row in rows))
"""


@dataclass
class Counted(Source):
    """Ten clips, in two parts that are noted; counts how often and from where it was read, and may break off."""

    break_at: int = 10
    reads: tuple[int, ...] = ()

    def clips(self, selector: Selector | None = None, progress: Progress = silent, journal: Journal | None = None):
        start = journal.state or 0
        self.reads += (start,)
        for number in range(start, 10):
            if number == self.break_at:
                raise InputError("The line broke.", "connection")
            if number % 5 == 0:
                journal.note(number)
            if selector.accept("one voice"):
                yield Clip(f"{number}.mp3", bytes([number]) * (number + 1), self.language, "one voice", f"№ {number}")
        yield Clip("gone.mp3", None, self.language, duration=2.5)
        self.orphans = ["stray.mp3"]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


def counted(**options) -> Counted:
    return Counted("uz", "uz=counted", "the content", **options)


def load(cache: Path, source: Source, want=None, per_speaker=None):
    return ClipCache(cache).load(source, want, per_speaker)


def test_rows_come_back_as_they_went_in_and_the_source_is_read_once(tmp_path):
    source = counted()
    rows, meta = load(tmp_path, source)
    again, _ = load(tmp_path, source)
    assert rows == again
    assert source.reads == (0,)
    assert [(row.path, row.audio) for row in rows[:10]] == [(f"{n}.mp3", bytes([n]) * (n + 1)) for n in range(10)]
    assert (rows[3].sentence, rows[3].speaker, rows[3].language) == ("№ 3", "one voice", "uz")
    assert (rows[10].audio, rows[10].duration) == (None, 2.5)
    assert meta.orphans == ["stray.mp3"]


def test_another_choice_is_another_entry(tmp_path):
    source = counted()
    assert sum(row.audio is not None for row in load(tmp_path, source, want=3)[0]) == 3
    assert sum(row.audio is not None for row in load(tmp_path, source, per_speaker=2)[0]) == 2
    assert source.reads == (0, 0)


def test_the_size_is_what_lies_on_disk(tmp_path):
    cache = ClipCache(tmp_path)
    assert cache.size_bytes() == 0
    cache.load(counted(), None, None)
    assert cache.size_bytes() == sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert sum(path.stat().st_size for path in tmp_path.rglob("clips.bin")) == 55  # the encoded bytes, nothing more


def test_a_source_that_can_goes_on_where_it_broke_off(tmp_path):
    source = counted(break_at=7, resumable=True)
    with pytest.raises(InputError, match="The line broke"):
        load(tmp_path, source, want=8)
    source.break_at = 10
    rows, _ = load(tmp_path, source, want=8)
    assert source.reads == (0, 5)
    whole, _ = load(tmp_path / "whole", counted(), want=8)
    assert [(row.path, row.audio) for row in rows] == [(row.path, row.audio) for row in whole]


def test_a_source_that_cannot_begins_anew_and_leaves_nothing_of_the_first_try(tmp_path):
    source = counted(break_at=7)
    with pytest.raises(InputError, match="The line broke"):
        load(tmp_path, source)
    source.break_at = 10
    assert len(load(tmp_path, source)[0]) == 11
    assert source.reads == (0, 0)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("name", ["clips.bin", "index.jsonl", "meta.json"])
def test_an_entry_a_disk_has_damaged_is_made_again(tmp_path, name):
    source = counted()
    rows, _ = load(tmp_path, source)
    (path,) = tmp_path.rglob(name)
    path.write_bytes(path.read_bytes()[:-3])
    assert load(tmp_path, source)[0] == rows
    assert source.reads == (0, 0)


def run(spec: str, cache: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", LOAD, spec, str(cache)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("order", [None, tables_last], ids=["tables first", "tables last"])
def test_a_run_killed_in_the_middle_leaves_nothing_that_is_taken_for_whole(tmp_path, server, order):
    made = corpus(clips=80)
    server.files["/cv.tar.gz"] = File(made.archive(order))
    server.fail("/cv.tar.gz", Fault(stall_after=200_000))
    spec = f"uz={server.url}/cv.tar.gz"
    killed = run(spec, tmp_path)
    while server.bytes_sent < 200_000:
        time.sleep(0.01)
    time.sleep(0.2)  # let it write what it has got
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    assert not list(tmp_path.rglob("meta.json"))
    rows = load_clips([spec], ["uz"], tmp_path, progress=False)
    assert {row.path: row.audio for row in rows if row.audio is not None}.items() <= made.clips.items()
    assert len(rows) == 80
    assert sorted(path.name for path in tmp_path.rglob("*") if path.suffix == ".partial") == []


def test_two_runs_at_once_stream_it_once_and_see_the_same(tmp_path, server):
    made = corpus(clips=80)
    server.files["/cv.tar.gz"] = File(made.archive())
    server.fail("/cv.tar.gz", Fault(503, {"Retry-After": "1"}))  # so that the second finds the first still at work
    runs = [run(f"uz={server.url}/cv.tar.gz", tmp_path) for _ in range(2)]
    outputs = [process.communicate()[0] for process in runs]
    assert outputs[0] == outputs[1] != ""
    assert len(server.asked("/cv.tar.gz")) == 2  # the one that was busy, and the one that gave the file


def test_a_cache_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be made") as caught:
        ClipCache(tmp_path / "file" / "cache")
    assert caught.value.reason == "cache"


@dataclass
class Listed(Source):
    """The clips it was given."""

    listed: tuple[Clip, ...] = ()

    def clips(self, selector: Selector | None = None, progress: Progress = silent, journal: Journal | None = None):
        yield from self.listed


def test_a_row_that_cannot_be_used_keeps_its_reason(tmp_path):
    clips = Clip("a.mp3", b"a", "uz"), Clip("b.mp3", None, "uz", problem="line 3 has too many columns")
    for _ in range(2):
        rows, _ = ClipCache(tmp_path).load(Listed("uz", "uz=listed", "x", listed=clips), None, None)
        assert [(row.audio, row.problem) for row in rows] == [(b"a", ""), (None, "line 3 has too many columns")]


def test_a_source_that_gave_no_clip_is_read_again(tmp_path):
    """It may have been mended since, or be read better by a later version."""
    row = Clip("a.mp3", None, "uz")
    for clip in (row, Clip("a.mp3", b"a", "uz")):
        rows, _ = ClipCache(tmp_path).load(Listed("uz", "uz=listed", "x", listed=(clip,)), None, None)
        assert [one.audio for one in rows] == [clip.audio]
