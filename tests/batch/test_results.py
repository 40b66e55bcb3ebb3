import errno
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.dataset
import pytest

from lid import audio
from lid.batch import results
from lid.batch.results import SCHEMA, Output, Seen, as_line
from lid.errors import InputError
from lid.verdict import is_damaged
from tests.conftest import EXAMPLES, ROOT
from tests.recordings import stereo, voice, wav

ABOUT = {"model": "model", "checksum": "0123", "version": "1"}


def rows(*names: str, error: str | None = None) -> pa.Table:
    return pa.Table.from_pylist([{"path": name, "error": error} for name in names], schema=SCHEMA)


def paths(output: Output) -> list[str]:
    return [path for _, table in output.tables(["path"]) for path in table["path"].to_pylist()]


@pytest.fixture(params=["local", "memory"])
def address(request, tmp_path):
    """A folder of this machine, and an address of fsspec."""
    if request.param == "local":
        yield str(tmp_path / "out")
    else:
        import fsspec

        yield "memory://out"
        fsspec.filesystem("memory").store.clear()


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_rows_are_there_for_the_next_run(address, suffix):
    output = Output(address, ABOUT, suffix)
    output.write(rows("a", "b"))
    output.write(rows("c"))
    del output
    assert paths(Output(address, ABOUT, suffix)) == ["a", "b", "c"]


def test_any_reader_of_parquet_folders_reads_them(tmp_path):
    output = Output(str(tmp_path / "out"), ABOUT)
    output.write(rows("a", "b"))
    output.write_summary({"recordings": 2})
    assert pa.dataset.dataset(tmp_path / "out", format="parquet").to_table()["path"].to_pylist() == ["a", "b"]


@pytest.mark.parametrize("other", [{"checksum": "4567"}, {"version": "2"}, {"model": "another"}])
def test_rows_of_another_model_or_version_are_not_mixed(address, other):
    Output(address, ABOUT).write(rows("a"))
    name, value = next(iter(other.items()))
    with pytest.raises(InputError, match=rf"{name} {ABOUT[name]}; this run has {name} {value}.*another --output"):
        Output(address, ABOUT | other)
    with pytest.raises(InputError, match="rows jsonl"):
        Output(address, ABOUT, ".jsonl")


def test_a_folder_with_parts_of_something_else_is_refused(tmp_path):
    (tmp_path / "part-0.parquet").write_bytes(b"x")
    with pytest.raises(InputError, match="something else"):
        Output(str(tmp_path), ABOUT)


def test_a_second_run_at_the_same_time_is_refused(tmp_path):
    code = (
        f"from lid.batch.results import Output; o = Output({str(tmp_path)!r}, {ABOUT!r}); print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout.readline()
        with pytest.raises(InputError, match="Another run is writing"):
            Output(str(tmp_path), ABOUT)
        first.kill()
    Output(str(tmp_path), ABOUT)


def test_whoever_was_overtaken_by_another_machine_writes_nothing_more():
    first = Output("memory://overtaken", ABOUT)
    second = Output("memory://overtaken", ABOUT)
    second.write(rows("b"))
    with pytest.raises(InputError, match="Another run"):
        first.write(rows("a"))
    assert paths(second) == ["b"]


def test_rows_with_errors_are_taken_out_to_be_tried_again(address):
    output = Output(address, ABOUT)
    output.write(pa.concat_tables([rows("a"), rows("b", error="Gone.")]))
    output.write(rows("c", error="Gone."))
    assert output.drop_errors() == 2
    assert paths(output) == ["a"]
    output.write(rows("b", "c"))
    assert sorted(paths(output)) == ["a", "b", "c"]


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_full_disk_loses_nothing_that_was_written(tmp_path, monkeypatch):
    output = Output(str(tmp_path), ABOUT)
    output.write(rows("a"))

    def full(place, content):
        with open("/dev/full", "wb", buffering=0) as file:
            file.write(content)

    monkeypatch.setattr(results, "_replace", full)
    with pytest.raises(InputError, match="no room left") as refused:
        output.write(rows("b"))
    assert refused.value.__cause__.errno == errno.ENOSPC
    monkeypatch.undo()
    output.write(rows("b"))
    assert paths(output) == ["a", "b"]


def test_half_a_file_of_a_killed_run_is_no_part(tmp_path):
    output = Output(str(tmp_path), ABOUT)
    output.write(rows("a"))
    (tmp_path / ".part-x.parquet.partial").write_bytes(b"PAR1")
    del output
    assert paths(Output(str(tmp_path), ABOUT)) == ["a"]
    assert not list(tmp_path.glob(".*partial"))


def test_a_damaged_part_is_named(tmp_path):
    output = Output(str(tmp_path), ABOUT)
    output.write(rows("a"))
    (part,) = tmp_path.glob("part-*")
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(InputError, match=rf"{part.name} is damaged.*Delete it"):
        paths(output)


@pytest.mark.parametrize("kind", ["one", "call"])
def test_a_row_says_all_that_the_command_says(identifier, kind):
    """Through Parquet and back, or as a line of JSON."""
    call = wav(stereo(voice("ru", 4), voice("en", 9)[-60000:]))
    recording = audio.read(EXAMPLES / "uzbek.mp3" if kind == "one" else call)
    told = identifier.identify(recording).to_dict(is_damaged(recording))
    told = json.loads(json.dumps(told))
    table = pa.Table.from_pylist([{"path": "a", **told}], schema=SCHEMA)
    assert json.loads(as_line(table.to_pylist()[0])).items() >= told.items()


def test_an_error_is_a_short_line():
    table = pa.Table.from_pylist([{"path": "a", "size": 3, "error": "Empty.", "reason": "empty"}], schema=SCHEMA)
    assert json.loads(as_line(table.to_pylist()[0])) == {"path": "a", "size": 3, "error": "Empty.", "reason": "empty"}


def test_an_address_is_new_once():
    seen = Seen()
    assert seen.add(["a", "b", "a"]) == [True, True, False]
    assert seen.add(["b", "c", "a", "c"]) == [False, True, False, False]
    assert len(seen) == 3
