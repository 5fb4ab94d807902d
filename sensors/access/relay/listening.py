"""Listens to what happens now for as long as the look itself makes things happen, and at most for a fixed time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from sensors.hubble.question import EnoughFlows


@contextmanager
def listening(patience: asyncio.Timeout, at_most: float, echo: float, enough: EnoughFlows | None) -> Iterator[None]:
    """Lets `patience` end after `at_most` seconds, or `echo` seconds after `enough` was set, whichever comes first."""
    loop = asyncio.get_running_loop()
    patience.reschedule(loop.time() + at_most)
    task = loop.create_task(_shorten(patience, echo, enough)) if enough is not None else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()


async def _shorten(patience: asyncio.Timeout, echo: float, enough: EnoughFlows) -> None:
    await enough.wait()
    ends, now = patience.when(), asyncio.get_running_loop().time()
    if ends is not None and now + echo < ends:
        patience.reschedule(now + echo)
