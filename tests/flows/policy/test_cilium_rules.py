"""One rule of a Cilium policy: whom it means, where its versions differ."""

from __future__ import annotations

import pytest

from flows.policy import CILIUM, PolicyWorld, Profile
from flows.policy.profile import cilium
from tests.flows.policy.builders import Json, allowed, ask, cnp, pod

NOW = cilium("1.20.2")
PODS = [
    pod("shop/a", "10.0.0.1", app="a"),
    pod("shop/b", "10.0.0.2", app="b"),
    pod("pay/web", "10.0.1.1", app="web"),
    pod("pay/db", "10.0.1.2", app="db"),
]
TCP_80: Json = {"toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}]}


def service(where: str, selector: Json | None = None, **labels: str) -> Json:
    namespace, name = where.split("/")
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": selector, "ports": []}}


def endpoints(where: str, *addresses: str) -> Json:
    namespace, name = where.split("/")
    labels = {"kubernetes.io/service-name": name}
    listed = [{"addresses": [each]} for each in addresses]
    metadata = {"name": f"{name}-1", "namespace": namespace, "labels": labels}
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata, "endpoints": listed}


def named(name: str, **more: str) -> Json:
    return {"k8sService": {"serviceName": name, **more}}


def selected(**labels: str) -> Json:
    return {"k8sServiceSelector": {"selector": {"matchLabels": labels}}}


def reached(rule: Json, destination: str, *objects: Json, profile: Profile = NOW, port: str = "TCP 80") -> bool | None:
    return allowed([*PODS, *objects, cnp("shop/p", {"app": "a"}, egress=[rule])], profile, "shop/a", destination, port)


WEB = service("pay/web", {"app": "web"}, svc="web")
API_OUTSIDE = [service("default/kubernetes"), endpoints("default/kubernetes", "34.1.2.3")]


def test_to_services_without_a_namespace_means_every_service_of_the_name() -> None:
    rule = {"toServices": [named("web")]}

    assert reached(rule, "pay/web", WEB) is True
    assert reached(rule, "pay/web", WEB, service("shop/web", {"app": "b"})) is True
    assert reached(rule, "shop/b", WEB, service("shop/web", {"app": "b"})) is True
    assert reached(rule, "pay/db", WEB) is False


def test_to_services_reaches_an_api_server_outside_and_none_that_is_a_node() -> None:
    rule = {"toServices": [named("kubernetes", namespace="default")]}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    node["status"] = {"addresses": [{"type": "InternalIP", "address": "34.1.2.3"}]}

    assert reached(rule, "34.1.2.3", *API_OUTSIDE) is True
    assert reached(rule, "34.9.9.9", *API_OUTSIDE) is False
    assert reached(rule, "34.1.2.3", *API_OUTSIDE, node) is False


def test_a_selector_for_services_ignores_the_source_of_labels() -> None:
    assert reached({"toServices": [selected(**{"k8s:svc": "web"})]}, "pay/web", WEB) is True
    assert reached({"toServices": [selected(svc="web")]}, "pay/web", WEB) is True
    assert reached({"toServices": [selected(svc="db")]}, "pay/web", WEB) is False


def test_a_selector_that_no_service_matches_leaves_the_ports_open_to_everyone() -> None:
    rule = {"toServices": [selected(svc="nobody")]}

    assert reached({**rule, **TCP_80}, "pay/db", WEB) is True
    assert reached({**rule, **TCP_80}, "203.0.113.1", WEB) is True
    assert reached({**rule, **TCP_80}, "pay/db", WEB, port="TCP 81") is False
    assert reached(rule, "pay/db", WEB) is False
    assert reached({**rule, **TCP_80}, "pay/db") is None  # no Service was read at all


@pytest.mark.parametrize("key", ["toFQDNs", "toGroups", "toServices"])
def test_an_empty_list_of_names_groups_or_services_beside_ports_is_everyone(key: str) -> None:
    assert reached({key: [], **TCP_80}, "pay/db") is True
    assert reached({key: []}, "pay/db") is False


@pytest.mark.parametrize("key", ["toEndpoints", "toEntities", "toCIDR", "toCIDRSet", "toNodes"])
def test_any_other_empty_list_is_nobody_whatever_stands_beside_it(key: str) -> None:
    assert reached({key: [], **TCP_80}, "pay/db") is False
    assert reached({key: [], "toFQDNs": [{"matchPattern": "*"}], **TCP_80}, "pay/db") is False


def test_an_entry_of_ports_without_a_port_admits_nothing() -> None:
    assert reached({"toEntities": ["all"], "toPorts": [{"ports": []}]}, "pay/db") is False


def test_a_service_with_a_selector_counts_from_1_17_on() -> None:
    rule = {"toServices": [named("web", namespace="pay")]}

    assert reached(rule, "pay/web", WEB, profile=cilium("1.15.7")) is False
    assert reached(rule, "pay/web", WEB, profile=cilium("1.16.19")) is False
    assert reached(rule, "pay/web", WEB, profile=cilium("1.17.0")) is True
    assert reached(rule, "pay/web", WEB, profile=CILIUM) is None
    assert reached(rule, "pay/db", WEB, profile=CILIUM) is False


