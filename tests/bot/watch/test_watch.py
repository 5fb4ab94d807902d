"""A change that cuts workloads is said once, with its proof; everything that only looks like one is not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import pytest

from bot.watch.drops import NEW_AFTER_QUIET
from bot.watch.watch import FIRST_PAUSE_S, LONGEST_PAUSE_S, MOST_OPEN, Watch
from sensors.access.kube.watching import ObjectChange
from sensors.kit import Absent, Blind
from sensors.kit.kinds import NETWORK_POLICY
from tests.bot.watch.watching import BEGAN, World, changed, drop, policy, settle

SECOND = timedelta(seconds=1)


@asynccontextmanager
async def watched(world: World, *, heard_s: float = 60.0, window_s: float = 60.0) -> AsyncIterator[Watch]:
    """A watch that has heard drops for so long."""
    watch = world.watch(window_s)
    running = asyncio.create_task(watch.run())
    await settle()
    world.at += timedelta(seconds=heard_s)
    try:
        yield watch
    finally:
        await over(watch)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def over(watch: Watch) -> None:
    await settle()
    while watch._open:
        await asyncio.wait(watch._open)
        await settle()


async def test_a_change_that_cuts_three_workloads_is_one_message():
    world = World()
    async with watched(world) as watch:
        world.written.put_nowait(changed())
        await settle()
        world.drop(*(drop(world.at + SECOND, each) for each in ("web", "cart", "web", "search")))
        await over(watch)

    ((ts, finding),) = world.said
    assert ts == ""
    assert (str(finding.change.policy), finding.change.what) == ("NetworkPolicy shop/strict", "changed")
    assert {each.cut.way.cut_off: each.cut.packets for each in finding.back.proved} == {
        "shop/web": 2,
        "shop/cart": 1,
        "shop/search": 1,
    }


async def test_who_is_cut_later_joins_the_same_message():
    world = World()
    async with watched(world) as watch:
        world.written.put_nowait(changed())
        await settle()
        world.drop(drop(world.at + SECOND))
        world.later.append(drop(world.at + 20 * SECOND, "slow"))
        await over(watch)

    assert [ts for ts, _ in world.said] == ["", "ts1"]
    assert [len(finding.cuts) for _, finding in world.said] == [1, 2]


async def test_drops_without_a_change_are_not_said():
    world = World()
    async with watched(world):
        world.drop(*(drop(world.at + SECOND) for _ in range(50)))

    assert (world.said, world.tried) == ([], [])


async def test_a_change_without_drops_is_not_said():
    world = World()
    async with watched(world):
        world.written.put_nowait(changed())

    assert (world.said, world.tried) == ([], [])


async def test_drops_that_began_before_the_change_are_not_the_change_s():
    world = World()
    async with watched(world) as watch:
        world.drop(drop(world.at - 20 * SECOND))
        await settle()
        world.written.put_nowait(changed())
        await settle()
        world.drop(*(drop(world.at + SECOND) for _ in range(50)))
        await over(watch)

    assert (world.said, world.tried) == ([], [])


async def test_a_way_that_was_quiet_for_long_is_new_again():
    world = World()
    async with watched(world, heard_s=NEW_AFTER_QUIET.total_seconds() + 60) as watch:
        world.drop(drop(world.at - NEW_AFTER_QUIET - 30 * SECOND))
        await settle()
        world.written.put_nowait(changed())
        await settle()
        world.drop(drop(world.at + SECOND))
        await over(watch)

    assert len(world.said) == 1


async def test_what_the_way_back_does_not_open_is_no_accusation():
    world = World(opens=False)
    async with watched(world) as watch:
        world.written.put_nowait(changed())
        await settle()
        world.drop(drop(world.at + SECOND))
        await over(watch)

    assert world.tried
    assert world.said == []


async def test_what_only_two_changes_together_explain_is_one_message_about_both():
    world = World(together=2)
    async with watched(world) as watch:
        world.written.put_nowait(changed("first"))
        world.written.put_nowait(changed("second"))
        await settle()
        world.drop(drop(world.at + SECOND))
        await over(watch)

    ((_, finding),) = world.said
    assert {each.policy.name for each in finding.change.all} == {"first", "second"}
    assert finding.change.kubectl().count("kubectl -n shop patch") == 2


@pytest.mark.parametrize("heard_s", [0.0, 29.0])
async def test_a_watch_that_listened_too_briefly_before_stays_silent(heard_s: float, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "bot.watch.watch")
    world = World()
    async with watched(world, heard_s=heard_s) as watch:
        world.written.put_nowait(changed())
        await settle()
        world.drop(drop(world.at + SECOND))
        await over(watch)

    assert (world.said, world.tried) == ([], [])
    assert "was not measured" in caplog.text


async def test_a_stream_that_is_being_opened_hears_nothing_yet(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "bot.watch.watch")
    world = World()
    world.connects.clear()
    async with watched(world, heard_s=120.0) as watch:
        world.written.put_nowait(changed())
        await settle()
        world.connects.set()
        world.drop(drop(world.at + SECOND))
        await over(watch)

    assert (world.said, world.tried) == ([], [])
    assert "was not measured" in caplog.text


async def test_a_stream_that_was_opened_in_time_is_heard_however_long_that_took():
    world = World()
    world.connects.clear()
    async with watched(world, heard_s=120.0) as watch:
        world.connects.set()
        await settle()
        world.at += 31 * SECOND
        world.written.put_nowait(changed())
        await settle()
        world.drop(drop(world.at + SECOND))
        await over(watch)

    assert len(world.said) == 1


async def test_a_stream_that_breaks_after_a_day_is_a_warning_again(caplog: pytest.LogCaptureFixture):
    world = World()
    watch = world.watch()
    lasts = iter([1, 86400, 1])

    async def hear() -> None:
        if (seconds := next(lasts, None)) is None:
            raise Absent("gone")
        world.at += seconds * SECOND
        raise Blind("no answer")

    await watch._again(hear, "drops")

    assert caplog.text.count("broke off") == 2


async def test_a_stream_that_breaks_after_the_change_leaves_it_unmeasured():
    world = World()
    async with watched(world) as watch:
        world.written.put_nowait(changed())
        await settle()
        world.drop(drop(world.at + SECOND))
        world.heard.put_nowait(Blind("the relay went away"))
        await over(watch)

    assert world.said == []


def missed(at: datetime | None, subresource: str = "") -> ObjectChange:
    """A change that was found by comparing, written then."""
    after = policy("strict", "2", egress=[])
    when = at and at.strftime("%Y-%m-%dT%H:%M:%SZ")
    after["metadata"]["managedFields"] = (
        [{"manager": "kubectl", "time": when, "subresource": subresource}] if at else []
    )
    return ObjectChange(NETWORK_POLICY, policy("strict", egress=[{}]), after, missed=True)


async def test_a_change_that_was_missed_counts_from_when_it_was_written():
    world = World()
    async with watched(world, heard_s=120) as watch:
        world.drop(drop(world.at - 39 * SECOND))
        await settle()
        world.written.put_nowait(missed(world.at - 40 * SECOND))
        await over(watch)

    ((_, finding),) = world.said
    assert finding.change.at == BEGAN + 80 * SECOND


@pytest.mark.parametrize("change", [missed(None), missed(BEGAN, "status")])
async def test_a_change_that_was_missed_and_has_no_time_is_not_measured(
    change: ObjectChange, caplog: pytest.LogCaptureFixture
):
    world = World()
    async with watched(world, heard_s=120) as watch:
        world.written.put_nowait(change)
        await settle()
        world.drop(drop(world.at + SECOND))
        await over(watch)

    assert (world.said, world.tried) == ([], [])
    assert "strict was changed while nobody watched: what it cuts was not measured" in caplog.text


async def test_labels_and_status_are_no_change_of_a_policy():
    world = World()
    before, after = policy(egress=[{}]), policy("strict", "2", egress=[{}])
    after["metadata"]["labels"] = {"team": "shop"}
    async with watched(world) as watch:
        world.written.put_nowait(ObjectChange(NETWORK_POLICY, before, after))
        await settle()
        world.drop(drop(world.at + SECOND))
        await over(watch)

    assert world.tried == []


async def test_a_stream_is_opened_again_after_pauses_that_grow_to_a_limit():
    world = World()
    watch = world.watch()
    fails = 0

    async def hear() -> None:
        nonlocal fails
        fails += 1
        if fails > 14:
            raise Absent("gone")
        raise Blind("no answer")

    await watch._again(hear, "drops")

    assert world.slept[:4] == [FIRST_PAUSE_S, 2.0, 4.0, 8.0]
    assert max(world.slept) == LONGEST_PAUSE_S


async def test_a_kind_of_policy_that_is_not_installed_is_done_without(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "bot.watch.watch")
    world = World()
    world.written.put_nowait(Absent("not installed"))
    async with watched(world):
        pass

    assert "does without NetworkPolicy" in caplog.text
    assert world.slept == []


async def test_hundreds_of_changes_at_once_are_bounded(caplog: pytest.LogCaptureFixture):
    world = World()
    async with watched(world) as watch:
        for each in range(200):
            world.written.put_nowait(changed(f"p{each}"))
        for _ in range(30):
            await asyncio.sleep(0)
            assert len(watch._open) <= MOST_OPEN
