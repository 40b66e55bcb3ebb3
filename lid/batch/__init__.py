"""The command `lid batch`: the languages of many recordings, on as many processes and machines as there are.

    lid batch s3://calls/2026/ --output s3://answers/2026/    # a folder, here or anywhere that fsspec reads
    lid batch calls/*.wav list.txt manifest.parquet --output answers/

Rows go to Parquet files, one row a recording. The same command again goes on where it was stopped or killed, and takes
in recordings that are new. lid/batch/listing.py finds the recordings, lid/batch/engine.py gives them to Ray Data,
lid/batch/worker.py answers them, some of them together (lid/batch/sharing.py), and lid/batch/results.py keeps the rows.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from lid import __version__
from lid.errors import InputError, command

if TYPE_CHECKING:
    import pyarrow as pa

    from lid.batch.listing import Found
    from lid.batch.results import Output, Seen
    from lid.batch.summary import Summary
    from lid.batch.worker import Task

NEEDED = (
    "lid batch needs the package {name}: pip install 'lid-uz-ru-en[batch]'. For some hundred files the small way needs "
    "no more than is there: lid FILE..."
)
MOST_HOURS = 4.0  # of a recording
MOST_BYTES = 8 * 1024**3  # of a file
PART_ROWS = 5_000  # rows in a file of the output,
PART_SECONDS = 30.0  # or what comes in so many seconds: it is lost when this process is killed, and answered again
IN_A_ROW = 200  # recordings that cannot be reached: then it is not for them


@command("lid batch")
def main(arguments: list[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what Ray warns of is not for whoever gives the command
    try:
        import fsspec  # noqa: F401
        import psutil  # noqa: F401
        import pyarrow  # noqa: F401
        import ray.data  # noqa: F401
        import tqdm  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(NEEDED.format(name=error.name), "missing") from error
    _run(options)


def _run(options: argparse.Namespace) -> None:
    from lid.batch import engine
    from lid.batch.results import Output
    from lid.batch.summary import Summary

    began = time.monotonic()
    task = _task(options)
    about = {"model": task.name, "checksum": task.checksum, "version": __version__}
    output = Output(options.output, about, ".jsonl" if options.jsonl else ".parquet")
    if options.retry_errors:
        print(f"{output.drop_errors():,} recordings with errors are tried again.", file=sys.stderr)
    seen, everything = _done(output)
    before, run = everything.recordings, Summary()
    rounds = _rounds(_new(options, seen, output.address), engine.ROUND)
    first = next(rounds, [])
    if not len(seen):
        raise InputError(f"There are no recordings at {' '.join(options.inputs)}.", "empty")
    workers = 0
    if first:
        task = replace(task, threads=options.threads or _threads(first))
        with engine.connected(options.address, options.workers, task.device != "cpu") as workers:
            _answer(chain([first], rounds), task, workers, output, (run, everything), options.quiet)
    lasted = {"seconds": round(time.monotonic() - began, 1), "workers": workers, "answered_before": before}
    told = {"this_run": run.to_dict() | lasted, "all": everything.to_dict()}
    output.write_summary(told)
    print(
        json.dumps(told, indent=2) if options.json else f"{everything.in_words()}\n{before:,} of them were there before"
    )


def _answer(
    rounds: Iterable[list["Found"]],
    task: "Task",
    workers: int,
    output: "Output",
    counts: Sequence["Summary"],
    quiet: bool,
) -> None:
    """Answer them all. Where that ends early, the rows that are there are written."""
    from lid.batch import engine
    from lid.batch.summary import Progress

    progress, writer, keepers = Progress(sys.stderr, quiet), _Writer(output), engine.keepers()
    try:
        for found in rounds:
            progress.expect(len(found))
            for rows in engine.answered(found, task, workers, keepers):
                writer.add(rows)
                for count in counts:
                    count.add(rows)
                progress.show(len(rows), counts[0])
    except KeyboardInterrupt as error:
        raise InputError("Stopped. The same command goes on from here.", "stopped") from error
    finally:
        writer.flush()
        progress.close()


def _task(options: argparse.Namespace) -> "Task":
    from lid.audio import Limits
    from lid.batch.worker import Task
    from lid.identify import EMBEDDED_MODEL, LanguageIdentifier

    source = str(options.model or EMBEDDED_MODEL)
    name = LanguageIdentifier.load(source).name  # whether it is one that can be used
    limits = Limits(max_bytes=MOST_BYTES, max_seconds=options.max_hours * 3600)
    return Task(source, name, _checksum(source), options.device, limits)


def _threads(found: Iterable["Found"]) -> int:
    """How many read ahead. On this machine a recording is decoded long before the one in front of it is answered:
    another would only wait, and hold memory."""
    from lid.batch.listing import is_remote

    return 2 if any(is_remote(one.path) for one in found) else 1


def _checksum(model: str) -> str:
    from lid.identify import folder_of
    from lid.model import checksums

    return checksums.of(folder_of(model))


def _done(output: "Output") -> tuple["Seen", "Summary"]:
    """The recordings whose rows are there, and their counts."""
    from lid.batch.results import COUNTED, Seen
    from lid.batch.summary import Summary

    seen, counts = Seen(), Summary()
    for _, rows in output.tables(COUNTED):
        seen.add(rows["path"].to_pylist())
        counts.add(rows)
    return seen, counts


def _new(options: argparse.Namespace, seen: "Seen", output: str) -> Iterator["Found"]:
    """The recordings that have no row yet, each once. What lies in the output's folder is none."""
    from lid.batch.listing import is_remote, recordings
    from lid.batch.worker import display

    own = (output if is_remote(output) else os.path.abspath(output)) + "/"
    for source in options.inputs:
        for found in _rounds(recordings(source, options.column), 10_000):
            new = seen.add([display(os.fsencode(one.path)) for one in found])
            fresh = (one for one, is_new in zip(found, new, strict=True) if is_new)
            yield from (one for one in fresh if not one.path.startswith(own))


