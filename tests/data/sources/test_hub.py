"""Shards on a Hub that runs on 127.0.0.1, named by HF_ENDPOINT: every layout, a fair share of each, and refusals.

The endpoint is read when the libraries are imported, so the specs are opened in one process of its own.
"""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Set
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lid.data.clip import Clip
from lid.data.sources.base import Journal
from lid.data.sources.hub import HubSource
from lid.data.sources.selection import Selector
from tests.data.sources.loopback import Hub, Server, corpus, tar

CARD = b"---\nconfigs:\n- config_name: ru\n  data_files:\n  - split: train\n    path: ru/train-*\n---\n"
SPECS = {
    "mirror": ("ru=hub:fixie-ai/common_voice_17_0:ru", None),
    "few": ("ru=hub:fixie-ai/common_voice_17_0:ru", 6),
    "fleurs": ("uz=hub:google/fleurs:uz_uz:test", None),
    "fleurs branch": ("uz=hub:google/fleurs@refs/convert/parquet:uz_uz:test", None),
    "webdataset": ("en=hub:someone/web", None),
    "tars": ("uz=hub:fsicoli/common_voice_22_0:uz", None),
    "few of tars": ("uz=hub:fsicoli/common_voice_22_0:uz", 8),
    "metadata.csv": ("uz=hub:someone/folder", None),
    "few of metadata.csv": ("uz=hub:someone/folder", 5),
    "metadata.jsonl": ("uz=hub:someone/lines", None),
    "bare files": ("uz=hub:someone/bare", None),
    "label folders": ("uz=hub:someone/labels", None),
    "label folders of others": ("en=hub:someone/labels", None),
    "zip": ("uz=hub:someone/zip", None),
    "parquet of paths": ("uz=hub:someone/paths", None),
    "parquet of strings": ("uz=hub:someone/strings", None),
    "csv of paths": ("uz=hub:someone/table", None),
    "json of paths": ("uz=hub:someone/json", None),
    "label folders of the neighbours": ("kk=hub:someone/neighbours", None),
    "parquet without files": ("uz=hub:someone/nothing", None),
    "other columns": ("uz=hub:someone/shards", None),
    "rows of another language": ("uz=hub:someone/russian", None),
    "no repository": ("uz=hub:no/thing:uz", None),
    "no configuration": ("ru=hub:fixie-ai/common_voice_17_0:xx", None),
    "no split": ("ru=hub:fixie-ai/common_voice_17_0:ru:tset", None),
    "no export": ("uz=hub:google/fleurs:zz_zz", None),
    "other language": ("ru=hub:fsicoli/common_voice_22_0:uz", None),
    "no audio": ("uz=hub:someone/words", None),
}
OPEN = """
import hashlib, json, sys
from lid.data.sources.retry import RetryPolicy
from lid.data.sources.selection import Selector
from lid.data.sources.spec import parse_sources
from lid.errors import InputError
for name, (spec, want) in json.load(sys.stdin).items():
    try:
        (source,) = parse_sources([spec], ["uz", "ru", "en", "kk"], RetryPolicy(first_wait=0.001))
        found = [
            [clip.path, clip.audio and hashlib.sha1(clip.audio).hexdigest()]
            + [clip.speaker, clip.sentence, clip.source, clip.duration]
            for clip in source.clips(Selector(want))
        ]
    except InputError as error:
        found = [error.reason, str(error)]
    print("FOUND", json.dumps([name, found]))
"""
NOISE = np.random.default_rng(3)
RU = [(f"voice {number // 10}", f"c{number}.mp3", NOISE.bytes(2000), f"Gap {number}") for number in range(40)]


def parquet(columns: dict, features: dict) -> bytes:
    """A Parquet file as `datasets` writes it, its features in the schema."""
    table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    packed = io.BytesIO()
    pq.write_table(table, packed, row_group_size=4)
    return packed.getvalue()


def text(kind: str = "string") -> dict:
    return {"dtype": kind, "_type": "Value"}


def common_voice(rows: list[tuple], more: dict | None = None, less: Set[str] = frozenset()) -> bytes:
    speakers, paths, clips, sentences = map(list, zip(*rows, strict=True))
    audio = [{"bytes": data, "path": path} for data, path in zip(clips, paths, strict=True)]
    columns = {"client_id": speakers, "path": paths, "audio": audio, "sentence": sentences}
    columns = {name: values for name, values in (columns | (more or {})).items() if name not in less}
    features = {name: text("int64" if name in ("age", "up_votes") else "string") for name in columns}
    return parquet(columns, features | {"audio": {"sampling_rate": 48000, "_type": "Audio"}})


