"""Archives read as streams: any order of tables and clips, cuts on the way, early end, damage; against the folder."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lid.data.sources.archive import ArchiveSource
from lid.data.sources.folder import FolderSource
from lid.data.sources.http_stream import HttpStream, Link
from lid.data.sources.reservoir import Reservoir
from lid.data.sources.selection import Selector
from lid.data.sources.tar_stream import members
from lid.errors import InputError
from tests.data.sources.loopback import QUICK, Corpus, Fault, File, Server, corpus, tables_last, tar, tar_gz

ORDERS = {
    "tables first": None,
    "tables last": tables_last,
    "alphabetical": lambda name: name,  # durations before the clips, validated.tsv after them
    "tables in the middle": lambda name: (2 if "_00002" in name else 1 if name.endswith(".tsv") else 0, name),
    "durations last": lambda name: (2 if "durations" in name else 0 if name.endswith(".tsv") else 1, name),
}


class Bytes(io.BytesIO):
    """An archive in memory with the `size` that streams have."""

    @property
    def size(self) -> int:
        return len(self.getbuffer())


def source(data: bytes, language: str = "uz") -> ArchiveSource:
    return ArchiveSource(language, "the archive", "", open_stream=lambda: Bytes(data))


@pytest.fixture
def made() -> Corpus:
    return corpus()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


def from_folder(made: Corpus, folder) -> FolderSource:
    return FolderSource(made.language, "the folder", "", folder=made.folder(folder))


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_an_archive_in_any_order_gives_the_folders_clips(made, tmp_path, order):
    folder, archive = from_folder(made, tmp_path), source(made.archive(order))
    expected, found = list(folder.clips()), list(archive.clips())
    late = archive.late_durations
    found = [replace(clip, duration=late.get(clip.path, clip.duration)) for clip in found]
    assert len(found) == len(set(found)) == 60
    assert set(found) == set(expected)
    assert archive.orphans == folder.orphans == ["common_voice_uz_orphan.mp3"]


def test_the_rows_carry_what_the_tables_say(made):
    clips = {clip.path: clip for clip in source(made.archive()).clips()}
    clip = clips["common_voice_uz_000007.mp3"]
    assert clip.audio == made.clips[clip.path]
    assert (clip.language, clip.sentence, clip.duration) == ("uz", "It's \"sentence 7", 1.007)
    assert clip.speaker.endswith("1")
    assert clips["common_voice_uz_000059.mp3"].audio is None  # its row is there, its file is not
    assert "common_voice_uz_other.mp3" not in clips


@pytest.mark.parametrize("order", [None, tables_last], ids=["tables first", "tables last"])
def test_no_clip_is_lost_or_doubled_over_a_line_that_keeps_failing(made, server, order):
    data = made.archive(order)
    server.files["/cv.tar.gz"] = File(data)
    server.fail(
        "/cv.tar.gz",
        Fault(cut_after=10_000),
        Fault(503),
        Fault(cut_after=1),
        Fault(stall_after=50_000),
        Fault(cut_after=33_333),
    )
    url = f"{server.url}/cv.tar.gz"
    archive = ArchiveSource("uz", "cv.tar.gz", "", open_stream=lambda: HttpStream(Link(url), "cv.tar.gz", policy=QUICK))
    assert Counter(archive.clips()) == Counter(source(data).clips())


def test_reading_stops_once_enough_clips_are_in(server):
    made = corpus(clips=2000, speakers=100, clip_bytes=2000)
    data = made.archive()
    server.files["/cv.tar.gz"] = File(data)
    url = f"{server.url}/cv.tar.gz"
    archive = ArchiveSource("uz", "cv.tar.gz", "", open_stream=lambda: HttpStream(Link(url), "cv.tar.gz", policy=QUICK))
    read: list[int] = []
    clips = list(archive.clips(Selector(50), lambda done, total: read.append(done)))
    assert len(clips) == 50
    assert read[-1] < len(data) / 5
    # One clip in four is taken over the first 200 or so: not all of them are from the very start.
    assert 100 < max(int(clip.path[-10:-4]) for clip in clips) < 400


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_voice_is_taken_no_more_often_than_asked(order):
    archive = source(corpus(clips=300, speakers=10).archive(order))
    clips = [clip for clip in archive.clips(Selector(40, max_per_speaker=4)) if clip.audio is not None]
    assert len(clips) == 40
    assert set(Counter(clip.speaker for clip in clips).values()) == {4}


def test_as_many_as_there_are_come_when_more_are_wanted(made):
    clips = [clip for clip in source(made.archive()).clips(Selector(1000)) if clip.audio is not None]
    assert len(clips) == 59


@pytest.mark.parametrize(("want", "per_speaker"), [(20, None), (100, None), (30, 3), (None, 5)])
def test_with_the_tables_last_the_choice_is_the_folders(tmp_path, want, per_speaker):
    made = corpus(clips=900, speakers=30, clip_bytes=100)
    chosen = set(source(made.archive(tables_last)).clips(Selector(want, per_speaker)))
    assert chosen == set(from_folder(made, tmp_path).clips(Selector(want, per_speaker)))


def test_with_the_tables_last_few_clips_wait_on_disk(tmp_path, monkeypatch):
    made = corpus(clips=3000, speakers=300, clip_bytes=1000)
    archive = replace(source(made.archive(tables_last)), temporary_folder=tmp_path)
    sizes: list[int] = []
    real = Reservoir.add

    def watched(self, name, data):
        real(self, name, data)
        sizes.append(self._file.seek(0, 2))

    monkeypatch.setattr(Reservoir, "add", watched)
    assert sum(clip.audio is not None for clip in archive.clips(Selector(20))) == 20
    everything = sum(map(len, made.clips.values()))
    assert max(sizes) < everything / 10
    assert list(tmp_path.iterdir()) == []


def test_the_same_member_twice_is_one_clip(made):
    name = "common_voice_uz_000003.mp3"
    twice = [(f"cv/uz/{path}", data) for path, data in sorted(made.files.items(), key=lambda file: "clips" in file[0])]
    archive = source(tar_gz([*twice, (f"cv/uz/clips/{name}", b"again")]))
    assert [clip.audio for clip in archive.clips() if clip.path == name] == [made.clips[name]]


def test_only_train_dev_and_test_make_a_corpus_too(made, tmp_path):
    header = made.files["train.tsv"].splitlines()[0]
    rows = made.files["validated.tsv"].splitlines()[30:]
    made.files["test.tsv"] = b"\n".join([header, *rows])  # shares no row with train but one, as a duplicate
    del made.files["validated.tsv"]
    assert set(source(made.archive()).clips()) == set(from_folder(made, tmp_path).clips())
    assert len(list(source(made.archive()).clips())) == 60


def test_a_plain_tar_and_several_gzip_members_are_read_too(made):
    expected = set(source(made.archive()).clips())
    plain = gzip.decompress(made.archive())
    half = len(plain) // 2
    assert set(source(plain).clips()) == expected
    assert set(source(gzip.compress(plain[:half]) + gzip.compress(plain[half:]) + b"\0" * 512).clips()) == expected


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.999])
def test_an_archive_that_breaks_off_is_an_error(made, keep):
    data = made.archive()
    with pytest.raises(InputError) as caught:
        list(source(data[: int(len(data) * keep)]).clips())
    assert caught.value.reason == "damaged"


def test_damage_is_noticed_by_the_checksum(made):
    data = bytearray(made.archive())
    data[len(data) // 2] ^= 255
    with pytest.raises(InputError) as caught:
        list(source(bytes(data)).clips())
    assert caught.value.reason == "damaged"


@pytest.mark.parametrize("data", [b"", b"\x1f", b"<html>Sign in</html>" * 100, gzip.compress(b"not a tar" * 999)])
def test_what_is_no_archive_is_an_error(data):
    with pytest.raises(InputError) as caught:
        list(source(data).clips())
    assert caught.value.reason == "damaged"


def twice(data: bytes) -> bytes:
    return gzip.compress(gzip.compress(data))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, twice])
def test_every_packing_is_read_and_its_damage_noticed(made, pack):
    data = pack(gzip.decompress(made.archive()))
    assert set(source(data).clips()) == set(source(made.archive()).clips())
    for broken in (data[: len(data) // 2], data[:-600] + bytes(byte ^ 255 for byte in data[-600:])):
        with pytest.raises(InputError) as caught:
            list(source(broken).clips())
        assert caught.value.reason == "damaged"


def test_joined_archives_are_read_to_the_end_of_the_last(made):
    """`cat a.tar b.tar`: tar itself stops at the end of the first."""
    tables, clips = (
        [(f"cv/uz/{name}", data) for name, data in made.files.items() if name.startswith("clips/") == of]
        for of in (False, True)
    )
    expected = set(source(made.archive()).clips())
    for pack in (tar, tar_gz):
        assert set(source(pack(tables) + pack(clips[:20]) + pack(clips[20:])).clips()) == expected


def linked(made: Corpus, symbolic: bool = False) -> bytes:
    """Every second clip is a link to a file that lies beside the clips."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:

        def add(name: str, data: bytes, link: str = "") -> None:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = tarfile.REGTYPE, link, len(data)
            if link:
                info.type = tarfile.SYMTYPE if symbolic else tarfile.LNKTYPE
            archive.addfile(info, io.BytesIO(data))

        for number, (name, data) in enumerate(sorted(made.files.items(), key=lambda one: one[0] < "d")):
            if number % 2 and name.startswith("clips/"):
                add(f"./cv/uz/other/{number}", data)
                add(f"./cv/uz/{name}", b"", f"../other/{number}" if symbolic else f"./cv/uz/other/{number}")
            else:
                add(f"./cv/uz/{name}", data)
        add("./cv/uz/clips/lost.mp3", b"", "../../etc/passwd")
    return packed.getvalue()


