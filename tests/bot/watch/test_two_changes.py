"""Two changes in the same minutes: each is said for what it cuts itself, and none for what another did."""

from __future__ import annotations

import logging

import pytest

from sensors.access.kube.watching import ObjectChange
from sensors.kit.kinds import NETWORK_POLICY
from tests.bot.watch.test_watch import SECOND, over, watched
from tests.bot.watch.watching import World, changed, created, deleted, drop, policy, settle


async def written(world: World, *changes: ObjectChange, drops: tuple[str, ...] = ("web",)) -> None:
    async with watched(world) as watch:
        for each in changes:
            world.written.put_nowait(each)
        await settle()
        world.drop(*(drop(world.at + SECOND, each) for each in drops))
        await over(watch)


def said(world: World) -> list[tuple[set[str], set[str]]]:
    """Of each message: the policies that are accused, and who is cut."""
    return [
        ({each.policy.name for each in it.change.all}, {each.cut.way.source for each in it.back.proved})
        for _, it in world.said
    ]


async def test_two_changes_that_cut_a_workload_each_are_two_messages():
    world = World(passes=lambda who, without: {"web": "first", "cart": "second"}[who] in without)
    await written(world, changed("first"), changed("second"), drops=("web", "cart"))

    assert said(world) == [({"first"}, {"shop/web"}), ({"second"}, {"shop/cart"})]


@pytest.mark.parametrize("names", [("harmless", "strict"), ("strict", "harmless")])
async def test_a_harmless_change_is_not_accused_together_with_the_one_that_cuts(names: tuple[str, str]):
    world = World(passes=lambda _, without: "strict" in without)
    await written(world, *map(changed, names))

    assert said(world) == [({"strict"}, {"shop/web"})]


async def test_of_three_changes_only_the_two_that_are_needed_are_said():
    world = World(passes=lambda _, without: {"first", "second"} <= without)
    await written(world, changed("first"), changed("harmless"), changed("second"))

    assert said(world) == [({"first", "second"}, {"shop/web"})]


async def test_a_refusal_that_moves_to_another_policy_cuts_nobody(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "bot.watch.watch")
    world = World(passes=lambda _, without: without == {"new"})  # with the old one back it is refused again
    await written(world, created("new"), deleted("old"))

    assert world.said == []
    assert "none is proved to be its own" in caplog.text


async def test_a_new_policy_that_cuts_while_another_goes_is_said():
    world = World(passes=lambda _, without: "new" in without)
    await written(world, created("new"), deleted("old"))

    assert said(world) == [({"new"}, {"shop/web"})]


async def test_a_change_that_is_taken_back_before_the_look_is_not_said():
    world = World()
    await written(world, changed(), ObjectChange(NETWORK_POLICY, changed().after, policy("strict", "3", egress=[{}])))

    assert (world.said, world.tried) == ([], [])


async def test_a_policy_that_is_written_twice_is_taken_back_by_one_line_that_fits():
    world = World()
    again = policy("strict", "3", egress=[], ingress=[])
    await written(world, changed(), ObjectChange(NETWORK_POLICY, changed().after, again))

    ((_, finding),) = world.said
    assert finding.change.back == ((changed().before,), ())
    assert '"path":"/metadata/generation","value":3' in finding.change.kubectl()
