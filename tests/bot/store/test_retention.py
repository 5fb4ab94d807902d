from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from bot.store.database import open_database
from bot.store.schema import metadata, seen_ids
from bot.store.store import Store
from tests.bot.store.words import NOW, admitted, concluded, request

DAYS = timedelta(days=1)


async def test_what_ended_long_ago_goes_in_batches_and_what_is_live_stays(store: Store) -> None:
    for number in range(5):
        await concluded(store, f"old-{number}", request(f"old-{number}"))
    await admitted(store, "live", request("live"))

    steps = [await store.retention.forget(NOW + DAYS, NOW, batch=2) for _ in range(4)]

    assert [len(each) for each in steps] == [2, 2, 1, 0]
    assert [each.id for each, _ in await store.investigations.recent()] == ["live"]


async def test_what_ended_since_stays(store: Store) -> None:
    await concluded(store)

    assert await store.retention.forget(NOW - DAYS, NOW) == ()
    assert await store.investigations.verdict("i1") is not None


async def test_nothing_of_a_forgotten_investigation_is_left_in_any_table(store: Store, url: str) -> None:
    await concluded(store)
    await store.seen.first_time("key", NOW - 2 * DAYS, DAYS)

    await store.retention.forget(NOW + DAYS, NOW)

    database = open_database(url)
    async with database.reading() as connection:
        left = {
            each.name: (await connection.execute(select(func.count()).select_from(each))).scalar_one()
            for each in metadata.sorted_tables
            if each.name != "audit_head"  # where the audit ends, which is never forgotten
        }
    await database.close()
    assert left == dict.fromkeys(left, 0)


async def test_expired_ids_go_however_many_they_are_and_the_others_stay(store: Store, url: str) -> None:
    await store.seen.keep_all({f"old-{number}": "" for number in range(9)}, NOW - 2 * DAYS, DAYS)
    await store.seen.keep_all({"new": "stays"}, NOW, DAYS)

    assert await store.retention.forget(NOW - DAYS, NOW, batch=2) == ()

    database = open_database(url)
    async with database.reading() as connection:
        left = (await connection.execute(select(seen_ids.c.key))).scalars().all()
    await database.close()
    assert left == ["new"]
