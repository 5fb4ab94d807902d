"""A quiet desk on a real Postgres: it asks next to nothing, and work that another replica announces begins at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from bot.desk import bell
from bot.desk import journal as module
from bot.desk.journal import Journal, Steps, Workflow
from bot.desk.limits import Limits
from bot.store.notices import CHANNEL
from tests.bot.store.postgres import new_database
from tests.bot.store.test_notices import kill_listeners, until

pytestmark = pytest.mark.postgres


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a ring keeps busy, and the net under a lost one, in seconds of a test."""
    monkeypatch.setattr(bell, "BUSY_S", 2.0)
    monkeypatch.setattr(module, "REST_S", 2.0)


class Counted:
    """A journal on a fresh database whose looks at the queues are counted."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.journal = Journal(url, "one", Limits(), ("default",))
        self.begun, self.looks = asyncio.Event(), 0
        wait = self.journal._bell.wait

        def counted(timeout: float | None = None) -> bool:
            self.looks += 1
            return wait(timeout)

        monkeypatch.setattr(self.journal._bell, "wait", counted)

    async def work(self, steps: Steps) -> None:
        self.begun.set()


@pytest.fixture
async def counted(postgres_server: str, monkeypatch: pytest.MonkeyPatch, quick: None, tmp_path: Path):
    url = new_database(postgres_server)
    made = Counted(url, monkeypatch)
    await made.journal.open([Workflow("work", made.work)])
    await until(lambda: made.journal.is_quiet)
    yield made, url
    await made.journal.close()


async def test_a_notification_of_another_process_wakes_who_waits(counted: tuple[Counted, str]) -> None:
    made, url = counted
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as another:
        await another.execute(f"NOTIFY {CHANNEL}, 'another'".encode())
    await until(lambda: not made.journal.is_quiet)


async def test_work_queued_here_begins_and_the_others_are_told(counted: tuple[Counted, str]) -> None:
    made, url = counted
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as another:
        await another.execute(f"LISTEN {CHANNEL}".encode())
        await made.journal.queue("work", "run", "default", "shop")
        await asyncio.wait_for(made.begun.wait(), 60)
        told = [each.payload async for each in another.notifies(timeout=60, stop_after=1)]
    assert told


async def test_work_begins_though_the_listening_connection_was_killed(counted: tuple[Counted, str]) -> None:
    """Without it the journal looks as often as ever, listens again, and is quiet again."""
    made, url = counted
    looks = made.looks
    assert await asyncio.to_thread(kill_listeners, url) >= 1
    await until(lambda: not made.journal.is_quiet)
    await made.journal.queue("work", "run", "default", "shop")
    await asyncio.wait_for(made.begun.wait(), 60)
    assert made.looks > looks
    await until(lambda: made.journal.is_quiet)


async def test_a_lost_notification_costs_a_rest_at_most(counted: tuple[Counted, str], monkeypatch: pytest.MonkeyPatch):
    """Queued by one who rings nowhere: a process that died before it could say so."""
    made, _ = counted
    monkeypatch.setattr(made.journal, "_announce", lambda: None)
    await made.journal.queue("work", "run", "default", "shop")
    await asyncio.wait_for(made.begun.wait(), 10 * module.REST_S)  # a third of the usual rest
