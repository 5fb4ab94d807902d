"""A peer in the words of the policy and of the datapath; where there is no word, there is no rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.fixes.admit import _peer_words
from flows.fixes.wording import Passage, RefusingSide, cilium_rule, kubernetes_rule, passages_of
from flows.policy import CALICO_IPTABLES, CILIUM, UNKNOWN_PROFILE, Direction, Endpoint, PolicyWorld, Profile, Traffic
from tests.kit.build import node, pod, service

ME = Endpoint("shop", "web-1", {"app": "web"}, node="node-a")
OUT = RefusingSide(Direction.EGRESS, ME, ())
API = Endpoint(ip="172.30.0.11", node="node-b", host_network=True, entities=frozenset({"kube-apiserver"}))
NODE = Endpoint(ip="172.30.0.12", node="node-b", host_network=True)
OUTSIDE = Endpoint(ip="203.0.113.10", entities=frozenset({"world"}))
SLICE = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "k", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["172.30.0.11"]}, {"addresses": ["172.30.0.13"]}],
}


def world(profile: Profile = CILIUM) -> PolicyWorld:
    objects = [pod("shop", "web-1", labels={"app": "web"}), pod("data", "db-1", labels={"app": "db"}, ip="10.0.0.6")]
    return PolicyWorld.of([*objects, SLICE], profile)


def to(peer: Endpoint, port: int = 443) -> Passage:
    return Passage(peer, (("TCP", port),))


def database() -> Endpoint:
    found = world().endpoint_of_pod("data", "db-1")
    assert found is not None
    return found


def test_a_pod_elsewhere_is_named_by_labels_and_namespace_in_one_item() -> None:
    """Two items would mean "or", and open the whole namespace."""
    assert kubernetes_rule(OUT, to(database(), 5432), "shop", world()) == {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "data"}},
                "podSelector": {"matchLabels": {"app": "db"}},
            }
        ],
        "ports": [{"protocol": "TCP", "port": 5432}],
    }
    assert cilium_rule(OUT, to(database(), 5432), "shop", world()) == {
        "toEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "data", "app": "db"}}],
        "toPorts": [{"ports": [{"port": "5432", "protocol": "TCP"}]}],
    }


def test_a_pod_at_home_needs_no_namespace() -> None:
    assert (kubernetes_rule(OUT, to(database()), "data", world()) or {})["to"] == [
        {"podSelector": {"matchLabels": {"app": "db"}}}
    ]


@pytest.mark.parametrize(("peer", "entity"), [(API, "kube-apiserver"), (NODE, "remote-node")])
def test_cilium_names_the_api_server_and_nodes_as_entities(peer: Endpoint, entity: str) -> None:
    assert (cilium_rule(OUT, to(peer), "shop", world()) or {})["toEntities"] == [entity]
    assert kubernetes_rule(OUT, to(peer), "shop", world()) is None


def test_the_pods_own_node_is_the_host() -> None:
    assert (cilium_rule(OUT, to(replace(NODE, node="node-a")), "shop", world()) or {})["toEntities"] == ["host"]


IN = RefusingSide(Direction.INGRESS, ME, ())


def nodes_world(profile: Profile, tunnel: str = "") -> PolicyWorld:
    """Three nodes, each with a pod of the DaemonSet on its network; another pod of node-c has the host network, too."""
    notes = {"annotations": {"projectcalico.org/IPv4VXLANTunnelAddr": tunnel}} if tunnel else {}
    nodes = [node(f"node-{each}", ip=f"172.30.0.1{number}") for number, each in enumerate("abc", start=1)]
    pods = [
        pod("mon", f"scraper-{each}", node=f"node-{each}", ip=f"172.30.0.1{number}", owner=("DaemonSet", "scraper"),
            hostNetwork=True)
        for number, each in enumerate("abc", start=1)
    ]  # fmt: skip
    other = pod("mon", "proxy", node="node-c", ip="172.30.0.13", owner=("DaemonSet", "proxy"), hostNetwork=True)
    nodes[1]["metadata"] |= notes
    return PolicyWorld.of([*nodes, *pods, other], profile)


def scraper(there: PolicyWorld) -> Endpoint:
    found = there.endpoint_of_pod("mon", "scraper-b")
    assert found is not None
    return found


def blocks(rule: dict[str, object] | None, word: str) -> list[str]:
    listed = (rule or {})[word]
    assert isinstance(listed, list)
    return [each["ipBlock"]["cidr"] for each in listed]


def test_a_daemon_set_on_the_host_network_is_each_of_its_nodes() -> None:
    there = nodes_world(CALICO_IPTABLES)

    assert blocks(kubernetes_rule(IN, to(scraper(there)), "shop", there), "from") == [
        "172.30.0.11/32", "172.30.0.12/32", "172.30.0.13/32",
    ]  # fmt: skip


def test_under_cilium_it_is_the_own_node_and_every_other() -> None:
    there = nodes_world(CILIUM)

    assert (cilium_rule(OUT, to(scraper(there)), "shop", there) or {})["toEntities"] == ["host", "remote-node"]


def test_under_cilium_the_words_of_the_fix_say_that_every_other_node_is_meant() -> None:
    """A rule `from remote-node` is for whatever runs on those nodes, not for the one client that asked."""
    passage = to(replace(NODE, namespace="mon", pod="scraper-b", workload="Deployment scraper"))

    assert _peer_words(passage, ["remote-node"]) == "every process of every other node"
    assert _peer_words(passage, ["host", "remote-node"]) == "every process of every node"
    assert _peer_words(passage, None) == "every process of node node-b"


def test_a_single_pod_of_a_deployment_on_the_host_network_is_its_node_alone() -> None:
    there = nodes_world(CALICO_IPTABLES)
    alone = replace(scraper(there), workload="Deployment scraper")

    assert blocks(kubernetes_rule(IN, to(alone), "shop", there), "from") == ["172.30.0.12/32"]
    assert (cilium_rule(OUT, to(alone), "shop", there) or {})["toEntities"] == ["remote-node"]


def test_a_daemon_set_on_more_nodes_than_anybody_keeps_a_list_of_gets_no_list() -> None:
    pods = [
        pod("mon", f"scraper-{n}", node=f"n{n}", ip=f"172.30.1.{n}", owner=("DaemonSet", "scraper"), hostNetwork=True)
        for n in range(20)
    ]
    there = PolicyWorld.of(pods, CALICO_IPTABLES)
    one = there.endpoint_of_pod("mon", "scraper-3")

    assert one is not None
    assert kubernetes_rule(IN, to(one), "shop", there) is None


def test_a_node_that_comes_as_a_client_has_the_address_of_its_tunnel_too() -> None:
    there = nodes_world(CALICO_IPTABLES, tunnel="10.244.9.1")
    alone = replace(scraper(there), workload="Deployment scraper")

    assert blocks(kubernetes_rule(IN, to(alone), "shop", there), "from") == ["172.30.0.12/32", "10.244.9.1/32"]
    assert blocks(kubernetes_rule(OUT, to(alone), "shop", there), "to") == ["172.30.0.12/32"]


def test_where_addresses_count_the_api_server_is_all_of_its_addresses() -> None:
    assert (kubernetes_rule(OUT, to(API, 6443), "shop", world(CALICO_IPTABLES)) or {})["to"] == [
        {"ipBlock": {"cidr": "172.30.0.11/32"}},
        {"ipBlock": {"cidr": "172.30.0.13/32"}},
    ]


def test_an_unknown_datapath_has_no_word_for_a_node() -> None:
    assert kubernetes_rule(OUT, to(NODE), "shop", world(UNKNOWN_PROFILE)) is None


def test_an_address_outside_is_that_address_alone() -> None:
    six = replace(OUTSIDE, ip="2001:db8::1")

    assert (kubernetes_rule(OUT, to(OUTSIDE), "shop", world()) or {})["to"] == [
        {"ipBlock": {"cidr": "203.0.113.10/32"}}
    ]
    assert (cilium_rule(OUT, to(six), "shop", world()) or {})["toCIDR"] == ["2001:db8::1/128"]


def test_a_name_is_used_only_where_the_datapath_sees_dns_answers() -> None:
    """Without a DNS rule a name never gets an address, and the rule would admit nothing."""
    named = replace(OUTSIDE, fqdns=("api.example.com.",))
    dns = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "dns", "namespace": "shop"},
        "spec": {
            "endpointSelector": {},
            "egress": [
                {
                    "toEndpoints": [{"matchLabels": {"k8s-app": "kube-dns"}}],
                    "toPorts": [
                        {"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": "*"}]}}
                    ],
                }
            ],
        },
    }

    assert "toCIDR" in (cilium_rule(OUT, to(named), "shop", world()) or {})
    assert (cilium_rule(OUT, to(named), "shop", world().with_objects([dns])) or {})["toFQDNs"] == [
        {"matchName": "api.example.com"}
    ]


def test_backends_of_one_service_are_one_peer_with_all_ports() -> None:
    where = PolicyWorld.of(
        [
            pod("data", "db-1", labels={"app": "db"}, ip="10.0.0.6", owner=("StatefulSet", "db")),
            pod("data", "db-2", labels={"app": "db"}, ip="10.0.0.7", owner=("StatefulSet", "db")),
            service("data", "db", selector={"app": "db"}),
        ],
        CILIUM,
    )
    ends = [where.endpoint_of_pod("data", name) for name in ("db-1", "db-2")]
    traffics = [Traffic(ME, end, protocol, 53) for end in ends if end for protocol in ("UDP", "TCP")]

    (passage,) = passages_of(traffics, Direction.EGRESS, where)

    assert passage.ports == (("UDP", 53), ("TCP", 53))
