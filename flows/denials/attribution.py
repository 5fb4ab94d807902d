"""Names one cause for every connection that policies refuse: by the one thing nearest to letting it through.

The datapath says *that* a packet was refused, hardly ever by whom (a default deny carries no policy name). So the
policies that isolate the endpoint are walked, and the rule that came closest tells what kind of mistake it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from flows.denials.connection import AUTH_REQUIRED, POLICY_DENY, JudgedConnection
from flows.denials.judged import judged_connections
from flows.denials.policy_world import enforces, only_audits, world_of
from flows.denials.probes import probe_says
from flows.model import Case, Component
from flows.policy import (
    Direction,
    Endpoint,
    Miss,
    MissKind,
    Mistake,
    PolicyRef,
    PolicyVerdict,
    RuleWalk,
    mistake_of_rule,
)
from flows.policy.calico_selectors import NAMESPACE_NAME
from sensors.k8s_recent_changes import RecentChange, RecentChanges
from sensors.k8s_services import Services
from sensors.kit.objects import get, items, mapping, string_map

NAMES_A_POD = frozenset(
    {"app", "name", "k8s-app", "component", "app.kubernetes.io/name", "app.kubernetes.io/component"}
)
"""Labels that say which workload a pod is. A rule that asks for another one means another workload."""

ONSET = timedelta(minutes=2)
"""A first drop this soon after a change is told together with it."""


@dataclass(frozen=True, slots=True)
class Denial:
    """A refused connection with its one cause.

    `direction` is the side that refuses (egress where both do). `component` is what a person must change; `guilty`
    the policies in the way, nearest first; `rule` the rule that came closest and `miss` the one word wrong in it, where
    it is one word.
    """

    cause_class: str
    connection: JudgedConnection
    direction: Direction
    component: Component | None
    guilty: tuple[PolicyRef, ...] = ()
    rule: RuleWalk | None = None
    miss: Miss | None = None

    @property
    def verdict(self) -> PolicyVerdict:
        judgement = self.connection.judgement
        return judgement.egress if self.direction is Direction.EGRESS else judgement.ingress

    @property
    def subject(self) -> Endpoint:
        traffic = self.connection.traffic
        return traffic.source if self.direction is Direction.EGRESS else traffic.destination

    @property
    def peer(self) -> Endpoint:
        traffic = self.connection.traffic
        return traffic.destination if self.direction is Direction.EGRESS else traffic.source


def denials(case: Case) -> tuple[Denial, ...]:
    """Every connection that policies refuse, each with its cause; what passed later is not among them.

    Raises `Missing` when policies could not be looked at.
    """
    return tuple(denial_of(case, each) for each in case.once(judged_connections) if is_refused(case, each))


def component_of(ref: PolicyRef | None) -> Component | None:
    return None if ref is None else Component(ref.kind, ref.namespace, ref.name)


def is_refused(case: Case, one: JudgedConnection) -> bool:
    """Dropped by a policy and not let through since; or computed to be refused, and nothing shows it open now.

    Hubble flows that saw it pass may be older than the policy: against them a probe that fails now has the last word.
    """
    if one.drop is not None:
        return True
    if only_audits(case) or not enforces(case):
        return False
    opens = probe_says(case, one)
    newest_word_is_open = opens is True or (one.seen is not None and opens is None)
    return one.judgement.allowed is False and not newest_word_is_open


def denial_of(case: Case, one: JudgedConnection) -> Denial:
    """The one cause of a refused connection."""
    direction = _direction(one)
    verdict = one.judgement.egress if direction is Direction.EGRESS else one.judgement.ingress
    if one.drop is not None and one.drop.number == AUTH_REQUIRED:
        return Denial("cilium.auth_required", one, direction, component_of(next(iter(verdict.admitted_by), None)))
    if denier := _denier(one, verdict):
        return Denial("policy.explicit_deny", one, direction, component_of(denier), (denier,))
    guilty = _guilty(verdict)
    first = component_of(next(iter(guilty), None))
    if one.judgement.egress.allowed is False and one.judgement.ingress.allowed is False and not one.lookup:
        both = tuple(dict.fromkeys((*_guilty(one.judgement.egress), *_guilty(one.judgement.ingress))))
        return Denial("policy.both_sides_denied", one, Direction.EGRESS, first, both)
    if one.lookup:  # also where it is the resolver's own policy that lets nobody in: no name resolves either way
        return Denial("policy.dns_blocked", one, direction, first, guilty)
    return _by_nearest_miss(case, one, direction, verdict, guilty)


def _direction(one: JudgedConnection) -> Direction:
    """The datapath's word where there is one; egress is judged first and hides an ingress denial."""
    if one.drop is not None and one.drop.direction in ("EGRESS", "INGRESS"):
        return Direction(one.drop.direction.lower())
    return Direction.INGRESS if one.judgement.egress.allowed is not False else Direction.EGRESS


