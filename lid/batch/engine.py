"""Ray Data under `lid batch`: batches of recordings go out to worker processes, tables of rows come back."""

import contextlib
import logging
import math
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import RayError

from lid import runtime
from lid.batch.listing import Found
from lid.batch.sharing import Shelf
from lid.batch.worker import Task, Tries, Worker
from lid.errors import InputError

LOCAL = "127.0.0.1"  # without it Ray looks for a network, and waits where there is none
STARTS = 3  # of Ray on this machine: it gives its own processes half a minute, which may be too little
CONNECT_SECONDS = 10.0
STORE_BYTES = 256 * 1024**2  # of Ray's object store on this machine: addresses and rows go through it, and no sound
ROUND = 1_000_000  # recordings that are listed, and in Ray's hands, at once
MOST_IN_BATCH = 256  # recordings
MOST_BYTES = 32 * 1024**2  # of files in a batch: a long recording is one of its own
SHARES = 16  # batches for each worker at least, so that all end at nearly the same time
SHARED_BYTES = 8 * 1024**2  # of a file that several workers may hear together
UNKNOWN_BYTES = 1024**2  # a file's size where nobody said it


@contextlib.contextmanager
def connected(address: str | None, workers: int | None, on_gpu: bool) -> Iterator[int]:
    """Ray, on this machine or at the address of a running cluster; how many workers there are to be. Raises InputError
    where there is no cluster, or no GPU in it."""
    folder = None if address else tempfile.mkdtemp(prefix="lid-")
    try:
        if folder is None:
            _knock(str(address))
            _start(address, 1)
        else:
            local = {
                "num_cpus": max(workers or 0, runtime.cores()) + 1,
                "object_store_memory": STORE_BYTES,
                "include_dashboard": False,
                "_node_ip_address": LOCAL,
                "_temp_dir": folder,
            }
            _start("local", STARTS, **local)
        there = int(ray.cluster_resources().get("GPU" if on_gpu else "CPU", 0))
        if on_gpu and not there:
            raise InputError("Ray finds no GPU. Leave --device out, or look at `nvidia-smi`.", "device")
        with contextlib.redirect_stdout(sys.stderr), _polite_end():  # Ray tells of lost workers on stdout
            yield workers or (there if address or on_gpu else runtime.cores())
    finally:
        ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _polite_end() -> Iterator[None]:
    """SIGTERM is a KeyboardInterrupt as Ctrl-C is: rows are written before the end."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _knock(address: str) -> None:
    """Ray itself would wait for a quarter of an hour where nobody answers. Raises InputError."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        return  # "auto", which Ray finds out at once
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise InputError(f"Ray has no cluster at {address}: {error}", "ray") from error


def _start(address: str | None, attempts: int, **options: Any) -> None:
    for left in reversed(range(attempts)):
        try:
            ray.init(address, logging_level=logging.ERROR, log_to_driver=False, **options)
            return
        except Exception as error:  # what it raises is documented nowhere, and differs
            if not left:
                raise InputError(
                    f"Ray does not start, or has no cluster at {address}: {_short(error)}", "ray"
                ) from error
            ray.shutdown()


def keepers() -> tuple[Any, Any]:
    """On this machine, for all workers: the account of what was begun, and the shelf of what was heard."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    tries, shelf = (ray.remote(one).options(num_cpus=0, scheduling_strategy=here) for one in (Tries, Shelf))
    return tries.remote(), shelf.remote()


def answered(found: list[Found], task: Task, workers: int, keepers: tuple[Any, Any]) -> Iterator[pa.Table]:
    """The rows of these recordings, as they come. `keepers` are those that `keepers()` makes. Raises InputError where
    workers cannot begin."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    batches = [_table(batch) for batch in divided(found, workers, task.device == "cpu")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = ray.data.from_arrow(batches).map_batches(
            Worker,
            fn_constructor_args=(task, *keepers),
            batch_size=None,  # a table is a batch
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=min(workers, len(batches))),
            num_cpus=1,
            num_gpus=1 if task.device != "cpu" else None,
        )
        try:
            yield from data.iter_batches(batch_size=None, batch_format="pyarrow")
        except RayError as error:
            raise InputError(f"The workers stopped: {_cause(error)}", "ray") from error


class Batch(NamedTuple):
    """Recordings for one worker; or one recording, of which it hears part `part`, from 0, `of` how many."""

    found: list[Found]
    part: int = 0
    of: int = 1


def divided(found: list[Found], workers: int, may_share: bool = True) -> Iterator[Batch]:
    """Batches of about equal work, the longest recordings first: so that none of these is what all wait for at last. A
    recording that is more than half of what each worker has to do is shared among several, if it may be."""
    sizes = {one.path: one.size or UNKNOWN_BYTES for one in found}
    whole = sum(sizes.values())
    most_bytes = min(MOST_BYTES, whole / (workers * SHARES))
    most = min(MOST_IN_BATCH, -(-len(found) // (workers * SHARES)))
    most_alone = max(SHARED_BYTES, whole / workers / 2) if may_share else math.inf
    batch: list[Found] = []
    held = 0
    for one in sorted(found, key=lambda one: sizes[one.path], reverse=True):
        size = sizes[one.path]
        if (of := min(workers, math.ceil(size / most_alone))) > 1:
            yield from (Batch([one], part, of) for part in range(of))
            continue
        if batch and (len(batch) == most or held + size > most_bytes):
            yield Batch(batch)
            batch, held = [], 0
        batch.append(one)
        held += size
    if batch:
        yield Batch(batch)


def _table(batch: Batch) -> pa.Table:
    count = len(batch.found)
    return pa.table(
        {
            "path": pa.array([os.fsencode(one.path) for one in batch.found], pa.binary()),
            "size": pa.array([one.size for one in batch.found], pa.int64()),
            "part": pa.array([batch.part] * count, pa.int64()),
            "of": pa.array([batch.of] * count, pa.int64()),
        }
    )


def _cause(error: BaseException) -> str:
    """The sentence of the InputError that a worker raised, if it was one: Ray has it in the text of its own error."""
    found = re.search(r"InputError: (.+)", str(error))
    return found[1] if found else _short(error)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[-400:]
