"""Policies of cluster administrators: ClusterNetworkPolicy (v1alpha2), AdminNetworkPolicy and its baseline (v1alpha1).

Order, from the API reference of policy.networking.k8s.io: the Admin tier by priority (smaller first), first matching
rule wins and Pass hands on; then the policies of namespaces, final for pods they isolate; then the Baseline tier; then
allow. Rules of equal priority that disagree are undefined there, so they are undecidable here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flows.policy.addresses import parse_block
from flows.policy.catalog import ServiceCatalog
from flows.policy.cilium_peers import FqdnPeer
from flows.policy.kubernetes import PROTOCOLS, port_range, ref_of
from flows.policy.model import Direction, Endpoint, PolicyRef
from flows.policy.peers import Addresses, PolicyPeer, SelectedPodsPeer, UnclearPeer
from flows.policy.ports import Named, Port, PortRange
from flows.policy.profile import Profile
from flows.policy.reading import Json, NotUnderstood, items, mapping, number, numbered, only, text
from flows.policy.rules import Clause, DirectionRules, Effect, Policy, PolicySubject, Tier
from flows.policy.selectors import EVERYTHING, Selector, parse_selector

_PEER_KEY = {Direction.EGRESS: "to", Direction.INGRESS: "from"}
_EFFECTS = {"Accept": Effect.ALLOW, "Allow": Effect.ALLOW, "Deny": Effect.DENY, "Pass": Effect.PASS}
_TIERS = {"Admin": Tier.ADMIN, "Baseline": Tier.BASELINE}


def parse_cluster_network_policy(policy: Json, profile: Profile, catalog: ServiceCatalog) -> tuple[Policy, ...]:
    """v1alpha2: one kind, ``tier`` Admin or Baseline."""
    ref = ref_of(policy, "ClusterNetworkPolicy")
    tier = _TIERS.get(str((policy.get("spec") or {}).get("tier"))) if isinstance(policy.get("spec"), dict) else None
    return (_implemented(_policy(policy, ref, tier, profile), profile.cluster_network_policy),)


def parse_admin_policy(policy: Json, profile: Profile, catalog: ServiceCatalog) -> tuple[Policy, ...]:
    """v1alpha1: AdminNetworkPolicy, and BaselineAdminNetworkPolicy which has no priority."""
    kind = str(policy.get("kind"))
    tier = Tier.BASELINE if kind.startswith("Baseline") else Tier.ADMIN
    return (_implemented(_policy(policy, ref_of(policy, kind), tier, profile), profile.admin_network_policy),)


def _implemented(policy: Policy, implemented: bool | None) -> Policy:
    if implemented is False:
        return replace(policy, inert=f"this datapath does not implement {policy.ref.kind}")
    if implemented is None:
        return replace(policy, fault=f"whether this datapath implements {policy.ref.kind} is not known")
    return policy


def _policy(policy: Json, ref: PolicyRef, tier: Tier | None, profile: Profile) -> Policy:
    try:
        if tier is None:
            raise NotUnderstood("/spec/tier", "neither Admin nor Baseline")
        spec = mapping(policy.get("spec"), "/spec")
        only(spec, ("tier", "priority", "subject", "ingress", "egress"), "/spec")
        subject = _subject(mapping(spec.get("subject"), "/spec/subject"), profile)
        sides = {direction: _side(spec, direction, profile) for direction in Direction}
        priority = number(spec["priority"], "/spec/priority") if "priority" in spec else 0
    except NotUnderstood as fault:
        return Policy(ref, PolicySubject(EVERYTHING, doubt=str(fault)), tier=tier or Tier.ADMIN, fault=str(fault))
    return Policy(ref, subject, sides, tier, priority)


def _subject(subject: Json, profile: Profile) -> PolicySubject:
    only(subject, ("namespaces", "pods"), "/spec/subject")
    pods = _pods_peer(subject, "/spec/subject", profile)
    return PolicySubject(pods.pods, namespaces=pods.namespaces)


def _pods_peer(peer: Json, path: str, profile: Profile) -> SelectedPodsPeer:
    """``namespaces`` (every pod in them) or ``pods`` (namespaceSelector AND podSelector)."""
    if peer.get("namespaces") is not None:
        return SelectedPodsPeer(namespaces=_namespaces(peer["namespaces"], f"{path}/namespaces"), path=path)
    if peer.get("pods") is None:
        raise NotUnderstood(path, "neither namespaces nor pods")
    both = mapping(peer["pods"], f"{path}/pods")
    only(both, ("namespaceSelector", "namespaces", "podSelector"), f"{path}/pods")
    pods = parse_selector(both.get("podSelector"), f"{path}/pods/podSelector", profile.hides)
    if "namespaces" in both:
        return SelectedPodsPeer(pods, namespaces=_namespaces(both["namespaces"], f"{path}/pods/namespaces"), path=path)
    where = parse_selector(both.get("namespaceSelector"), f"{path}/pods/namespaceSelector")
    return SelectedPodsPeer(pods, namespaces=where, path=path)


def _namespaces(value: object, path: str) -> Selector:
    """A namespace selector; up to release 0.1.1 of the API it stood one level deeper, in ``namespaceSelector``."""
    wrapped = mapping(value, path)
    if "namespaceSelector" in wrapped:
        only(wrapped, ("namespaceSelector",), path)  # beside it stood sameLabels, which is not modelled
        return parse_selector(wrapped["namespaceSelector"], f"{path}/namespaceSelector")
    return parse_selector(wrapped, path)


def _side(spec: Json, direction: Direction, profile: Profile) -> DirectionRules:
    place = f"/spec/{direction.value}"
    rules = enumerate(items(spec.get(direction.value), place))
    return DirectionRules(
        False, tuple(_clause(index, rule, f"{place}/{index}", direction, profile) for index, rule in rules)
    )


def _clause(index: int, value: object, path: str, direction: Direction, profile: Profile) -> Clause:
    effect = Effect.DENY
    try:
        rule = mapping(value, path)
        only(rule, ("name", "action", _PEER_KEY[direction], "ports", "protocols"), path)
        effect = _effect(rule, path)
        reader = _Rule(path, direction, profile)
        peers = tuple(reader.peers(rule.get(_PEER_KEY[direction])))
        return Clause(index, effect, peers, reader.ports(rule), path)
    except NotUnderstood as fault:
        return Clause(index, effect, (), None, path, fault=str(fault))


def _effect(rule: Json, path: str) -> Effect:
    action = text(rule.get("action"), f"{path}/action")
    if action not in _EFFECTS:
        raise NotUnderstood(f"{path}/action", f"the action {action!r} is not known")
    return _EFFECTS[action]


@dataclass(frozen=True, slots=True)
class _Rule:
    """Reads the peers and ports of one rule."""

    path: str
    direction: Direction
    profile: Profile

    def peers(self, value: object) -> Iterator[PolicyPeer]:
        place = f"{self.path}/{_PEER_KEY[self.direction]}"
        for where, item in numbered(value, place):
            yield from self._peer(mapping(item, where), where)

    def _peer(self, peer: Json, path: str) -> Iterator[PolicyPeer]:
        only(peer, ("namespaces", "pods", "nodes", "networks", "domainNames"), path)
        for where, cidr in numbered(peer.get("networks"), f"{path}/networks"):
            yield Addresses(parse_block(text(cidr, where), (), where), where)
        for where, name in numbered(peer.get("domainNames"), f"{path}/domainNames"):
            yield _domain(text(name, where), where)
        if peer.get("nodes") is not None:
            yield UnclearPeer("nodes by label are not modelled", path, _may_be_a_node)
        if peer.get("namespaces") is not None or peer.get("pods") is not None:
            yield _pods_peer(peer, path, self.profile)
        elif not peer:
            raise NotUnderstood(path, "the peer is empty")

    def ports(self, rule: Json) -> tuple[Port, ...] | None:
        """v1alpha1 has ``ports``, v1alpha2 ``protocols``; missing = every port, an empty list is refused by the API."""
        if rule.get("ports") is not None:
            return tuple(p for where, item in self._list(rule, "ports") for p in self._old(mapping(item, where), where))
        if rule.get("protocols") is not None:
            return tuple(
                p for where, item in self._list(rule, "protocols") for p in self._new(mapping(item, where), where)
            )
        return None

    def _list(self, rule: Json, key: str) -> list[tuple[str, object]]:
        listed = list(numbered(rule[key], f"{self.path}/{key}"))
        if not listed:
            raise NotUnderstood(f"{self.path}/{key}", "the list is empty")
        return listed

    def _old(self, entry: Json, path: str) -> Iterator[Port]:
        """v1alpha1: a number, a range, or a named port of any protocol."""
        only(entry, ("portNumber", "portRange", "namedPort"), path)
        if entry.get("namedPort") is not None:
            yield from self._named(entry["namedPort"], f"{path}/namedPort")
        elif entry.get("portNumber") is not None:
            one = mapping(entry["portNumber"], f"{path}/portNumber")
            yield self._number(one, one.get("port"), None, path)
        else:
            span = mapping(entry.get("portRange"), f"{path}/portRange")
            yield self._number(span, span.get("start"), span.get("end"), path)

    def _named(self, value: object, path: str) -> Iterator[Port]:
        name = text(value, path)
        return (Named(name, protocol, path) for protocol in PROTOCOLS)

    def _number(self, entry: Json, low: object, high: object, path: str) -> PortRange:
        protocol = text(entry.get("protocol"), f"{path}/protocol") or "TCP"
        if protocol not in PROTOCOLS:
            raise NotUnderstood(f"{path}/protocol", f"the protocol {protocol!r} is not known")
        return port_range(protocol, number(low, path), high, path, replace(self.profile, end_port=True))

    def _new(self, entry: Json, path: str) -> Iterator[Port]:
        """v1alpha2: ``tcp``, ``udp`` or ``sctp`` with a destinationPort, or a named port of any protocol."""
        only(entry, ("tcp", "udp", "sctp", "destinationNamedPort"), path)
        if entry.get("destinationNamedPort") is not None:
            yield from self._named(entry["destinationNamedPort"], f"{path}/destinationNamedPort")
            return
        given = [key for key in ("tcp", "udp", "sctp") if key in entry]
        if not given:
            raise NotUnderstood(path, "no protocol")
        for key in given:
            yield self._destination(key.upper(), mapping(entry[key], f"{path}/{key}"), f"{path}/{key}")

    def _destination(self, protocol: str, entry: Json, path: str) -> Port:
        only(entry, ("destinationPort",), path)
        if entry.get("destinationPort") is None:
            return PortRange(protocol, path=path)
        port = mapping(entry["destinationPort"], f"{path}/destinationPort")
        only(port, ("number", "range"), f"{path}/destinationPort")
        if port.get("number") is not None:
            return self._number({"protocol": protocol}, port["number"], None, path)
        span = mapping(port.get("range"), f"{path}/destinationPort/range")
        return self._number({"protocol": protocol}, span.get("start"), span.get("end"), path)


def _domain(name: str, path: str) -> PolicyPeer:
    """``*.example.com`` spans several labels here, unlike Cilium's single star."""
    if name.startswith("*."):
        return FqdnPeer("*" + name, False, path)
    return FqdnPeer(name, True, path)


def _may_be_a_node(peer: Endpoint) -> bool:
    return peer.host_network or bool(peer.entities & {"host", "remote-node", "kube-apiserver"})
