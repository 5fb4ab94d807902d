"""The audit trail in the database: appended in the transaction that changes what it speaks of, and never tidied."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.approval.trail import Head, TrailEntry, TrailNote, link
from bot.store.database import Database
from bot.store.packing import without_secrets
from bot.store.schema import audit, audit_head

AUDIT_BATCH_ROWS = 500


class Audit:
    """Reads the trail, and appends what changes nothing else (a refused click)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, proposal: str, note: TrailNote, now: datetime) -> None:
        async with self._database.writing() as connection:
            await written_down(self._database, connection, proposal, [note], now)

    async def head(self) -> Head:
        async with self._database.reading() as connection:
            return await _head(connection)

    async def links(self, proposal: str = "", after: int | None = None) -> AsyncIterator[TrailEntry]:
        """Every entry in order, or those of one proposal, or those after one; in steps, for a trail can be long."""
        last = -(1 << 31) if after is None else after
        while True:
            rows = select(audit).where(audit.c.seq > last).order_by(audit.c.seq).limit(AUDIT_BATCH_ROWS)
            rows = rows.where(audit.c.proposal == proposal) if proposal else rows
            async with self._database.reading() as connection:
                found = [
                    TrailEntry(row.seq, row.entry, row.previous, row.hash) for row in await connection.execute(rows)
                ]
            for each in found:
                yield each
            if len(found) < AUDIT_BATCH_ROWS:
                return
            last = found[-1].seq


async def written_down(
    database: Database, connection: AsyncConnection, proposal: str, notes: Iterable[TrailNote], now: datetime
) -> None:
    """Append in somebody's transaction: either both are there afterwards, or neither."""
    await database.one_at_a_time(connection, "audit")
    head = await _head(connection)
    for note in notes:
        each = link(head, _washed(note), proposal, now)
        row = {"seq": each.seq, "proposal": proposal, "entry": each.entry}
        await connection.execute(audit.insert().values(**row, previous=each.previous, hash=each.hash))
        head = Head(each.seq, each.hash)
    await connection.execute(update(audit_head).values(seq=head.seq, hash=head.hash))


async def _head(connection: AsyncConnection) -> Head:
    row = (await connection.execute(select(audit_head))).one()
    return Head(row.seq, row.hash)


def _washed(note: TrailNote) -> TrailNote:
    """Without secrets and without NUL, which Postgres refuses; patches stand in it only as their hash."""
    said = {key: without_secrets(v).replace("\0", "") if isinstance(v, str) else v for key, v in note.said.items()}
    return TrailNote(note.event, note.actor.replace("\0", "")[:200], said)
