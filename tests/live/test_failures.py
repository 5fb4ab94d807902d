"""What is broken stays a named hole in the diagnosis: the rest goes on, and the time is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from lab.observer import Manners
from sensors.access.live import LiveSettings
from tests.live.front import hangs, resets, says
from tests.live.world import CASES, World, layer, recorded_nodes, sights, summary, world_of

NAME = "checkout-to-bank"
INSIDE = ("dns.lookup", "net.connect", "net.tcp_stats", "net.mtu")
"""The sensors that need to look from inside the pod."""


def blind(said: dict[str, Any]) -> set[str]:
    return {sensor for sensor, sight in sights(said).items() if sight == "blind"}


async def diagnosed(folder: Path, breaking: Callable[[World], None], within: float = 20.0, **world: Any) -> Any:
    async with world_of(NAME, folder, **world) as opened:
        breaking(opened)
        return await opened.diagnose(within=within)


def nothing(_: World) -> None:
    pass


# -- the relay ---------------------------------------------------------------------------------------------------------


async def test_without_a_relay_only_the_flows_are_missing_and_the_relays_own_sentence_says_so(tmp_path: Path) -> None:
    async with world_of(NAME, tmp_path) as world:
        await world.relay.stop()
        said = await world.diagnose()

    assert blind(said) == {"hubble.capture_flows"}
    assert "connection refused, nothing listens there" in summary(said, "hubble.capture_flows")
    assert (said["cause_class"], said["confidence"]) == ("policy.both_sides_denied", 0.6)


async def test_a_node_that_the_relay_does_not_reach_is_named_and_costs_confidence(tmp_path: Path) -> None:
    nodes = recorded_nodes(CASES / NAME)
    nodes[1].is_connected = False

    said = await diagnosed(tmp_path, nothing, nodes=nodes)

    assert blind(said) == set()
    assert "no flows from lab2" in summary(said, "hubble.capture_flows")
    assert 0 < said["coverage"] < 1


async def test_a_slow_node_costs_the_flows_time_and_no_more(tmp_path: Path) -> None:
    nodes = recorded_nodes(CASES / NAME)
    nodes[0].delay = 60

    said = await diagnosed(tmp_path, nothing, nodes=nodes)

    assert said["cause_class"] == "policy.both_sides_denied"
    assert "no flows from lab1" in summary(said, "hubble.capture_flows")
    assert said["timings"]["total_ms"] < 18_000  # its answer would take sixty seconds, and the test gives up after 20


async def test_an_answer_that_is_cut_off_is_used_and_what_is_missing_lowers_the_coverage(tmp_path: Path) -> None:
    whole = await diagnosed(tmp_path, nothing)
    cut = await diagnosed(tmp_path, nothing, manners=Manners(hangs_up_after=40))
    facts = next(each["facts"] for each in cut["evidence"] if each["sensor"] == "hubble.capture_flows")

    assert facts["flows"] > 0
    assert (facts["truncated"], facts["cut_short"]) == (True, True)
    assert "the source breaks off" in summary(cut, "hubble.capture_flows")
    assert cut["coverage"] < whole["coverage"]


async def test_a_relay_that_never_answers_is_blind_in_time(tmp_path: Path) -> None:
    said = await diagnosed(tmp_path, nothing, manners=Manners(is_mute=True))

    assert blind(said) == {"hubble.capture_flows"}
    assert "gave no answer in time" in summary(said, "hubble.capture_flows")
    assert said["timings"]["total_ms"] < 18_000  # the whole diagnosis gets twenty seconds


async def test_a_relay_that_talks_nonsense_is_counted_and_not_believed(tmp_path: Path) -> None:
    said = await diagnosed(tmp_path, nothing, manners=Manners(garbage_every=1))
    facts = next(each["facts"] for each in said["evidence"] if each["sensor"] == "hubble.capture_flows")

    assert (facts["flows"], facts["garbage"] > 100) == (0, True)
    assert said["confidence"] < 0.6


# -- the probe ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mood", "words"),
    [
        ("hangs", "did not end within 5 s"),
        ("killed", "breaks off or is garbled"),
        ("reset", "it broke the connection off"),
    ],
)
async def test_a_probe_that_fails_blinds_what_needs_it_with_its_reason(mood: str, words: str, tmp_path: Path) -> None:
    def breaking(world: World) -> None:
        world.front.probe_mood = mood

    said = await diagnosed(tmp_path, breaking)

    assert blind(said) == {*INSIDE, "net.conntrack_usage"}
    assert all(words in summary(said, each) for each in INSIDE)
    assert layer(said, "conntrack")[0] == "not_measured"
    assert said["cause_class"] == "policy.both_sides_denied"
    assert said["timings"]["total_ms"] < 18_000  # the whole diagnosis gets twenty seconds


async def test_a_probe_that_is_not_ready_is_not_asked_and_named(tmp_path: Path) -> None:
    async with world_of(NAME, tmp_path) as world:
        for each in (pod for pods in world.front.extra.values() for pod in pods):
            if each["metadata"]["name"].startswith("probe-on-"):
                each["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
        said = await world.diagnose(LiveSettings(exec_in_target=False))
        runs = [each for each in world.front.asked if "/pods/probe-on-" in each]

    assert runs == []
    assert "the probe on node lab1 is not ready (kai-probe/probe-on-lab1)" in summary(said, "net.connect")
    assert said["cause_class"] == "policy.both_sides_denied"


async def test_a_missing_right_to_run_the_probe_names_the_right(tmp_path: Path) -> None:
    said = await diagnosed(tmp_path, lambda world: world.front.refused.add("pods/exec"))

    assert blind(said) == {*INSIDE, "net.conntrack_usage"}
    assert "needed are the verbs get and create on pods/exec in namespace kai-probe" in summary(said, "net.connect")


# -- the API server ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lacking:
    """What is blind without a resource, and which layer is then not measured."""

    sensors: set[str]
    layers: set[str] = field(default_factory=set)


WITHOUT = {
    "pods": Lacking({"k8s.pod", *INSIDE, "net.conntrack_usage", "cni.health", "kube_proxy.health"}, {"conntrack"}),
    "services": Lacking({"k8s.services"}, {"service"}),
    "networkpolicies": Lacking({"k8s.network_policies"}),
    "nodes": Lacking({"k8s.nodes"}),
    "events": Lacking(set()),
    "namespaces": Lacking(set()),
    "endpointslices": Lacking(set()),
    "ciliumendpoints": Lacking(set()),
    "configmaps": Lacking(set()),
    "daemonsets": Lacking(set()),
    **dict.fromkeys(("replicasets", "deployments", "statefulsets", "ciliumnodes"), Lacking(set())),
    **dict.fromkeys(("ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies"), Lacking(set())),
}


@pytest.mark.parametrize("resource", sorted(WITHOUT))
async def test_a_missing_right_blinds_its_own_sensors_and_names_verb_and_resource(
    resource: str, tmp_path: Path
) -> None:
    said = await diagnosed(tmp_path, lambda world: world.front.refused.add(resource))
    lacking = WITHOUT[resource]

    assert blind(said) == lacking.sensors
    assert all(layer(said, each)[0] == "not_measured" for each in lacking.layers)
    assert f"no right to list {resource}" in str(said)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (says(410, "The provided continue parameter is too old"), "answered 410"),
        (resets, "it broke the connection off"),
        (says(500, "etcdserver: request timed out"), "answered 500 (etcdserver: request timed out)"),
        (hangs, "services were not listed within 5 s"),
    ],
    ids=["410", "reset", "500", "hangs"],
)
async def test_a_list_that_fails_is_one_blind_sensor_and_a_layer_not_measured(
    fault: Any, words: str, tmp_path: Path
) -> None:
    said = await diagnosed(tmp_path, lambda world: world.front.faults.update({"/services": fault}))

    assert blind(said) == {"k8s.services"}
    assert words in summary(said, "k8s.services")
    assert layer(said, "service")[0] == "not_measured"
    assert said["timings"]["total_ms"] < 60_000  # it hangs for an hour


async def test_a_slow_api_server_costs_time_and_nothing_else(tmp_path: Path) -> None:
    async def slow(_: web.Request) -> web.StreamResponse | None:
        await asyncio.sleep(0.4)
        return None

    said = await diagnosed(tmp_path, lambda world: world.front.faults.update({"": slow}))

    assert (blind(said), said["confidence"]) == (set(), 0.96)


async def test_an_api_server_that_falls_silent_leaves_a_diagnosis_within_the_budget(tmp_path: Path) -> None:
    async def silent(request: web.Request) -> web.StreamResponse | None:
        return None if request.path == "/version" else await hangs(request)

    said = await diagnosed(tmp_path, lambda world: world.front.faults.update({"": silent}), within=4.0)

    assert (said["cause_class"], said["coverage"] < 0.4) == ("inconclusive", True)
    assert {each["state"] for each in said["layers"]} <= {"not_measured", "inconclusive"}
    assert said["timings"]["total_ms"] < 60_000  # it is silent for an hour
