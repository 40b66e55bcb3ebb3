"""Sources -> parts: who trains, who tests, and who is kept out."""

import csv
import shutil

import pytest
import soundfile
import soxr

from lid import audio
from lid.data.clip import BACKGROUND, EXTRA, HELD_OUT, OWN
from lid.errors import InputError
from lid.languages import CODES
from lid.training import prepare
from lid.training.config import Data, Evaluation, Sources
from tests.conftest import EXAMPLES


@pytest.fixture(scope="module")
def selection(corpus, tmp_path_factory):
    extra, cache = (tmp_path_factory.mktemp(name) for name in ("extra", "cache"))
    (extra / "uz" / "clips").mkdir(parents=True)
    slow = soxr.resample(audio.decode(EXAMPLES / "uzbek.mp3"), audio.SAMPLE_RATE, audio.SAMPLE_RATE * 1.6)
    soundfile.write(extra / "uz" / "clips" / "slow.wav", slow[: 4 * audio.SAMPLE_RATE], audio.SAMPLE_RATE)
    (extra / "uz" / "validated.tsv").write_text("client_id\tpath\tsentence\nrobot\tslow.wav\t\n")
    sources = Sources((str(corpus),), extra_train=(str(extra),), background=(str(corpus),))
    return prepare.select(sources, Data(), Evaluation(("tr",)), cache, progress=False)


def test_only_own_clips_validate_and_test(selection):
    for part in (selection.split.validation, selection.split.test):
        assert part
        assert {clip.role for clip in part} == {OWN}


def test_extra_and_background_clips_train(selection):
    train = selection.split.train
    assert {clip.role for clip in train} == {OWN, EXTRA, BACKGROUND}
    assert [clip.path for clip in train if clip.role == EXTRA] == ["slow.wav"]
    assert {clip.language for clip in train if clip.role == BACKGROUND} == {"kk"}
    assert {clip.language for clip in train if clip.role == OWN} == set(CODES)


def test_held_out_languages_are_in_no_part(selection):
    split = selection.split
    assert {(clip.language, clip.role) for clip in selection.held_out} == {("kk", HELD_OUT), ("tr", HELD_OUT)}
    assert len([clip for clip in selection.held_out if clip.language == "tr"]) == 5
    assert not [clip for part in (split.train, split.validation, split.test) for clip in part if clip.language == "tr"]


def test_some_voices_of_other_background_languages_are_held_out_too(selection):
    parts = selection.split.train, selection.held_out, selection.held_out_validation
    voices = [{clip.speaker for clip in clips if clip.language == "kk"} for clips in parts]
    assert [len(of) for of in voices] == [2, 2, 1]
    assert len(set.union(*voices)) == 5


def test_a_voice_of_a_held_out_language_that_trains_in_another_is_dropped(corpus, tmp_path):
    """The same person speaks Turkish and, in every clip that trains, Uzbek."""
    shutil.copytree(corpus / "tr", tmp_path / "background" / "tr")
    table = tmp_path / "background" / "tr" / "validated.tsv"
    sources = Sources((str(corpus),), background=(str(tmp_path / "background"),))
    train = prepare.select(sources, Data(), Evaluation(("tr",)), tmp_path / "cache", progress=False).split.train
    voice = next(clip.speaker for clip in train if clip.language == "uz")
    table.write_text(table.read_text().replace("tr0\t", f"{voice}\t"))
    selection = prepare.select(sources, Data(), Evaluation(("tr",)), tmp_path / "cache", progress=False)
    assert [(one.clip.path, one.reason) for one in selection.split.dropped if one.clip.language == "tr"] == [
        ("tr-0.wav", "conflict")
    ]
    prepare.write_records(selection, tmp_path)


def test_what_the_first_checkpoint_trained_on_tests_nothing(corpus, selection, tmp_path):
    known = [selection.split.test[0], selection.split.validation[0], selection.held_out[0]]
    rows = [("train", clip.language, clip.path) for clip in known]
    (tmp_path / "split.tsv").write_text("\n".join("\t".join(row) for row in [("part", "language", "path"), *rows]))
    sources = Sources((str(corpus),), background=(str(corpus),), init_from=str(tmp_path / "merged"))
    further = prepare.select(sources, Data(), Evaluation(("tr",)), tmp_path / "cache", progress=False)
    tested = further.split.test + further.split.validation + further.held_out + further.held_out_validation
    whole = selection.split.test + selection.split.validation + selection.held_out + selection.held_out_validation
    assert {clip.path for clip in whole} - {clip.path for clip in tested} == {clip.path for clip in known}
    assert {one.clip.path for one in further.split.dropped if one.reason == "trained_before"} == {
        clip.path for clip in known
    }


def test_extra_clips_of_a_voice_that_tests_do_not_train(corpus, selection, tmp_path):
    voice = selection.split.test[0].speaker
    (tmp_path / "extra" / "uz" / "clips").mkdir(parents=True)
    slow = soxr.resample(audio.decode(EXAMPLES / "uzbek.mp3"), audio.SAMPLE_RATE, audio.SAMPLE_RATE * 1.6)
    soundfile.write(tmp_path / "extra" / "uz" / "clips" / "slow.wav", slow[: 4 * audio.SAMPLE_RATE], audio.SAMPLE_RATE)
    (tmp_path / "extra" / "uz" / "validated.tsv").write_text(f"client_id\tpath\tsentence\n{voice}\tslow.wav\t\n")
    sources = Sources((str(corpus),), extra_train=(str(tmp_path / "extra"),), background=(str(corpus),))
    split = prepare.select(sources, Data(), Evaluation(("tr",)), tmp_path / "cache", progress=False).split
    assert not [clip for clip in split.train if clip.role == EXTRA]
    assert ("slow.wav", "conflict") in [(one.clip.path, one.reason) for one in split.dropped]


def test_records_name_every_clip_and_its_part(selection, tmp_path):
    prepare.write_records(selection, tmp_path)
    with (tmp_path / "split.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    split = selection.split
    assert {row["language"] for row in rows if row["part"] == "foreign"} == {"kk", "tr"}
    assert {row["language"] for row in rows if row["part"] == "foreign_validation"} == {"kk"}
    assert [row["path"] for row in rows if row["part"] == "test"] == [clip.path for clip in split.test]
    assert len([row for row in rows if row["part"] == "train"]) == len(split.train)


def test_a_held_out_language_that_no_source_has_is_a_sentence(corpus, tmp_path):
    sources = Sources((str(corpus),), background=(str(corpus),))
    with pytest.raises(InputError, match="--held-out-languages names fr"):
        prepare.select(sources, Data(), Evaluation(("fr", "tr")), tmp_path, progress=False)
