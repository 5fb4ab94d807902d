"""Words between replicas on a real Postgres, and what becomes of them when a connection is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest

from bot.store import notices as module
from bot.store.notices import CHANNEL, Notices, open_notices
from tests.bot.store.postgres import new_database

LISTENERS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN %'"

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(postgres_server: str) -> str:
    return new_database(postgres_server)


class Ear:
    """Counts what is heard."""

    def __init__(self) -> None:
        self.count = 0
        self.changed = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self.changed.set()

    async def next(self) -> None:
        self.changed.clear()
        await asyncio.wait_for(self.changed.wait(), 60)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - a plain flag tells nobody
            await asyncio.sleep(0.01)


@pytest.fixture
def mine() -> Ear:
    """What the replica that tells hears itself."""
    return Ear()


@pytest.fixture
async def pair(url: str, mine: Ear) -> AsyncIterator[tuple[Notices, Notices, Ear]]:
    """A replica that tells, and one that hears."""
    ear = Ear()
    one, other = open_notices(url, mine), open_notices(url, ear)
    assert one is not None
    assert other is not None
    one.open()
    other.open()
    await until(lambda: one.is_listening and other.is_listening)
    yield one, other, ear
    await one.close()
    await other.close()


async def test_work_is_heard_by_the_other_replica(pair: tuple[Notices, Notices, Ear]) -> None:
    one, _, ear = pair
    heard = asyncio.create_task(ear.next())
    await asyncio.sleep(0)
    one.tell()
    await heard


async def test_what_is_told_in_one_moment_is_one_word_and_not_heard_by_the_teller(
    pair: tuple[Notices, Notices, Ear], mine: Ear
) -> None:
    one, other, ear = pair
    before = mine.count, ear.count
    for _ in range(50):
        one.tell()
    await until(lambda: ear.count > before[1])
    await one.close()
    await other.close()
    assert ear.count <= before[1] + 2
    assert mine.count == before[0]


def kill_listeners(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        pids = [pid for (pid,) in connection.execute(LISTENERS.encode()).fetchall()]
        for pid in pids:
            connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
    return len(pids)


async def test_a_killed_connection_is_looked_after_and_heard_again(
    pair: tuple[Notices, Notices, Ear], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.2)
    one, other, ear = pair
    before = ear.count
    assert await asyncio.to_thread(kill_listeners, url) == 2
    await until(lambda: ear.count > before)  # whatever was lost meanwhile is looked for
    await until(lambda: one.is_listening and other.is_listening)
    heard = asyncio.create_task(ear.next())
    await asyncio.sleep(0)
    one.tell()
    await heard


class BehindAPooler(Notices):
    """LISTEN goes to a connection of the server that serves others afterwards, as PgBouncer has it per transaction."""

    async def _subscribe(self, connection: Any) -> None:
        async with self._sender.connect() as another:
            await super()._subscribe(another)


async def test_who_hears_nothing_does_not_say_that_it_listens(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "HEARD_S", 0.2)
    plain = open_notices(url, Ear())
    assert plain is not None
    ear = Ear()
    deaf = BehindAPooler(plain._listener, plain._sender, ear)
    deaf.open()
    await ear.next()
    assert not deaf.is_listening
    await deaf.close()
    assert "PgBouncer" in caplog.text


def test_a_file_has_no_notices(tmp_path: Any) -> None:
    assert open_notices(f"sqlite:///{tmp_path}/kai.db", lambda: None) is None


def test_the_channel_is_a_plain_word() -> None:
    assert CHANNEL.isidentifier()
