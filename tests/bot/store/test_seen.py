from __future__ import annotations

import asyncio
from datetime import timedelta

from bot.store.store import Store
from tests.bot.store.words import NOW

HOUR = timedelta(hours=1)


async def test_of_fifty_at_once_exactly_one_is_the_first(store: Store) -> None:
    told = await asyncio.gather(*(store.seen.first_time("T1-trigger", NOW, HOUR) for _ in range(50)))

    assert sorted(told) == [False] * 49 + [True]


async def test_an_id_is_new_again_when_it_has_expired(store: Store) -> None:
    first = await store.seen.first_time("alert", NOW, HOUR, "i1")
    soon = await store.seen.first_time("alert", NOW + HOUR / 2, HOUR, "i2")
    value_then = await store.seen.value_of("alert", NOW + HOUR / 2)
    late = await store.seen.first_time("alert", NOW + HOUR, HOUR, "i3")

    assert (first, soon, value_then, late) == (True, False, "i1", True)
    assert await store.seen.value_of("alert", NOW + HOUR) == "i3"
    assert await store.seen.value_of("never", NOW) is None


async def test_what_is_settled_keeps_its_key_and_one_caller_is_told_so(store: Store) -> None:
    for key in ("slack b", "slack a", "other c"):
        await store.seen.first_time(key, NOW, HOUR, "note")
    await store.seen.first_time("slack done", NOW, HOUR)
    before = await store.seen.unsettled("slack ", NOW)
    told = await asyncio.gather(*(store.seen.settle("slack a") for _ in range(10)))

    assert sorted(each.key for each in before) == ["slack a", "slack b"]
    assert sorted(told) == [False] * 9 + [True]
    assert [each.key for each in await store.seen.unsettled("slack ", NOW)] == ["slack b"]
    assert await store.seen.unsettled("slack ", NOW + HOUR) == ()
    assert not await store.seen.first_time("slack a", NOW, HOUR, "again")


async def test_the_newest_of_those_that_begin_alike_come_first(store: Store) -> None:
    for minutes in range(5):
        await store.seen.first_time(f"skipped {minutes}", NOW + timedelta(minutes=minutes), HOUR, "note")

    newest = await store.seen.unsettled("skipped ", NOW, 2, newest_first=True)

    assert [each.key for each in newest] == ["skipped 4", "skipped 3"]


async def test_of_many_keys_in_one_go_each_is_new_to_one_caller(store: Store) -> None:
    rows = {f"heard {each}": str(each) for each in range(1200)}
    await store.seen.first_time("heard 7", NOW, HOUR, "before")
    await store.seen.first_time("heard 8", NOW - HOUR, HOUR, "expired")
    told = await asyncio.gather(*(store.seen.keep_all(rows, NOW, HOUR) for _ in range(3)))

    assert sorted(len(each) for each in told) == [0, 0, 1199]
    assert [await store.seen.value_of(f"heard {each}", NOW) for each in (7, 8, 9)] == ["before", "8", "9"]


async def test_many_values_are_read_at_once_and_counted_by_their_beginning(store: Store) -> None:
    await store.seen.keep_all({f"alert {each}": "i1" for each in range(1200)}, NOW, HOUR)
    await store.seen.keep_all({"over alert 1": "i1", "alert_1": "i1", "alert x": "i2"}, NOW, HOUR)

    found = await store.seen.values_of([f"alert {each}" for each in range(1199, 1202)], NOW)
    assert found == {"alert 1199": "i1"}
    assert [await store.seen.count(each, "i1", NOW) for each in ("alert ", "over alert ", "alert_", "none")] == [
        1200,
        1,
        1,
        0,
    ]
    assert (
        await store.seen.values_of(["alert 1"], NOW + HOUR),
        await store.seen.count("alert ", "i1", NOW + HOUR),
    ) == ({}, 0)
