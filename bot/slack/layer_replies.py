"""Evidence that is said while the rest is still looked at: a layer is told as soon as its last look has answered.

Nothing is judged here. The verdict comes after it, and each reply then says what the layer came to. What is quick is
not told early at all: the verdict would overtake it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from bot.report.blocks import Said
from sensors.kit.attempt import attempt

log = logging.getLogger(__name__)

EARLY = 1.0
"""Seconds after which a look is slow enough to be told of in parts; Slack takes about one message a second anyway."""

Ready = Callable[[], "tuple[str, Said] | None"]
"""The next layer that can be told, by name; None while there is none. A layer that it gave is not given again."""

Say = Callable[[str, Callable[[], Said]], Awaitable[object]]
"""Posts and remembers one reply, by its name; the words are asked for when they are really sent."""


class EarlyReplies:
    """Those of one investigation, from its begin until `stop`."""

    def __init__(self, ready: Ready, say: Say, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._ready, self._say, self._sleep = ready, say, sleep
        self._news = asyncio.Event()
        self._sending = self._over = False
        self._task = asyncio.create_task(self._talk())

    def news(self) -> None:
        """Something has answered, or there is a thread to say it in."""
        self._news.set()

    def stop(self) -> None:
        """Say nothing more. `settled` waits until what is just being sent is sent."""
        self._over = True
        if not self._sending:
            self._task.cancel()

    async def settled(self) -> None:
        await asyncio.wait({self._task})

    async def _talk(self) -> None:
        await self._sleep(EARLY)
        while not self._over:
            self._news.clear()
            if (layer := self._ready()) is None:
                await self._news.wait()
            else:
                await self._one(*layer)

    async def _one(self, name: str, said: Said) -> None:
        def words() -> Said:
            self._sending = True
            return said

        why = await attempt(self._say(name, words))
        self._sending = False
        if isinstance(why, BaseException):  # it is said again with the verdict, and that is when it matters
            log.info("the evidence of %s was not told early: %s", name, why)
