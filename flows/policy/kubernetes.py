"""NetworkPolicy of networking.k8s.io/v1, as its API reference defines it.

What people trip over, each from the reference: a missing or empty ``from``/``to`` means everyone, a missing or empty
``ports`` every port; an empty rule ``{}`` admits everything while an empty *list* of rules admits nothing; without
``policyTypes`` a policy is about ingress, and about egress only if it has egress rules; the default protocol is TCP.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.policy.addresses import parse_block
from flows.policy.model import Direction, PolicyRef
from flows.policy.peers import Addresses, Anyone, PolicyPeer, SelectedPodsPeer
from flows.policy.ports import Named, Port, PortRange
from flows.policy.profile import Profile
from flows.policy.reading import (
    Json,
    NotUnderstood,
    items,
    loose_mapping,
    loose_text,
    mapping,
    number,
    numbered,
    only,
    text,
    texts,
)
from flows.policy.rules import Clause, DirectionRules, Effect, Policy, PolicySubject
from flows.policy.selectors import EVERYTHING, parse_selector

PROTOCOLS = ("TCP", "UDP", "SCTP")
_PEER_KEY = {Direction.EGRESS: "to", Direction.INGRESS: "from"}


def parse_network_policy(policy: Json, profile: Profile) -> Policy:
    """Never raises: what is not understood makes the rule, or the policy, undecidable."""
    ref = ref_of(policy, "NetworkPolicy", default_namespace="default")
    try:
        spec = mapping(policy.get("spec"), "/spec")
        only(spec, ("podSelector", "policyTypes", "ingress", "egress"), "/spec")
        pods = parse_selector(spec.get("podSelector"), "/spec/podSelector", profile.hides)
        directions = _directions(spec, profile)
        sides = {direction: _side(spec, direction, ref.namespace, profile) for direction in directions}
    except NotUnderstood as fault:
        return Policy(ref, PolicySubject(EVERYTHING, ref.namespace, doubt=str(fault)), fault=str(fault))
    return Policy(ref, PolicySubject(pods, ref.namespace), sides)


def ref_of(policy: Json, kind: str, default_namespace: str = "") -> PolicyRef:
    metadata = loose_mapping(policy.get("metadata"))
    return PolicyRef(kind, loose_text(metadata.get("namespace")) or default_namespace, loose_text(metadata.get("name")))


def _directions(spec: Json, profile: Profile) -> tuple[Direction, ...]:
    """Cilium also enforces rules of a direction that policyTypes leaves out (``pkg/k8s/network_policy.go``)."""
    types = texts(spec.get("policyTypes"), "/spec/policyTypes")
    unknown = [each for each in types if each not in ("Ingress", "Egress")]
    if unknown:
        raise NotUnderstood("/spec/policyTypes", f"{unknown[0]!r} is not known")
    if types:
        ruled = [d.value.title() for d in Direction if profile.rules_name_types and spec.get(d.value)]
        return tuple(Direction(each.lower()) for each in dict.fromkeys([*types, *ruled]))
    egress = items(spec.get("egress"), "/spec/egress")
    return (Direction.INGRESS, Direction.EGRESS) if egress else (Direction.INGRESS,)


def _side(spec: Json, direction: Direction, namespace: str, profile: Profile) -> DirectionRules:
    place = f"/spec/{direction.value}"
    rules = enumerate(items(spec.get(direction.value), place))
    return DirectionRules(
        True, tuple(_clause(index, rule, f"{place}/{index}", direction, namespace, profile) for index, rule in rules)
    )


def _clause(index: int, rule: object, path: str, direction: Direction, namespace: str, profile: Profile) -> Clause:
    key = _PEER_KEY[direction]
    try:
        read = mapping(rule, path)
        only(read, (key, "ports"), path)
        peers = tuple(_peers(read.get(key), f"{path}/{key}", namespace, profile))
        ports = _ports(read.get("ports"), f"{path}/ports", profile)
    except NotUnderstood as fault:
        return Clause(index, Effect.ALLOW, (), None, path, fault=str(fault))
    return Clause(index, Effect.ALLOW, peers, ports, path)


def _peers(value: object, path: str, namespace: str, profile: Profile) -> Iterator[PolicyPeer]:
    listed = list(numbered(value, path))
    if not listed:
        yield Anyone(path)
    for place, item in listed:
        yield _peer(mapping(item, place), place, namespace, profile)


def _peer(peer: Json, path: str, namespace: str, profile: Profile) -> PolicyPeer:
    only(peer, ("podSelector", "namespaceSelector", "ipBlock"), path)
    if peer.get("ipBlock") is not None:
        if len([key for key, value in peer.items() if value is not None]) > 1:
            raise NotUnderstood(path, "an ipBlock cannot stand beside a selector")
        return _ip_block(mapping(peer["ipBlock"], f"{path}/ipBlock"), f"{path}/ipBlock")
    if peer.get("podSelector") is None and peer.get("namespaceSelector") is None:
        raise NotUnderstood(path, "the peer is empty: no selector and no ipBlock")
    pods = parse_selector(peer.get("podSelector"), f"{path}/podSelector", profile.hides)
    if peer.get("namespaceSelector") is None:
        return SelectedPodsPeer(pods, namespace, path=path)
    return SelectedPodsPeer(
        pods, namespaces=parse_selector(peer["namespaceSelector"], f"{path}/namespaceSelector"), path=path
    )


def _ip_block(block: Json, path: str) -> Addresses:
    only(block, ("cidr", "except"), path)
    cidr = text(block.get("cidr"), f"{path}/cidr")
    return Addresses(parse_block(cidr, texts(block.get("except"), f"{path}/except"), path), f"{path}/cidr")


def _ports(value: object, path: str, profile: Profile) -> tuple[Port, ...] | None:
    listed = list(numbered(value, path))
    return tuple(_port(mapping(item, place), place, profile) for place, item in listed) if listed else None


def _port(entry: Json, path: str, profile: Profile) -> Port:
    only(entry, ("protocol", "port", "endPort"), path)
    protocol = text(entry.get("protocol"), f"{path}/protocol") or "TCP"
    if protocol not in PROTOCOLS:
        raise NotUnderstood(f"{path}/protocol", f"the protocol {protocol!r} is not known")
    port, end = entry.get("port"), entry.get("endPort")
    if port is None:
        if end is not None:
            raise NotUnderstood(path, "endPort without port")
        return PortRange(protocol, path=path)
    if isinstance(port, str):
        return _named(port, end, protocol, path)
    return port_range(protocol, number(port, f"{path}/port"), end, path, profile)


def _named(port: str, end: object, protocol: str, path: str) -> Port:
    if end is not None:
        raise NotUnderstood(path, "endPort with a named port")
    return Named(port, protocol, path)


def port_range(protocol: str, low: int, end: object, path: str, profile: Profile) -> PortRange:
    """A port or a range; Cilium below 1.16 takes a range as its first port (commit 036ecab321)."""
    high = low if end is None else number(end, f"{path}/endPort")
    if not 0 <= low <= high <= 65535:
        raise NotUnderstood(path, f"{low} to {high} is no range of ports")
    if high > low and not profile.end_port:
        return PortRange(protocol, low, low, path, f"endPort {high} has no effect before Cilium 1.16")
    return PortRange(protocol, low, high, path)
