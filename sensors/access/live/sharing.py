"""Reads that investigations of one moment share: what is being read is joined, what was begun just now is good enough.

Only investigations are given it. What is read for a write or for its verification goes to the cluster itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

from sensors.access.live.probing import looked_at, outcome
from sensors.kit.model import Absent

Value = TypeVar("Value")

SHARED_S = 2.0
"""Seconds after a read was begun in which what it brought is given to others, too."""


class SharedReads:
    """Of one process and one connection. That there is nothing is an answer, too. A failure is not kept: those who
    waited for it know, others ask anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, shared_s: float = SHARED_S) -> None:
        self._clock, self._shared_s = clock, shared_s
        self._reads: dict[Hashable, tuple[float, asyncio.Task[Any]]] = {}

    async def read(self, key: Hashable, begin: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """Value under that key, read at most `shared_s` ago; one who gives up does not end it for the others."""
        self._forget_old()
        if key not in self._reads:
            task = asyncio.create_task(begin())
            task.add_done_callback(looked_at)
            task.add_done_callback(lambda done: self._done(key, done))
            self._reads[key] = (self._clock(), task)
        return await outcome(self._reads[key][1])

    async def close(self) -> None:
        """End the reads under way. Whoever still waits for one is blind."""
        tasks = [task for _, task in self._reads.values()]
        self._reads.clear()
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._reads)

    def _done(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        """Lists are megabytes: they go when they are too old for anybody, whether somebody asks again or not."""
        began, known = self._reads.get(key, (0.0, None))
        if known is not task:
            return
        left = began + self._shared_s - self._clock()
        failed = task.cancelled() or not isinstance(task.exception(), Absent | None)
        if failed or left <= 0:
            del self._reads[key]
        else:
            asyncio.get_running_loop().call_later(left, self._forget_old)

    def _forget_old(self) -> None:
        """Forgets old values; what is still being read stays, however long that takes."""
        oldest = self._clock() - self._shared_s
        for key in [each for each, (began, task) in self._reads.items() if task.done() and began <= oldest]:
            del self._reads[key]