def fleurs(count: int) -> bytes:
    audio = [{"bytes": b"wav %d" % number, "path": f"{number}.wav"} for number in range(count)]
    columns = {
        "id": list(range(count)),
        "num_samples": [16_000 * (number + 1) for number in range(count)],
        "path": [f"/cache/{number}.wav" for number in range(count)],
        "audio": audio,
        "transcription": ["salom"] * count,
        "raw_transcription": ["Salom!"] * count,
    }
    features = {name: text("int32" if name in ("id", "num_samples") else "string") for name in columns}
    columns["id"] = pa.array(columns["id"], pa.int32())
    columns["num_samples"] = pa.array(columns["num_samples"], pa.int32())
    return parquet(columns, features | {"audio": {"sampling_rate": 16000, "_type": "Audio"}})


def fill(hub: Hub) -> None:
    shards = {f"ru/train-0000{n}-of-00004.parquet": common_voice(RU[n * 10 : n * 10 + 10]) for n in range(4)}
    hub.add("fixie-ai/common_voice_17_0", {"README.md": CARD, **shards})
    hub.add("google/fleurs", {"README.md": b"# FLEURS\n", "fleurs.py": b"# a loading script"})
    export = {"uz_uz/train/0000.parquet": fleurs(9), "uz_uz/test/0000.parquet": fleurs(3)}
    hub.add("google/fleurs", export, branch="refs/convert/parquet")
    facts = [json.dumps({"speaker_id": f"s{n}", "text": f"Text {n}", "duration": 1.5}).encode() for n in range(6)]
    web = [entry for n in range(6) for entry in ((f"k{n}.mp3", b"mp3 %d" % n), (f"k{n}.json", facts[n]))]
    hub.add("someone/web", {"README.md": b"# Web\n", "data/train-0.tar": tar(web)})
    made = corpus("uz", clips=40)
    clips = list(made.clips.items())
    tars = {
        f"audio/uz/train/uz_train_{n}.tar": tar(
            (f"uz_train_{n}/{name}", data) for name, data in clips[n * 10 : n * 10 + 10]
        )
        for n in range(4)
    }
    mirror = {
        "README.md": b"# CV\n",
        "common_voice_22_0.py": b"#",
        "transcript/uz/train.tsv": made.files["validated.tsv"],
    }
    hub.add("fsicoli/common_voice_22_0", mirror | tars)
    hub.add(
        "someone/words", {"README.md": b"# Words\n", "data/train.parquet": parquet({"word": ["a"]}, {"word": text()})}
    )
    files_of_their_own(hub)


