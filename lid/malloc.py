"""How the C library's allocator (glibc's malloc) treats freed memory.

The setting holds for the whole process, so only what owns the process makes it: app.py and the command line. Importing
this package, or loading a model, never does.
"""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # glibc's malloc.h
LARGE = 16 << 20  # bytes; an encoder's arrays over a window of 10 s are smaller, an hour's waveform is not
KEPT = 128 << 20  # bytes kept of what was freed, in each arena
ARENAS = 2


def keep_freed() -> None:
    """Have this process keep some of the memory it frees, where the C library is glibc; elsewhere nothing changes.

    By default glibc returns arrays of megabytes to the system at once and asks for them again in the next layer, page
    by page. That takes a third of an answer's time. The number of arenas is limited because each of them keeps its own
    memory. Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(TRIM_THRESHOLD, KEPT)
        mallopt(MMAP_THRESHOLD, LARGE)
        mallopt(ARENA_MAX, ARENAS)