def _denier(one: JudgedConnection, verdict: PolicyVerdict) -> PolicyRef | None:
    """The policy with the deny rule: as the datapath names it on reason 181, else as computed."""
    if one.drop is not None and one.drop.number != POLICY_DENY:
        return None
    for use in one.seen.policies if one.seen is not None and one.drop is not None else ():
        if use.verdict == "denied" and use.direction.lower() == verdict.direction.value and use.name:
            return _full_ref(PolicyRef(use.kind, use.namespace, use.name), verdict.denied_by)
    return next(iter(verdict.denied_by), None)


def _full_ref(named: PolicyRef, computed: Iterable[PolicyRef]) -> PolicyRef:
    """Agents before Cilium 1.17 leave the kind out: take it from the policy of that name."""
    return next((ref for ref in computed if (ref.namespace, ref.name) == (named.namespace, named.name)), named)


def _guilty(verdict: PolicyVerdict) -> tuple[PolicyRef, ...]:
    """The policies that isolate, the one whose rule came closest first."""
    near = [ref for ref, _ in verdict.closest]
    return tuple(dict.fromkeys((*near, *verdict.isolated_by)))


# -- the nearest miss ------------------------------------------------------------------------------------------------

CLASSES: Mapping[Mistake, str] = {
    Mistake.WRONG_PORT: "policy.wrong_port",
    Mistake.WRONG_SELECTOR: "policy.wrong_selector",
    Mistake.CIDR_NEVER_MATCHES: "policy.cidr_never_matches",
    Mistake.FQDN_MISMATCH: "policy.fqdn_mismatch",
}


def _by_nearest_miss(
    case: Case, one: JudgedConnection, direction: Direction, verdict: PolicyVerdict, guilty: tuple[PolicyRef, ...]
) -> Denial:
    plain = Denial(f"policy.{direction.value}_denied", one, direction, component_of(next(iter(guilty), None)), guilty)
    for ref, rule in verdict.closest:
        near = replace(plain, rule=rule, guilty=_first(ref, guilty), component=component_of(ref))
        found = _slip(case, near, ref, rule)
        if found is not None:
            return found
    return plain


def _first(ref: PolicyRef, guilty: tuple[PolicyRef, ...]) -> tuple[PolicyRef, ...]:
    return (ref, *(each for each in guilty if each != ref))


def _slip(case: Case, denial: Denial, ref: PolicyRef, rule: RuleWalk) -> Denial | None:
    mistake, miss = mistake_of_rule(rule), rule.misses[0] if rule.misses else None
    if _host_network(case, denial, ref, rule):
        return replace(denial, cause_class="policy.hostnet_peer", miss=miss)
    if _translated_source(case, denial, rule):
        return replace(denial, cause_class="policy.snat_source", miss=miss)
    if _covers_service(case, denial, rule):
        return replace(denial, cause_class="policy.cidr_never_matches", miss=miss)
    if miss is None or mistake not in CLASSES or not _is_meant(case, denial, ref, rule, mistake):
        return None
    slipped = replace(denial, cause_class=CLASSES[mistake], miss=miss)
    if miss.kind is MissKind.NAMESPACE_LABEL and _label_is_missing(case, denial, ref, miss):
        return replace(slipped, component=Component("Namespace", "", denial.peer.namespace))
    return slipped


