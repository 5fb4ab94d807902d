"""Sets up Python itself for a process that serves: the switching of threads, and the search for garbage."""

from __future__ import annotations

import ctypes
import gc
import sys

SWITCH_S = 0.0005
"""Seconds that a thread which judges may keep the loop waiting; the usual 5 ms, at each step of each request,
add up to a queue while alerts storm in."""

M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8
MAX_ARENAS = 2
TRIM_BYTES = 64 * 1024


def save_memory() -> None:
    """To be called before there are threads. Two heaps for all of them, given back where free: glibc's usual eight for
    each processor stay as large as the largest list that each has ever read. Elsewhere nothing changes."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_ARENA_MAX, MAX_ARENAS)
    mallopt(M_TRIM_THRESHOLD, TRIM_BYTES)


def serve_quickly() -> None:
    """To be called when everything is loaded: that stays, and is not looked through again, a sixth of a second long."""
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()
