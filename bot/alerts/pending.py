"""Alerts that were taken in and are not judged yet, written down where a crash cannot take them.

Whoever sends an alert is told that it was taken in only when it is written. Many are written in one transaction. What a
process that is gone has left is found by the next one, or by another replica, and judged there.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from bot.alerts.plan import Received
from bot.store.pending_alerts import Heard, HeardAlerts
from sensors.kit.attempt import attempt

log = logging.getLogger(__name__)

ALERT_LIFETIME = timedelta(minutes=30)
"""After this long an alert is not taken up any more; its sender repeats what still fires."""

TAKE_OVER_AFTER = timedelta(minutes=2)
"""Younger than this, it may be under way in another replica."""

GATHER_S = 0.05
"""Seconds between two transactions at least: what comes in between is written by the next. The first waits for none."""

MOST_LOST = 5000


class KeptAlerts:
    """`alone`: no other process works on this database, so what is not ours is nobody's."""

    def __init__(self, heard: HeardAlerts, now: Callable[[], datetime], *, alone: bool) -> None:
        self._heard, self._now, self._alone = heard, now, alone
        self._owner = uuid.uuid4().hex

    async def keep(self, received: Sequence[Received]) -> frozenset[str]:
        """Write them down; the keys (`row`) of those that no replica has written before."""
        rows = {each.row: msgspec.to_builtins(each) for each in received}
        now = self._now()
        return await self._heard.keep(rows, self._owner, now, now - ALERT_LIFETIME)

    async def done(self, keys: Sequence[str]) -> None:
        """Those with these keys (`row`) were judged, and said: nothing is left to carry on."""
        await self._heard.done(keys)

    async def lost(self) -> list[Received]:
        """Those whose process is gone; each is given to one caller, in any replica."""
        rows = await self._heard.left(self._now() - ALERT_LIFETIME, MOST_LOST)
        return [taken for each in rows if (taken := await self._take(each)) is not None]

    async def _take(self, row: Heard) -> Received | None:
        is_old = self._now() - row.heard_at > TAKE_OVER_AFTER
        if row.owner == self._owner or not (self._alone or is_old):
            return None
        if not await self._heard.take(row.key, row.owner, self._owner):
            return None
        try:
            return msgspec.convert(row.content, Received)
        except msgspec.ValidationError:
            log.warning("an alert that another version took in cannot be read: it is judged when it is sent again")
            await self._heard.done([row.key])
            return None


HandOver = Callable[[Sequence[Received]], None]


class Keeper:
    """Writes alerts down as they come, many at once, and tells of each batch.

    `ready` has those that are ours, `elsewhere` those that another process has or had, `failed` those that are lost.
    """

    def __init__(
        self,
        kept: KeptAlerts,
        ready: HandOver,
        elsewhere: HandOver,
        failed: HandOver,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kept, self._sleep, self._clock = kept, sleep, clock
        self._next = clock()
        self._ready, self._elsewhere, self._failed = ready, elsewhere, failed
        self._coming: list[Received] = []
        self._written: asyncio.Future[bool] | None = None
        self._task: asyncio.Task[None] | None = None

    def add(self, received: Received) -> None:
        """Never waits."""
        self._coming.append(received)
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._work())

    async def written(self) -> bool:
        """Waits until everything that was added is written; False where it could not be."""
        return True if self._written is None else await asyncio.shield(self._written)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _work(self) -> None:
        try:
            while self._coming and self._written is not None:
                if (pause := self._next - self._clock()) > 0:
                    await self._sleep(pause)
                self._next = self._clock() + GATHER_S
                batch, self._coming, written = self._coming, [], self._written
                self._written = None
                await self._write(batch, written)
        finally:
            self._task = None

    async def _write(self, batch: list[Received], written: asyncio.Future[bool]) -> None:
        new = await attempt(self._kept.keep(batch))
        is_safe = not isinstance(new, BaseException)
        if isinstance(new, BaseException):
            log.error("%d alerts could not be written down: %s", len(batch), type(new).__name__)
            self._failed(batch)
        else:
            self._ready([each for each in batch if each.row in new])
            self._elsewhere([each for each in batch if each.row not in new])
        written.set_result(is_safe)
