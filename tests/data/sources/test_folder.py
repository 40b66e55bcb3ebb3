"""Extracted Common Voice folders: rows, gaps, orphans, and choosing among them."""

from collections import Counter
from pathlib import Path

import pytest

from lid.data.sources.folder import FolderSource
from lid.data.sources.selection import Selector
from lid.errors import InputError
from tests.data.sources.loopback import corpus


def source(folder: Path, language: str = "uz") -> FolderSource:
    return FolderSource(language, "the folder", "", folder=folder)


def test_every_row_comes_once_and_gaps_are_reported(tmp_path):
    made = corpus()
    folder = source(made.folder(tmp_path))
    clips = list(folder.clips())
    assert len({clip.path for clip in clips}) == len(clips) == 60
    assert {clip.path: clip.audio for clip in clips if clip.audio is not None}.items() <= made.clips.items()
    assert [clip.path for clip in clips if clip.audio is None] == ["common_voice_uz_000059.mp3"]
    assert folder.orphans == ["common_voice_uz_orphan.mp3"]


def test_stored_rows_read_their_bytes_only_when_asked(tmp_path):
    made = corpus()
    folder = made.folder(tmp_path)
    rows = {row.path: row for row in source(folder).stored()}
    row = rows["common_voice_uz_000005.mp3"]
    (folder / "clips" / row.path).write_bytes(b"changed later")
    assert row.audio == b"changed later"
    (folder / "clips" / row.path).unlink()
    with pytest.raises(InputError):
        _ = row.audio
    assert rows["common_voice_uz_000059.mp3"].audio is None


def test_a_choice_is_repeatable_and_a_smaller_one_lies_within_it(tmp_path):
    folder = corpus(clips=200, speakers=20).folder(tmp_path)

    def chosen(want: int) -> set[str]:
        return {clip.path for clip in source(folder).clips(Selector(want)) if clip.audio is not None}

    assert chosen(50) == chosen(50)
    assert chosen(20) < chosen(50)
    numbers = [int(path[-10:-4]) for path in chosen(50)]
    assert min(numbers) < 40  # from everywhere in the corpus, not its beginning
    assert max(numbers) > 160


def test_unknown_speakers_are_not_one_voice(tmp_path):
    made = corpus(clips=20)
    made.files["validated.tsv"] = b"path\tsentence\n" + b"".join(f"{name}\tx\n".encode() for name in made.clips)
    clips = [clip for clip in source(made.folder(tmp_path)).clips(Selector(None, max_per_speaker=1)) if clip.audio]
    assert Counter(clip.speaker for clip in clips) == {"": len(made.clips)}


def test_columns_are_found_by_name_and_missing_ones_stay_empty(tmp_path):
    made = corpus(clips=3)
    header = b"\xef\xbb\xbfsentence\textra\tpath\tclient_id\r\n"
    made.files["validated.tsv"] = header + b'"Hi\t1\tsub/dir/common_voice_uz_000000.mp3\ts1\r\nshort row\r\n'
    made.files["clip_durations.tsv"] = b"duration[ms]\tclip\n2500\tcommon_voice_uz_000000.mp3\nx\ty\n"
    (clip,) = (clip for clip in source(made.folder(tmp_path)).clips() if clip.audio is not None)
    assert (clip.path, clip.speaker, clip.sentence, clip.duration) == ("common_voice_uz_000000.mp3", "s1", '"Hi', 2.5)


def test_a_folder_that_vanished_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="the folder") as caught:
        list(source(tmp_path / "nothing").clips())
    assert caught.value.reason == "missing"
