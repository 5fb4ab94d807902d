"""Calico's own policies of the default tier: what they admit, and what they deny where their order can be told.

Calico orders policies in tiers, with actions (Allow, Deny, Log, Pass); the first rule that matches decides, and what no
policy of the tier admits is dropped at its end. Kubernetes' own policies are part of the default tier, at order 1000
(libcalico-go `conversion`): what has a smaller order is judged before them, by its order, as an admin tier is; what
comes later may admit as they do, and may end in a denial of all the rest, which the end of the tier does anyway. Any
other denial, Pass, another tier or other words may change everything: such a policy is said, and nothing is guessed.
Source: projectcalico.org/v3 (NetworkPolicy, GlobalNetworkPolicy, EntityRule).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flows.policy.addresses import parse_block
from flows.policy.calico_selectors import SelectorScope, parse_chosen, parse_namespaces
from flows.policy.catalog import ServiceCatalog
from flows.policy.kubernetes import PROTOCOLS, port_range, ref_of
from flows.policy.model import Direction, Endpoint
from flows.policy.peers import Addresses, Anyone, PolicyPeer, SelectedPodsPeer, UnclearPeer
from flows.policy.ports import Named, Port, PortRange
from flows.policy.profile import Datapath, Profile
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
from flows.policy.rules import Clause, DirectionRules, Effect, Policy, PolicySubject, Tier
from flows.policy.selectors import EVERYTHING, Selector

UNREAD_CALICO = "a Calico policy whose tier, order, actions or selector are not modelled"
NAMESPACED, GLOBAL = "Calico NetworkPolicy", "GlobalNetworkPolicy"
"""How these two are called: the first shares its name with Kubernetes' own."""

_SPEC = ("tier", "order", "selector", "namespaceSelector", "types", "ingress", "egress", "performanceHints")
EFFECTS = {"Allow": Effect.ALLOW, "Deny": Effect.DENY}
OF_KUBERNETES = 1000
"""The order that Calico gives to the policies of Kubernetes."""
_NUMBERS = {6: "TCP", 17: "UDP", 132: "SCTP"}


def parse_calico(policy: Json, profile: Profile, catalog: ServiceCatalog) -> tuple[Policy, ...]:
    """``types`` missing = Ingress, and Egress if there are egress rules."""
    clusterwide = loose_text(policy.get("kind")) == "GlobalNetworkPolicy"
    ref = ref_of(policy, GLOBAL if clusterwide else NAMESPACED, default_namespace="" if clusterwide else "default")
    try:
        spec = mapping(policy.get("spec"), "/spec")
        _check(spec, profile)
        subject = _subject(spec, ref.namespace)
        reader = _RuleReader(ref.namespace)
        return _in_order(Policy(ref, subject, {each: reader.side(spec, each) for each in _directions(spec)}), spec)
    except NotUnderstood as fault:
        selector = loose_text(loose_mapping(policy.get("spec")).get("selector")) or "all()"
        why = f"{UNREAD_CALICO} ({fault}; selector {selector})"
        sides = {direction: DirectionRules() for direction in Direction}
        return (Policy(ref, PolicySubject(EVERYTHING, ref.namespace, doubt=why), sides, fault=why),)


def _in_order(policy: Policy, spec: Json) -> tuple[Policy, ...]:
    """Before Kubernetes' policies: its rules as a tier of their own, and the isolation that it brings beside theirs."""
    order = _order(spec)
    if order is None or not _is_early(order):
        return (replace(policy, sides={each: _admitting(side) for each, side in policy.sides.items()}),)
    early = {each: DirectionRules(False, side.clauses) for each, side in policy.sides.items()}
    return (
        replace(policy, sides=early, tier=Tier.ADMIN, priority=round(order * 1000)),
        replace(policy, sides=dict.fromkeys(policy.sides, DirectionRules(True))),
    )


def _order(spec: Json) -> float | None:
    order = spec.get("order")
    if order is not None and (isinstance(order, bool) or not isinstance(order, int | float)):
        raise NotUnderstood("/spec/order", "no number")
    return order


def _is_early(order: float | None) -> bool:
    """Checks whether it is judged before the policies of Kubernetes."""
    return order is not None and order < OF_KUBERNETES


def _admitting(side: DirectionRules) -> DirectionRules:
    """Without the last rule that denies all the rest: nothing of the tier would admit it either."""
    return DirectionRules(side.isolates, tuple(each for each in side.clauses if each.effect is Effect.ALLOW))


def _check(spec: Json, profile: Profile) -> None:
    if profile.datapath is not Datapath.CALICO_IPTABLES:
        raise NotUnderstood("", "whether this datapath applies it is not known")
    only({key: value for key, value in spec.items() if value not in (None, False, "", [])}, _SPEC, "/spec")
    if text(spec.get("tier"), "/spec/tier") not in ("", "default"):
        raise NotUnderstood("/spec/tier", "it stands in another tier than the default one")
    order = _order(spec)
    early = _is_early(order)
    for direction in Direction:
        listed = list(numbered(spec.get(direction.value), f"/spec/{direction.value}"))
        for where, rule in listed:
            action = text(mapping(rule, where).get("action"), f"{where}/action")
            closes = order is None and (where, rule) == listed[-1] and _is_for_all(mapping(rule, where))
            if action not in ("Allow", "Log") and not (action == "Deny" and (early or closes)):
                raise NotUnderstood(f"{where}/action", f"the action {action or 'that is missing'} depends on the order")


def _is_for_all(rule: Json) -> bool:
    """A rule without any condition."""
    return not any(value for key, value in rule.items() if key not in ("action", "metadata"))


