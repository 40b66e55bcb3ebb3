"""The command line's --data: what is understood, what is refused, and the list of rows that comes of it."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lid import audio
from lid.data.sources.archive import ArchiveSource
from lid.data.sources.folder import FolderSource
from lid.data.sources.hub import HubSource
from lid.data.sources.spec import corpus_name, languages, load_clips, parse_sources
from lid.errors import InputError
from tests.data.sources.loopback import QUICK, Fault, File, Server, corpus, tables_last

LANGUAGES = ["uz", "ru", "en"]
CORPUS = Path(os.environ.get("LID_CORPUS", Path(__file__).parents[4] / "shared" / "corpus"))


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def folders(tmp_path) -> Path:
    for seed, language in enumerate(LANGUAGES):
        corpus(language, clips=30, seed=seed).folder(tmp_path / "corpus")
    return tmp_path / "corpus"


def test_every_kind_of_source_is_understood(tmp_path, folders):
    (tmp_path / "cv.tar.gz").write_bytes(corpus("ru").archive())
    specs = [
        f"uz={folders / 'uz'}",
        f"ru={tmp_path / 'cv.tar.gz'}",
        "en=https://example.org/cv-en.tar.gz?signature=SECRET",
        "uz=mdc:cmabc123",
        "en=hub:google/fleurs:en_us:test",
        "ru=hub:fixie-ai/common_voice_17_0@main:ru",
    ]
    sources = parse_sources(specs, LANGUAGES)
    assert [source.language for source in sources] == ["uz", "ru", "en", "uz", "en", "ru"]
    kinds = [FolderSource, ArchiveSource, ArchiveSource, ArchiveSource, HubSource, HubSource]
    assert [type(source) for source in sources] == kinds
    assert len({source.fingerprint for source in sources}) == 6
    assert "SECRET" not in sources[2].spec
    fleurs, mirror = sources[4:]
    assert (fleurs.repo, fleurs.config, fleurs.split, fleurs.revision) == ("google/fleurs", "en_us", "test", None)
    assert (mirror.repo, mirror.config, mirror.split, mirror.revision) == (
        "fixie-ai/common_voice_17_0",
        "ru",
        "train",
        "main",
    )


@pytest.mark.parametrize("shape", ["{}", "cv-corpus-9.0/{}"])
def test_a_folder_of_languages_is_enough(tmp_path, shape):
    for language in ["uz", "en", "fr"]:
        folder = (tmp_path / shape.format(language)).parent
        corpus(language, clips=5).folder(folder)
    assert [source.language for source in parse_sources([str(tmp_path)], LANGUAGES)] == ["uz", "en"]
    assert parse_sources([f"en={tmp_path}"], LANGUAGES)[0].folder.name == "en"


@pytest.mark.parametrize("name", ["uz", "UZ.TAR.GZ", "uz.tar.gz.1", "uz.zip"])
def test_an_archive_is_known_by_its_bytes(tmp_path, name):
    made = corpus("uz", clips=5)
    (tmp_path / name).write_bytes(made.archive())
    rows = load_clips([f"uz={tmp_path / name}"], LANGUAGES, tmp_path / "cache", progress=False)
    assert sum(row.audio is not None for row in rows) == 4


def test_an_address_may_have_any_name_and_query(tmp_path, server):
    server.files["/download"] = File(corpus("uz", clips=5).archive())
    spec = f"uz={server.url}/download?X-Amz-Signature=a%2Fb=&name=uz.zip"
    rows = load_clips([spec], LANGUAGES, tmp_path / "cache", policy=QUICK, progress=False)
    assert sum(row.audio is not None for row in rows) == 4


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("de=mdc:x", "de is none of uz, ru, en"),
        ("uz=/no/such/place", "there is no /no/such/place"),
        ("/no/such/place", "there is no such folder"),
        ("uz=hub:", "write it as hub:REPO:CONFIG"),
        ("uz={file}", "is not a .tar.gz archive"),
        ("{file}", "say which language it holds"),
        ("uz={empty}", "holds no folder named clips"),
        ("{empty}", "has no subfolder uz or ru or en that holds clips"),
    ],
)
def test_what_is_not_understood_is_answered_with_how_to_write_it(tmp_path, spec, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(InputError) as caught:
        parse_sources([spec.format(file=tmp_path / "notes.txt", empty=tmp_path / "empty")], LANGUAGES)
    assert words in str(caught.value)
    assert caught.value.reason == "data"


def test_no_data_at_all_is_answered_too():
    with pytest.raises(InputError, match="No data is named"):
        parse_sources([], LANGUAGES)


def test_sources_mix_and_the_list_is_the_same_in_any_order(tmp_path, folders, server):
    server.files["/more.tar.gz"] = File(corpus("uz", clips=40, seed=9).archive(tables_last))
    specs = [str(folders), f"uz={server.url}/more.tar.gz"]
    rows = load_clips(specs, LANGUAGES, tmp_path / "cache", progress=False)
    assert Counter(row.language for row in rows) == {"en": 30, "ru": 30, "uz": 70}
    assert [(row.language, row.path) for row in rows] == sorted((row.language, row.path) for row in rows)
    again = load_clips(specs[::-1], LANGUAGES, tmp_path / "cache", progress=False)
    assert Counter(again) == Counter(rows)
    assert len(server.requests) == 1
    assert sum(map(len, rows.orphans.values())) == 4
    assert rows.cache_bytes > 40 * 2000


def test_local_folders_are_not_copied(tmp_path, folders):
    rows = load_clips([str(folders)], LANGUAGES, tmp_path / "cache", progress=False)
    assert rows.cache_bytes == 0
    assert all(row.file is None or Path(row.file).is_relative_to(folders) for row in rows)


def test_the_wanted_number_is_shared_by_a_languages_sources(tmp_path, folders):
    (tmp_path / "cv.tar.gz").write_bytes(corpus("uz", clips=100, seed=7).archive())
    specs = [str(folders), f"uz={tmp_path / 'cv.tar.gz'}"]
    rows = load_clips(specs, LANGUAGES, tmp_path / "cache", want_per_language=20, max_per_speaker=3, progress=False)
    kept = [row for row in rows if row.audio is not None]
    assert Counter(row.language for row in kept) == {"en": 18, "ru": 18, "uz": 20}  # six voices: 18 at most in a folder
    assert Counter(row.file == str(folders / "uz" / "clips" / row.path) for row in kept if row.language == "uz") == {
        True: 10,
        False: 10,
    }


def test_an_archive_that_changed_on_disk_is_read_again(tmp_path):
    path = tmp_path / "cv.tar.gz"
    path.write_bytes(corpus("uz", clips=10).archive())
    assert len(load_clips([f"uz={path}"], LANGUAGES, tmp_path / "cache", progress=False)) == 10
    path.write_bytes(corpus("uz", clips=12).archive())
    assert len(load_clips([f"uz={path}"], LANGUAGES, tmp_path / "cache", progress=False)) == 12


def test_progress_and_the_caches_size_are_shown(tmp_path, capsys):
    (tmp_path / "cv.tar.gz").write_bytes(corpus("uz").archive())
    load_clips([f"uz={tmp_path / 'cv.tar.gz'}"], LANGUAGES, tmp_path / "cache")
    assert f"The cache in {tmp_path / 'cache'} takes 0.3 MB" in capsys.readouterr().err


@pytest.mark.parametrize("order", [None, tables_last], ids=["tables first", "tables last"])
def test_real_speech_from_an_archive_over_a_bad_line_is_the_folders(tmp_path, server, order):
    """A slice of the development corpus: real encodings, real gaps, and bytes the decoder accepts."""
    if not (CORPUS / "uz" / "clips").is_dir():
        pytest.skip(f"NO REAL SPEECH: {CORPUS} is absent; set LID_CORPUS to a Common Voice-like corpus to run this")
    made = corpus("uz", clips=1)
    made.files.clear()
    for path in [*sorted((CORPUS / "uz" / "clips").iterdir())[:300], *(CORPUS / "uz").glob("*.tsv")]:
        made.files[str(path.relative_to(CORPUS / "uz"))] = path.read_bytes()
    data = made.archive(order)
    server.files["/uz.tar.gz"] = File(data)
    server.fail("/uz.tar.gz", *[Fault(cut_after=len(data) // 7)] * 4, Fault(500), Fault(stall_after=len(data) // 8))
    streamed = load_clips([f"uz={server.url}/uz.tar.gz"], ["uz"], tmp_path / "cache", policy=QUICK, progress=False)
    local = load_clips([f"uz={made.folder(tmp_path / 'folder')}"], ["uz"], tmp_path / "cache", progress=False)

    def facts(rows):
        return [(r.path, r.audio, r.language, r.speaker, r.sentence, r.source, r.duration) for r in rows]

    assert facts(streamed) == facts(local)
    assert list(streamed.orphans.values()) == list(local.orphans.values())
    speech = [row for row in streamed if row.audio]
    assert len(speech) > 250
    assert audio.decode(speech[0].audio).size > 16_000


def test_languages_are_found_in_folders_and_names(tmp_path):
    for language in ("kk", "tr"):
        (tmp_path / "corpus" / language / "clips").mkdir(parents=True)
    (tmp_path / "corpus" / "noise").mkdir()
    assert languages([str(tmp_path / "corpus"), "az=hub:google/fleurs:az_az"]) == ["az", "kk", "tr"]


def test_a_hub_data_set_may_name_its_language_itself():
    (source,) = parse_sources(["hub:google/fleurs:uz_uz:test"], LANGUAGES)
    assert (source.language, source.spec) == ("uz", "hub:google/fleurs:uz_uz:test")
    with pytest.raises(InputError, match="de is none of uz, ru, en"):
        parse_sources(["hub:google/fleurs:de_de"], LANGUAGES)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("uz=hub:google/fleurs:uz_uz:test", "google/fleurs"),
        ("hub:google/fleurs:ru_ru", "google/fleurs"),
        ("uz=/data/voices/cv-corpus-25.0/uz", "cv-corpus-25.0"),
        ("/data/voices", "voices"),
        ("ru=cv-ru.tar.gz", "cv-ru.tar.gz"),
        ("ru=https://example.com/files/cv-ru.tar.gz?Signature=secret", "cv-ru.tar.gz"),
        ("en=mdc:cmflnuzw5", "mdc:cmflnuzw5"),
    ],
)
def test_a_corpus_is_called_by_a_name_without_folders_or_keys(place, name):
    assert corpus_name(place) == name