@pytest.mark.parametrize("symbolic", [False, True], ids=["hard", "symbolic"])
def test_links_are_followed_within_the_archive(made, symbolic):
    found = source(linked(made, symbolic))
    assert set(found.clips()) == set(source(made.archive()).clips())
    assert found.orphans == ["common_voice_uz_orphan.mp3"]
    assert len([clip for clip in source(linked(made, symbolic)).clips(Selector(55)) if clip.audio]) == 55


def test_clips_without_any_table_are_an_error(made):
    data = tar_gz((f"cv/uz/clips/{name}", clip) for name, clip in made.clips.items())
    with pytest.raises(InputError) as caught:
        list(source(data).clips())
    assert caught.value.reason == "table"


def test_another_language_than_the_one_named_is_an_error(made):
    with pytest.raises(InputError, match=r"was given as ru, but its .*\.tsv says uz") as caught:
        list(source(made.archive(), "ru").clips())
    assert caught.value.reason == "language"


def test_folders_links_and_hidden_files_are_passed_over(made):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("cv", "cv/uz", "cv/uz/clips"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
        link = tarfile.TarInfo("cv/uz/clips/link.mp3")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name, data in [("clips/._hidden.mp3", b"x"), *made.files.items()]:
            info = tarfile.TarInfo(f"cv/uz/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    found = source(packed.getvalue())
    assert {clip.path for clip in found.clips()} == {f"common_voice_uz_{number:06d}.mp3" for number in range(60)}
    assert found.orphans == ["common_voice_uz_orphan.mp3"]


def test_a_table_without_a_path_column_is_an_error():
    with pytest.raises(InputError, match="no column `path`"):
        list(source(tar([("cv/uz/validated.tsv", b"a\tb\n1\t2\n")])).clips())


def extended(kind: bytes, size: int, count: int) -> bytes:
    """A clip behind `count` headers of `size` bytes each that say more of the next one: of nothing but zeros."""
    header = tarfile.TarInfo("more")
    header.type, header.size = kind, size
    clip = tarfile.TarInfo("clips/x.mp3")
    clip.size = 3
    more = header.tobuf(tarfile.USTAR_FORMAT) + bytes(-(-size // 512) * 512)
    return more * count + clip.tobuf(tarfile.USTAR_FORMAT) + b"abc".ljust(512, b"\0") + bytes(1024)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
@pytest.mark.parametrize(("size", "count"), [(512, 3000), (2_000_000, 1)], ids=["chained", "large"])
def test_headers_that_would_take_any_amount_of_memory_are_an_error(kind, size, count):
    with pytest.raises(InputError, match="header") as error:
        list(members(io.BytesIO(gzip.compress(extended(kind, size, count))), "the archive"))
    assert error.value.reason == "damaged"
    assert [one.size for one in members(io.BytesIO(extended(kind, 512, 2)), "the archive")] == [3]


def test_sparse_files_and_headers_for_all_without_end_are_an_error():
    sparse = tarfile.TarInfo("clips/x.mp3")
    sparse.type = tarfile.GNUTYPE_SPARSE
    with pytest.raises(InputError, match="sparse"):
        list(members(io.BytesIO(sparse.tobuf(tarfile.GNU_FORMAT) + bytes(1024)), "the archive"))
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for number in range(20):
            archive.pax_headers = {f"key{number}": "x" * 10_000}
            file.write(tarfile.TarInfo.create_pax_global_header(archive.pax_headers))
            clip = tarfile.TarInfo(f"clips/{number}.mp3")
            file.write(clip.tobuf(tarfile.USTAR_FORMAT))
    with pytest.raises(InputError, match="too large"):
        list(members(io.BytesIO(file.getvalue()), "the archive"))