def _rounds(found: Iterator["Found"], size: int) -> Iterator[list["Found"]]:
    found = iter(found)
    while some := list(islice(found, size)):
        yield some


class _Writer:
    """Collects rows until they make a file."""

    def __init__(self, output: "Output"):
        self._output = output
        self._tables: list[pa.Table] = []
        self._began = 0.0  # when the first of these came
        self._unreachable = 0

    def add(self, rows: "pa.Table") -> None:
        """Raises InputError where a file cannot be written, and where no recording can be reached any more."""
        for reason in rows["reason"].to_pylist():
            self._unreachable = self._unreachable + 1 if reason == "unreachable" else 0
        if self._unreachable >= IN_A_ROW:
            self._tables = []
            raise InputError(
                f"{IN_A_ROW} recordings one after another cannot be reached; the last says: {rows['error'][-1]} When "
                "that is mended, the same command goes on.",
                "unreachable",
            )
        if not self._tables:
            self._began = time.monotonic()
        self._tables.append(rows)
        if sum(map(len, self._tables)) >= PART_ROWS or time.monotonic() - self._began >= PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what there is."""
        import pyarrow as pa

        tables, self._tables = self._tables, []
        if tables:
            self._output.write(pa.concat_tables(tables))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lid batch",
        description="Tell the language of many recordings, on all processors of this machine or of a Ray cluster.",
        epilog="The same command again goes on where it was stopped, and takes in recordings that are new.",
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="a folder, a glob, a recording, a list of addresses (.txt), or a table with a column of them (.parquet, "
        ".jsonl, .csv, .tsv), here or at s3://, gs://, hf://",
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="where the rows go, here or at such an address")
    parser.add_argument("--jsonl", action="store_true", help="rows as lines of JSON in place of Parquet")
    parser.add_argument("--column", default="path", help="the column of addresses in a table (default: path)")
    parser.add_argument("--model", help="a folder that all machines see, or a Hub id; the embedded model by default")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda: a worker for each GPU (default: cpu)")
    parser.add_argument("--workers", type=int, help="processes that answer (default: one for each core, or GPU)")
    parser.add_argument(
        "--threads",
        type=int,
        help="that read files in each worker (default: 1, or 2 from another machine; give more for a GPU)",
    )
    parser.add_argument("--address", help="of a Ray cluster to run on; auto: the one that this machine is part of")
    parser.add_argument("--retry-errors", action="store_true", help="try again the recordings whose rows have an error")
    parser.add_argument(
        "--max-hours", type=float, default=MOST_HOURS, help="longer recordings are an error (default: 4)"
    )
    parser.add_argument("--json", action="store_true", help="the summary at the end as JSON")
    parser.add_argument("--quiet", action="store_true", help="no bar")
    return parser