def _subject(spec: Json, namespace: str) -> PolicySubject:
    chosen = parse_chosen(text(spec.get("selector"), "/spec/selector"), "/spec/selector")
    said = text(spec.get("namespaceSelector"), "/spec/namespaceSelector")
    spaces = parse_namespaces(said, "/spec/namespaceSelector") if said else EVERYTHING
    both = Selector((*(chosen.namespaces or EVERYTHING).requirements, *spaces.requirements))
    return PolicySubject(chosen.pods, namespace, namespaces=both if both.requirements else None)


def _directions(spec: Json) -> tuple[Direction, ...]:
    types = texts(spec.get("types"), "/spec/types")
    if any(each not in ("Ingress", "Egress") for each in types):
        raise NotUnderstood("/spec/types", "a type that is not known")
    if types:
        return tuple(Direction(each.lower()) for each in dict.fromkeys(types))
    egress = (Direction.EGRESS,) if items(spec.get("egress"), "/spec/egress") else ()
    ingress = items(spec.get("ingress"), "/spec/ingress") or not egress
    return (*((Direction.INGRESS,) if ingress else ()), *egress)


class _RuleReader:
    """Reads the rules of one policy; `namespace` is where a selector looks that names no other place."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def side(self, spec: Json, direction: Direction) -> DirectionRules:
        place = f"/spec/{direction.value}"
        listed = enumerate(items(spec.get(direction.value), place))
        rules = ((index, mapping(rule, f"{place}/{index}")) for index, rule in listed)
        return DirectionRules(
            True,
            tuple(
                self._clause(index, rule, f"{place}/{index}", direction)
                for index, rule in rules
                if rule["action"] in EFFECTS
            ),
        )

    def _clause(self, index: int, rule: Json, path: str, direction: Direction) -> Clause:
        """Reads a rule; a part that is not understood may admit or deny anything, and nothing else."""
        try:
            said = {key: value for key, value in rule.items() if value not in (None, {}, [])}
            only(said, ("action", "protocol", "source", "destination", "metadata"), path)
            ports = self._ports(said, f"{path}/destination/ports")
            peers = tuple(self._peers(said, path, direction))
        except NotUnderstood as fault:
            return Clause(index, EFFECTS[rule["action"]], (), None, path, fault=str(fault))
        return Clause(index, EFFECTS[rule["action"]], peers, ports, path)

    def _peers(self, rule: Json, path: str, direction: Direction) -> Iterator[PolicyPeer]:
        theirs, ours = ("destination", "source") if direction is Direction.EGRESS else ("source", "destination")
        only(mapping(rule.get(ours), f"{path}/{ours}"), ("ports",) if ours == "destination" else (), f"{path}/{ours}")
        peer, place = mapping(rule.get(theirs), f"{path}/{theirs}"), f"{path}/{theirs}"
        known = ("selector", "namespaceSelector", "nets", *(("ports",) if theirs == "destination" else ()))
        only(peer, known, place)
        selects = peer.get("selector") or peer.get("namespaceSelector")
        if peer.get("nets") and selects:
            raise NotUnderstood(place, "nets beside a selector")
        for where, cidr in numbered(peer.get("nets"), f"{place}/nets"):
            yield Addresses(parse_block(text(cidr, where), (), where), where)
        if selects:
            yield self._pods(peer, place)
            yield UnclearPeer("network sets and host endpoints are not read", place, _is_no_pod)
        elif not peer.get("nets"):
            yield Anyone(place)

    def _pods(self, peer: Json, place: str) -> SelectedPodsPeer:
        chosen = parse_chosen(text(peer.get("selector"), f"{place}/selector"), f"{place}/selector")
        said = text(peer.get("namespaceSelector"), f"{place}/namespaceSelector")
        spaces = self._spaces(chosen, said, f"{place}/namespaceSelector")
        return SelectedPodsPeer(
            chosen.pods, "" if spaces else self.namespace, namespaces=spaces, path=f"{place}/selector"
        )

    def _spaces(self, chosen: SelectorScope, said: str, path: str) -> Selector | None:
        """None: the policy's own namespace."""
        if not said and chosen.namespaces is None:
            return None if self.namespace else EVERYTHING
        named = parse_namespaces(said, path) if said else EVERYTHING
        return Selector((*(chosen.namespaces or EVERYTHING).requirements, *named.requirements))

    def _ports(self, rule: Json, path: str) -> tuple[Port, ...] | None:
        protocol = rule.get("protocol")
        word = _NUMBERS.get(protocol, "") if isinstance(protocol, int) else text(protocol, f"{path}/protocol").upper()
        listed = list(numbered(mapping(rule.get("destination"), path).get("ports"), path))
        if not word and not listed and protocol is None:
            return None
        if word not in PROTOCOLS:
            raise NotUnderstood(path, f"the protocol {protocol!r} is not known")
        return tuple(_port(each, word, where) for where, each in listed) or (PortRange(word, path=path),)


def _port(value: object, protocol: str, path: str) -> Port:
    """A number, a name, or a range as ``8080:8090``."""
    everywhere = Profile(end_port=True)
    if not isinstance(value, str):
        return port_range(protocol, number(value, path), None, path, everywhere)
    low, colon, high = value.partition(":")
    if low.isascii() and low.isdigit() and (not colon or (high.isascii() and high.isdigit())):
        return port_range(protocol, int(low), int(high) if colon else None, path, everywhere)
    return Named(value, protocol, path)


def _is_no_pod(peer: Endpoint) -> bool:
    return not peer.is_pod or peer.host_network
