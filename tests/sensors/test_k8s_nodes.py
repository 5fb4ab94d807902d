"""Recorded with kubectl 1.36 on Kubernetes 1.36.2."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sensors.k8s_nodes import SENSOR, NodeFacts
from sensors.kit.kinds import KINDS
from sensors.kit.model import Sight, Target
from sensors.kit.observe import observe
from tests.kit.build import endpoint, endpoint_slice, node, pod, service
from tests.kit.cases import CASES, case, look_at, target_of
from tests.kit.fakes import FakeCluster
from tests.kit.spoil import real_objects, spoiled

WEB = Target("web-1", "shop", "api", 80)


async def test_a_lost_node_says_unknown_since_when_and_why() -> None:
    facts = await look_at(SENSOR, "planner-to-roster")

    lost = facts.find("lab2")
    assert (lost.ready, lost.reason) == ("Unknown", "NodeStatusUnknown")
    assert isinstance(lost.since, datetime)
    assert [each.name for each in facts.not_ready] == ["lab2"]
    assert (facts.target_node, facts.peer_nodes) == ("lab1", ("lab2",))
    assert facts.summary() == "1 of 2 nodes ready; lab2 Ready=Unknown (NodeStatusUnknown)"


async def test_a_healthy_node_is_described_whole() -> None:
    facts = await look_at(SENSOR, "batch-new-worker")

    assert facts.find("lab1") == NodeFacts(
        name="lab1",
        ready="True",
        reason="KubeletReady",
        message="kubelet is posting ready status",
        since=datetime(2026, 11, 23, 20, 51, 6, tzinfo=UTC),
        heartbeat=datetime(2026, 11, 23, 21, 38, 43, tzinfo=UTC),
        network_unavailable=None,
        pressures=(),
        unschedulable=False,
        taints=(),
        internal_ips=("172.30.0.11",),
        pod_cidrs=("10.244.0.0/24",),
        kubelet="v1.36.2-lab",
        kernel="6.18.44-fc-v595",
    )


async def test_pressure_taints_and_a_missing_network_are_read() -> None:
    sick = node("node-a", unschedulable=True, taints=[{"key": "a", "value": "b", "effect": "NoExecute"}, {"key": "c"}])
    sick["status"]["conditions"] += [
        {"type": "NetworkUnavailable", "status": "True"},
        {"type": "DiskPressure", "status": "True"},
        {"type": "MemoryPressure", "status": "False"},
    ]

    facts = (await observe(SENSOR, WEB, FakeCluster([sick], kinds=KINDS))).facts

    seen = facts.nodes[0]
    assert (seen.network_unavailable, seen.pressures, seen.unschedulable) == (True, ("DiskPressure",), True)
    assert seen.taints == ("a=b:NoExecute", "c:")


async def test_a_node_that_says_nothing_is_not_ready() -> None:
    mute = node("node-a")
    mute["status"] = {}

    facts = (await observe(SENSOR, WEB, FakeCluster([mute], kinds=KINDS))).facts

    assert facts.summary() == "0 of 1 nodes ready; node-a Ready=unset (no reason)"


async def test_the_peers_nodes_are_those_of_its_endpoints() -> None:
    cluster = FakeCluster(
        [
            node("node-a"),
            pod("shop", "web-1", node="node-a"),
            service("shop", "api", selector={"app": "api"}),
            endpoint_slice("shop", "api", endpoint("10.0.0.7", node="node-c"), endpoint("10.0.0.6", node="node-b")),
        ],
        kinds=KINDS,
    )

    facts = (await observe(SENSOR, WEB, cluster)).facts

    assert (facts.target_node, facts.peer_nodes) == ("node-a", ("node-b", "node-c"))


async def test_the_pools_that_pods_get_addresses_from_are_read_as_kubectl_prints_them() -> None:
    """What the Tigera operator 1.36 writes for Calico 3.29, and a pool for load balancers beside one switched off."""
    usual = {
        "allowedUses": ["Workload", "Tunnel"],
        "blockSize": 26,
        "cidr": "192.168.0.0/16",
        "ipipMode": "Never",
        "natOutgoing": True,
        "nodeSelector": "all()",
        "vxlanMode": "CrossSubnet",
    }
    pools = [
        {"apiVersion": "projectcalico.org/v3", "kind": "IPPool", "metadata": {"name": name}, "spec": {**usual, **other}}
        for name, other in (
            ("default-ipv4-ippool", {}),
            ("outside", {"cidr": "203.0.113.0/24", "allowedUses": ["LoadBalancer"]}),
            ("retired", {"cidr": "10.9.0.0/16", "disabled": True}),
        )
    ]

    facts = (await observe(SENSOR, WEB, FakeCluster([node("n1"), *pools], kinds=KINDS))).facts

    assert facts.pools == ("192.168.0.0/16",)


async def test_nodes_are_still_told_when_nothing_else_can_be_read() -> None:
    facts = (await observe(SENSOR, WEB, FakeCluster([node("node-a")]))).facts

    assert (len(facts.nodes), facts.target_node, facts.peer_nodes) == (1, "", ())


async def test_without_nodes_the_sensor_is_blind() -> None:
    evidence = await observe(SENSOR, WEB, FakeCluster(blind={"nodes": "nodes is forbidden"}))

    assert (evidence.sight, evidence.why) == (Sight.BLIND, "nodes is forbidden")


@pytest.mark.parametrize("seed", range(20))
async def test_junk_objects_never_break_the_sensor(seed: int) -> None:
    recorded = case("planner-to-roster")
    cluster = FakeCluster(spoiled(real_objects(CASES / "planner-to-roster"), seed), kinds=KINDS)

    evidence = await observe(SENSOR, target_of(recorded), cluster)

    assert evidence.sight is Sight.SEEN, evidence.why
    assert evidence.summary
