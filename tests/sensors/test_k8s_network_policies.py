"""Recorded with kubectl 1.36 on Kubernetes 1.36.2 with Cilium 1.20.0-dev."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sensors.hubble.question import FlowQuestion
from sensors.hubble.records import FlowEndpoint, HubbleFlow, HubbleMessage
from sensors.k8s_network_policies import SENSOR, ListedPolicy, Policies
from sensors.kit.cluster import Environment
from sensors.kit.kinds import KINDS, NETWORK_POLICY
from sensors.kit.model import NOT_RECORDED, Sight, Target
from sensors.kit.objects import Owner
from sensors.kit.observe import observe
from tests.kit.build import Json, config_map, meta, namespace, pod, service
from tests.kit.cases import CASES, case, look_at, target_of
from tests.kit.fakes import CrowdedCluster, FakeCluster
from tests.kit.spoil import real_objects, spoiled

WEB = Target("web-1", "shop")
SHOP = (pod("shop", "web-1", labels={"app": "web"}, serviceAccountName="web"), namespace("shop", team="a"))
CILIUM = Environment(cni="cilium")


def netpol(name: str, selector: Json | None, *, space: str = "shop", **spec: Any) -> Json:
    chosen = {} if selector is None else {"podSelector": selector}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta(space, name),
        "spec": {**chosen, **spec},
    }


def cnp(name: str, rule: Json, **more: Any) -> Json:
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": meta("shop", name),
        "spec": rule,
        **more,
    }


async def refs(*objects: Json, **settings: Any) -> dict[str, ListedPolicy]:
    facts = (await observe(SENSOR, WEB, FakeCluster([*SHOP, *objects], kinds=KINDS, **settings))).facts
    return {each.name: each for each in facts.policies}


async def test_the_recorded_policy_that_selects_the_pod_is_named_and_the_simulator_gets_the_raw_objects() -> None:
    facts = await look_at(SENSOR, "checkout-to-bank")

    chosen = [(str(each.ref), each.selects, each.directions) for each in facts.policies]
    assert chosen == [
        ("NetworkPolicy checkout/checkout-egress", True, ("egress",)),
        ("NetworkPolicy payments/bank-ingress", False, ("ingress",)),
    ]
    assert facts.counts["CiliumNetworkPolicy"] == 0
    kinds = {each["kind"] for each in facts.objects}
    assert kinds >= {
        "Pod",
        "Namespace",
        "Service",
        "Node",
        "EndpointSlice",
        "NetworkPolicy",
        "ConfigMap",
    }
    assert [each["metadata"]["name"] for each in facts.objects if each["kind"] == "ConfigMap"] == ["cilium-config"]


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("agent-to-collector", "CiliumClusterwideNetworkPolicy restricted-networks"),
        ("billing-to-tax", "CiliumNetworkPolicy billing/billing-boundary"),
        ("worker-to-queue", "NetworkPolicy jobs/worker-egress"),
    ],
)
async def test_every_kind_of_policy_finds_its_pod(name: str, policy: str) -> None:
    facts = await look_at(SENSOR, name)

    assert [str(each.ref) for each in facts.selecting] == [policy]


async def test_a_policy_selects_by_labels_in_its_own_namespace_only() -> None:
    found = await refs(
        netpol("all", {}),
        netpol("web", {"matchLabels": {"app": "web"}}),
        netpol("db", {"matchLabels": {"app": "db"}}),
        netpol("odd", {"matchExpressions": [{"key": "app", "operator": "Near", "values": ["web"]}]}),
        netpol("other", {}, space="bank"),
    )

    assert {name: each.selects for name, each in found.items()} == {
        "all": True,
        "web": True,
        "db": False,
        "odd": None,
        "other": False,
    }


async def test_cilium_selectors_speak_of_sources_namespaces_and_service_accounts() -> None:
    space_label = "k8s:io.cilium.k8s.namespace.labels.team"
    found = await refs(
        cnp("k8s", {"endpointSelector": {"matchLabels": {"k8s:app": "web"}}, "egressDeny": [{}]}),
        cnp("any", {"endpointSelector": {"matchLabels": {"any:app": "web"}}, "ingress": [{}]}),
        cnp("team", {"endpointSelector": {"matchLabels": {space_label: "a"}}}),
        cnp("reserved", {"endpointSelector": {"matchLabels": {"reserved:host": ""}}}),
        cnp("specs", {}, specs=[{"endpointSelector": {"matchLabels": {"app": "db"}}}, {"endpointSelector": {}}]),
        cnp("nodes", {"nodeSelector": {}, "ingress": [{}]}),
        environment=CILIUM,
    )

    assert {name: each.selects for name, each in found.items()} == {
        "k8s": True,
        "any": True,
        "team": True,
        "reserved": False,
        "specs": True,
        "nodes": False,
    }
    assert (found["k8s"].directions, found["any"].directions) == (("egress",), ("ingress",))


async def test_directions_follow_the_policy_types_and_their_default() -> None:
    found = await refs(
        netpol("silent", {}),
        netpol("rules", {}, egress=[{}]),
        netpol("typed", {}, policyTypes=["Egress"]),
    )

    ways = {name: each.directions for name, each in found.items()}
    assert ways == {"silent": ("ingress",), "rules": ("ingress", "egress"), "typed": ("egress",)}


async def test_an_admin_policy_selects_by_namespace() -> None:
    admin = {
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "AdminNetworkPolicy",
        "metadata": meta("", "guard"),
        "spec": {"subject": {"namespaces": {"matchLabels": {"team": "a"}}}, "egress": [{}]},
    }

    found = await refs(admin)

    assert (found["guard"].selects, found["guard"].directions) == (True, ("egress",))


async def test_a_policy_that_the_cni_calls_invalid_says_so_and_its_owner_is_named() -> None:
    bad = cnp("bad", {"endpointSelector": {}})
    bad["status"] = {"conditions": [{"type": "Valid", "status": "False", "message": "unknown field"}]}
    bad["metadata"]["labels"] = {"kustomize.toolkit.fluxcd.io/name": "apps"}

    found = await refs(bad, environment=CILIUM)

    assert (found["bad"].invalid, found["bad"].owner) == ("unknown field", Owner("Flux", "apps"))


async def test_a_crd_that_is_not_recorded_is_not_present_but_the_cnis_own_kinds_are_unreadable() -> None:
    missing = {each.plural: f"{each.plural} are {NOT_RECORDED}" for each in KINDS if "polic" in each.plural}
    del missing[NETWORK_POLICY.plural]
    cluster = FakeCluster([*SHOP, netpol("all", {})], kinds=KINDS, blind=missing, environment=CILIUM)

    facts = (await observe(SENSOR, WEB, cluster)).facts

    assert set(facts.unreadable) == {"CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"}
    assert facts.counts == {"NetworkPolicy": 1}


async def test_a_crd_that_is_forbidden_is_unreadable_wherever_we_are() -> None:
    cluster = FakeCluster(SHOP, kinds=KINDS, blind={"adminnetworkpolicies": "forbidden"})

    facts = (await observe(SENSOR, WEB, cluster)).facts

    assert facts.unreadable == {"AdminNetworkPolicy": "forbidden"}


async def test_without_pods_nobody_can_say_whom_a_policy_selects() -> None:
    cluster = FakeCluster([netpol("all", {})], kinds=KINDS, blind={"pods": "forbidden"})

    facts = (await observe(SENSOR, WEB, cluster)).facts

    assert [each.selects for each in facts.policies] == [None]
    assert facts.unreadable == {"Pod": "forbidden"}


def flow_to(space: str, **said: Any) -> HubbleFlow:
    ends = (
        FlowEndpoint("10.0.0.1", namespace="shop", pod="web-1"),
        FlowEndpoint("10.0.9.1", namespace=space),
    )
    at = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
    return HubbleFlow(time=at, verdict="DROPPED", event=1, drop_reason=133, source=ends[0], destination=ends[1], **said)


THERE = (pod("bank", "db-1", labels={"app": "db"}), pod("crowd", "other-1", labels={"app": "other"}))


async def pods_in(cluster: FakeCluster, target: Target = WEB) -> tuple[Policies, set[str]]:
    facts = (await observe(SENSOR, target, cluster)).facts
    return facts, {each["metadata"]["name"] for each in facts.objects if each["kind"] == "Pod"}


async def test_of_too_many_pods_those_of_the_peers_namespaces_are_read_and_the_rest_is_not_certain() -> None:
    cluster = CrowdedCluster([*SHOP, *THERE, netpol("all", {})], kinds=KINDS, flows=[flow_to("bank")])

    facts, names = await pods_in(cluster)

    assert names == {"web-1", "db-1"}
    assert facts.pods_of == ("bank", "shop")
    assert facts.unreadable["Pod"].endswith("150,000, too many to read; read were those of shop, bank")
    assert [each.selects for each in facts.policies] == [True]
    assert facts.coverage < 1.0
    assert "pods read in bank, shop only: all are too many" in facts.summary()


async def test_of_too_many_pods_those_of_the_asked_peers_namespace_are_read() -> None:
    db = service("bank", "db")
    cluster = CrowdedCluster([*SHOP, *THERE, db], kinds=KINDS, flows=[])

    _, names = await pods_in(cluster, replace(WEB, to_host="db.bank", to_port=443))

    assert names == {"web-1", "db-1"}


async def test_of_too_many_pods_only_the_pods_own_are_read_where_no_peer_is_known() -> None:
    facts, names = await pods_in(CrowdedCluster([*SHOP, *THERE], kinds=KINDS, blind={"flows": "no relay"}))

    assert (names, facts.pods_of) == ({"web-1"}, ("shop",))


async def test_the_policies_are_told_although_the_relay_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(CrowdedCluster):
        async def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[Sequence[HubbleMessage]]:
            await asyncio.Event().wait()
            yield ()

    monkeypatch.setattr("sensors.k8s_network_policies.SOME_PODS_UNTIL_S", 0.01)

    facts, names = await pods_in(Hanging([*SHOP, *THERE, netpol("all", {})], kinds=KINDS))

    assert (names, facts.pods_of, len(facts.policies)) == (set(), (), 1)
    assert facts.unreadable["Pod"] == "pods in all namespaces: 150,000, too many to read"


async def test_where_all_pods_can_be_read_all_are_and_nothing_is_missing() -> None:
    facts, names = await pods_in(FakeCluster([*SHOP, *THERE], kinds=KINDS, flows=[flow_to("bank")]))

    assert names == {"web-1", "db-1", "other-1"}
    assert (facts.pods_of, dict(facts.unreadable), facts.coverage) == ((), {}, 1.0)


async def test_without_network_policies_the_sensor_is_blind() -> None:
    evidence = await observe(SENSOR, WEB, FakeCluster(SHOP, blind={"networkpolicies": "networkpolicies is forbidden"}))

    assert (evidence.sight, evidence.why) == (Sight.BLIND, "networkpolicies is forbidden")


async def test_settings_of_other_applications_stay_out_of_the_facts() -> None:
    cluster = FakeCluster([*SHOP, config_map("shop", "app", password="x")], kinds=KINDS)

    facts = (await observe(SENSOR, WEB, cluster)).facts

    assert [each for each in facts.objects if each["kind"] == "ConfigMap"] == []


@pytest.mark.parametrize("seed", range(20))
async def test_junk_objects_never_break_the_sensor(seed: int) -> None:
    recorded = case("agent-to-collector")
    objects = spoiled(real_objects(CASES / "agent-to-collector"), seed)

    evidence = await observe(SENSOR, target_of(recorded), FakeCluster(objects, kinds=KINDS, environment=CILIUM))

    assert evidence.sight is Sight.SEEN, evidence.why
    assert evidence.summary
