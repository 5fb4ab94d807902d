"""Ids that were seen already: a delivery that comes twice is worked on once."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from bot.store.database import Database
from bot.store.packing import plain
from bot.store.schema import seen_ids


class SeenIds:
    """Idempotency keys that expire."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def first_time(self, key: str, now: datetime, kept: timedelta, value: str = "") -> bool:
        """Is this key new? Exactly one of any number of callers, in any replica, is told so."""
        row = {"key": plain(key), "value": plain(value), "expires_at": now + kept}
        async with self._database.writing() as connection:
            say = self._database.insert(seen_ids).values(row)
            over = seen_ids.c.expires_at <= now
            new = say.on_conflict_do_update(index_elements=["key"], set_=row, where=over).returning(seen_ids.c.key)
            return (await connection.execute(new)).scalar_one_or_none() is not None

    async def value_of(self, key: str, now: datetime) -> str | None:
        """What was kept with a key; None when it was never seen or has expired."""
        here = (seen_ids.c.key == plain(key)) & (seen_ids.c.expires_at > now)
        async with self._database.reading() as connection:
            return (await connection.execute(select(seen_ids.c.value).where(here))).scalar_one_or_none()
