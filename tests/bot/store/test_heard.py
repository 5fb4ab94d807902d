from __future__ import annotations

import asyncio
from datetime import timedelta

from bot.store.store import Store
from tests.bot.store.words import NOW

HOUR = timedelta(hours=1)
LONG_AGO = NOW - HOUR


async def test_of_many_in_one_go_each_is_new_to_one_process(store: Store) -> None:
    rows = {f"alert {each}": {"number": each} for each in range(1200)}
    told = await asyncio.gather(*(store.heard.keep(rows, f"p{each}", NOW, LONG_AGO) for each in range(3)))

    assert sorted(len(each) for each in told) == [0, 0, 1200]
    assert len({each.owner for each in await store.heard.left(LONG_AGO, 5000)}) == 1
    await store.heard.done(list(rows)[:1199])
    assert [(each.key, each.content) for each in await store.heard.left(LONG_AGO, 5000)] == [
        ("alert 1199", {"number": 1199})
    ]


async def test_what_is_too_old_is_forgotten_and_may_be_heard_anew(store: Store) -> None:
    await store.heard.keep({"a": {}, "b": {}}, "gone", LONG_AGO, LONG_AGO)

    assert await store.heard.keep({"a": {"new": 1}}, "p1", NOW, NOW) == {"a"}
    assert [(each.key, each.owner, each.content) for each in await store.heard.left(NOW, 10)] == [
        ("a", "p1", {"new": 1})
    ]


async def test_an_alert_changes_hands_once(store: Store) -> None:
    await store.heard.keep({"a": {}}, "gone", NOW, LONG_AGO)
    told = await asyncio.gather(*(store.heard.take("a", "gone", f"p{each}") for each in range(10)))

    assert sorted(told) == [False] * 9 + [True]
    assert not await store.heard.take("a", "gone", "late")
    assert not await store.heard.take("b", "gone", "late")
