"""Calls of Claude: counted against the ceilings before they are sent, and never sent twice under one key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.store.database import Database
from bot.store.packing import pack, plain, unpack
from bot.store.schema import claude_calls
from flows.agent.asking import Before, Over, PlannedCall
from flows.agent.money import Ceilings, SpentTokens
from flows.model import Usage

DAY_WINDOW = timedelta(hours=24)
"""What a day is for a ceiling: the last 24 hours, so that nobody spends twice around midnight."""


@dataclass(frozen=True, slots=True)
class PaidCall:
    """One call as it is kept. `ended_at` is None while it runs, or where the process ended before the answer came."""

    key: str
    investigation: str
    person: str
    model: str
    purpose: str
    begun_at: datetime
    ended_at: datetime | None
    spent: SpentTokens
    cost_usd: float
    answered: bool
    estimated_tokens: int


class ClaudeCalls:
    """The ledger (`flows.agent.asking.Ledger`) in the store."""

    def __init__(
        self,
        database: Database,
        ceilings: Ceilings | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database, self._ceilings, self._now = database, ceilings or Ceilings(), now

    def within(self, ceilings: Ceilings) -> ClaudeCalls:
        """The same ledger with these ceilings."""
        return ClaudeCalls(self._database, ceilings, self._now)

    async def begin(self, call: PlannedCall) -> Over | Before | None:
        """Count it, unless a ceiling would be passed or it is counted already. None: it may be sent."""
        async with self._database.writing() as connection:
            await self._database.one_at_a_time(connection, "claude")
            known = select(claude_calls).where(claude_calls.c.key == call.key)
            if (row := (await connection.execute(known)).one_or_none()) is not None:
                return Before(None if row.reply is None else unpack(row.reply))
            over = await self._over(connection, call)
            if over is None:
                await connection.execute(claude_calls.insert().values(_row(call, self._now())))
            return over

    async def _over(self, connection: AsyncConnection, call: PlannedCall) -> Over | None:
        recent = claude_calls.c.begun_at > self._now() - DAY_WINDOW
        of_person = recent & (claude_calls.c.person == plain(call.person))
        groups: tuple[tuple[str, float, ColumnElement[bool]], ...] = (
            ("investigation", self._ceilings.investigation, claude_calls.c.investigation == call.investigation),
            ("person", self._ceilings.person, of_person),
            ("day", self._ceilings.day, recent),
        )
        for name, limit, group in groups:
            spent = await _sum(connection, group)
            if spent + call.most_usd > limit:
                return Over(name, limit, spent)
        return None

    async def end(self, key: str, spent: SpentTokens, cost_usd: float, reply: Mapping[str, Any] | None) -> None:
        """Writes what a call took, in place of what it might have taken at the worst."""
        values = {
            "ended_at": self._now(),
            "input_tokens": spent.input,
            "output_tokens": spent.output,
            "cache_read_tokens": spent.cache_read,
            "cache_write_tokens": spent.cache_write,
            "cost_usd": cost_usd,
            "reply": None if reply is None else pack(reply),
        }
        async with self._database.writing() as connection:
            await connection.execute(update(claude_calls).where(claude_calls.c.key == key).values(values))

    async def of(self, investigation: str) -> tuple[PaidCall, ...]:
        """The calls about one investigation, in their order."""
        return await self._many(claude_calls.c.investigation == investigation)

    async def since(self, moment: datetime) -> tuple[PaidCall, ...]:
        """The calls of a time, in their order."""
        return await self._many(claude_calls.c.begun_at > moment)

    async def all(self) -> tuple[PaidCall, ...]:
        return await self._many(true())

    async def _many(self, which: ColumnElement[bool]) -> tuple[PaidCall, ...]:
        rows = select(claude_calls).where(which).order_by(claude_calls.c.begun_at)
        async with self._database.reading() as connection:
            return tuple(map(_paid, await connection.execute(rows)))


def usage_of(calls: Sequence[PaidCall]) -> Usage:
    """Usage of all calls of one investigation."""
    waited = ((each.ended_at - each.begun_at).total_seconds() for each in calls if each.ended_at is not None)
    return Usage(
        calls[-1].model if calls else "",
        len(calls),
        sum(each.spent.input for each in calls),
        sum(each.spent.output for each in calls),
        sum(each.spent.cache_read for each in calls),
        sum(each.spent.cache_write for each in calls),
        round(sum(each.cost_usd for each in calls), 6),
        round(sum(waited), 2),
        sum(each.estimated_tokens for each in calls),
    )


async def _sum(connection: AsyncConnection, group: ColumnElement[bool]) -> float:
    total = select(func.coalesce(func.sum(claude_calls.c.cost_usd), 0.0)).where(group)
    return float((await connection.execute(total)).scalar_one())


def _row(call: PlannedCall, now: datetime) -> dict[str, Any]:
    none = dict.fromkeys(("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"), 0)
    return {
        "key": call.key,
        "investigation": call.investigation,
        "person": plain(call.person),
        "model": plain(call.model),
        "purpose": call.purpose,
        "begun_at": now,
        "estimated_tokens": call.estimated_tokens,
        "cost_usd": call.most_usd,
        **none,
    }


def _paid(row: Row[Any]) -> PaidCall:
    spent = SpentTokens(row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens)
    who = (row.key, row.investigation, row.person, row.model, row.purpose)
    return PaidCall(*who, row.begun_at, row.ended_at, spent, row.cost_usd, row.reply is not None, row.estimated_tokens)
