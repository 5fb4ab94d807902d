"""From which address a process of a node arrives at another node's pod."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.denials.policy_world import world_of
from flows.denials.requested import asked_peers
from flows.denials.tunnels import as_it_arrives
from flows.model import Case
from flows.policy import Traffic
from sensors.k8s_network_policies import Policies
from tests.kit.cases import case_of, with_facts

OVERLAY = "11e-hostnet-tunnel-address"


def annotated(**notes: Any) -> Case:
    """The case with other annotations on every node."""
    seen = case_of(OVERLAY)
    objects = tuple(
        {**each, "metadata": {**each["metadata"], "annotations": notes["notes"]}} if each["kind"] == "Node" else each
        for each in seen[Policies].objects
    )
    return with_facts(seen, replace(seen[Policies], objects=objects))


def arriving(case: Case) -> set[str]:
    return {each.source.ip for each in asked_peers(case).values()}


def test_a_host_network_pod_arrives_with_the_address_of_its_nodes_tunnel() -> None:
    assert arriving(case_of(OVERLAY)) == {"10.244.1.0"}


@pytest.mark.parametrize(
    ("notes", "address"),
    [
        ({"projectcalico.org/IPv4IPIPTunnelAddr": "10.244.1.7"}, "10.244.1.7"),
        ({"flannel.alpha.coreos.com/backend-type": "vxlan"}, "10.244.1.0"),
        ({"flannel.alpha.coreos.com/backend-type": "host-gw"}, "172.16.0.21"),
        ({}, "172.16.0.21"),
    ],
)
def test_each_overlay_says_so_in_its_own_annotation(notes: dict[str, str], address: str) -> None:
    assert arriving(annotated(notes=notes)) == {address}


def test_a_pod_of_the_same_node_is_reached_without_the_tunnel() -> None:
    case = case_of(OVERLAY)
    (traffic,) = asked_peers(case).values()
    near = replace(traffic, destination=replace(traffic.destination, node=traffic.source.node))
    plain = case.once(world_of).endpoint_of_pod(traffic.source.namespace, traffic.source.pod)

    assert plain is not None
    assert as_it_arrives(Traffic(plain, near.destination)).source.ip == plain.ip
