"""Recorded with cilium-dbg 1.20.0-dev on Kubernetes 1.36.2."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sensors.cni_health import SENSOR, AgentState, CniHealth, EndpointState, FailingController
from sensors.kit.cluster import Environment
from sensors.kit.kinds import KINDS
from sensors.kit.model import Sight, Target
from sensors.kit.observe import observe
from tests.kit.build import Json, config_map, daemon_set, event, node, pod
from tests.kit.cases import CASES, case, look_anyhow, look_at, target_of
from tests.kit.fakes import FakeCluster
from tests.kit.spoil import real_objects, spoiled

WEB = Target("web-1", "shop")
CILIUM = Environment(cni="cilium", cni_version="1.16.4")
AGENT = {"k8s-app": "cilium"}
NODES = (node("node-a"), node("node-b", ip="172.30.0.12"))
OK = '{"cilium": {"state": "Ok", "msg": "1.16.4"}, "ipam": {"status": "IPv4: 4/254 allocated from 10.0.0.0/24, "}}'


async def seen(*objects: Json, environment: Environment = CILIUM, **settings: Any) -> CniHealth:
    cluster = FakeCluster([*NODES, *objects], kinds=KINDS, environment=environment, **settings)
    evidence = await observe(SENSOR, WEB, cluster)
    assert isinstance(evidence.facts, CniHealth), evidence.why
    return evidence.facts


def states(facts: CniHealth) -> dict[str, tuple[str, str]]:
    return {each.node: (each.state.value, each.why) for each in facts.agents}


def waiting(name: str, *events: Json) -> tuple[Json, ...]:
    stuck = pod("shop", name, ip="", ready=False, phase="Pending", node="node-b")
    stuck["status"]["conditions"] += [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-23T20:58:00Z"},
        {"type": "PodReadyToStartContainers", "status": "False"},
    ]
    stuck["status"]["containerStatuses"] = [{"state": {"waiting": {"reason": "ContainerCreating"}}}]
    return stuck, *events


async def test_a_node_whose_agent_gave_no_status_is_unreadable_and_its_stuck_pod_is_named() -> None:
    facts = await look_at(SENSOR, "batch-new-worker")

    assert states(facts) == {
        "lab2": ("unreadable", "nodes/lab2/cilium/status.json is not in the recording"),
        "lab1": ("ok", "it says Ok"),
    }
    assert facts.target_node == "lab2"
    assert [(each.pod.name, each.node, each.reason) for each in facts.stuck_pods] == [
        ("batch-extra-5b8c557b68-hz28c", "lab2", "ContainerCreating")
    ]
    assert facts.stuck_pods[0].waiting_s == 46
    assert facts.endpoint is None
    assert facts.daemon_set is None


async def test_a_healthy_recording_has_every_agents_word() -> None:
    facts = await look_at(SENSOR, "search-to-index")

    assert {each.state for each in facts.agents} == {AgentState.OK}
    assert (facts.cni, facts.stuck_pods, facts.exhausted) == ("cilium", (), ())
    lab1 = facts.agent("lab1")
    assert (lab1.version, lab1.kubernetes, lab1.hubble) == ("1.20.0-dev (v1.20.0-dev-cb982861da)", "Ok", "Ok")
    assert (lab1.ipam, lab1.addresses_used, lab1.addresses_total) == (
        "IPv4: 3/254 allocated from 10.244.0.0/24",
        3,
        254,
    )
    assert lab1.metrics["cilium_controllers_failing"] == 0
    assert 0 < lab1.metrics["cilium_bpf_map_pressure{map_name=ct4_global}"] < 1
    assert facts.endpoint.state == "ready"
    assert "k8s:app=search" in facts.endpoint.identity_labels
    assert facts.config["routing-mode"] == "tunnel"
    assert facts.config["kube-proxy-replacement"] == "true"


async def test_a_failing_controller_is_a_detail_not_a_failing_agent() -> None:
    facts = await look_at(SENSOR, "planner-to-roster")

    lab2 = facts.agent("lab2")
    assert lab2.state is AgentState.OK
    assert lab2.controllers_failing == (
        FailingController("sync-to-k8s-ciliumendpoint (3108)", 11, 'namespaces "auction" not found'),
    )


@pytest.mark.parametrize("name", sorted(each.name for each in CASES.iterdir() if each.is_dir()))
async def test_no_recorded_agent_is_called_failing_as_none_of_them_said_so(name: str) -> None:
    evidence = await look_anyhow(SENSOR, name)

    assert evidence.sight is Sight.SEEN
    assert evidence.facts.failing == ()


async def test_an_agents_pod_that_crashes_outweighs_its_last_word() -> None:
    agent = pod("kube-system", "cilium-x", labels=AGENT, node="node-a", ready=False)
    agent["status"]["containerStatuses"] = [{"restartCount": 9, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
    facts = await seen(agent, node_files={"node-a/cilium/status.json": OK})

    assert states(facts)["node-a"] == ("failing", "Pod kube-system/cilium-x is not ready CrashLoopBackOff")
    crashed = facts.agent("node-a")
    assert crashed is not None
    assert crashed.pod is not None
    assert crashed.pod.restarts == 9


async def test_an_agent_that_complains_of_itself_is_failing_in_its_own_words() -> None:
    words = '{"cilium": {"state": "Failure", "msg": "kvstore unreachable"}}'

    facts = await seen(node_files={"node-a/cilium/status.json": words, "node-b/cilium/status.json": OK})

    assert states(facts)["node-a"] == ("failing", "it says Failure: kvstore unreachable")


async def test_a_node_without_the_pod_its_daemon_set_owes_it_is_failing() -> None:
    agent = pod("kube-system", "cilium-x", labels=AGENT, node="node-a")

    facts = await seen(agent, daemon_set("kube-system", "cilium", AGENT))

    assert states(facts) == {
        "node-a": ("ok", "Pod kube-system/cilium-x is ready"),
        "node-b": ("failing", "DaemonSet kube-system/cilium has no pod on node-b"),
    }


async def test_a_daemon_set_for_some_nodes_only_owes_nobody_a_pod() -> None:
    agent = pod("kube-system", "cilium-x", labels=AGENT, node="node-a")

    facts = await seen(agent, daemon_set("kube-system", "cilium", AGENT, nodeSelector={"pool": "big"}))

    assert states(facts)["node-b"][0] == "unreadable"


async def test_other_plug_ins_are_judged_by_their_pods() -> None:
    agent = pod("kube-system", "calico-node-x", labels={"k8s-app": "calico-node"}, node="node-a", ready=False)

    facts = await seen(agent, environment=Environment(cni="calico"))

    assert states(facts) == {
        "node-a": ("failing", "Pod kube-system/calico-node-x is not ready"),
        "node-b": ("unreadable", "the agent was not asked"),
    }


async def test_a_sandbox_without_an_address_tells_that_the_pool_is_empty() -> None:
    words = 'plugin type="cilium-cni" failed (add): unable to allocate IP: range is full'
    told = event("Pod", "shop", "new-1", "FailedCreatePodSandBox", words)

    facts = await seen(*waiting("new-1", told))

    assert [(each.pod.name, each.reason, each.waiting_s) for each in facts.stuck_pods] == [
        ("new-1", "FailedCreatePodSandBox", 120)
    ]
    assert facts.exhausted == (("node-b", words),)


async def test_the_agents_own_figures_tell_that_the_pool_is_empty() -> None:
    full = OK.replace("4/254", "254/254")

    facts = await seen(node_files={"node-a/cilium/status.json": full})

    assert facts.exhausted == (("node-a", "254 of 254 addresses are allocated"),)


async def test_a_pod_that_waits_for_a_volume_does_not_wait_for_its_network() -> None:
    told = event("Pod", "shop", "new-1", "FailedMount", "MountVolume.SetUp failed")

    facts = await seen(*waiting("new-1", told), node_files={"node-a/cilium/status.json": OK})

    assert facts.stuck_pods == ()


async def test_only_the_nodes_in_question_are_asked_when_there_are_many() -> None:
    files = {"node-a/cilium/status.json": OK, "node-b/cilium/status.json": OK}
    cluster = FakeCluster(
        [*NODES, pod("shop", "web-1", node="node-b")], kinds=KINDS, environment=CILIUM, node_files=files
    )

    facts = (await observe(SENSOR, WEB, cluster, {"nodes": 1})).facts

    assert states(facts) == {"node-b": ("ok", "it says Ok"), "node-a": ("unreadable", "the agent was not asked")}


async def test_ciliums_view_of_the_pod_is_kept() -> None:
    own = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumEndpoint",
        "metadata": {"namespace": "shop", "name": "web-1"},
        "status": {"state": "waiting-for-identity", "id": 7, "identity": {"id": 4711, "labels": ["k8s:app=web"]}},
    }

    facts = await seen(own, node_files={"node-a/cilium/status.json": OK})

    assert facts.endpoint == EndpointState("waiting-for-identity", 4711, ("k8s:app=web",), 7)


async def test_settings_that_decide_semantics_are_kept_and_others_are_not() -> None:
    config = config_map("cilium", "cilium-config", **{"policy-cidr-match-mode": "nodes", "gops-port": "9890"})

    facts = await seen(config, node_files={"node-a/cilium/status.json": OK})

    assert facts.config == {"policy-cidr-match-mode": "nodes"}


@pytest.mark.parametrize("words", ["", "not json", "[]", '{"cilium": "Ok"}', '{"cilium": {"state": 5}}', "[" * 5000])
async def test_a_status_that_is_not_understood_is_unreadable_not_well(words: str) -> None:
    facts = await seen(node_files={"node-a/cilium/status.json": words, "node-b/cilium/status.json": OK})

    assert states(facts)["node-a"][0] in ("unreadable", "failing")
    assert states(facts)["node-b"][0] == "ok"


async def test_without_one_readable_agent_the_sensor_is_blind() -> None:
    evidence = await observe(SENSOR, WEB, FakeCluster(NODES, kinds=KINDS, environment=CILIUM))

    assert evidence.sight is Sight.BLIND
    assert evidence.why == (
        "node-a: node-a/cilium/status.json was not given; node-b: node-b/cilium/status.json was not given"
    )


async def test_without_nodes_and_pods_the_sensor_is_blind() -> None:
    blind = {"nodes": "forbidden", "pods": "forbidden"}

    evidence = await observe(SENSOR, WEB, FakeCluster(kinds=KINDS, blind=blind))

    assert (evidence.sight, evidence.why) == (Sight.BLIND, "no node is known; pods: forbidden; nodes: forbidden")


@pytest.mark.parametrize("seed", range(20))
async def test_junk_objects_never_break_the_sensor(seed: int) -> None:
    recorded = case("batch-new-worker")
    status = json.loads((CASES / "batch-new-worker/nodes/lab1/cilium/status.json").read_text())
    files = {"lab1/cilium/status.json": json.dumps(spoiled([status], seed, 0.2)[0]), "lab1/cilium/metrics.txt": "?"}
    objects = spoiled(real_objects(CASES / "batch-new-worker"), seed)

    evidence = await observe(
        SENSOR, target_of(recorded), FakeCluster(objects, kinds=KINDS, environment=CILIUM, node_files=files)
    )

    assert "the sensor failed" not in evidence.why
    assert evidence.summary
