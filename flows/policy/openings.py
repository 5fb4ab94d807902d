"""Openings of a difference: the ways found between groups, told between workloads, and how wide they are together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from flows.policy.endpoint_groups import EndpointGroup
from flows.policy.model import Opening, PolicyParty
from flows.policy.portset import PortSet

Pair = tuple[PolicyParty, PolicyParty]
Ways = dict[Pair, list[PortSet]]


def pairs(source: EndpointGroup, destination: EndpointGroup, ports: PortSet) -> Iterator[Pair]:
    """Each workload with each other; with itself only if it has two pods, since a pod alone always reaches itself."""
    if not ports:
        return
    for one in source.parties:
        for other in destination.parties:
            if source is not destination or one != other or source.parties[one] > 1:
                yield one, other


def openings(found: Ways) -> Iterator[Opening]:
    for (source, destination), parts in sorted(found.items(), key=_order):
        total = parts[0]
        for part in parts[1:]:
            total = total | part
        for protocol, ranges in sorted(total.ranges.items()):
            yield Opening(source, destination, protocol, ranges)


def _order(way: tuple[Pair, list[PortSet]]) -> tuple[str, ...]:
    """That of the parties themselves, said so that sorting many is quick."""
    (one, other), _ = way
    return one.kind, one.namespace, one.name, other.kind, other.namespace, other.name


def opens_world(openings: Iterable[Opening]) -> bool:
    """The rest of the world, any name, or blocks that add up to a /8 (IPv6: a /16) or more."""
    parties = {party for opening in openings for party in (opening.source, opening.destination)}
    if any(p.name.startswith("world") or p.name == "*" for p in parties if p.kind != "workload"):
        return True
    blocks = [ip_network(party.name) for party in parties if party.kind == "cidr"]
    share: float = sum(2.0 ** -(block.prefixlen * _SCALE[block.version]) for block in blocks)
    return share >= _A_LOT


_SCALE = {4: 1.0, 6: 0.5}  # a /16 of IPv6 counts like a /8 of IPv4
_A_LOT: float = 2.0**-8