def _is_meant(case: Case, denial: Denial, ref: PolicyRef, rule: RuleWalk, mistake: Mistake) -> bool:
    """Checks whether the rule was really written for this peer; a rule for another one is no mistake."""
    match mistake:
        case Mistake.WRONG_PORT:
            return _singles_out(case, ref, rule)
        case Mistake.FQDN_MISMATCH:
            return "world" in denial.peer.entities and bool(denial.peer.fqdns)
        case Mistake.WRONG_SELECTOR:
            at_home = any(miss.kind is MissKind.NAMESPACE for miss in rule.misses)
            return all(map(_is_slip, rule.misses)) and (not at_home or _singles_out(case, ref, rule))
    return True


def _is_slip(miss: Miss) -> bool:
    if miss.near:
        longest = max((len(each) for each in (*miss.expected, miss.got)), default=0)
        return miss.near * 3 <= longest  # bank is not a misspelt cart
    return miss.kind is not MissKind.LABEL or miss.key.rpartition(":")[2] not in NAMES_A_POD


def _singles_out(case: Case, ref: PolicyRef, rule: RuleWalk) -> bool:
    """Checks whether a rule names its peer, rather than everybody: only then is its port the mistake."""
    raw = raw_rule(case, ref, rule)
    listed = [peer for key in raw if key.startswith(("to", "from")) and key != "toPorts" for peer in _members(raw[key])]
    return any(_is_narrow(peer) for peer in listed)


