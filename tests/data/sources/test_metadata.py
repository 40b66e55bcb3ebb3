"""Tables as people really have them: other endings, a tab too many, Windows' encodings; in a folder and in archives."""

import codecs
import io
from pathlib import Path

import pytest

from lid.data.clip import Clip
from lid.data.sources import metadata
from lid.data.sources.archive import ArchiveSource
from lid.data.sources.folder import FolderSource
from lid.data.sources.metadata import DURATIONS, VALIDATED
from lid.data.sources.selection import Selector
from lid.errors import InputError
from tests.data.sources.loopback import Corpus, corpus
from tests.data.sources.test_archive import ORDERS, Bytes

WAYS = ["folder", *ORDERS]


def open_source(made: Corpus, way: str, folder: Path) -> FolderSource | ArchiveSource:
    if way == "folder":
        return FolderSource(made.language, "the corpus", "", folder=made.folder(folder))
    data = made.archive(ORDERS[way])
    return ArchiveSource(made.language, "the corpus", "", open_stream=lambda: Bytes(data))


def read(made: Corpus, way: str, folder: Path, selector: Selector | None = None) -> dict[str, Clip]:
    return {clip.path: clip for clip in open_source(made, way, folder).clips(selector)}


def renamed(made: Corpus, ending: str, clip_ending: str) -> Corpus:
    """`ending` in the tables, `clip_ending` on disk; both were .mp3."""
    tables = {name: data.replace(b".mp3", ending.encode()) for name, data in made.files.items() if "/" not in name}
    clips = {name.replace(".mp3", clip_ending): data for name, data in made.files.items() if "/" in name}
    return Corpus(made.language, tables | clips)


@pytest.fixture
def made() -> Corpus:
    return corpus()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("ending", "clip_ending"), [("", ".mp3"), (".mp3", ".wav"), (".wav", ".MP3"), (".mp3", "")])
def test_a_clip_is_found_under_another_ending(made, tmp_path, way, ending, clip_ending):
    source = open_source(renamed(made, ending, clip_ending), way, tmp_path)
    clips = {clip.path: clip for clip in source.clips()}
    assert len(clips) == 60
    for number in range(59):
        name = f"common_voice_uz_{number:06d}"
        assert clips[name + ending].audio == made.clips[f"{name}.mp3"]
        assert clips[name + ending].duration in (1 + number / 1000, None)
    assert source.orphans == [f"common_voice_uz_orphan{clip_ending}"]


@pytest.mark.parametrize(
    ("in_table", "on_disk"),
    [("clips\\x.mp3", "x.mp3"), (" x.mp3 ", "x.mp3"), ("X.MP3", "x.mp3"), ("cafe\u0301.mp3", "caf\u00e9.mp3")],
    ids=["folder of Windows", "blanks", "case", "composed accents"],
)
def test_a_clip_is_found_under_a_name_that_a_copy_changed(made, tmp_path, in_table, on_disk):
    other = edited(made, 2, "common_voice_uz_000000.mp3", in_table)
    other.files[f"clips/{on_disk}"] = other.files.pop("clips/common_voice_uz_000000.mp3")
    clips = list(open_source(other, "folder", tmp_path).clips())
    assert sum(clip.audio == made.clips["common_voice_uz_000000.mp3"] for clip in clips) == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_choice_among_renamed_clips_is_as_large_as_asked(made, tmp_path, way):
    clips = read(renamed(made, ".mp3", ".wav"), way, tmp_path, Selector(20, max_per_speaker=5))
    assert sum(clip.audio is not None for clip in clips.values()) == 20


def test_the_choice_among_renamed_clips_is_the_same_in_a_folder_and_an_archive(made, tmp_path):
    other = renamed(made, "", ".mp3")
    assert read(other, "folder", tmp_path, Selector(20)) == read(other, "tables last", tmp_path, Selector(20))


@pytest.mark.parametrize("way", WAYS)
def test_an_ending_is_not_guessed_where_two_would_do(made, tmp_path, way):
    made.files["clips/common_voice_uz_000059.wav"] = b"one"  # the row's own file is missing
    made.files["clips/common_voice_uz_000059.ogg"] = b"other"
    made.files["clips/common_voice_uz_000001.wav"] = b"beside the file that the row names"
    clips = read(made, way, tmp_path)
    assert clips["common_voice_uz_000059.mp3"].audio is None
    assert clips["common_voice_uz_000001.mp3"].audio == made.clips["common_voice_uz_000001.mp3"]


