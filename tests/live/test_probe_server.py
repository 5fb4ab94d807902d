"""The bot's way to the probes: their server on each node, by its pod's address, without a right to run programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.doctor import CheckState
from bot.doctor.examine import Patient, examine
from sensors.access.live import LiveSettings
from sensors.access.probe.client import ProbeRequest
from sensors.kit import Blind
from tests.live.world import World, world_of
from tests.probe.serving import HERE, Server, serving

NODE = "lab1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("probes")) as running:
        yield running


def settings(server: Server, name: str = "kai", port: int = 0) -> LiveSettings:
    return LiveSettings(probe_tls=server.folder / name, probe_port=port or server.port)


def place(world: World, address: str) -> None:
    """The probes' pods have this address, as far as the API server knows."""
    for each in (pod for pods in world.front.extra.values() for pod in pods):
        each["status"]["podIP"] = address


async def why_blind(world: World, settings: LiveSettings) -> str:
    async with world.cluster(settings) as cluster:
        with pytest.raises(Blind) as caught:
            await cluster.node_file(NODE, "nf_conntrack_count")
    return str(caught.value)


async def test_a_node_is_asked_over_the_network_and_no_program_is_run_anywhere(server: Server, tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        world.front.refused.add("pods/exec")
        place(world, HERE)
        async with world.cluster(settings(server)) as cluster:
            count = await cluster.node_file(NODE, "nf_conntrack_count")
            unasked = await cluster.ask_probe(NODE, ProbeRequest(node_files=("nf_conntrack_max",)))

    assert count == "17\n"
    assert set(unasked.node_files) == {"nf_conntrack_max"}
    assert not any("/exec" in each for each in world.front.asked)


async def test_each_reason_why_it_cannot_be_asked_is_one_sentence(server: Server, tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        place(world, "")
        nowhere = await why_blind(world, settings(server))
        place(world, HERE)
        refused = await why_blind(world, settings(server, port=9))
        stranger = await why_blind(world, settings(server, "mallory"))
        deceived = await why_blind(world, settings(server, "deceived"))
        empty = await why_blind(world, settings(server, "none"))

    assert nowhere == "the probe on node lab1 has no address yet"
    assert refused.startswith("the probe at 127.0.0.1 port 9 cannot be asked: Connect")
    assert stranger == "the probe refused the request: 'mallory' may not ask"
    assert deceived.endswith("shows a certificate that is not of our authority")
    assert empty.startswith("our certificate for the probes cannot be used (")


async def test_the_doctor_asks_each_probe_and_needs_no_right_to_run_programs(server: Server, tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        world.front.refused.add("pods/exec")
        place(world, HERE)
        async with world.cluster(settings(server)) as cluster:
            well = {each.name: each for each in await examine(Patient(cluster, {}))}
        async with world.cluster(settings(server, "mallory")) as cluster:
            ill = {each.name: each for each in await examine(Patient(cluster, {}))}

    assert (well["probe"].state, well["probe"].found) == (CheckState.OK, "2 of 2 nodes answer, namespace kai-probe")
    assert not any("exec" in name for name in well)
    assert ill["probe"].state is CheckState.MISSING
    assert ill["probe"].found == "the probe refused the request: 'mallory' may not ask"
