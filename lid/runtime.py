"""ONNX Runtime as this package uses it: how graphs are loaded, checked and shared between cores."""

import contextlib
import ctypes
import json
import os
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import onnxruntime

from lid.errors import InputError

GRAPHS = Path(__file__).parent / "graphs"  # of the package: what belongs to no checkpoint
FORMAT = 1  # of the graphs that this version runs; lid/model/graphs writes it into each
M_ARENA_MAX = -8  # in glibc's malloc.h
TRIM_SECONDS = 30.0
QUIET = 3  # ONNX Runtime's log level for errors
# Whoever computes next to us: a thread that waits gives its core away at once instead of spinning, and work is dealt
# out in small pieces, so that a thread whose core another program has leaves the rest to the others.
SETTINGS = {"session.intra_op.allow_spinning": "0", "session.dynamic_block_base": "4"}
# A graph can say that its numbers are in other files. It would find them where this process was started; here it finds
# none.
SETTINGS["session.model_external_initializers_file_folder_path"] = str(GRAPHS)
_threads: int | None = None


def session(graph: Path | bytes, kind: str, threads: int | None = None) -> tuple[onnxruntime.InferenceSession, dict]:
    """A graph of `kind` ready to run, with its metadata. `threads` to compute with: all cores of this process by
    default.

    Raises InputError when there is none, it is damaged, of another kind, or of a version that this one does not run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or cores()
    options.log_severity_level = QUIET
    # They would keep what the longest window needed, and as much again for its plan: 80 MB, and no time is saved.
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    for name, value in SETTINGS.items():
        options.add_session_config_entry(name, value)
    place = "the graph" if isinstance(graph, bytes) else str(graph)
    try:
        opened = onnxruntime.InferenceSession(
            graph if isinstance(graph, bytes) else graph.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        about = {key: json.loads(value) for key, value in opened.get_modelmeta().custom_metadata_map.items()}
    except Exception as error:  # what it raises is documented nowhere, and differs
        raise InputError(f"{place} is no graph that can be run. Copy it again. ({_short(error)})", "model") from error
    if about.get("graph") != kind:
        raise InputError(f"{place} is not the graph it should be: {about.get('graph')} in place of {kind}.", "model")
    if about.get("format") != FORMAT:
        raise InputError(
            f"{place} is a graph of format {about.get('format')}; this version of lid runs format {FORMAT}. Make it "
            "again with `lid export`, or use the version it was made with.",
            "model",
        )
    return opened, about


def use_threads(count: int) -> None:
    """Have graphs that are loaded from now on compute with so many threads. For whoever owns the process."""
    global _threads
    _threads = count


def spare_memory() -> None:
    """For a process that runs long, at its start: have the C library keep two heaps, not eight for each core, and give
    what is free in them back to the system every TRIM_SECONDS. What a thread has freed in one heap, threads of another
    cannot use; the megabytes of an attack would stay, once for each heap. See M_ARENA_MAX in mallopt(3), and
    malloc_trim(3). Where the library is not glibc nothing changes."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(M_ARENA_MAX, 2)
        threading.Thread(target=_give_back, args=(library.malloc_trim,), name="memory", daemon=True).start()


def _give_back(trim: Callable[[int], int]) -> None:
    while True:
        time.sleep(TRIM_SECONDS)
        trim(0)


def cores() -> int:
    """How many cores this process may use."""
    if _threads:
        return _threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(opened: onnxruntime.InferenceSession, outputs: list[str], inputs: dict[str, Any]) -> list:
    """These outputs, and nothing that they do not need."""
    return opened.run(outputs, inputs, _only_what_is_asked())


@cache
def _only_what_is_asked() -> onnxruntime.RunOptions:
    options = onnxruntime.RunOptions()
    options.only_execute_path_to_fetches = True
    return options


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
