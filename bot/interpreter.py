"""Sets up Python itself: the switching of threads, and the search for garbage."""

from __future__ import annotations

import gc
import sys

SWITCH_S = 0.0005
"""Seconds that a thread which judges may keep the loop waiting; the usual 5 ms, at each step of each request,
add up to a queue while alerts storm in."""


def give_back_memory() -> None:
    """Return what is free to the system, where the allocator is glibc's; some milliseconds, for when all is quiet."""
    import ctypes

    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return


def collect_seldom() -> None:
    """Look for cycles after so many new objects, in every process of ours.

    The usual 700 are two objects of Kubernetes: of the time in which lists are decoded, two thirds went to garbage that
    there is none of. 20,000 are about 2 MB.
    """
    gc.set_threshold(20_000, 10, 20)


def serve_quickly() -> None:
    """To be called when everything is loaded: that stays, and is not looked through again, a sixth of a second long."""
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()
