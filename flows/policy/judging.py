"""One direction of one connection: the verdict, and the walk that explains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flows.policy.closest import closest
from flows.policy.direction import DirectionContext, scene_of, through_tunnel
from flows.policy.model import Decision, Direction, Judgement, PolicyRef, PolicyVerdict, PolicyWalk, RuleWalk, Traffic
from flows.policy.ports import KNOWN, port_of
from flows.policy.portset import SPACE, PortSet
from flows.policy.profile import Enforcement, Profile
from flows.policy.reach import Selected, dns_shown, exempt, outcome, same_pod
from flows.policy.rules import Effect, Policy, Tier


def judge(
    traffic: Traffic, egress: Sequence[Selected], ingress: Sequence[Selected], profile: Profile, dns: bool
) -> Judgement:
    """Both directions. ``egress`` selects the source, ``ingress`` the destination; ``dns``: some policy somewhere has
    DNS rules."""
    shown = dns_shown(egress, dns)
    out = judge_direction(traffic, egress, scene_of(traffic, Direction.EGRESS, profile, shown))
    into = judge_direction(traffic, ingress, scene_of(traffic, Direction.INGRESS, profile, shown))
    return Judgement(traffic, out, into)


def judge_direction(traffic: Traffic, policies: Sequence[Selected], scene: DirectionContext) -> PolicyVerdict:
    free = exempt(policies, scene, traffic)
    if free:
        return PolicyVerdict(scene.direction, True, Decision.NOT_APPLICABLE, free)
    allowed = _allowed(traffic, policies, scene)
    walks = tuple(walk_policy(policy, certain, scene, traffic) for policy, certain in policies)
    return _verdict(allowed, policies, walks, scene, traffic)


def _allowed(traffic: Traffic, policies: Sequence[Selected], scene: DirectionContext) -> bool | None:
    if not any(not policy.inert for policy, _ in policies) and scene.profile.enforcement is Enforcement.DEFAULT:
        return True
    if traffic.protocol not in KNOWN or same_pod(scene):
        return None
    universe = _universe(traffic)
    found = outcome(policies, scene, universe, traffic)
    if not found.may_deny:
        return True
    return None if found.may_allow else False


def _universe(traffic: Traffic) -> PortSet:
    number = port_of(traffic)
    low, high = SPACE[traffic.protocol] if number is None else (number, number)
    return PortSet.of(traffic.protocol, low, high)


def walk_policy(policy: Policy, certain: bool | None, scene: DirectionContext, traffic: Traffic) -> PolicyWalk:
    """Walks one selecting policy, rule by rule."""
    direction = scene.direction
    if policy.inert:
        return PolicyWalk(policy.ref, direction, False, Decision.NOT_APPLICABLE, f"not applied: {policy.inert}")
    if policy.fault or certain is None:
        return PolicyWalk(policy.ref, direction, False, Decision.UNDECIDABLE, _doubt(policy, scene))
    side = policy.side(direction)
    rules = _walk_rules(policy, scene, traffic)
    decision = _policy_decision(rules, side.isolates)
    return PolicyWalk(
        policy.ref, direction, side.isolates, decision, _policy_why(policy, decision, rules, scene), rules
    )


def _doubt(policy: Policy, scene: DirectionContext) -> str:
    why = policy.fault or policy.subject.doubt
    unmet = [c for c in policy.subject.conditions if c.met_by(scene.subject, frozenset(), scene.profile) is None]
    if unmet and not why:
        return f"whether it selects {scene.subject} is not known: {unmet[0].key} of the pod is not at hand"
    return why or f"{scene.subject} is on the host network: whether policies select it is not known here"


def _walk_rules(policy: Policy, scene: DirectionContext, traffic: Traffic) -> tuple[RuleWalk, ...]:
    walks = []
    for clause in policy.side(scene.direction).clauses:
        walks.append(clause.walk(scene, traffic))
        if policy.tier is not Tier.NAMESPACE and walks[-1].decision in _MATCHED:
            break  # admin tiers: the first rule that matches decides
    return tuple(walks)


_MATCHED = (Decision.ADMITS, Decision.DENIES, Decision.PASSES)
_STRONGEST = (Decision.DENIES, Decision.UNDECIDABLE, Decision.ADMITS, Decision.PASSES)


def _policy_decision(rules: Sequence[RuleWalk], isolates: bool) -> Decision:
    found = {rule.decision for rule in rules}
    undecided_denies = any(rule.decision is Decision.UNDECIDABLE and "Deny" in rule.path for rule in rules)
    if Decision.ADMITS in found and Decision.DENIES not in found and not undecided_denies:
        return Decision.ADMITS
    strongest = next((decision for decision in _STRONGEST if decision in found), None)
    return strongest or (Decision.DOES_NOT_ADMIT if isolates else Decision.NOT_APPLICABLE)


def _policy_why(policy: Policy, decision: Decision, rules: Sequence[RuleWalk], scene: DirectionContext) -> str:
    start = f"selects the pod for {scene.direction.value}"
    deciding = [rule.why for rule in rules if rule.decision is decision]
    if deciding:
        return f"{start}; {deciding[0]}"
    if decision is Decision.DOES_NOT_ADMIT:
        return f"{start} and has no rule that admits anything"
    return f"{start}, isolates nothing, and none of its rules matches"


@dataclass(frozen=True, slots=True)
class _Said:
    """The refs of the policies that said one thing, in the order of the walk."""

    policies: Sequence[Selected]
    walks: Sequence[PolicyWalk]

    def decided_by(self, effect: Effect) -> tuple[PolicyRef, ...]:
        """The first tier that has the effect: an Admin Deny hides a Baseline Deny. There one policy decides, by its
        priority, unless it hands on; in the namespace's tier all that say the same."""
        decision = Decision.DENIES if effect is Effect.DENY else Decision.ADMITS
        for tier in Tier:
            said = self._in(tier)
            refs = [walk.ref for walk in said if walk.decision is decision]
            if tier is Tier.NAMESPACE and refs:
                return tuple(dict.fromkeys(refs))
            if tier is not Tier.NAMESPACE and said and said[0].decision is decision:
                return (said[0].ref,)
        return ()

    def _in(self, tier: Tier) -> list[PolicyWalk]:
        """The walks of a tier with a rule that matched, in the order in which they decide."""
        pairs = zip(self.policies, self.walks, strict=True)
        found = [(policy.priority, walk) for (policy, _), walk in pairs if policy.tier is tier]
        return [walk for _, walk in sorted(found, key=lambda pair: pair[0]) if walk.decision in _MATCHED]


