"""Claims of living processes: each holds a lock that vanishes with it, however it dies. No clocks, no heartbeats."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from bot.store.database import file_of, lock_number, parse

log = logging.getLogger(__name__)

_NOTICE_A_DEAD_NODE = (
    "SET tcp_keepalives_idle = 5",  # a killed process closes its socket; a dead node says nothing for two hours
    "SET tcp_keepalives_interval = 2",
    "SET tcp_keepalives_count = 3",
)
_GOODBYE_S = 2.0  # seconds for giving a name back; psycopg takes up to ten more to give up a server that is gone


class FileClaims:
    """SQLite: one process owns the file, so there is nobody to take anything over from."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._file: int | None = None

    async def hold(self, name: str) -> bool:
        """Claim a name, or check that it is still claimed. False when another process has it."""
        if self._file is not None:
            return True
        file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return True

    @asynccontextmanager
    async def orphaned(self, name: str) -> AsyncIterator[bool]:
        """Is nobody alive under this name? While the block runs, nobody else is told yes."""
        yield self._file is not None

    async def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class SessionClaims:
    """Postgres: advisory locks of one session that is used for nothing else. The server frees them when it ends."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._session: AsyncConnection | None = None
        self._held: str | None = None

    async def hold(self, name: str) -> bool:
        if self._session is not None and self._held == name and await self._answers(self._session):
            return True
        await self._forget()
        self._session = await self._connect()
        if not await self._try(self._session, name):
            return False
        self._held = name
        return True

    @asynccontextmanager
    async def orphaned(self, name: str) -> AsyncIterator[bool]:
        session = self._session
        if session is None or name == self._held or not await self._try(session, name):
            yield False
            return
        try:
            yield True
        finally:
            await session.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _number(name)})

    async def close(self) -> None:
        """Free the name, so that a replica may take over at once: the server ends a session only when it gets to it."""
        if self._session is not None:
            with suppress(SQLAlchemyError, TimeoutError):  # a session that is gone holds nothing
                await asyncio.wait_for(self._session.execute(text("SELECT pg_advisory_unlock_all()")), _GOODBYE_S)
        await self._forget()
        await self._engine.dispose()

    async def _connect(self) -> AsyncConnection:
        session = await self._engine.connect()
        for each in _NOTICE_A_DEAD_NODE:
            await session.execute(text(each))
        return session

    async def _try(self, session: AsyncConnection, name: str) -> bool:
        said = await session.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _number(name)})
        return bool(said.scalar_one())

    async def _answers(self, session: AsyncConnection) -> bool:
        try:
            await session.execute(text("SELECT 1"))
        except SQLAlchemyError as why:
            log.warning("the session that says we are alive is gone: %s", why)
            return False
        return True

    async def _forget(self) -> None:
        session, self._session, self._held = self._session, None, None
        if session is not None:
            await session.invalidate()
            await session.close()


InvestigationClaims: TypeAlias = FileClaims | SessionClaims


def open_claims(url: str) -> InvestigationClaims:
    """The claims that go with a database."""
    path = file_of(url)
    if path is not None:
        return FileClaims(path)
    dedicated = parse(url).set(drivername="postgresql+psycopg")
    return SessionClaims(
        create_async_engine(dedicated, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True)
    )


def _number(name: str) -> int:
    return lock_number(f"process {name}")
