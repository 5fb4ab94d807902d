"""Ids that were seen already: a delivery that comes twice is worked on once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from bot.store.database import MAX_STATEMENT_ROWS, Database, batched
from bot.store.packing import plain
from bot.store.schema import seen_ids


@dataclass(frozen=True, slots=True)
class SeenKey:
    """A key with what is kept with it."""

    key: str
    value: str
    expires_at: datetime


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

    async def keep_all(self, rows: Mapping[str, str], now: datetime, kept: timedelta) -> frozenset[str]:
        """As `first_time` for many keys in one transaction: those that are new."""
        values = [{"key": plain(key), "value": plain(value), "expires_at": now + kept} for key, value in rows.items()]
        say = self._database.insert(seen_ids)
        row = {"value": say.excluded.value, "expires_at": say.excluded.expires_at}
        over = seen_ids.c.expires_at <= now
        upsert = say.on_conflict_do_update(index_elements=["key"], set_=row, where=over)
        async with self._database.writing() as connection:
            new = frozenset((await connection.execute(upsert.returning(seen_ids.c.key), values)).scalars())
        return frozenset(key for key in rows if plain(key) in new)

    async def value_of(self, key: str, now: datetime) -> str | None:
        """Value kept with a key; None when it was never seen or has expired."""
        here = (seen_ids.c.key == plain(key)) & (seen_ids.c.expires_at > now)
        async with self._database.reading() as connection:
            return (await connection.execute(select(seen_ids.c.value).where(here))).scalar_one_or_none()

    async def values_of(self, keys: Sequence[str], now: datetime) -> dict[str, str]:
        """As `value_of` for many keys; those that were never seen, or have expired, are not in it."""
        known = {plain(each): each for each in keys}
        found: dict[str, str] = {}
        async with self._database.reading() as connection:
            for these in batched([*known], MAX_STATEMENT_ROWS):
                here = seen_ids.c.key.in_(these) & (seen_ids.c.expires_at > now)
                rows = await connection.execute(select(seen_ids.c.key, seen_ids.c.value).where(here))
                found |= {known[key]: value for key, value in rows}
        return found

    async def count(self, beginning: str, value: str, now: datetime) -> int:
        """Keys that begin like this and have this value."""
        here = seen_ids.c.key.startswith(beginning, autoescape=True) & (seen_ids.c.value == plain(value))
        asked = select(func.count()).select_from(seen_ids).where(here & (seen_ids.c.expires_at > now))
        async with self._database.reading() as connection:
            return int((await connection.execute(asked)).scalar_one())

    async def settle(self, key: str) -> bool:
        """Keep the key and forget its value. Exactly one of any number of callers is told that he did."""
        this = (seen_ids.c.key == plain(key)) & (seen_ids.c.value != "")
        async with self._database.writing() as connection:
            return (await connection.execute(update(seen_ids).where(this).values(value=""))).rowcount == 1

    async def unsettled(
        self, beginning: str, now: datetime, most: int = 100, *, newest_first: bool = False
    ) -> tuple[SeenKey, ...]:
        """Keys that begin like this and still have a value, the oldest first unless `newest_first`."""
        open_ = seen_ids.c.key.startswith(beginning, autoescape=True) & (seen_ids.c.value != "")
        order = seen_ids.c.expires_at.desc() if newest_first else seen_ids.c.expires_at
        rows = select(seen_ids).where(open_ & (seen_ids.c.expires_at > now)).order_by(order)
        async with self._database.reading() as connection:
            return tuple(SeenKey(*row) for row in await connection.execute(rows.limit(most)))
