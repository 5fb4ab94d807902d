"""Opens a desk on a database: alone on a SQLite file, or as one of several replicas on Postgres."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from bot.desk.desk import KEEP, LOOKS, OVERTIME, Desk, DeskTools, Extensions
from bot.desk.journal import Journal
from bot.desk.limits import Limits
from bot.desk.ports import LookFor, OpenWatcher, Poster, nobody
from bot.store.claims import InvestigationClaims, open_claims
from bot.store.database import is_sqlite
from bot.store.store import open_store

PREDECESSOR_TIMEOUT_S = 30.0
"""Seconds to wait for a predecessor that is about to end."""


class Occupied(Exception):
    """Another process works on this database file. The message is one line."""


@asynccontextmanager
async def open_desk(
    url: str,
    look: LookFor,
    poster: Poster,
    watching: OpenWatcher = nobody,
    limits: Limits | None = None,
    clusters: Sequence[str] = ("default",),
    looks: int = LOOKS,
    keep: timedelta = KEEP,
    overtime: float = OVERTIME,
    patience: float = PREDECESSOR_TIMEOUT_S,
    extensions: Extensions | None = None,
) -> AsyncIterator[Desk]:
    """A desk that works, with everything that an earlier process left carried on. Raises `Occupied`, `BadDatabase`."""
    alone, limits = is_sqlite(url), limits or Limits()
    executor = "desk" if alone else f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(url))
        claims = open_claims(url)
        stack.push_async_callback(claims.close)
        await _claim(claims, executor, patience)
        journal = Journal(url, executor, limits, clusters)
        known = tuple(clusters)
        more = extensions or Extensions()
        wide = (limits, known, alone, overtime, looks, keep)
        desk = Desk(DeskTools(store, journal, claims, look, poster, watching, more, *wide))
        stack.push_async_callback(desk.close)
        await desk.open()
        await desk.resume()
        yield desk


async def _claim(claims: InvestigationClaims, executor: str, patience: float) -> None:
    """Two processes with one name would carry on each other's runs: never."""
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    while not await claims.hold(executor):
        if loop.time() >= until:
            raise Occupied("another process works on this database: stop it first, or use Postgres for several")
        await asyncio.sleep(0.1)
