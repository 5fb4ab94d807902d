"""Who is where: endpoints, Services, changes of a cluster."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.policy import (
    AWS_VPC_CNI,
    CALICO_IPTABLES,
    CILIUM,
    UNKNOWN_PROFILE,
    Endpoint,
    PolicyRef,
    PolicyWorld,
    Traffic,
    difference_of,
    judgement_in_words,
)
from flows.policy.profile import cilium
from tests.flows.policy.builders import Json, ask, cnp, named, netpol, pod, space
from tests.kit.sampling import examples

SLICE: Json = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
    "endpoints": [{"addresses": ["172.30.0.11"]}],
}
NODE: Json = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "node1"},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "172.30.0.11"}, {"type": "Hostname", "address": "node1"}]
    },
}
SERVICE: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "api", "namespace": "pay"},
    "spec": {"clusterIP": "10.96.0.5", "selector": {"app": "api"}, "ports": [{"port": 80, "targetPort": "http"}]},
}
OBJECTS = [
    space("pay", team="pay"),
    pod("pay/api", "10.0.1.1", {"http": 8080}, app="api"),
    pod("shop/web", "10.0.0.1", app="web"),
    SERVICE,
    SLICE,
    NODE,
]


def world_of(*more: Json) -> PolicyWorld:
    return PolicyWorld.of([*OBJECTS, *more], CILIUM)


def test_lists_are_flattened_and_unknown_kinds_ignored() -> None:
    api_list = {"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "a", "namespace": "x"}}]}
    kubectl = {"kind": "List", "apiVersion": "v1", "items": [pod("x/b", "10.9.9.9"), {"kind": "Event"}, None, 7]}

    world = PolicyWorld.of([api_list, kubectl, {"kind": "Secret"}], CILIUM)

    assert sorted(world.inventory.pods) == [("x", "a"), ("x", "b")]


def test_an_address_is_a_pods_a_nodes_or_the_worlds() -> None:
    world = world_of()

    pod_found = world.endpoint_at("10.0.1.1")
    node = world.endpoint_at("172.30.0.11")
    outside = world.endpoint_at("203.0.113.1")

    assert (pod_found.namespace, pod_found.pod, pod_found.workload) == ("pay", "api", "Pod api")
    assert pod_found.namespace_labels == {"kubernetes.io/metadata.name": "pay", "team": "pay"}
    assert (node.node, node.host_network, node.entities) == ("node1", True, frozenset({"kube-apiserver"}))
    assert outside == Endpoint(ip="203.0.113.1", entities=frozenset({"world"}))


def test_an_api_server_outside_the_cluster_is_world_too() -> None:
    world = PolicyWorld.of([SLICE], CILIUM)

    assert world.endpoint_at("172.30.0.11").entities == frozenset({"kube-apiserver", "world"})


def test_a_service_leads_to_each_backend_on_its_own_target_port() -> None:
    world = world_of(pod("pay/api2", "10.0.1.2", {"http": 9090}, app="api"), pod("pay/api3", "10.0.1.3", app="api"))
    web, service = world.endpoint_of_pod("shop", "web"), world.service_at("10.96.0.5")
    assert web is not None
    assert service is not None

    found = world.towards(web, service, 80)

    assert [(t.destination.pod, t.port, t.service_port) for t in found] == [("api", 8080, 80), ("api2", 9090, 80)]


def test_a_service_cidr_admits_nothing_under_cilium_and_something_on_aws() -> None:
    rule = {"to": [{"ipBlock": {"cidr": "10.96.0.0/12"}}], "ports": [{"port": 80}]}
    policy = netpol("shop/out", types=["Egress"], egress=[rule])
    verdicts = {}
    for profile in (CILIUM, AWS_VPC_CNI, UNKNOWN_PROFILE):
        world = PolicyWorld.of([*OBJECTS, policy], profile)
        web, service = world.endpoint_of_pod("shop", "web"), world.service("pay", "api")
        assert web is not None
        assert service is not None
        verdicts[profile.datapath.value] = [world.judge(t).allowed for t in world.towards(web, service, 80)]

    assert verdicts == {"cilium": [False], "aws-vpc-cni": [True], "unknown": [None]}


def test_a_deployments_pod_belongs_to_the_deployment() -> None:
    item = pod("x/web-6f5d4-abcde", "10.0.0.1", **{"pod-template-hash": "6f5d4"})
    item["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "web-6f5d4", "controller": True}]

    endpoint = PolicyWorld.of([item], CILIUM).endpoint_of_pod("x", "web-6f5d4-abcde")

    assert endpoint is not None
    assert endpoint.workload == "Deployment web"


def test_changed_and_removed_objects_make_another_world() -> None:
    deny = netpol("pay/in", types=["Ingress"])
    before = world_of()
    web, api = before.endpoint_of_pod("shop", "web"), before.endpoint_of_pod("pay", "api")
    assert web is not None
    assert api is not None
    traffic = Traffic(web, api, "TCP", 8080)

    denied = before.with_objects([deny])
    again = denied.with_objects([netpol("pay/in", types=["Ingress"], ingress=[{}])])
    gone = denied.with_objects([], removed=[deny])

    assert [w.judge(traffic).allowed for w in (before, denied, again, gone)] == [True, False, True, True]
    assert denied.inventory is before.inventory


def test_a_changed_service_changes_the_policies_that_name_it() -> None:
    to_service = cnp("shop/out", egress=[{"toServices": [{"k8sService": {"serviceName": "api", "namespace": "pay"}}]}])
    before = PolicyWorld.of([*OBJECTS, to_service], cilium("1.20.2"))
    moved = {**SERVICE, "spec": {**SERVICE["spec"], "selector": {"app": "other"}}}
    web, api = before.endpoint_of_pod("shop", "web"), before.endpoint_of_pod("pay", "api")
    assert web is not None
    assert api is not None

    after = before.with_objects([moved])

    traffic = Traffic(web, api, "TCP", 8080)
    assert (before.judge(traffic).allowed, after.judge(traffic).allowed) == (True, False)


def test_the_object_behind_a_reference_is_found() -> None:
    policy = netpol("pay/in", types=["Ingress"])

    assert world_of(policy).policy_object(PolicyRef("NetworkPolicy", "pay", "in")) is policy


def test_the_words_of_a_denial_name_policy_rule_and_port() -> None:
    rule = {"from": [{"namespaceSelector": named("shop")}], "ports": [{"port": 80}]}
    world = world_of(space("shop"), netpol("pay/in", {"app": "api"}, ["Ingress"], ingress=[rule]))
    web, service = world.endpoint_of_pod("shop", "web"), world.service("pay", "api")
    assert web is not None
    assert service is not None

    (traffic,) = world.towards(web, service, 80)

    wrong = "it admits 80, the traffic is on 8080 (80 is the Service's port; policies see the pod's, 8080)"
    peers = "all pods in namespaces kubernetes.io/metadata.name=shop"
    assert judgement_in_words(world.judge(traffic)).splitlines() == [
        "shop/web → pay/api on TCP 8080: denied",
        "  egress: allowed: no policy restricts the egress of shop/web",
        "  ingress: denied: ingress of pay/api is isolated by NetworkPolicy pay/in, and no rule admits this",
        f"    NetworkPolicy pay/in selects the pod for ingress; /spec/ingress/0 admits {peers} on TCP 80: {wrong}",
        f"    closest: NetworkPolicy pay/in /spec/ingress/0: {wrong}",
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
POLICIES = [
    netpol(
        "x/n", {"app": "a"}, ["Ingress", "Egress"], ingress=[{"from": [{"podSelector": {}}], "ports": [{"port": 80}]}]
    ),
    cnp(
        "x/c", {"app": "a"}, egress=[{"toEndpoints": [{}], "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}]}]
    ),
    cnp("x/c", egress=[{"toFQDNs": [{"matchName": "a.b"}]}], ingressDeny=[{"fromCIDRSet": [{"cidr": "10.0.0.0/8"}]}]),
    {
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": "k"},
        "spec": {
            "tier": "Admin",
            "priority": 1,
            "subject": {"namespaces": {}},
            "egress": [{"action": "Deny", "to": [{"networks": ["10.0.0.0/8"]}], "protocols": [{"tcp": {}}]}],
        },
    },
    pod("x/p", "10.0.0.1", {"http": 80}, app="a"),
    SERVICE,
    NODE,
    SLICE,
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


def spoilt(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    if isinstance(value, dict):
        return {key: spoilt(v, path[1:], by) if key == path[0] else v for key, v in value.items()}
    return [spoilt(v, path[1:], by) if index == path[0] else v for index, v in enumerate(value)]


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from(POLICIES), st.data())
def test_no_object_of_a_cluster_can_make_it_crash(item: Json, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(places(item)))
    profile = CILIUM.with_options(cluster_network_policy=True)

    world = PolicyWorld.of([*OBJECTS, spoilt(item, place, data.draw(JSON))], profile)

    ends = [world.endpoint_at(ip) for ip in ("10.0.0.1", "10.0.1.1", "203.0.113.1", "172.30.0.11")]
    for source in ends:
        for destination in ends:
            assert judgement_in_words(world.judge(Traffic(source, destination, "TCP", 80)))
    difference_of(world, world_of())


@pytest.mark.parametrize("field", ["egress", "podSelector"])
def test_a_field_nobody_knows_is_never_skipped(field: str) -> None:
    policy = netpol("shop/n", types=["Egress"], egress=[{}])
    policy["spec"] = {**policy["spec"], f"{field}V2": []}
    world = world_of(policy)

    verdict = world.judge(Traffic(world.endpoint_at("10.0.0.1"), world.endpoint_at("10.0.1.1"), "TCP", 80)).egress

    assert verdict.allowed is None
    assert f"/spec/{field}V2: this field is not known here" in verdict.undecidable_because[0]


def overlay_node(name: str, ip: str, **notes: str) -> Json:
    annotations = {key.replace("__", "/").replace("_", "."): value for key, value in notes.items()}
    status = {"addresses": [{"type": "InternalIP", "address": ip}]}
    metadata = {"name": name, "annotations": annotations}
    spec = {"podCIDR": "10.244.7.0/24"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec, "status": status}


CALICO_TUNNEL = {"projectcalico_org__IPv4VXLANTunnelAddr": "10.244.1.0"}
FLANNEL_TUNNEL = {"flannel_alpha_coreos_com__backend-type": "vxlan"}


@pytest.mark.parametrize(
    ("notes", "blocks", "elsewhere"),
    [
        (CALICO_TUNNEL, ["172.16.0.0/24"], None),
        (CALICO_TUNNEL, ["172.16.0.0/24", "10.244.0.0/16"], True),
        (CALICO_TUNNEL, ["10.244.0.0/16"], None),
        (CALICO_TUNNEL, ["198.51.100.0/24"], False),
        (FLANNEL_TUNNEL, ["172.16.0.0/24"], None),
        ({}, ["172.16.0.0/24"], True),
    ],
)
def test_a_host_network_client_may_come_with_the_address_of_its_tunnel(
    notes: dict[str, str], blocks: list[str], elsewhere: bool | None
) -> None:
    """To pods of other nodes; its own pods it always reaches."""
    peers = [{"ipBlock": {"cidr": each}} for each in blocks]
    client, far, near = (pod(f"x/{name}", ip) for name, ip in (("c", "172.16.0.21"), ("far", ""), ("near", "")))
    client["spec"] |= {"hostNetwork": True, "nodeName": "n1"}
    far["spec"]["nodeName"], near["spec"]["nodeName"] = "n2", "n1"
    policy = netpol("x/n", types=["Ingress"], ingress=[{"from": [each]} for each in peers])
    world = PolicyWorld.of([overlay_node("n1", "172.16.0.21", **notes), client, far, near, policy], CALICO_IPTABLES)

    found = {name: world.judge(ask(world, "x/c", f"x/{name}", "TCP 80")).ingress for name in ("far", "near")}

    assert (found["far"].allowed, found["near"].allowed) == (elsewhere, True)
    if elsewhere is None:
        assert "with the address of its tunnel" in found["far"].why


def test_the_address_of_a_tunnel_is_the_node_s() -> None:
    world = PolicyWorld.of([overlay_node("n1", "172.16.0.21", **CALICO_TUNNEL)], CALICO_IPTABLES)

    assert world.endpoint_at("10.244.1.0").node == "n1"