def edited(made: Corpus, line: int, old: str, new: str) -> Corpus:
    """The corpus with one line (the header is 1) of validated.tsv changed."""
    lines = made.files[VALIDATED].decode().split("\n")
    lines[line - 1] = lines[line - 1].replace(old, new)
    return Corpus(made.language, made.files | {VALIDATED: "\n".join(lines).encode()})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("sentence 3", "sentence\t3", "line 5 of validated.tsv has 7 columns instead of 6"),
        ("sentence 3\t2\tuz", "sentence\t3\t2\t", "line 5 of validated.tsv has 7 columns instead of 6"),
        ("\tuz", "\tru", "line 5 of validated.tsv says ru"),
        ("common_voice_uz_000003.mp3", "", "line 5 of validated.tsv names no clip"),
        ("sentence 3\t2\tuz", "sentence 3", "line 5 of validated.tsv has 4 columns instead of 6"),
    ],
)
def test_one_bad_row_is_told_and_the_others_are_read(made, tmp_path, way, old, new, problem):
    source = open_source(edited(made, 5, old, new), way, tmp_path)
    clips = list(source.clips())
    assert [clip.problem for clip in clips if clip.problem] == [problem]
    assert sum(clip.audio is not None for clip in clips) == 58
    assert ("common_voice_uz_000003.mp3" in source.orphans) == (new == "")


def test_a_table_may_have_no_rows(made, tmp_path):
    made.files["other.tsv"] = made.files["other.tsv"].splitlines()[0]
    assert len(read(made, "folder", tmp_path)) == 60


def test_a_sentence_over_two_lines_is_two_bad_rows(made, tmp_path):
    clips = read(edited(made, 5, "sentence 3", "sentence\n3"), "folder", tmp_path)
    assert [clip.problem[:6] for clip in clips.values() if clip.problem] == ["line 5", "line 6"]


def test_rows_may_end_where_the_rest_is_empty(made, tmp_path):
    made.files[VALIDATED] = made.files[VALIDATED].replace(b"\tlocale", b"\tlocale\tage\tgender", 1)
    other = edited(made, 5, "\tuz", "\tuz\tthirties\tfemale")
    assert not any(clip.problem for clip in read(other, "folder", tmp_path).values())


def test_tabs_behind_the_last_column_are_no_columns(made, tmp_path):
    made.files[VALIDATED] = made.files[VALIDATED].replace(b"\n", b"\t\t\n")
    assert not any(clip.problem for clip in read(made, "folder", tmp_path).values())


@pytest.mark.parametrize("way", ["folder", "tables last"])
def test_many_bad_rows_end_the_run(made, tmp_path, way):
    made.files[VALIDATED] = made.files[VALIDATED].replace(b"sentence 1", b"sentence\t1")  # 11 of 60
    assert sum(bool(clip.problem) for clip in read(made, way, tmp_path / "few").values()) == 11
    made.files[VALIDATED] = made.files[VALIDATED].replace(b"sentence 2", b"sentence\t2")
    with pytest.raises(InputError, match=r"22 of 60 rows of validated.tsv cannot be read \(line 3 of") as caught:
        read(made, way, tmp_path)
    assert caught.value.reason == "table"


@pytest.mark.parametrize("way", ["folder", "tables last"])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8-sig"),
        (b"", "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
        (b"", "utf-32"),
    ],
)
def test_tables_that_windows_wrote_are_read_whole(made, tmp_path, way, mark, encoding):
    text = made.files[VALIDATED].decode().replace("It's", "Ўша \u2028")
    windows = {VALIDATED: mark + text.replace("\n", "\r\n").encode(encoding)}
    windows[DURATIONS] = mark + made.files[DURATIONS].decode().encode(encoding)
    clips = read(Corpus("uz", made.files | windows), way, tmp_path)
    assert {clip.sentence for clip in clips.values()} == {f'Ўша \u2028 "sentence {number}' for number in range(60)}
    assert clips["common_voice_uz_000007.mp3"].duration == 1.007


def test_tables_that_are_not_used_may_be_worse(made, tmp_path):
    made.files["other.tsv"] += b"one\tx.mp3\t1\ttab\ttab\ttab\ttab\tuz\n" * 9
    assert len(read(made, "folder", tmp_path)) == 60


def test_a_line_of_any_length_is_a_row(made, tmp_path):
    assert len(read(edited(made, 4, "sentence 2", "long " * 100_000), "folder", tmp_path)) == 60


def test_a_line_without_an_end_is_an_error(monkeypatch):
    monkeypatch.setattr(metadata, "MOST_LINE", 1000)
    rows = ["path", "x" * 900]
    assert list(metadata.text_lines(io.BytesIO("\n".join(rows).encode()))) == rows
    with pytest.raises(InputError, match="line of over"):
        list(metadata.text_lines(io.BytesIO(b"path\n" + b"x" * 5000)))
