"""Who the other side is, in the datapath's words."""

from __future__ import annotations

import pytest

from flows.policy import CILIUM, UNKNOWN_PROFILE, Endpoint
from flows.policy.direction import entities_of, is_workload

SUBJECT = Endpoint(namespace="x", pod="p", node="node1")


@pytest.mark.parametrize(
    ("peer", "words"),
    [
        (Endpoint(namespace="y", pod="q"), {"cluster", "cluster-mesh", "all"}),
        (Endpoint(ip="203.0.113.1", entities=frozenset({"world"})), {"world", "world-ipv4", "all"}),
        (Endpoint(ip="2001:db8::1", entities=frozenset({"world"})), {"world", "world-ipv6", "all"}),
        (Endpoint(node="node1", host_network=True), {"host", "cluster", "cluster-mesh", "all"}),
        (Endpoint(node="node2", host_network=True), {"remote-node", "cluster", "cluster-mesh", "all"}),
        (
            Endpoint(namespace="y", pod="agent", node="node2", host_network=True),
            {"remote-node", "cluster", "cluster-mesh", "all"},
        ),
        (Endpoint(entities=frozenset({"kube-apiserver"})), {"kube-apiserver", "cluster", "cluster-mesh", "all"}),
        (
            Endpoint(ip="34.1.2.3", entities=frozenset({"kube-apiserver", "world"})),
            {"kube-apiserver", "world", "world-ipv4", "cluster", "cluster-mesh", "all"},
        ),
        (Endpoint(namespace="y", pod="q", cluster="west"), {"cluster-mesh", "all"}),
        (Endpoint(namespace="y", pod="q", cluster="default"), {"cluster", "cluster-mesh", "all"}),
        (Endpoint(host_network=True), {"cluster", "cluster-mesh", "all"}),
    ],
)
def test_every_word_that_holds_for_a_peer(peer: Endpoint, words: set[str]) -> None:
    assert entities_of(peer, SUBJECT, CILIUM) == words


def test_a_host_network_pod_is_a_node_or_unknown() -> None:
    agent = Endpoint(namespace="y", pod="agent", host_network=True)

    assert (is_workload(agent, CILIUM), is_workload(agent, UNKNOWN_PROFILE), is_workload(SUBJECT, UNKNOWN_PROFILE)) == (
        False,
        None,
        True,
    )
