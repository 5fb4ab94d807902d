"""The connection that investigations of one minute share, with what they read of one moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from sensors.access.kube import Kube
from sensors.access.live import SharedReads

LIFE_S = 60.0
"""Seconds in which a connection takes on investigations; then a new one finds out anew who we are and where."""


@dataclass(slots=True)
class Line:
    """A connection, who uses it, and since when it is there."""

    kube: Kube
    reads: SharedReads
    stack: AsyncExitStack
    began: float
    users: int = 0


@dataclass(slots=True)
class SharedLine:
    """Of one process. Those who come while it is opened wait for the same opening, and for the same failure.

    A verification, and whatever leads to a write, opens a connection of its own.
    """

    connect: Callable[[], AbstractAsyncContextManager[Kube]]
    clock: Callable[[], float] = time.monotonic
    _line: Line | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def use(self) -> AsyncIterator[tuple[Kube, SharedReads]]:
        """For one investigation. Raises as `connect` does."""
        line = await self._current()
        try:
            yield line.kube, line.reads
        finally:
            line.users -= 1
            if line is not self._line:
                await self._close_unused(line)

    async def close(self) -> None:
        """Ends the sharing; a reader under way is blind."""
        line, self._line = self._line, None
        if line is not None:
            await line.stack.aclose()

    async def _current(self) -> Line:
        async with self._opening:
            if self._line is None or self.clock() - self._line.began > LIFE_S:
                old, self._line = self._line, await self._open()
                if old is not None:
                    await self._close_unused(old)
            self._line.users += 1
            return self._line

    async def _open(self) -> Line:
        stack = AsyncExitStack()
        kube = await stack.enter_async_context(self.connect())
        reads = SharedReads(self.clock)
        stack.push_async_callback(reads.close)
        return Line(kube, reads, stack, self.clock())

    async def _close_unused(self, line: Line) -> None:
        if not line.users:
            await line.stack.aclose()