def test_before_1_17_to_services_and_ports_are_refused_together() -> None:
    policy = cnp("shop/p", {"app": "a"}, egress=[{"toServices": [named("web", namespace="pay")], **TCP_80}])
    old, new = (PolicyWorld.of([*PODS, WEB, policy], cilium(version)) for version in ("1.16.2", "1.17.2"))

    assert "cannot stand in one rule before Cilium 1.17" in old.refusals(policy)[0]
    assert new.refusals(policy) == ()


def test_nothing_resolves_to_services_of_a_deny_rule() -> None:
    everyone = [{"toEntities": ["all"]}]
    deny = {"toServices": [named("web", namespace="pay")]}

    for rule, denied in ((deny, False), ({**deny, **TCP_80}, True)):
        policy = cnp("shop/p", {"app": "a"}, egress=everyone, egressDeny=[rule])
        assert allowed([*PODS, WEB, policy], NOW, "shop/a", "pay/db", "TCP 80") is not denied


def test_names_are_no_part_of_a_deny_rule() -> None:
    policy = cnp("shop/p", {"app": "a"}, egress=[{"toEntities": ["all"]}], egressDeny=[{"toFQDNs": [], **TCP_80}])

    assert allowed([*PODS, policy], NOW, "shop/a", "pay/db", "TCP 80") is None


# -- entities --------------------------------------------------------------------------------------------------------

IN_THE_MESH = ("pay/web", "entity:host", "entity:remote-node", "entity:health", "entity:init", "entity:ingress")


@pytest.mark.parametrize("peer", [*IN_THE_MESH, "entity:unmanaged", "entity:kube-apiserver"])
def test_cluster_mesh_is_everything_inside(peer: str) -> None:
    assert reached({"toEntities": ["cluster-mesh"]}, peer) is True


def test_cluster_mesh_denies_pods_too() -> None:
    policies = [
        cnp("shop/one", {"app": "a"}, ingress=[{"fromEntities": ["all"]}]),
        cnp("shop/two", {"app": "a"}, ingressDeny=[{"fromEntities": ["cluster-mesh"]}]),
    ]

    assert allowed([*PODS, *policies], NOW, "shop/b", "shop/a", "TCP 80") is False
    assert allowed([*PODS, *policies], NOW, "203.0.113.1", "shop/a", "TCP 80") is True


@pytest.mark.parametrize("entity", ["cluster", "cluster-mesh", "kube-apiserver", "world"])
def test_an_api_server_outside_is_in_the_cluster_and_in_the_world(entity: str) -> None:
    assert reached({"toEntities": [entity]}, "34.1.2.3", *API_OUTSIDE) is True


def test_the_world_outside_is_not_in_the_cluster() -> None:
    assert reached({"toEntities": ["cluster"]}, "34.9.9.9", *API_OUTSIDE) is False


# -- selectors that speak of the namespace, or of the cluster --------------------------------------------------------


def test_a_selector_that_leaves_a_namespace_out_also_means_the_world_before_1_19() -> None:
    """``NotIn`` is met by whatever has no namespace; from 1.19 on the selector means this cluster only."""
    elsewhere = {"key": "k8s:io.kubernetes.pod.namespace", "operator": "NotIn", "values": ["shop"]}
    rule = {"toEndpoints": [{"matchExpressions": [elsewhere]}]}

    for version, outside in (("1.18.4", True), ("1.19.0", False), ("", None)):
        assert reached(rule, "203.0.113.1", profile=cilium(version)) is outside
        assert reached(rule, "entity:remote-node", profile=cilium(version)) is outside
        assert reached(rule, "pay/web", profile=cilium(version)) is True
        assert reached(rule, "shop/b", profile=cilium(version)) is False


def foreign(world: PolicyWorld, rule: Json) -> bool | None:
    from dataclasses import replace

    traffic = ask(world, "shop/b", "shop/a", "TCP 80")
    return world.judge(replace(traffic, source=replace(traffic.source, pod="far", cluster="west"))).allowed


@pytest.mark.parametrize(
    ("labels", "answers"),
    [
        ({"app": "b"}, (True, False, None)),
        ({"app": "b", "io.cilium.k8s.policy.cluster": "west"}, (True, True, True)),
        ({"app": "b", "k8s:io.cilium.k8s.policy.cluster": "east"}, (False, False, False)),
    ],
)
def test_a_pod_of_another_cluster_is_meant_only_by_name_from_1_19_on(
    labels: Json, answers: tuple[bool | None, ...]
) -> None:
    rule = {"fromEndpoints": [{"matchLabels": labels}]}
    policy = cnp("shop/p", {"app": "a"}, ingress=[rule])

    found = [foreign(PolicyWorld.of([*PODS, policy], cilium(version)), rule) for version in ("1.18.1", "1.19.1", "")]

    assert tuple(found) == answers


def test_the_cluster_that_is_missing_is_said() -> None:
    from dataclasses import replace

    policy = cnp("shop/p", {"app": "a"}, ingress=[{"fromEndpoints": [{"matchLabels": {"app": "b"}}]}])
    world = PolicyWorld.of([*PODS, policy], NOW)
    traffic = ask(world, "shop/b", "shop/a", "TCP 80")
    verdict = world.judge(replace(traffic, source=replace(traffic.source, pod="far", cluster="west"))).ingress

    (miss,) = verdict.closest[0][1].misses

    assert (miss.key, miss.expected, miss.got) == ("io.cilium.k8s.policy.cluster", ("default",), "west")
