"""Forgets what is old, in small steps, so that nobody waits behind a large delete."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select

from bot.store.database import Database
from bot.store.schema import claude_calls, investigations, seen_ids

RETENTION_BATCH_ROWS = 200
"""Investigations that one transaction deletes, with all that hangs on them."""


class Retention:
    """Deletes investigations that ended, and calls of Claude that began, before a moment, and ids that have expired."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget(self, before: datetime, now: datetime, batch: int = RETENTION_BATCH_ROWS) -> tuple[str, ...]:
        """One batch: the ids of the investigations that are gone; fewer than `batch` means that nothing is left."""
        ended = investigations.c.ended_at < before
        async with self._database.writing() as connection:
            oldest = select(investigations.c.id).where(ended).order_by(investigations.c.ended_at).limit(batch)
            gone = tuple((await connection.execute(oldest)).scalars())
            await connection.execute(delete(investigations).where(investigations.c.id.in_(gone)))
            await connection.execute(delete(claude_calls).where(claude_calls.c.begun_at < before))
        while await self._forget_ids(now, batch) == batch:
            pass
        return gone

    async def _forget_ids(self, now: datetime, batch: int) -> int:
        """One batch of the ids that have expired; how many there were."""
        expired = select(seen_ids.c.key).where(seen_ids.c.expires_at <= now).limit(batch)
        async with self._database.writing() as connection:
            gone = delete(seen_ids).where(seen_ids.c.key.in_(expired)).returning(seen_ids.c.key)
            return len((await connection.execute(gone)).scalars().all())
