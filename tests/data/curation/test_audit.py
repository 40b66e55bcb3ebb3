"""The audit sees every kind of leak, and finds none in what the splitter made."""

import json
from dataclasses import replace

from lid.data.clip import Clip
from lid.data.curation import audit
from lid.data.curation.splits import Split


def clip(path: str, speaker: str, sentence: str = "", language: str = "uz") -> Clip:
    return Clip(path, b"", language, speaker, sentence)


CLEAN = Split(
    train=[clip("a", "s1", "Bugun havo juda yaxshi"), clip("b", "s2")],
    validation=[clip("c", "s3", "Kitobni stol ustiga qo‘ying")],
    test=[clip("d", "s4", "Ertaga yomg‘ir yog‘adi"), clip("e", "s5", language="ru")],
)


def test_a_clean_split_has_no_leaks():
    report = audit.audit(CLEAN)
    assert audit.leaks(report) == 0
    assert report["counts"]["test"]["ru"] == {"clips": 1, "speakers": 1, "sentences": 0}
    assert 0 < report["closest_sentences"]["similarity"] < 0.85


def test_a_shared_speaker_is_seen():
    assert audit.audit(replace(CLEAN, test=[clip("x", "s1")]))["shared_speakers"] == 1


def test_a_voice_of_a_background_language_in_two_parts_is_seen():
    background = clip("f", "s6", language="tr")
    held_out = {"held_out": [background], "held_out_validation": [clip("g", "s7", language="tr")]}
    report = audit.audit(CLEAN, **held_out)
    assert audit.leaks(report) == 0
    assert report["counts"]["foreign"]["tr"]["speakers"] == report["counts"]["foreign_validation"]["tr"]["clips"] == 1
    trained = replace(CLEAN, train=[*CLEAN.train, background])
    assert audit.audit(trained, **held_out)["shared_speakers"] == 1
    assert audit.audit(CLEAN, held_out=[background], held_out_validation=[background])["shared_speakers"] == 1
    assert audit.audit(replace(CLEAN, same_speaker=[("s1", "s7")]), **held_out)["shared_speakers"] == 1


def test_one_person_under_two_names_is_seen():
    assert audit.audit(replace(CLEAN, same_speaker=[("s1", "s4")]))["shared_speakers"] == 1


def test_unknown_speakers_are_not_one_person():
    unknown = replace(CLEAN, train=[clip("x", "")], test=[clip("y", "")])
    assert audit.audit(unknown)["shared_speakers"] == 0


def test_a_sentence_in_another_alphabet_is_seen():
    report = audit.audit(replace(CLEAN, test=[clip("x", "s9", "БУГУН ҲАВО ЖУДА ЯХШИ!")]))
    assert report["shared_sentences"] == 1
    assert report["closest_sentences"]["similarity"] == 1.0


def test_a_nearly_equal_sentence_is_seen():
    report = audit.audit(replace(CLEAN, test=[clip("x", "s9", "Bugun havo juda yaxshi edi")]))
    assert (report["shared_sentences"], report["near_duplicates"]) == (0, 1)


def test_it_is_written_as_json(tmp_path):
    audit.write(tmp_path / "audit.json", audit.audit(CLEAN))
    assert json.loads((tmp_path / "audit.json").read_text())["shared_speakers"] == 0
