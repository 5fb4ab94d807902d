"""With which address a process of a node arrives at a pod of another node: that of the node's tunnel, on an overlay.

Policies that admit nodes by their addresses do not admit these. Which address it is, `flows.policy.inventory` reads.
"""

from __future__ import annotations

from dataclasses import replace

from flows.model import Case
from flows.policy import Traffic
from sensors.k8s_network_policies import Policies
from sensors.kit.objects import annotations_of, kind_of, name_of

ADDRESS = "projectcalico.org/IPv4Address"
"""Calico writes it on every node; beside it a tunnel's address, where there is a tunnel."""


def as_it_arrives(traffic: Traffic) -> Traffic:
    """The same connection, from the address that the receiving node sees."""
    source, there = traffic.source, traffic.destination
    crosses = source.host_network and there.is_pod and not there.host_network and source.node != there.node
    return replace(traffic, source=replace(source, ip=source.tunnel_ip)) if crosses and source.tunnel_ip else traffic


def may_tunnel(case: Case, node: str) -> bool:
    """True if a node without the address of a tunnel may have one all the same: nothing that would tell was read."""
    policies = case.get(Policies)
    found = (
        each for each in (policies.objects if policies else ()) if (kind_of(each), name_of(each)) == ("Node", node)
    )
    return not any(ADDRESS in annotations_of(each) for each in found)
