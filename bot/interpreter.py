"""Sets up Python itself: the switching of threads, the search for garbage, and memory."""

from __future__ import annotations

import gc
import sys

SWITCH_S = 0.0005
"""Seconds that a thread which judges may keep the loop waiting; the usual 5 ms, at each step of each request,
add up to a queue while alerts storm in."""

M_ARENA_MAX = -8
"""The number of heaps, as `mallopt` of glibc counts its parameters."""


def use_one_heap() -> None:
    """To be called before there are threads. glibc gives each a heap of its own, and what is free in one is of no use
    to the others: megabytes, for threads of which one runs at a time."""
    _ask_glibc("mallopt", M_ARENA_MAX, 1)


def give_back_memory() -> None:
    """Return what is not used any more to the system; some milliseconds, for when all is quiet."""
    gc.collect()
    _ask_glibc("malloc_trim", 0)


def collect_seldom() -> None:
    """Look for cycles among the newest 2,000 objects (0.2 MB), and seldom among all: in every process of ours.

    The usual 700, 10 and 10 look through each list of Kubernetes again and again while it is decoded: two thirds of
    that time went to garbage that there is none of. 20,000 at once are slower than 2,000 by a fifth: they leave the
    processor's cache, and two megabytes of garbage are about all the time.
    """
    gc.set_threshold(2_000, 50, 40)


def serve_quickly() -> None:
    """To be called when everything is loaded: that stays, and is not looked through again, a sixth of a second long."""
    sys.setswitchinterval(SWITCH_S)
    keep_loaded()


def keep_loaded() -> None:
    """Put all that is there aside: it stays, and is not looked through again."""
    gc.collect()  # or the rubbish of loading stays, too
    gc.freeze()


def _ask_glibc(function: str, *numbers: int) -> None:
    """Nothing happens where the allocator is another one."""
    import ctypes

    try:
        getattr(ctypes.CDLL(None), function)(*numbers)
    except (OSError, AttributeError):
        return
