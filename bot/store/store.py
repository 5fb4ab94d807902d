"""The store as a whole: opened by URL, brought up to date, and closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import SQLAlchemyError

from bot.store.audit import Audit
from bot.store.claude_calls import ClaudeCalls
from bot.store.database import Database, Unreachable, open_database
from bot.store.investigations import Investigations
from bot.store.messages import Messages
from bot.store.migrate import migrate
from bot.store.opinions import Opinions
from bot.store.packing import plain
from bot.store.pending_alerts import HeardAlerts
from bot.store.proposals import Proposals
from bot.store.repeats import Repeats
from bot.store.retention import Retention
from bot.store.seen import SeenIds


class Store:
    """Everything that KAI remembers, by subject."""

    def __init__(self, database: Database) -> None:
        self.database = database  # for transactions that change several subjects
        self.investigations = Investigations(database)
        self.messages = Messages(database)
        self.seen = SeenIds(database)
        self.repeats = Repeats(self.seen)
        self.heard = HeardAlerts(database)
        self.opinions = Opinions(database)
        self.retention = Retention(database)
        self.proposals = Proposals(database)
        self.audit = Audit(database)
        self.claude_calls = ClaudeCalls(database)


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Store]:
    """A store at `sqlite:///path` or `postgresql://…`, its tables up to date. Raises `BadDatabase`, `Unreachable`."""
    database = open_database(url)
    try:
        await _bring_up_to_date(database)
        yield Store(database)
    finally:
        await database.close()


async def _bring_up_to_date(database: Database) -> None:
    try:
        await migrate(database)
    except (SQLAlchemyError, OSError) as why:
        reason = plain(" ".join(str(getattr(why, "orig", None) or why).split()), 300)
        raise Unreachable(f"the database cannot be used: {reason}") from why
