"""A language that its data has lost ends the run with the reason and examples."""

import pytest

from lid.data.clip import Clip
from lid.data.curation.losses import require_languages
from lid.data.curation.quality import REASONS, Checked, Dropped, check
from lid.errors import InputError

LANGUAGES = ("uz", "ru", "en")


def checked(language: str, kept: int, **lost: int) -> Checked:
    """Two languages that are well, and one that kept so many clips and lost others, by reason."""
    well = [Clip(f"{other}{n}.mp3", b"x", other) for other in LANGUAGES if other != language for n in range(9)]
    own = [Clip(f"kept{n}.mp3", b"x", language) for n in range(kept)]
    return Checked(well + own, [], [Dropped(f"{why}{n}.mp3", language, why) for why in lost for n in range(lost[why])])


def fine(result: Checked, want: int | None = None) -> None:
    require_languages(result.kept, result.dropped, LANGUAGES, want)


def sentence(result: Checked, want: int | None = None, languages: tuple[str, ...] = LANGUAGES) -> str:
    with pytest.raises(InputError) as caught:
        require_languages(result.kept, result.dropped, languages, want)
    assert caught.value.reason == "emptied"
    assert "Nothing was trained" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("why", REASONS)
def test_a_language_that_lost_every_clip_ends_the_run(why):
    text = sentence(checked("uz", 0, **{why: 12}))
    assert f"Uzbek lost 12 of 12 clips because {REASONS[why]}: {why}0.mp3, {why}1.mp3, {why}2.mp3." in text
    assert "Russian" not in text


@pytest.mark.parametrize("why", sorted(set(REASONS) - {"no_row", "duplicate", "near_duplicate"}))
def test_a_language_that_lost_most_for_one_reason_ends_the_run(why):
    assert "Russian lost 7 of 12 clips" in sentence(
        checked("ru", 4, **{why: 7, "clipped" if why != "clipped" else "silent": 1})
    )
    fine(checked("ru", 6, **{why: 6}))


def test_losses_for_many_reasons_are_the_checks_doing_their_work():
    fine(checked("en", 4, missing=3, silent=3, too_short=3))


def test_a_source_named_twice_and_files_beside_the_table_are_no_loss():
    fine(checked("en", 5, duplicate=10, no_row=500))
    assert "English lost 99 of 100" in sentence(checked("en", 1, duplicate=99))


def test_as_many_clips_as_were_asked_for_are_enough():
    fine(checked("uz", 8, missing=5000), want=10)
    sentence(checked("uz", 4, missing=5000), want=10)


def test_files_in_no_row_are_named_beside_rows_without_a_file():
    text = sentence(checked("uz", 0, missing=3, no_row=3))
    assert text.index("missing0.mp3") < text.index("Of its files 3 are in no row: no_row0.mp3")


def test_a_language_nobody_named_ends_the_run():
    result = checked("uz", 3)
    assert "kk has no clips at all. tr has no clips at all." in sentence(result, languages=(*LANGUAGES, "kk", "tr"))


def test_what_the_checks_say_is_what_is_told():
    """From clips on: a data set whose rows have no bytes, and one whose rows cannot be used."""
    clips = [Clip(f"{n}.mp3", None, "uz") for n in range(4)] + [Clip("bad.mp3", None, "uz", problem="line 9 is torn")]
    result = check(clips, progress=False)
    assert [(one.path, one.detail) for one in result.dropped if one.reason == "malformed"] == [
        ("bad.mp3", "line 9 is torn")
    ]
    assert "Uzbek lost 4 of 5 clips because the row names a file that does not exist: 0.mp3" in sentence(result)