def files_of_their_own(hub: Hub) -> None:
    """Data sets whose audio lies in files, beside tables and without."""
    clips = {f"c{n}.mp3": b"mp3 %d" % n for n in range(20)}
    csv = "file_name,sentence,client_id\n" + "".join(f"clips/{name},Matn,s1\n" for name in [*clips, "gone.mp3"])
    hub.add("someone/folder", {"metadata.csv": csv.encode()} | {f"clips/{name}": data for name, data in clips.items()})
    lines = "".join(json.dumps({"file_name": name, "text": "Matn", "speaker_id": 7}) + "\n" for name in clips)
    in_train = {f"data/train/{name}": data for name, data in clips.items()}
    hub.add("someone/lines", {"data/train/metadata.jsonl": lines.encode(), **in_train})
    hub.add("someone/bare", in_train)
    hub.add(
        "someone/labels", {f"train/{of}/{n}.wav": f"{of} {n}".encode() for of in ("uz", "Russian") for n in range(3)}
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in {"metadata.csv": csv.replace("clips/", "").encode(), **clips}.items():
            archive.writestr(name, data)
    hub.add("someone/zip", {"data/train.zip": packed.getvalue()})
    audio = {"audio": {"_type": "Audio"}, "sentence": text()}
    paths = [{"bytes": None, "path": name} for name in clips]
    columns = {"audio": pa.array(paths, pa.struct({"bytes": pa.binary(), "path": pa.string()})), "sentence": ["M"] * 20}
    hub.add("someone/paths", {"data/train.parquet": parquet(columns, audio)} | {f"mp3/{n}": clips[n] for n in clips})
    hub.add("someone/nothing", {"data/train.parquet": parquet(columns, audio)})
    strings = parquet(
        {"path": [f"./mp3/{name}" for name in clips], "text": ["M"] * 20}, {"path": text(), "text": text()}
    )
    hub.add("someone/strings", {"train.parquet": strings} | {f"mp3/{name}": data for name, data in clips.items()})
    card = "---\nconfigs:\n- config_name: default\n  data_files: {}\n---\n"
    files = {f"mp3/{name}": data for name, data in clips.items()}
    table = "path,sentence\n" + "".join(f"mp3/{name},M\n" for name in clips)
    hub.add("someone/table", {"README.md": card.format("rows.csv").encode(), "rows.csv": table.encode()} | files)
    table = "".join(json.dumps({"audio": name, "text": "M"}) + "\n" for name in clips)
    hub.add("someone/json", {"README.md": card.format("rows.jsonl").encode(), "rows.jsonl": table.encode()} | files)
    hub.add(
        "someone/neighbours", {f"train/{of}/{n}.wav": f"{of} {n}".encode() for of in ("kk", "tr") for n in range(3)}
    )
    more = {"age": [30] * 10, "up_votes": [2] * 10}
    shards = [common_voice(RU[:10]), common_voice(RU[10:20], more), common_voice(RU[20:30], {}, {"path", "sentence"})]
    hub.add("someone/shards", {f"data/train-0000{n}-of-00003.parquet": shard for n, shard in enumerate(shards)})
    hub.add("someone/russian", {"data/train.parquet": common_voice(RU[:10], {"locale": ["ru"] * 10})})


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> Iterator[dict[str, list]]:
    """What each of SPECS gave: rows, or a reason and a sentence."""
    with Server() as server:
        fill(Hub(server))
        environment = {
            **os.environ,
            "HF_ENDPOINT": server.url,
            "HF_HOME": str(tmp_path_factory.mktemp("hf")),
            "HF_HUB_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
        }
        done = subprocess.run(
            [sys.executable, "-c", OPEN],
            input=json.dumps(SPECS),
            env=environment,
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
        )
        lines = [line[6:] for line in done.stdout.splitlines() if line.startswith("FOUND ")]
        assert len(lines) == len(SPECS), done.stderr
        yield dict(map(json.loads, lines))


def sha(data: bytes) -> str:
    import hashlib

    return hashlib.sha1(data).hexdigest()


def test_a_parquet_mirror_gives_its_bytes_undecoded(found):
    expected = [[path, sha(data), voice, sentence, "common_voice", None] for voice, path, data, sentence in RU]
    assert found["mirror"] == expected


def test_few_clips_come_from_every_shard(found):
    assert Counter(voice for _, _, voice, *_ in found["few"]) == {
        "voice 0": 2,
        "voice 1": 2,
        "voice 2": 1,
        "voice 3": 1,
    }
    names = [path for path, *_ in found["few of tars"]]
    assert sorted(Counter(int(name[-10:-4]) // 10 for name in names).values()) == [2, 2, 2, 2]


@pytest.mark.parametrize("name", ["fleurs", "fleurs branch"])
def test_fleurs_is_found_on_the_hubs_parquet_branch(found, name):
    expected = [[f"{n}.wav", sha(b"wav %d" % n), "", "Salom!", "hub:google/fleurs", n + 1.0] for n in range(3)]
    assert found[name] == expected


def test_webdataset_shards_keep_facts_in_json(found):
    expected = [[f"k{n}.mp3", sha(b"mp3 %d" % n), f"s{n}", f"Text {n}", "hub:someone/web", 1.5] for n in range(6)]
    assert found["webdataset"] == expected


def test_a_mirror_of_plain_tars_is_joined_with_its_table(found):
    made = corpus("uz", clips=40)
    rows = {path: (digest, sentence) for path, digest, _, sentence, *_ in found["tars"]}
    assert rows == {
        f"common_voice_uz_{n:06d}.mp3": (sha(made.clips[f"common_voice_uz_{n:06d}.mp3"]), f"It's \"sentence {n}")
        for n in range(39)
    }


def found_files(found: dict, name: str) -> dict[str, list]:
    """What a data set gave: by the clip's bare name, its bytes' sum, speaker and sentence."""
    return {Path(path).name: [digest, speaker, sentence] for path, digest, speaker, sentence, *_ in found[name]}


@pytest.mark.parametrize(
    ("name", "speaker", "sentence"),
    [
        ("metadata.csv", "s1", "Matn"),
        ("metadata.jsonl", "7", "Matn"),
        ("bare files", "", ""),
        ("zip", "s1", "Matn"),
        ("parquet of paths", "", "M"),
        ("parquet of strings", "", "M"),
        ("csv of paths", "", "M"),
        ("json of paths", "", "M"),
    ],
)
def test_files_of_their_own_are_read_undecoded(found, name, speaker, sentence):
    rows = found_files(found, name)
    gone = rows.pop("gone.mp3", [None])
    assert gone[0] is None  # its row is there, its file is not
    assert rows == {f"c{n}.mp3": [sha(b"mp3 %d" % n), speaker, sentence] for n in range(20)}


def test_few_files_are_from_anywhere_in_the_table(found):
    numbers = [int(name[1:-4]) for name, (digest, *_) in found_files(found, "few of metadata.csv").items() if digest]
    assert len(numbers) == 5
    assert max(numbers) > 9


@pytest.mark.parametrize(("name", "language"), [("label folders", "uz"), ("label folders of the neighbours", "kk")])
def test_a_folder_for_each_language_gives_the_one_that_was_asked_for(found, name, language):
    assert found_files(found, name) == {f"{n}.wav": [sha(f"{language} {n}".encode()), "", ""] for n in range(3)}


def test_rows_without_a_file_come_without_bytes(found):
    assert [digest for _, digest, *_ in found["parquet without files"]] == [None] * 20


def test_each_shard_is_read_by_its_own_columns(found):
    expected = [[path, sha(data), voice, sentence] for voice, path, data, sentence in RU[:30]]
    expected[20:] = [[*row[:3], ""] for row in expected[20:]]
    assert [row[:4] for row in found["other columns"]] == expected


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("label folders of others", "language", "was given as en, but its folders are russian, uz"),
        ("rows of another language", "language", "was given as uz, but a row says ru"),
        ("no repository", "missing", "the Hub has no such dataset"),
        ("no configuration", "data", "Available: ['ru']"),
        ("no split", "data", "Available splits: ['train']"),
        ("no export", "data", "has no shards for zz_zz, split train"),
        ("other language", "language", "was given as ru, but its train.tsv says uz"),
        ("no audio", "data", "has no audio column, only word"),
    ],
)
def test_refusals_are_sentences(found, name, reason, words):
    assert found[name][0] == reason
    assert words in found[name][1]


class Shelves(HubSource):
    """A source whose shards lie in memory: `sizes` clips each, all of one voice."""

    sizes: tuple[int, ...] = ()

    def _shards(self, table):
        def shard(index: int) -> Iterator[Clip]:
            for number in range(self.sizes[index]):
                yield Clip(f"{index}-{number}", b"x", "uz", f"voice {index}")

        return [lambda index=index: shard(index) for index in range(len(self.sizes))]


def take(sizes: tuple[int, ...], selector: Selector, journal: Journal | None = None) -> list[str]:
    source = Shelves("uz", "shelves", "")
    source.sizes = sizes
    return [clip.path for clip in source.clips(selector, journal=journal)]


def test_what_small_shards_lack_the_others_give():
    assert Counter(name[0] for name in take((50, 1, 9), Selector(30))) == {"0": 20, "1": 1, "2": 9}
    assert len(set(take((50, 1, 9), Selector(30)))) == 30
    assert len(take((5, 5), Selector(100))) == 10
    assert Counter(name[0] for name in take((50, 50, 50), Selector(30, max_per_speaker=4))) == {"0": 4, "1": 4, "2": 4}


def test_going_on_after_a_noted_shard_gives_what_one_run_gives():
    whole = take((50, 1, 9), Selector(30))
    notes: list = []
    take((50, 1, 9), Selector(30), Journal(note=lambda state: notes.append(list(state))))
    assert notes == [[10], [10, -1], [10, -1, -1]]
    for note, done in zip(notes, (10, 11, 20), strict=True):
        selector = Selector(30)
        for name in whole[:done]:
            selector.accept(f"voice {name[0]}")
        assert whole[:done] + take((50, 1, 9), selector, Journal(note)) == whole
