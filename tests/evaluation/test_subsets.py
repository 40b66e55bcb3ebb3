"""Named subsets of the test clips, from a table."""

import numpy as np
import pytest

from lid.data.clip import Clip
from lid.errors import InputError
from lid.evaluation import subsets

CLIPS = [Clip("a.mp3", b"", "uz", "s"), Clip("a.mp3", b"", "ru", "t"), Clip("b.mp3", b"", "ru", "t")]


def table(folder, *rows: str):
    file = folder / "subsets.tsv"
    file.write_text("\n".join(["subset\tlanguage\tpath", *rows]) + "\n")
    return file


def test_clips_are_found_by_language_and_path(tmp_path):
    file = table(tmp_path, "notes\tru\tb.mp3", "notes\tru\ta.mp3", "notes\tru\tdropped.mp3", "phones\tuz\ta.mp3")
    found = subsets.find(file, CLIPS)
    assert found == {"notes": [1, 2], "phones": [0]}
    rates = subsets.rates(np.array([0, 0, 1]), [0, 1, 1], found)
    assert rates["notes"]["accuracy"] == 0.5
    assert rates["phones"]["accuracy"] == 1.0


def test_without_a_table_there_are_none():
    assert subsets.find(None, CLIPS) == {}


def test_a_subset_without_test_clips_is_a_mistake(tmp_path):
    with pytest.raises(InputError, match="no clip of 'notes' is in the test part"):
        subsets.find(table(tmp_path, "notes\ten\ta.mp3"), CLIPS)


@pytest.mark.parametrize("content", ["", "subset\tpath\nnotes\ta.mp3\n", "subset\tlanguage\tpath\nnotes\tru\n"])
def test_a_table_with_other_columns_is_a_mistake(tmp_path, content):
    (tmp_path / "subsets.tsv").write_text(content)
    with pytest.raises(InputError, match="subset, language, path"):
        subsets.find(tmp_path / "subsets.tsv", CLIPS)


def test_a_missing_table_is_a_mistake(tmp_path):
    with pytest.raises(InputError, match="could not be read"):
        subsets.find(tmp_path / "subsets.tsv", CLIPS)
