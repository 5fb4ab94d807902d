"""Answers a health probe: whether the process lives, and whether it can be asked anything."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from aiohttp import web

from bot.store.store import Store
from bot.web.server import HttpRoute
from sensors.kit.attempt import attempt

log = logging.getLogger(__name__)

DATABASE_TIMEOUT_S = 5.0
"""How long the store may take to answer a readiness probe."""


HANDOVER_S = 3.0
"""Seconds for which a pod that ends still answers: so long it takes a cluster to send nobody there."""


class SlackLine(Protocol):
    """A line to Slack."""

    @property
    def is_up(self) -> bool: ...


@dataclass(slots=True)
class Health:
    """`socket` is None in HTTP mode, where Slack comes to us; `is_called`: there, and where webhooks do."""

    store: Store
    socket: SlackLine | None = None
    is_called: bool = False
    stopping: bool = False
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def routes(self) -> tuple[HttpRoute, ...]:
        return HttpRoute("GET", "/healthz", self.live), HttpRoute("GET", "/readyz", self.ready)

    def has_a_line(self) -> bool:
        """Checks whether Slack and we can talk; in HTTP mode it is Slack who comes."""
        return not self.stopping and (self.socket is None or self.socket.is_up)

    async def hand_over(self, hurry: asyncio.Event) -> None:
        """Not ready any more; who calls is answered until others are called instead, or it is told to hurry."""
        self.stopping = True
        hurry.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(HANDOVER_S if self.is_called else 0):
                await hurry.wait()

    async def live(self, request: web.Request) -> web.StreamResponse:
        """The loop turns: that is all. A restart mends neither Slack nor a database."""
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.StreamResponse:
        wrong = await self.wrong()
        return web.json_response({"status": wrong or "ready"}, status=503 if wrong else 200)

    async def wrong(self) -> str:
        """The reason why nothing can be asked just now; empty when it can."""
        if self.stopping:
            return "stopping"
        if self.socket is not None and not self.socket.is_up:
            return "not connected to Slack"
        why = await attempt(self._ask_database())
        if isinstance(why, TimeoutError):
            return "the database does not answer"
        if isinstance(why, BaseException):
            log.error("the database cannot be used", exc_info=why)
            return "the database cannot be used"
        return ""

    async def _ask_database(self) -> None:
        async with asyncio.timeout(DATABASE_TIMEOUT_S):
            await self.store.investigations.live()
