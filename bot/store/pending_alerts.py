"""Alerts that were taken in and are not judged yet: rows that live for seconds, unless a process ends in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from bot.store.database import MAX_STATEMENT_ROWS, Database, batched
from bot.store.packing import pack, plain, unpack
from bot.store.schema import heard_alerts


@dataclass(frozen=True, slots=True)
class Heard:
    """`owner`: the process that has it; `content`: the alert, as whoever wrote it down will read it."""

    key: str
    owner: str
    content: Mapping[str, Any]
    heard_at: datetime


class HeardAlerts:
    """Each key is one firing. `owner` changes hands by compare-and-set."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(
        self, rows: Mapping[str, Mapping[str, Any]], owner: str, now: datetime, old: datetime
    ) -> frozenset[str]:
        """Write many in one transaction; the keys that nobody has. What was heard before `old` counts as not there."""
        keys = {plain(key): key for key in rows}
        values = [
            {"key": short, "owner": owner, "content": pack(rows[key]), "heard_at": now} for short, key in keys.items()
        ]
        say = self._database.insert(heard_alerts)
        row = {each: say.excluded[each] for each in ("owner", "content", "heard_at")}
        upsert = say.on_conflict_do_update(index_elements=["key"], set_=row, where=heard_alerts.c.heard_at < old)
        async with self._database.writing() as connection:
            said = await connection.execute(upsert.returning(heard_alerts.c.key), values)
            return frozenset(keys[each] for each in said.scalars())

    async def done(self, keys: Sequence[str]) -> None:
        """They were judged: nothing is left to carry on."""
        async with self._database.writing() as connection:
            for these in batched([plain(each) for each in keys], MAX_STATEMENT_ROWS):
                await connection.execute(delete(heard_alerts).where(heard_alerts.c.key.in_(these)))

    async def left(self, old: datetime, most: int) -> tuple[Heard, ...]:
        """Alerts not judged yet, the oldest first; what was heard before `old` is forgotten."""
        async with self._database.writing() as connection:
            await connection.execute(delete(heard_alerts).where(heard_alerts.c.heard_at < old))
            rows = await connection.execute(select(heard_alerts).order_by(heard_alerts.c.heard_at).limit(most))
            return tuple(Heard(each.key, each.owner, unpack(each.content), each.heard_at) for each in rows)

    async def take(self, key: str, owner: str, new_owner: str) -> bool:
        """Exactly one of any number of callers is told that it is his now."""
        this = (heard_alerts.c.key == key) & (heard_alerts.c.owner == owner)
        async with self._database.writing() as connection:
            return (await connection.execute(update(heard_alerts).where(this).values(owner=new_owner))).rowcount == 1
