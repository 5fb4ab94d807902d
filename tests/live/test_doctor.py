from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.commands.doctor import told
from bot.doctor import Check, State, exit_code
from bot.doctor.examine import Patient, examine
from bot.doctor.rights import Right, grant
from sensors.kit import Blind
from sensors.kit.live import LiveSettings
from tests.live.front import says
from tests.live.world import CASES, World, recorded_nodes, world_of

KEY = {"ANTHROPIC_API_KEY": "sk-s3cr3t"}


async def examined(world: World, environ: Mapping[str, str] = KEY, node: str = "") -> tuple[Check, ...]:
    async with world.cluster(LiveSettings()) as cluster:
        return await examine(Patient(cluster, environ, node))


def missing(checks: tuple[Check, ...]) -> list[str]:
    return [each.name for each in checks if each.state is State.MISSING]


async def test_where_everything_is_there_the_doctor_has_nothing_to_say(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        checks = await examined(world)

    assert (missing(checks), exit_code(checks)) == ([], 0)
    assert list(told(checks))[-1] == "All there."
    assert not any("s3cr3t" in line for line in told(checks))


async def test_of_three_missing_things_exactly_those_three_are_named(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path, probes=False) as world:
        world.front.refused.add("events")
        await world.relay.stop()
        checks = await examined(world)
    lines = list(told(checks))

    assert missing(checks) == ["right: list events", "hubble relay", "probe"]
    assert (exit_code(checks), lines[-1]) == (1, "3 missing: right: list events, hubble relay, probe")
    assert sum(line.startswith("         to mend it: ") for line in lines) == 3
    assert all(each.without and each.mend for each in checks if each.state is State.MISSING)


async def test_each_node_that_the_relay_does_not_reach_is_named(tmp_path: Path) -> None:
    nodes = recorded_nodes(CASES / "checkout-to-bank")
    nodes[1].is_connected = False

    async with world_of("checkout-to-bank", tmp_path, nodes=nodes) as world:
        checks = await examined(world)

    assert missing(checks) == ["hubble on node lab2"]


async def test_a_probe_is_missing_on_the_node_that_has_none(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        for pods in world.front.extra.values():
            pods[:] = [each for each in pods if each["metadata"]["name"] != "probe-on-lab2"]
        everywhere, here = await examined(world), await examined(world, node="lab1")

    assert (missing(everywhere), missing(here)) == (["probe on node lab2"], [])


async def test_a_network_plug_in_without_its_definitions_is_told(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        kinds = world.front.case.recorded_kinds - {"ciliumnetworkpolicies"}
        object.__setattr__(world.front.case, "recorded_kinds", kinds)
        checks = await examined(world)

    assert missing(checks) == ["definition: ciliumnetworkpolicies.cilium.io"]


async def test_a_clock_that_is_wrong_is_told(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        world.front.headers["Date"] = "Mon, 23 Nov 2026 00:00:00 GMT"
        checks = await examined(world)

    assert missing(checks) == ["clock"]


@pytest.mark.parametrize(
    ("environ", "state"), [({}, State.OFF), ({"ANTHROPIC_API_KEY": " "}, State.MISSING), (KEY, State.OK)]
)
async def test_no_key_is_a_choice_and_an_empty_one_a_mistake(
    environ: dict[str, str], state: State, tmp_path: Path
) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        checks = {each.name: each for each in await examined(world, environ)}

    assert checks["Claude key"].state is state
    assert checks["Claude model"] == Check("Claude model", State.UNKNOWN, "end of life: not checked")


async def test_a_right_that_cannot_be_asked_for_is_unknown_and_not_missing(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        world.front.faults["/selfsubjectaccessreviews"] = says(500, "no")
        checks = await examined(world)

    assert missing(checks) == []
    assert {each.state for each in checks if each.name.startswith("right: ")} == {State.UNKNOWN}


async def test_an_api_server_that_says_nothing_useful_cannot_be_looked_at(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        world.front.faults["/version"] = says(403, "no")
        with pytest.raises(Blind, match="the version could not be read"):
            await examined(world)


@pytest.mark.parametrize(
    ("right", "user", "command"),
    [
        (
            Right("list", "events"),
            "system:serviceaccount:kai:kai",
            "kubectl create clusterrole kai-list-events --verb=list --resource=events && kubectl create "
            "clusterrolebinding kai-list-events --clusterrole=kai-list-events --serviceaccount=kai:kai",
        ),
        (
            Right("get", "pods", "", "exec", "kai"),
            "jane o'hara",
            "kubectl create role kai-get-pods-exec -n kai --verb=get --resource=pods/exec && kubectl create "
            "rolebinding kai-get-pods-exec -n kai --role=kai-get-pods-exec '--user=jane o'\"'\"'hara'",
        ),
    ],
)
def test_the_command_gives_exactly_the_missing_right(right: Right, user: str, command: str) -> None:
    assert grant(right, user) == command
