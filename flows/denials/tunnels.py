"""With which address a process of a node arrives at a pod of another node: that of the node's tunnel, on an overlay.

Policies that admit nodes by their addresses do not admit these. Sources: Calico's annotations of Nodes
(projectcalico.org/IPv4VXLANTunnelAddr, IPv4IPIPTunnelAddr, IPv4WireguardInterfaceAddr); flannel's VXLAN device has the
first address of its node's range (flannel.alpha.coreos.com/backend-type).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from flows.model import Case
from flows.policy import Traffic
from sensors.k8s_network_policies import Policies
from sensors.kit.objects import annotations_of, kind_of, name_of, text

CALICO = tuple(
    f"projectcalico.org/IPv4{each}" for each in ("WireguardInterfaceAddr", "VXLANTunnelAddr", "IPIPTunnelAddr")
)
FLANNEL = "flannel.alpha.coreos.com/backend-type"


def as_it_arrives(case: Case, traffic: Traffic) -> Traffic:
    """The same connection, from the address that the receiving node sees."""
    source, there = traffic.source, traffic.destination
    crosses = source.host_network and there.is_pod and not there.host_network and source.node != there.node
    address = _tunnel_address(case, source.node) if crosses and source.node else ""
    return replace(traffic, source=replace(source, ip=address)) if address else traffic


def _tunnel_address(case: Case, node: str) -> str:
    policies = case.get(Policies)
    objects = policies.objects if policies else ()
    found = next((each for each in objects if kind_of(each) == "Node" and name_of(each) == node), None)
    if found is None:
        return ""
    notes = annotations_of(found)
    written = next((notes[each] for each in CALICO if notes.get(each)), "")
    return written.partition("/")[0] or _flannels(found, notes)


def _flannels(node: Mapping[str, Any], notes: Mapping[str, str]) -> str:
    cidr = text(node, "spec", "podCIDR")
    if notes.get(FLANNEL) != "vxlan" or not cidr:
        return ""
    try:
        return str(ip_network(cidr, strict=False).network_address)
    except ValueError:
        return ""