def _members(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _is_narrow(peer: Any) -> bool:
    if isinstance(peer, str):  # an entity or a CIDR
        return peer not in ("all", "world", "cluster") and not peer.endswith("/0")
    block = get(peer, "ipBlock", "cidr") or get(peer, "cidr")
    if isinstance(block, str):
        return not block.endswith("/0")
    pods = get(peer, "podSelector") if "podSelector" in mapping(peer) or "namespaceSelector" in mapping(peer) else peer
    return any(mapping(pods).values())  # `matchLabels: {}` is everybody, too


def raw_rule(case: Case, ref: PolicyRef, rule: RuleWalk) -> Mapping[str, Any]:
    """The rule as it stands in the policy object; empty where there is none."""
    policy: Any = case.once(world_of).policy_object(ref)
    steps = [int(each) if each.isdigit() else each for each in rule.path.strip("/").split("/")]
    return mapping(get(policy, *steps))


def _covers_service(case: Case, denial: Denial, rule: RuleWalk) -> bool:
    """A CIDR that covers the Service's address on a fitting port: the datapath sees the backend's address instead."""
    service, port = denial.connection.traffic.service_ip, denial.connection.traffic.service_port
    blocks = [miss for miss in rule.misses if miss.kind is MissKind.CIDR]
    if case.get(Services) is None:  # which Service it is cannot be known; that the rule means one can
        return any(_lies_in(cidr, case.environment.service_cidrs) for miss in blocks for cidr in miss.expected)
    others = [miss for miss in rule.misses if miss.kind is not MissKind.CIDR]
    fits = all(miss.kind is MissKind.PORT and str(port) in miss.expected for miss in others)
    return fits and any(_is_within(service, cidr) for miss in blocks for cidr in miss.expected)


def _is_within(ip: str, cidr: str) -> bool:
    try:
        return bool(ip) and not cidr.endswith("/0") and ip_address(ip) in ip_network(cidr, strict=False)
    except ValueError:
        return False


def _lies_in(cidr: str, ranges: Iterable[str]) -> bool:
    """Checks whether a CIDR means addresses of these ranges and no others."""
    try:
        block = ip_network(cidr, strict=False)
        ends = (str(block.network_address), str(block.broadcast_address))
    except ValueError:
        return False
    return any(all(_is_within(end, each) for end in ends) for each in ranges)


def _host_network(case: Case, denial: Denial, ref: PolicyRef, rule: RuleWalk) -> bool:
    """A pod selector that means a pod on the host network, which policies see as its node."""
    if rule.port_fits is not True or [miss.kind for miss in rule.misses] != [MissKind.NOT_A_POD]:
        return False
    world, raw = case.once(world_of), raw_rule(case, ref, rule)
    node = denial.peer.node
    pods = (each for each in world.inventory.pods.values() if each.host_network and each.node == node and node)
    return any(_selector_takes(raw, ref, pod) for pod in pods)


def _selector_takes(raw: Mapping[str, Any], ref: PolicyRef, pod: Endpoint) -> bool:
    for peer in (*items(raw, "from"), *items(raw, "to")):
        wanted = string_map(peer, "podSelector", "matchLabels")
        spaces = string_map(peer, "namespaceSelector", "matchLabels")
        at_home = pod.namespace == ref.namespace if "namespaceSelector" not in peer else True
        fits = wanted.items() <= pod.labels.items() and spaces.items() <= pod.namespace_labels.items()
        if wanted and at_home and fits:
            return True
    return False


def _translated_source(case: Case, denial: Denial, rule: RuleWalk) -> bool:
    """A client admitted by address who arrives with a node's address, because its Service spreads over all nodes."""
    kinds = {miss.kind for miss in rule.misses}
    by_address = bool(kinds) and kinds <= {MissKind.CIDR, MissKind.CIDR_NEVER_MATCHES}
    from_node = denial.direction is Direction.INGRESS and denial.peer.host_network and rule.port_fits is True
    services = case.get(Services)
    if not by_address or not from_node or services is None:
        return False
    there = (denial.subject.namespace, denial.subject.labels)
    return any(
        each.namespace == there[0] and each.selector and each.selector.items() <= there[1].items()
        for each in services.services
        if each.type in ("NodePort", "LoadBalancer") and each.external_traffic_policy != "Local"
    )


def _label_is_missing(case: Case, denial: Denial, ref: PolicyRef, miss: Miss) -> bool:
    """Checks whether the namespace lacks a label that others carry: then it, not the policy, is the odd one out.

    Where nobody carries it, the newer of the two is: a policy written just before the first drop is the mistake.
    """
    spaces = case.once(world_of).inventory.namespaces
    key = miss.key.rpartition("io.cilium.k8s.namespace.labels.")[2]
    if key == NAMESPACE_NAME:  # the API server gives it to each: the rule names another one
        return False
    if any(labels.get(key) in miss.expected for name, labels in spaces.items() if name != denial.peer.namespace):
        return True
    return not any(each.about.name == ref.name for each in onset(case, denial))


# -- onset ----------------------------------------------------------------------------------------------------------


def first_drop(denials: Iterable[Denial]) -> datetime | None:
    times = [each.connection.seen.first_drop for each in denials if each.connection.seen is not None]
    return min((each for each in times if each), default=None)


def onset(case: Case, denial: Denial) -> tuple[RecentChange, ...]:
    """Changes of the policies in the way (or of the component) shortly before the first drop, the nearest first."""
    changes, first = case.get(RecentChanges), first_drop((denial,))
    if changes is None or first is None:
        return ()
    refs = {(ref.kind, ref.namespace, ref.name) for ref in denial.guilty}
    near = [each for each in changes.changes if -timedelta(seconds=1) <= first - each.at <= ONSET]
    mine = (each for each in near if (each.about.kind, each.about.namespace, each.about.name) in refs)
    return tuple(sorted(mine, key=lambda each: first - each.at))
