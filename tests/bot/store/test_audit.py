"""The audit in a database: nobody can change it unnoticed, and whoever tries to in SQL is refused."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from bot.approval.trail import Head, TrailEntry, TrailEvent, TrailNote, faults
from bot.store.database import Database, open_database
from bot.store.store import Store
from tests.bot.store.words import NOW

TAMPERING = {
    "one flipped byte": "UPDATE audit SET entry = replace(entry, 'U3', 'U4') WHERE seq = 3",
    "one removed row": "DELETE FROM audit WHERE seq = 3",
    "the last row removed": "DELETE FROM audit WHERE seq = 5",
    "one swapped pair": "UPDATE audit SET seq = CASE seq WHEN -2 THEN 3 ELSE 2 END WHERE seq < 0",
    "the head moved back": "UPDATE audit_head SET seq = 4",
}


async def written(store: Store) -> None:
    for number in range(1, 6):
        await store.audit.append("p1", TrailNote(TrailEvent.REFUSED, f"U{number}", {"code": "rbac"}), NOW)


async def found(store: Store) -> list[str]:
    links = [each async for each in store.audit.links()]
    return faults(links, await store.audit.head())


async def unguarded(database: Database, *statements: str) -> None:
    """As somebody who owns the database can: the triggers dropped first."""
    drop = (
        [f"DROP TRIGGER audit_no_{verb}" for verb in ("update", "delete")]
        if database.is_sqlite
        else ["DROP TRIGGER audit_append_only ON audit"]
    )
    async with database.writing() as connection:
        for each in (*drop, *statements):
            await connection.execute(text(each))


async def test_what_is_written_at_once_from_everywhere_is_one_whole_chain(store: Store) -> None:
    notes = [store.audit.append(f"p{each % 3}", TrailNote(TrailEvent.REFUSED, f"U{each}"), NOW) for each in range(30)]
    await asyncio.gather(*notes)

    assert await found(store) == []
    assert (await store.audit.head()).seq == 30
    assert len([each async for each in store.audit.links("p1")]) == 10


@pytest.mark.parametrize("how", TAMPERING)
async def test_a_changed_entry_of_the_audit_chain_is_found(store: Store, url: str, how: str) -> None:
    await written(store)
    whole = await found(store)
    database = open_database(url)
    aside = ["UPDATE audit SET seq = -seq WHERE seq IN (2, 3)"] if how == "one swapped pair" else []
    await unguarded(database, *aside, TAMPERING[how])
    await database.close()

    assert whole == []
    assert await found(store) != []


@pytest.mark.parametrize("statement", ["UPDATE audit SET entry = ''", "DELETE FROM audit"])
async def test_the_database_itself_refuses_to_change_an_entry(store: Store, url: str, statement: str) -> None:
    await written(store)
    database = open_database(url)

    with pytest.raises(DBAPIError, match="never changed or deleted"):
        async with database.writing() as connection:
            await connection.execute(text(statement))

    await database.close()
    assert await found(store) == []


async def test_the_audit_outlives_what_is_forgotten_after_ninety_days(store: Store) -> None:
    await written(store)

    await store.retention.forget(NOW + timedelta(days=365), NOW + timedelta(days=365))

    assert (await store.audit.head()).seq == 5


async def test_no_secret_and_no_nul_is_written_down(store: Store) -> None:
    token = "xoxb-" + "1" * 20
    await store.audit.append("p1", TrailNote(TrailEvent.REJECTED, "U1\0", {"why": f"it leaks {token}\0"}), NOW)

    [only] = [each async for each in store.audit.links()]
    assert isinstance(only, TrailEntry)
    assert token not in only.entry
    assert "\\u0000" not in only.entry


async def test_an_empty_trail_is_whole(store: Store) -> None:
    assert await found(store) == []
    assert await store.audit.head() == Head()
