"""Judges every port at once: the one evaluator behind verdicts and behind the comparison of two worlds.

For one direction and one pair of endpoints each tier of policies turns into sets of ports: those it may allow, may
deny, and may hand on. "May" because a policy that is not understood could do either; a port is *certainly* allowed if
nothing may deny it. A single connection is the same question asked of a single port.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from flows.policy.direction import DirectionContext, from_own_node, is_workload, through_tunnel
from flows.policy.model import Direction, Endpoint, Traffic
from flows.policy.ports import all_on
from flows.policy.portset import ALL, NO_PORTS, PortSet
from flows.policy.profile import Enforcement, Profile
from flows.policy.rules import Clause, Effect, Policy, Tier

Selected = tuple[Policy, bool | None]  # a policy and whether it certainly selects the subject


@dataclass(frozen=True, slots=True)
class PortOutcome:
    """For each port, what may happen. A port in both sets is undecidable."""

    may_allow: PortSet
    may_deny: PortSet

    @property
    def allowed(self) -> PortSet:
        return self.may_allow - self.may_deny

    @property
    def denied(self) -> PortSet:
        return self.may_deny - self.may_allow

    def __and__(self, other: PortOutcome) -> PortOutcome:
        """Both sides of a connection must allow it."""
        return PortOutcome(self.may_allow & other.may_allow, self.may_deny | other.may_deny)


@dataclass(frozen=True, slots=True)
class _Tier:
    allow: PortSet
    deny: PortSet
    next: PortSet


def open_way(universe: PortSet = ALL) -> PortOutcome:
    return PortOutcome(universe, NO_PORTS)


def exempt(policies: Sequence[Selected], scene: DirectionContext, traffic: Traffic | None = None) -> str | None:
    """Reason for no verdict, or ``None``: the subject is no pod, speaks to itself, or is called by its own node."""
    if is_workload(scene.subject, scene.profile) is False:
        return f"{scene.subject} is no pod: policies of pods do not judge it"
    if scene.profile.enforcement is Enforcement.NEVER:
        return "the datapath enforces no policies"
    if from_own_node(scene) and not (scene.profile.denies_own_node and _may_deny(policies, scene)):
        return "a node always reaches its own pods"
    if traffic is not None and same_pod(scene) and (traffic.service is None or scene.profile.hairpin_allowed):
        return "a pod always reaches itself"
    return None


def _may_deny(policies: Sequence[Selected], scene: DirectionContext) -> bool:
    """True if a deny rule may mean the peer. Source: Cilium ``addDefaultRule`` in ``pkg/policy/repository.go``: the
    pod's own node is admitted last, after every deny."""
    clauses = (c for policy, _ in policies if not policy.inert for c in policy.side(scene.direction).clauses)
    return any(clause.effect is Effect.DENY and clause.peer_fits(scene) is not False for clause in clauses)


def same_pod(scene: DirectionContext) -> bool:
    one, other = scene.subject, scene.peer
    return bool(one.pod) and (one.namespace, one.pod) == (other.namespace, other.pod)


def outcome(
    policies: Sequence[Selected], scene: DirectionContext, universe: PortSet = ALL, traffic: Traffic | None = None
) -> PortOutcome:
    """Outcome for each port of ``universe``. ``traffic`` matters only where policies see Service addresses."""
    found, other = _by_tiers(policies, scene, universe, traffic), through_tunnel(scene)
    if other is None:
        return found
    too = _by_tiers(policies, other, universe, traffic)
    return PortOutcome(found.may_allow | too.may_allow, found.may_deny | too.may_deny)


def _by_tiers(
    policies: Sequence[Selected], scene: DirectionContext, universe: PortSet, traffic: Traffic | None
) -> PortOutcome:
    tiers = {tier: [each for each in policies if each[0].tier is tier and not each[0].inert] for tier in Tier}
    admin = _ordered(tiers[Tier.ADMIN], scene, universe)
    namespace = _namespace(tiers[Tier.NAMESPACE], scene, admin.next, traffic)
    baseline = _ordered(tiers[Tier.BASELINE], scene, namespace.next)
    return PortOutcome(
        admin.allow | namespace.allow | baseline.allow | baseline.next, admin.deny | namespace.deny | baseline.deny
    )


def side(policies: Sequence[Selected], scene: DirectionContext) -> PortOutcome:
    """One side of a pair of endpoints on every port, exemptions included."""
    isolating = policies or scene.profile.enforcement is Enforcement.ALWAYS
    return outcome(policies, scene) if isolating and not exempt(policies, scene) else open_way()


