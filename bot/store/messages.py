"""Messages to be said and those that were said, so that after a crash none is said twice and none is forgotten."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.store.database import Database
from bot.store.packing import plain
from bot.store.records import Message, MessageState, Posted
from bot.store.schema import messages

_OPEN = (MessageState.PENDING.value, MessageState.ATTEMPTED.value)


class Messages:
    """The outbox. A row is written with what it speaks of, in the same transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> Message | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(select(messages).where(messages.c.key == key))).one_or_none()
            return None if row is None else _message(row)

    async def of(self, investigation: str) -> tuple[Message, ...]:
        """All that was or will be said about an investigation."""
        rows = select(messages).where(messages.c.investigation == investigation).order_by(messages.c.key)
        async with self._database.reading() as connection:
            return tuple(_message(row) for row in await connection.execute(rows))

    async def due(self, now: datetime, most: int = 100) -> tuple[Message, ...]:
        """Messages that are due by now, longest overdue first."""
        waiting = messages.c.state.in_(_OPEN) & (messages.c.due_at <= now)
        rows = select(messages).where(waiting).order_by(messages.c.due_at).limit(most)
        async with self._database.reading() as connection:
            return tuple(_message(row) for row in await connection.execute(rows))

    async def attempt(self, key: str, attempts: int) -> bool:
        """Say that it is about to be posted. False when it is settled: then it must not be."""
        return await self._change(key, state=MessageState.ATTEMPTED.value, attempts=attempts)

    async def posted(self, key: str, where: Posted) -> bool:
        values = {"channel": where.channel, "ts": where.ts, "content_hash": where.content_hash}
        return await self._change(key, state=MessageState.POSTED.value, **values)

    async def put_off(self, key: str, until: datetime, why: str) -> bool:
        """It could not be posted; try again then."""
        return await self._change(key, due_at=until, why=plain(why))

    async def give_up(self, key: str, why: str) -> bool:
        return await self._change(key, state=MessageState.GIVEN_UP.value, why=plain(why))

    async def note(self, investigation: str, role: str, where: Posted, now: datetime) -> None:
        """Remember a message that needs no outbox, such as the card that is edited while sensors answer."""
        row = {"key": f"{investigation}.{role}", "investigation": investigation, "role": plain(role)}
        said = {"state": MessageState.POSTED.value, "channel": where.channel, "ts": where.ts}
        values: dict[str, Any] = {**said, "content_hash": where.content_hash, "due_at": now}
        async with self._database.writing() as connection:
            say = self._database.insert(messages).values(**row, **values, attempts=1, why="")
            await connection.execute(say.on_conflict_do_update(index_elements=["key"], set_=values))

    async def _change(self, key: str, **values: Any) -> bool:
        this = (messages.c.key == key) & messages.c.state.in_(_OPEN)
        async with self._database.writing() as connection:
            done = await connection.execute(update(messages).where(this).values(values))
            return done.rowcount == 1


async def owe(connection: AsyncConnection, investigation: str, role: str, now: datetime) -> str:
    """Owe a message, in the transaction of what it speaks of. Its key, for `Desk.deliver`."""
    key = f"{investigation}.{role}"
    row = {"key": key, "investigation": investigation, "role": role, "state": MessageState.PENDING.value}
    await connection.execute(messages.insert().values(**row, attempts=0, due_at=now, why=""))
    return key


def _message(row: Row[Any]) -> Message:
    posted = None if row.ts is None else Posted(row.channel, row.ts, row.content_hash)
    state = MessageState(row.state)
    return Message(row.key, row.investigation, row.role, state, row.attempts, row.due_at, posted, row.why)
