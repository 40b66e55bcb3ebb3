"""What the C library does with memory that was freed."""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # glibc's malloc.h
LARGE = 16 << 20  # bytes; an encoder's arrays over a window of 10 s are smaller, an hour's waveform is not
KEPT = 128 << 20  # bytes kept of what was freed, in each arena
ARENAS = 2


def keep_freed() -> None:
    """Have this process keep some of the memory it frees, where the C library is glibc; elsewhere nothing changes.

    By default glibc hands arrays of megabytes back to the system at once and asks for them anew in the next layer,
    page by page: a third of an answer's time. The arenas are limited because each thread's would keep its own.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(TRIM_THRESHOLD, KEPT)
        mallopt(MMAP_THRESHOLD, LARGE)
        mallopt(ARENA_MAX, ARENAS)
