"""In a cluster with too many pods, the sensors of its own parts read theirs."""

from __future__ import annotations

from typing import Any

import pytest

from sensors import cni_health, dns_coredns_health, kube_proxy_health
from sensors.kit import Sensor
from sensors.kit.cluster import Environment
from sensors.kit.kinds import KINDS
from sensors.kit.model import Target
from sensors.kit.observe import observe
from tests.kit.build import Json, daemon_set, node, pod
from tests.kit.fakes import CrowdedCluster, FakeCluster

WEB = Target("web-1", "shop")
CILIUM = Environment(cni="cilium", cni_version="1.16.4")
AGENT, PROXY, DNS = {"k8s-app": "cilium"}, {"k8s-app": "kube-proxy"}, {"k8s-app": "kube-dns"}
PARTS: tuple[Json, ...] = (
    node("node-a"),
    node("node-b"),
    pod("shop", "web-1", node="node-b"),
    daemon_set("networking", "cilium", labels=AGENT),
    pod("networking", "cilium-a", labels=AGENT, node="node-a"),
    daemon_set("kube-system", "kube-proxy", labels=PROXY),
    pod("kube-system", "kube-proxy-a", labels=PROXY, node="node-a"),
    pod("kube-system", "coredns-1", labels=DNS, node="node-a"),
)


@pytest.mark.parametrize("sensor", [cni_health.SENSOR, kube_proxy_health.SENSOR, dns_coredns_health.SENSOR])
async def test_the_parts_of_the_cluster_are_seen_as_in_a_small_one(sensor: Sensor) -> None:
    how: dict[str, Any] = {"kinds": KINDS, "environment": CILIUM}
    small = await observe(sensor, WEB, FakeCluster(PARTS, **how))

    large = await observe(sensor, WEB, CrowdedCluster([*PARTS, pod("other", "x", node="node-a")], **how))

    assert large.facts == small.facts
    assert large.facts is not None


async def test_kube_proxy_is_found_wherever_its_daemon_set_lives() -> None:
    parts = [
        node("node-a"),
        daemon_set("proxies", "kube-proxy", labels=PROXY),
        pod("proxies", "kube-proxy-a", labels=PROXY, node="node-a"),
    ]
    cluster = CrowdedCluster([*parts, pod("shop", "web-1", node="node-a")], kinds=KINDS)

    facts = (await observe(kube_proxy_health.SENSOR, WEB, cluster)).facts

    assert ([each.node for each in facts.pods], facts.nodes_without) == (["node-a"], ())


async def test_an_agent_that_is_missing_is_named_wherever_its_daemon_set_lives() -> None:
    cluster = CrowdedCluster(PARTS, kinds=KINDS, environment=CILIUM)

    facts = (await observe(cni_health.SENSOR, WEB, cluster)).facts

    assert facts.agent("node-a").state is cni_health.AgentState.OK
    assert (facts.agent("node-b").state, facts.agent("node-b").why) == (
        cni_health.AgentState.FAILING,
        "DaemonSet networking/cilium has no pod on node-b",
    )