def _verdict(
    allowed: bool | None,
    policies: Sequence[Selected],
    walks: tuple[PolicyWalk, ...],
    scene: DirectionContext,
    traffic: Traffic,
) -> PolicyVerdict:
    said = _Said(policies, walks)
    isolating = tuple(dict.fromkeys(walk.ref for walk in walks if walk.isolates))
    denied = said.decided_by(Effect.DENY) if allowed is False else ()
    admitted = said.decided_by(Effect.ALLOW) if allowed else ()
    doubts = tuple(_doubts(walks, scene, traffic)) if allowed is None else ()
    decision = _decision(allowed, denied, admitted, isolating)
    why = _verdict_why(decision, scene, isolating, denied, admitted, doubts)
    near = closest(walks) if allowed is not True else ()
    return PolicyVerdict(scene.direction, allowed, decision, why, walks, isolating, near, denied, admitted, doubts)


def _decision(
    allowed: bool | None, denied: Sequence[PolicyRef], admitted: Sequence[PolicyRef], isolating: Sequence[PolicyRef]
) -> Decision:
    if allowed is None:
        return Decision.UNDECIDABLE
    if allowed:
        return Decision.ADMITS if admitted or isolating else Decision.NOT_APPLICABLE
    return Decision.DENIES if denied else Decision.DOES_NOT_ADMIT


def _doubts(walks: Sequence[PolicyWalk], scene: DirectionContext, traffic: Traffic) -> list[str]:
    if same_pod(scene):
        return ["whether a pod may reach itself through its Service is not known for this datapath"]
    if traffic.protocol not in KNOWN:
        return [f"no policy speaks of the protocol {traffic.protocol}"]
    whole = [f"{walk.ref}: {walk.why}" for walk in walks if walk.decision is Decision.UNDECIDABLE and not walk.rules]
    rules = [f"{w.ref}: {rule.why}" for w in walks for rule in w.rules if rule.decision is Decision.UNDECIDABLE]
    if whole or rules:
        return whole + rules
    if other := through_tunnel(scene):
        tunnel = other.peer.ip
        return [f"{scene.peer} may come with the address of its tunnel, {tunnel}, which policies tell from its own"]
    if port_of(traffic) is None:
        return ["the port of the traffic is not known, and policies differ by port"]
    return ["policies of the same priority disagree, which the API leaves undefined"]


def _verdict_why(
    decision: Decision,
    scene: DirectionContext,
    isolating: Sequence[PolicyRef],
    denied: Sequence[PolicyRef],
    admitted: Sequence[PolicyRef],
    doubts: Sequence[str],
) -> str:
    what = f"{scene.direction.value} of {scene.subject}"
    if decision is Decision.UNDECIDABLE:
        return f"{what} cannot be decided: {doubts[0]}"
    if decision is Decision.NOT_APPLICABLE:
        return f"no policy restricts the {what}"
    if decision is Decision.DENIES:
        return f"{what} is denied by {_named(denied)}"
    if decision is Decision.ADMITS:
        return (
            f"{what} is admitted by {_named(admitted)}" if admitted else f"{what} is from its own node, never isolated"
        )
    if not isolating:
        return f"{what} is denied: the datapath isolates every pod and no policy allows this"
    return f"{what} is isolated by {_named(isolating)}, and no rule admits this"


def _named(refs: Sequence[PolicyRef]) -> str:
    return ", ".join(map(str, refs))
