"""Shapes: kubeadm's DaemonSet and GKE's static pods; the recordings come from a cluster without kube-proxy."""

from __future__ import annotations

from typing import Any

import pytest

from sensors.kit.cluster import Environment
from sensors.kit.kinds import KINDS
from sensors.kit.model import Evidence, Sight, Target
from sensors.kit.observe import observe
from sensors.kube_proxy_health import SENSOR, ProxyPod
from tests.kit.build import Json, config_map, daemon_set, node, pod
from tests.kit.cases import CASES, case, look_anyhow, target_of
from tests.kit.fakes import FakeCluster
from tests.kit.spoil import real_objects, spoiled

WEB = Target("web-1", "shop")
PROXY = {"k8s-app": "kube-proxy"}
IMAGE = [{"name": "kube-proxy", "image": "registry.k8s.io/kube-proxy:v1.31.2@sha256:00"}]


def proxy(name: str, on: str, **more: Any) -> Json:
    return pod("kube-system", name, labels=PROXY, node=on, **{"containers": IMAGE, **more})


async def look(*objects: Json, environment: Environment | None = None) -> Evidence:
    return await observe(SENSOR, WEB, FakeCluster(objects, kinds=KINDS, environment=environment))


async def test_where_cilium_replaces_it_there_is_no_kube_proxy_to_be_ill() -> None:
    evidence = await look_anyhow(SENSOR, "web-to-catalog")

    assert (evidence.sight, evidence.why) == (Sight.ABSENT, "Cilium replaces kube-proxy")


async def test_where_nobody_replaces_it_and_none_is_seen_the_reader_is_told_where_else_it_may_run() -> None:
    evidence = await look(node("node-a"))

    assert evidence.sight is Sight.ABSENT
    assert "k3s" in evidence.why


async def test_a_crashing_kube_proxy_and_a_node_without_one_are_named() -> None:
    ill = proxy("kube-proxy-b", "node-b", ready=False)
    ill["status"]["containerStatuses"] = [{"restartCount": 7, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]

    facts = (
        await look(
            proxy("kube-proxy-a", "node-a"), ill, pod("shop", "web-1", node="node-b"), *map(node, ("node-a", "node-c"))
        )
    ).facts

    assert facts.pods == (
        ProxyPod("kube-proxy-a", "node-a", True, 0, "", "v1.31.2"),
        ProxyPod("kube-proxy-b", "node-b", False, 7, "CrashLoopBackOff", "v1.31.2"),
    )
    assert (facts.nodes_without, facts.target_node, facts.replaced) == (("node-c",), "node-b", None)
    assert facts.summary() == (
        "kube-proxy ready on 1 of 2 nodes that run it; kube-proxy-b on node-b not ready CrashLoopBackOff; "
        "none on node-c"
    )


async def test_a_windows_node_is_not_missing_a_linux_kube_proxy() -> None:
    windows = node("node-w")
    windows["metadata"]["labels"] = {"kubernetes.io/os": "windows"}

    facts = (await look(proxy("kube-proxy-a", "node-a"), node("node-a"), windows)).facts

    assert facts.nodes_without == ()


async def test_a_daemon_set_without_pods_serves_no_node() -> None:
    facts = (await look(daemon_set("kube-system", "kube-proxy", PROXY), node("node-a"))).facts

    assert (facts.pods, facts.nodes_without) == ((), ("node-a",))


async def test_static_pods_count_too() -> None:
    static = pod("kube-system", "kube-proxy-gke-1", labels={"component": "kube-proxy"}, node="node-a")

    facts = (await look(static, node("node-a"))).facts

    assert [each.pod for each in facts.pods] == ["kube-proxy-gke-1"]


async def test_two_translators_at_once_are_told() -> None:
    config = config_map("kube-system", "cilium-config", **{"kube-proxy-replacement": "true"})

    facts = (await look(proxy("kube-proxy-a", "node-a"), node("node-a"), config)).facts

    assert (facts.replaced, facts.both_on) == (True, True)


@pytest.mark.parametrize(
    ("word", "replaced"),
    [("true", True), ("strict", True), ("false", False), ("disabled", False), ("probe", None), ("", None)],
)
async def test_ciliums_word_for_replacement_is_read_in_all_its_spellings(word: str, replaced: bool | None) -> None:
    config = config_map("kube-system", "cilium-config", **{"kube-proxy-replacement": word})

    facts = (await look(proxy("kube-proxy-a", "node-a"), config)).facts

    assert facts.replaced is replaced


async def test_the_mode_is_read_from_its_own_configuration() -> None:
    config = config_map("kube-system", "kube-proxy", **{"config.conf": 'kind: KubeProxyConfiguration\nmode: "ipvs"\n'})

    facts = (await look(proxy("kube-proxy-a", "node-a"), config)).facts

    assert facts.mode == "ipvs"


async def test_without_pods_the_sensor_is_blind() -> None:
    evidence = await observe(SENSOR, WEB, FakeCluster(kinds=KINDS, blind={"pods": "pods is forbidden"}))

    assert (evidence.sight, evidence.why) == (Sight.BLIND, "pods is forbidden")


@pytest.mark.parametrize("seed", range(10))
async def test_junk_objects_never_break_the_sensor(seed: int) -> None:
    recorded = case("web-to-catalog")
    objects = [*real_objects(CASES / "web-to-catalog"), proxy("p", "lab1"), daemon_set("kube-system", "kube-proxy", {})]

    evidence = await observe(SENSOR, target_of(recorded), FakeCluster(spoiled(objects, seed, 0.15), kinds=KINDS))

    assert "the sensor failed" not in evidence.why
    assert evidence.summary
