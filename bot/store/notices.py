"""Tells the other replicas on a Postgres that there is work, and hears of theirs: LISTEN and NOTIFY.

A notification may be lost, with its connection or with the process that should have sent it: who is told must look by
itself once in a while. Behind PgBouncer in transaction mode nothing is ever heard, although LISTEN succeeds: so each
check sends a word over another connection, and only who hears it is `listening`.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from bot.store.database import is_sqlite, parse
from sensors.kit.attempt import attempt, attempt_logged

log = logging.getLogger(__name__)

CHANNEL = "kai_work"
CHECK_S = 30.0
"""Seconds between two checks that what is sent is heard."""
HEARD_S = 5.0
"""Seconds in which a word that was sent must be heard."""
RETRY_S, DEAF_RETRY_S = 1.0, 60.0
"""Seconds until the next try after a connection was lost, and where nothing was heard at all."""
GATHER_S = 0.02
"""Seconds in which words of one moment are gathered into one."""

DEAF = (
    "the database sends no notifications over this connection (PgBouncer in transaction mode?): "
    "KAI looks for work several times a second instead; connect to Postgres itself, or use session mode"
)


class Notices:
    """One replica's side. `heard`: there may be work, since another says so, or nobody listened for a while."""

    def __init__(self, listener: AsyncEngine, sender: AsyncEngine, heard: Callable[[], None]) -> None:
        self._listener, self._sender, self._heard = listener, sender, heard
        self._me = uuid.uuid4().hex
        self._listening: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None
        self._more = False
        self.is_listening = False

    def open(self) -> None:
        self._listening = asyncio.create_task(self._keep_listening())

    async def close(self) -> None:
        for task in filter(None, (self._listening, self._telling)):
            task.cancel()
            await asyncio.wait([task])
        self.is_listening = False
        await self._listener.dispose()
        await self._sender.dispose()

    def tell(self) -> None:
        """There is work: soon said to all others, once for all that is told in one moment."""
        self._more = True
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        while self._more:
            await asyncio.sleep(GATHER_S)
            self._more = False
            await attempt_logged(self._send(self._me), log, "the other replicas were not told of work; they look later")

    async def _send(self, word: str) -> None:
        async with self._sender.connect() as connection:
            await connection.execute(text("SELECT pg_notify(:channel, :word)"), {"channel": CHANNEL, "word": word})

    async def _keep_listening(self) -> None:
        while True:
            ended = await attempt(self._listen())
            was_listening, self.is_listening = self.is_listening, False
            self._heard()
            if isinstance(ended, Exception):
                log.warning("notifications of the database are not heard (%s); trying again", ended)
            elif not was_listening:
                log.warning(DEAF)
            await asyncio.sleep(RETRY_S if was_listening or isinstance(ended, Exception) else DEAF_RETRY_S)

    async def _listen(self) -> None:
        """Until a check is not heard. Raises what the database's driver does when the connection is lost."""
        async with self._listener.connect() as connection:
            await self._subscribe(connection)
            raw = (await connection.get_raw_connection()).driver_connection
            while await self._is_heard(raw):
                if not self.is_listening:
                    self.is_listening = True
                    self._heard()  # whatever was told before
                await self._hear(raw, CHECK_S)

    async def _subscribe(self, connection: Any) -> None:
        await connection.execute(text(f"LISTEN {CHANNEL}"))

    async def _is_heard(self, raw: Any) -> bool:
        """Sends a word over the other connection, and waits for it on this one."""
        word = uuid.uuid4().hex
        await self._send(f"check {word}")
        return await self._hear(raw, HEARD_S, f"check {word}")

    async def _hear(self, raw: Any, seconds: float, until: str = "") -> bool:
        """What comes in so many seconds; True as soon as it is `until`. What came in one packet is heard whole:
        psycopg forgets the rest of a packet when its generator is left."""
        clock = asyncio.get_running_loop().time
        end, found = clock() + seconds, False
        while not found and (left := end - clock()) > 0:
            async for notice in raw.notifies(timeout=left, stop_after=1):
                found = found or notice.payload == until
                if notice.payload != self._me and not notice.payload.startswith("check "):
                    self._heard()
        return found


def open_notices(url: str, heard: Callable[[], None]) -> Notices | None:
    """The notices of a Postgres, not yet listening; None for SQLite, where one process is alone."""
    if is_sqlite(url):
        return None
    dedicated = parse(url).set(drivername="postgresql+psycopg")
    listener = create_async_engine(dedicated, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True)
    sender = create_async_engine(
        dedicated, pool_size=1, max_overflow=0, pool_pre_ping=True, isolation_level="AUTOCOMMIT", hide_parameters=True
    )
    return Notices(listener, sender, heard)
