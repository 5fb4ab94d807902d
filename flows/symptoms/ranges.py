"""Checks whether an address is a pod's, a pod's that is gone, or a server that only lies in a wide pool for pods.

No rule of its own. What a node hands out (its podCIDR, its CiliumNode) belongs to pods alone; a pool that the whole
cluster draws from (an IPPool, a described cluster CIDR) may hold the network's other hosts, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

from flows.model import Case
from sensors.k8s_nodes import NodeFacts, Nodes
from sensors.kit.addresses import as_ip

SMALL = {4: 22, 6: 112}
"""A described range of at least this prefix is one that a node was given, not the pool of a whole cluster."""


def node_of_range(case: Case, ip: str) -> NodeFacts | None:
    """The node in whose own range of pod addresses an address lies; None where in none, or nobody knows them."""
    nodes = case.get(Nodes)
    return next((each for each in (nodes.nodes if nodes else ()) if within(ip, each.pod_cidrs)), None)


def is_pods_alone(case: Case, ip: str) -> bool:
    """An address that only pods can have: in a node's own range, or in a described range of a node's size."""
    if node_of_range(case, ip) is not None:
        return True
    return not _nodes_tell(case) and within(ip, [each for each in case.environment.pod_cidrs if _is_small(each)])


def may_be_a_pods(case: Case, ip: str) -> bool:
    """An address that a pod could have: also in a pool of the whole cluster."""
    nodes = case.get(Nodes)
    return is_pods_alone(case, ip) or within(ip, (*case.environment.pod_cidrs, *(nodes.pools if nodes else ())))


def _nodes_tell(case: Case) -> bool:
    nodes = case.get(Nodes)
    return any(each.pod_cidrs for each in (nodes.nodes if nodes else ()))


def _is_small(cidr: str) -> bool:
    network = _network(cidr)
    return network is not None and network.prefixlen >= SMALL[network.version]


def within(ip: str, cidrs: Iterable[str]) -> bool:
    """Checks whether an address lies in one of these ranges; False for what is neither."""
    address = as_ip(ip)
    return address is not None and any(found is not None and address in found for found in map(_network, cidrs))


def _network(cidr: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(cidr, strict=False)
    except ValueError:
        return None
