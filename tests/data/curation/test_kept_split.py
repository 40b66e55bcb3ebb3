"""A split is made once for all processes and runs, and anew where anything about the clips is new."""

from dataclasses import replace

import pytest

from lid.data.clip import Clip
from lid.data.curation import kept_split, splits


@pytest.fixture
def clips():
    return [Clip(f"{i:02}.mp3", b"", "uz", f"s{i % 20}", f"gap raqami {i % 30}") for i in range(60)]


def test_what_is_kept_is_what_the_splitter_made(clips, tmp_path):
    made = splits.split(clips, same_speaker=[("s2", "s1")])
    assert kept_split.split(clips, [("s2", "s1")], tmp_path) == made
    assert kept_split.split(reversed(clips), [("s2", "s1")], tmp_path) == made
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_a_second_call_splits_nothing(clips, tmp_path, monkeypatch):
    first = kept_split.split(clips, [], tmp_path)
    monkeypatch.delattr(splits, "places")
    assert kept_split.split(clips, [], tmp_path) == first


@pytest.mark.parametrize("change", [{"speaker": "somebody"}, {"sentence": "boshqa gap"}, {"source": "another"}])
def test_other_clips_are_split_anew(clips, tmp_path, change):
    kept_split.split(clips, [], tmp_path)
    others = [replace(clips[0], **change), *clips[1:]]
    assert kept_split.split(others, [], tmp_path) == splits.split(others)
    assert kept_split.split(clips, [("s1", "s2")], tmp_path) == splits.split(clips, same_speaker=[("s1", "s2")])


def test_half_a_file_is_never_taken(clips, tmp_path):
    kept_split.split(clips, [], tmp_path)
    (file,) = tmp_path.glob("*.json")
    file.with_suffix(".partial").write_text("[")
    file.unlink()
    assert kept_split.split(clips, [], tmp_path) == splits.split(clips)
