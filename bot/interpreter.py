"""Sets up Python itself for a process that serves: the switching of threads, and the search for garbage."""

from __future__ import annotations

import ctypes
import gc
import sys

SWITCH_S = 0.0005
"""Seconds that a thread which judges may keep the loop waiting; the usual 5 ms, at each step of each request,
add up to a queue while alerts storm in."""


def give_back_memory() -> None:
    """Return what is free to the system, where the allocator is glibc's; some milliseconds, for when all is quiet."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return


def serve_quickly() -> None:
    """To be called when everything is loaded: that stays, and is not looked through again, a sixth of a second long."""
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()
