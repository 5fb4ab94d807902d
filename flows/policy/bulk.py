"""Pauses of Python's garbage collector while many objects are made that all stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pauses the collector, which would walk all that was made so far again and again and free nothing: half of the
    time of indexing a large cluster. Whoever found it running sets it going again, also when several overlap."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