def _namespace(
    policies: Sequence[Selected], scene: DirectionContext, universe: PortSet, traffic: Traffic | None
) -> _Tier:
    """NetworkPolicy, CiliumNetworkPolicy and its sister: denies first, then the union of what is admitted."""
    deny = may_deny = admit = may_admit = NO_PORTS
    home = from_own_node(scene)
    isolated = may_isolate = scene.profile.enforcement is Enforcement.ALWAYS and not home
    for policy, certain in policies:
        if policy.fault:
            may_isolate, may_deny, may_admit = True, universe, universe
            continue
        side = policy.side(scene.direction)
        isolates = side.isolates and not home
        isolated, may_isolate = isolated or (isolates and certain is True), may_isolate or isolates
        for clause in side.clauses:
            sure, maybe = clause_ports(clause, scene, universe, traffic)
            if clause.effect is Effect.DENY:
                deny, may_deny = deny | (sure if certain else NO_PORTS), may_deny | maybe
            else:
                admit, may_admit = admit | (sure if certain else NO_PORTS), may_admit | maybe
    refused = universe - admit if may_isolate else NO_PORTS
    passed_on = NO_PORTS if isolated else universe - admit - deny
    return _Tier(may_admit - deny, may_deny | refused, passed_on)


def _ordered(policies: Sequence[Selected], scene: DirectionContext, universe: PortSet) -> _Tier:
    """Admin tiers: by priority, the first rule that matches; equal priorities may take either turn."""
    ranked = sorted(policies, key=lambda each: each[0].priority)
    if any(policy.fault for policy, _ in ranked):
        return _Tier(universe, universe, universe)
    total = _Tier(NO_PORTS, NO_PORTS, NO_PORTS)
    left = universe
    for _, level in groupby(ranked, key=lambda each: each[0].priority):
        turns = [_first_match(policy, certain, scene, left) for policy, certain in level]
        effects = {effect: _union(turn[effect] for turn, _ in turns) for effect in Effect}
        total = _Tier(
            total.allow | effects[Effect.ALLOW], total.deny | effects[Effect.DENY], total.next | effects[Effect.PASS]
        )
        for _, none in turns:
            left = left & none
    return _Tier(total.allow, total.deny, total.next | left)


def _first_match(
    policy: Policy, certain: bool | None, scene: DirectionContext, universe: PortSet
) -> tuple[dict[Effect, PortSet], PortSet]:
    """Per effect the ports on which this policy may have it, and the ports on which it may have none."""
    found = dict.fromkeys(Effect, NO_PORTS)
    left = universe
    for clause in policy.side(scene.direction).clauses:
        sure, maybe = clause_ports(clause, scene, left, None)
        effects = tuple(Effect) if clause.fault else (clause.effect,)
        found |= {effect: found[effect] | maybe for effect in effects}
        left = left - sure if certain else left
    return found, left


def clause_ports(
    clause: Clause, scene: DirectionContext, universe: PortSet, traffic: Traffic | None
) -> tuple[PortSet, PortSet]:
    """The ports a rule certainly holds, and those it may hold."""
    if clause.fault:
        return NO_PORTS, universe
    if traffic is not None and (service := clause.service_fits(scene, traffic)) is not False:
        return (universe if service else NO_PORTS), universe
    fits = clause.peer_fits(scene)
    if fits is False:
        return NO_PORTS, NO_PORTS
    held = universe & all_on(clause.ports, scene.destination) if clause.ports is not None else universe
    return (held if fits else NO_PORTS), held


def _union(sets: Iterable[PortSet]) -> PortSet:
    total = NO_PORTS
    for each in sets:
        total = total | each
    return total


def selecting(policies: Iterable[Policy], subject: Endpoint, direction: Direction, profile: Profile) -> list[Selected]:
    """The policies that say something about this direction and select the subject, or may."""
    asked = ((policy, policy.selects(subject, profile)) for policy in policies if policy.speaks(direction))
    return [(policy, certain) for policy, certain in asked if certain is not False]


def dns_shown(policies: Iterable[Selected], anywhere: bool) -> bool | None:
    """Checks whether a DNS rule shows the subject's answers to the datapath; ``None``: only other pods' rules do."""
    if any(policy.shows_dns and certain and not policy.inert for policy, certain in policies):
        return True
    return None if anywhere else False
