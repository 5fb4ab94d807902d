"""Evidence that is said while the rest is still looked at: a layer is told as soon as its last look has answered.

Nothing is judged here. The verdict comes after it, and each reply then says what the layer came to. What is quick is
not told early at all: the verdict would overtake it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bot.report.blocks import Said

log = logging.getLogger(__name__)

EARLY = 1.0
"""Seconds after which a look is slow enough to be told of in parts; Slack takes about one message a second anyway."""

Ready = Callable[[], "tuple[str, Said] | None"]
"""The next layer that can be told, by name; None while there is none. A layer that it gave is not given again."""

Say = Callable[[str, Callable[[], Said]], Awaitable[None]]
"""Posts and remembers one reply, by its name; the words are asked for when they are really sent."""


@dataclass(slots=True)
class _Talk:
    news: asyncio.Event = field(default_factory=asyncio.Event)
    sending: bool = False
    over: bool = False
    task: asyncio.Task[None] | None = None


class Early:
    """One for each process; an investigation is talked of between `begin` and `hush`."""

    def __init__(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._talks: dict[str, _Talk] = {}

    def begin(self, investigation: str, ready: Ready, say: Say) -> None:
        self.hush(investigation)
        talk = self._talks[investigation] = _Talk()
        talk.task = asyncio.create_task(self._talk(talk, ready, say))

    def news(self, investigation: str) -> None:
        """Something has answered, or there is a thread to say it in."""
        if (talk := self._talks.get(investigation)) is not None:
            talk.news.set()

    def hush(self, investigation: str) -> asyncio.Task[None] | None:
        """Say nothing more. `settled` waits until what is just being sent is sent."""
        talk = self._talks.pop(investigation, None)
        if talk is None or talk.task is None:
            return None
        talk.over = True
        if not talk.sending:
            talk.task.cancel()
        return talk.task

    async def settled(self, hushed: asyncio.Task[None] | None) -> None:
        if hushed is not None:
            await asyncio.wait({hushed})

    async def _talk(self, talk: _Talk, ready: Ready, say: Say) -> None:
        await self._sleep(EARLY)
        while not talk.over:
            talk.news.clear()
            if (layer := ready()) is None:
                await talk.news.wait()
            else:
                await self._say(talk, *layer, say)

    async def _say(self, talk: _Talk, name: str, said: Said, say: Say) -> None:
        def words() -> Said:
            talk.sending = True
            return said

        try:
            await say(name, words)
        except Exception as why:  # noqa: BLE001 - it is said again with the verdict, and that is when it matters
            log.info("the evidence of %s was not told early: %s", name, why)
        finally:
            talk.sending = False
