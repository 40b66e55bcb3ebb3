import json
import os

import pyarrow as pa
import pytest
from pyarrow import parquet

from lid.batch.listing import recordings
from lid.errors import InputError


@pytest.fixture
def calls(tmp_path):
    """A folder of three recordings, one of them hidden in a folder, beside what is none."""
    folder = tmp_path / "calls"
    (folder / "monday").mkdir(parents=True)
    for name, size in {"a.wav": 3, "b.mp3": 4, "monday/c.wav": 5, ".DS_Store": 9}.items():
        (folder / name).write_bytes(b"x" * size)
    return folder


def found(source, **options) -> dict:
    listed = list(recordings(str(source), **options))
    assert len({one.path for one in listed}) == len(listed)
    return {one.path: one.size for one in listed}


def test_a_folder_is_all_that_is_in_it(calls):
    assert found(calls) == {f"{calls}/a.wav": 3, f"{calls}/b.mp3": 4, f"{calls}/monday/c.wav": 5}
    assert found(f"file://{calls}") == found(calls)


def test_a_glob_takes_what_it_matches(calls):
    assert found(calls / "*.wav") == {f"{calls}/a.wav": 3}
    assert found(calls / "**" / "*.wav") == {f"{calls}/a.wav": 3, f"{calls}/monday/c.wav": 5}


def test_a_name_with_brackets_is_a_name(calls):
    (calls / "call [1].wav").write_bytes(b"xx")
    assert found(calls / "call [1].wav") == {f"{calls}/call [1].wav": 2}


def test_paths_do_not_depend_on_where_the_command_is_given(calls, monkeypatch):
    monkeypatch.chdir(calls.parent)
    assert found("calls") == found(calls)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_list_is_relative_to_its_own_folder(calls, ending):
    listing = calls / "list.txt"
    listing.write_bytes(ending.join(["a.wav", "", f"{calls}/monday/c.wav", "gone.wav", "s3://bucket/d.wav"]).encode())
    assert found(listing) == {
        f"{calls}/a.wav": 3,
        f"{calls}/monday/c.wav": 5,
        f"{calls}/gone.wav": None,
        "s3://bucket/d.wav": None,
    }


def write_table(file, rows):
    if file.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), file)
    elif file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        sign = "\t" if file.suffix == ".tsv" else ","
        lines = [sign.join(rows[0])] + [sign.join(map(str, row.values())) for row in rows]
        file.write_text("\n".join(lines), encoding="utf-8-sig")


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv", ".tsv"])
def test_a_table_has_a_column_of_addresses(calls, suffix):
    table = calls.parent / f"calls{suffix}"
    write_table(table, [{"agent": "7", "audio": "calls/a.wav"}, {"agent": "8", "audio": f"{calls}/b.mp3"}])
    assert found(table, column="audio") == {f"{calls}/a.wav": 3, f"{calls}/b.mp3": 4}
    with pytest.raises(InputError, match=r"no address in the column path of row 1.*--column.*agent, audio"):
        found(table)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_a_table_may_tell_sizes_so_that_nobody_asks_for_them(tmp_path, suffix):
    table = tmp_path / f"calls{suffix}"
    write_table(table, [{"path": "s3://bucket/a.wav", "size": 12}])
    assert found(table) == {"s3://bucket/a.wav": 12}


def test_what_is_no_json_is_named(tmp_path):
    (tmp_path / "calls.jsonl").write_text('{"path": "a"}\n{"path": ')
    with pytest.raises(InputError, match=r"line 2 of .*calls.jsonl is not JSON"):
        found(tmp_path / "calls.jsonl")


def test_a_name_that_is_not_utf8_is_found(calls):
    name = os.fsdecode(b"\xffcall.wav")
    (calls / name).write_bytes(b"xxx")
    assert found(calls / "*call.wav") == {f"{calls}/{name}": 3}


@pytest.mark.parametrize("source", ["/no/such/folder", "/no/such/list.txt"])
def test_nothing_there_is_a_sentence(source):
    with pytest.raises(InputError, match=f"There is nothing at {source}"):
        found(source)


def test_an_address_of_a_kind_that_nobody_knows_is_a_sentence():
    with pytest.raises(InputError, match="nowhere://x cannot be opened here"):
        found("nowhere://x")
