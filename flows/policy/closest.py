"""Finds the rule that came closest, and the kind of mistake that its distance looks like.

Pure questions about a walk. Nearest first: the peer fits and only the port is wrong; the port fits and one label is
misspelt; one label differs; a selector that looks into the wrong namespace; a CIDR that covers the address but is
never compared; the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from flows.policy.model import Closest, Decision, Judgement, Miss, MissKind, PolicyVerdict, PolicyWalk, RuleWalk

PORT_KINDS = frozenset({MissKind.PORT, MissKind.NAMED_PORT, MissKind.PROTOCOL, MissKind.ICMP})
SELECTOR_KINDS = frozenset({MissKind.LABEL, MissKind.NAMESPACE, MissKind.NAMESPACE_LABEL})
FQDN_KINDS = frozenset({MissKind.FQDN, MissKind.FQDN_NOT_SEEN})


class Mistake(StrEnum):
    """Mistake that a denial looks like, in the words of the closed list of causes."""

    WRONG_PORT = "wrong_port"
    WRONG_SELECTOR = "wrong_selector"
    CIDR_NEVER_MATCHES = "cidr_never_matches"
    FQDN_MISMATCH = "fqdn_mismatch"
    NO_RULE = "no_rule"  # nothing comes close: plain default deny
    EXPLICIT_DENY = "explicit_deny"


def closest(walks: Iterable[PolicyWalk]) -> tuple[Closest, ...]:
    """Every admitting rule that did not match, nearest first."""
    missed = [(walk.ref, rule) for walk in walks for rule in walk.rules if rule.decision is Decision.DOES_NOT_ADMIT]
    return tuple(sorted(missed, key=lambda pair: (distance(pair[1]), pair[0], pair[1].index)))


def distance(rule: RuleWalk) -> int:
    """Distance of a rule from admitting the connection: 0 = it does; smaller = closer."""
    return weight(rule.misses)


def weight(misses: Iterable[Miss]) -> int:
    return sum(_weight(miss) for miss in misses)


def _weight(miss: Miss) -> int:
    if miss.near:
        return 10 + miss.near  # a spelling mistake of one to three letters
    return _WEIGHTS.get(miss.kind, 80)


_WEIGHTS = {
    MissKind.CIDR_NEVER_MATCHES: 15,
    MissKind.FQDN_NOT_SEEN: 15,
    MissKind.NAMED_PORT: 20,
    MissKind.PORT: 20,
    MissKind.NAMESPACE: 25,
    MissKind.PROTOCOL: 30,
    MissKind.NAMESPACE_LABEL: 30,
    MissKind.LABEL: 40,
    MissKind.CIDR_EXCEPT: 50,
    MissKind.FQDN: 50,
    MissKind.ICMP: 60,
    MissKind.CIDR: 70,
    MissKind.ENTITY: 70,
    MissKind.NOT_A_POD: 80,
    MissKind.NOBODY: 90,
}


def mistake_of(verdict: PolicyVerdict) -> Mistake | None:
    """Kind of mistake that the denial looks like; ``None`` when the verdict is not a denial."""
    if verdict.allowed is not False:
        return None
    if verdict.denied_by:
        return Mistake.EXPLICIT_DENY
    found = (mistake_of_rule(rule) for _, rule in verdict.closest)
    return next((mistake for mistake in found if mistake is not Mistake.NO_RULE), Mistake.NO_RULE)


def mistake_of_rule(rule: RuleWalk) -> Mistake:
    """The one thing wrong with a rule, if it is one thing: two wrong things are not a mistake but another intent."""
    kinds = {miss.kind for miss in rule.misses}
    if rule.peer_fits and kinds and kinds <= PORT_KINDS:
        return Mistake.WRONG_PORT
    if rule.port_fits is not True:
        return Mistake.NO_RULE
    if kinds == {MissKind.CIDR_NEVER_MATCHES}:
        return Mistake.CIDR_NEVER_MATCHES
    if kinds and kinds <= FQDN_KINDS and all(miss.got for miss in rule.misses):
        return Mistake.FQDN_MISMATCH
    return Mistake.WRONG_SELECTOR if _one_selector_slip(rule.misses) else Mistake.NO_RULE


def _one_selector_slip(misses: Sequence[Miss]) -> bool:
    """One word off: a spelling, a label the namespace lacks, a selector without its namespace.

    A rule that simply names another pod (app=web against app=api) is not a slip.
    """
    if len(misses) != 1 or misses[0].kind not in SELECTOR_KINDS:
        return False
    miss = misses[0]
    return bool(miss.near) or miss.kind is MissKind.NAMESPACE or not miss.got


def slips(judgement: Judgement) -> tuple[Closest, ...]:
    """The rules of both directions that are one word away from admitting the connection, nearest first."""
    denied = [v for v in (judgement.egress, judgement.ingress) if v.allowed is False and not v.denied_by]
    near = [pair for verdict in denied for pair in verdict.closest if mistake_of_rule(pair[1]) is not Mistake.NO_RULE]
    return tuple(sorted(near, key=lambda pair: distance(pair[1])))
