"""Weighs Claude's claims: pure. They may take certainty away, never add any; they never touch the cause or fix.

The cause of the rules stays the root cause. Another one stands beside it, with the evidence against the verdict. Only
where the rules show no cause, and only for a class of which no rule could judge, Claude's cause takes the place of the
shrug: rules that could judge have looked for it, and their silence stands.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from flows.agent.claims import NO_FIX_ID, Claim, ClaudeClaims, SecondLook
from flows.agent.grounding import Ground, why_struck
from flows.belief import PARTIAL
from flows.causes import CAUSES
from flows.model import (
    NO_FIX,
    Diagnosis,
    Explanation,
    Finding,
    LayerState,
    OtherCause,
    Rule,
    Statement,
    Struck,
)
from sensors.kit import Sensor, Sight

MOST_STATEMENTS = 8
RULES, CLAUDE, BOTH = "rules", "claude", "rules+claude"
UNNAMED = ("inconclusive", "none.healthy")
"""What Claude may never say of its own: that all is well, or that nothing is known."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Sources for the weighing of claims: the words that may be cited, the candidates, what rules and sensors are for.

    `heard` are the classes of which a rule could judge.
    """

    ground: Ground
    fixes: Collection[str]
    sensors: Mapping[str, Sensor]
    heard: frozenset[str]


def ground_of(it: Diagnosis, cited: Mapping[str, str], question: str) -> Ground:
    """Citable words of the brief, and the ids of looks that saw nothing."""
    blind = frozenset(key for key, each in it.evidence.items() if each.sight is Sight.BLIND)
    return Ground(cited, blind, question)


def heard_of(it: Diagnosis, rules: Mapping[str, Rule]) -> frozenset[str]:
    """The classes of which at least one rule could judge."""
    doubted = {each.rule for each in it.doubts}
    return frozenset(cause for rule in rules.values() if rule.id not in doubted for cause in rule.causes)


def explained(it: Diagnosis, claims: ClaudeClaims, bench: Bench) -> Explanation:
    """The claims after everything that the evidence does not carry was struck out."""
    kept, struck = _sifted(claims.statements, bench.ground)
    other, why_not = _other(it, claims, bench)
    fix, no_fix = _fix(claims, bench)
    struck += [Struck(claims.cause.text or claims.cause_class, why_not)] if why_not else []
    struck += [Struck(f"fix {claims.fix}", no_fix)] if no_fix else []
    return Explanation(tuple(kept), tuple(struck), other, fix, it.confidence)


def _sifted(claims: Collection[Claim], ground: Ground) -> tuple[list[Statement], list[Struck]]:
    kept: list[Statement] = []
    struck: list[Struck] = []
    for each in claims:
        why = why_struck(each, ground) or ("there are too many" if len(kept) >= MOST_STATEMENTS else "")
        if why:
            struck.append(Struck(each.text, why))
        elif each.text.strip() not in {one.text for one in kept}:
            kept.append(Statement(each.text.strip(), each.evidence))
    return kept, struck


def _fix(claims: ClaudeClaims, bench: Bench) -> tuple[str, str]:
    """The id of the candidate that Claude would take, or why it is none."""
    if claims.fix == NO_FIX_ID:
        return "", ""
    return (claims.fix, "") if claims.fix in bench.fixes else ("", "it is not one of the candidates")


# -- another cause ---------------------------------------------------------------------------------------------------


def _other(it: Diagnosis, claims: ClaudeClaims, bench: Bench) -> tuple[OtherCause | None, str]:
    """A cause that is not that of the rules, or why it may not be named; neither where Claude agrees."""
    name = claims.cause_class
    if name not in CAUSES:
        return None, f"{name[:40]!r} is no cause of the closed list"
    if name == it.cause_class or (name in UNNAMED and not it.fault_found):
        return None, ""
    against = _against(it, claims.against, bench.ground) if it.cause_class != "inconclusive" else ()
    why = why_struck(claims.cause, bench.ground) or _unfounded(it, claims, bench, against)
    if why:
        return None, why
    return OtherCause(name, claims.cause.text.strip(), claims.cause.evidence, against), ""


def _unfounded(it: Diagnosis, claims: ClaudeClaims, bench: Bench, against: tuple[str, ...]) -> str:
    """The reason why the evidence does not let this cause be named."""
    name, rules_shrug = claims.cause_class, it.cause_class == "inconclusive"
    if name in UNNAMED and rules_shrug:
        return "that all is well is shown by rules only"
    if not rules_shrug and not against:
        return "it names no evidence against the verdict of the rules"
    return "" if name in UNNAMED else _off_the_layer(it, claims, bench)


def _off_the_layer(it: Diagnosis, claims: ClaudeClaims, bench: Bench) -> str:
    """A cause lies in a layer: one that passed has none, and only its own sensors can show one."""
    layer = CAUSES[claims.cause_class].layer
    state = next((row.state for row in it.layers if row.layer is layer), LayerState.NOT_MEASURED)
    if layer is None or state is LayerState.NOT_MEASURED:
        return f"{layer or 'its layer'} was not measured"
    if state is LayerState.PASS:
        return f"{layer} passed what was measured of it"
    looks = {it.evidence[each].sensor for each in claims.cause.evidence if each in it.evidence}
    owns = any(layer in bench.sensors[each].layers for each in looks if each in bench.sensors)
    return "" if owns else f"it cites no look at {layer}"


def _against(it: Diagnosis, ids: Collection[str], ground: Ground) -> tuple[str, ...]:
    """Evidence that may speak against a verdict: it was seen, and the verdict does not itself rest on it."""
    seen = (each for each in ids if each in ground.evidence and each not in ground.blind)
    return tuple(each for each in seen if each not in it.shown_by)


# -- what it changes -------------------------------------------------------------------------------------------------


def disagrees(it: Diagnosis, claims: ClaudeClaims, said: Explanation, bench: Bench) -> bool:
    """Claude would change something: the class, the certainty or the fix; to name no fix changes nothing."""
    return (
        said.other is not None
        or said.fix not in ("", it.fix.id)
        or _lowers(it, claims.confidence, claims.against, bench)
    )


def doubts(it: Diagnosis, review: SecondLook, bench: Bench) -> bool:
    """The second look would lower the confidence."""
    return _lowers(it, review.confidence, review.against, bench)


def _lowers(it: Diagnosis, confidence: float, against: Collection[str], bench: Bench) -> bool:
    return confidence < it.confidence and bool(_against(it, against, bench.ground))


def weighed(it: Diagnosis, claims: ClaudeClaims, said: Explanation, bench: Bench) -> Diagnosis:
    """The diagnosis with its explanation; less sure where Claude names evidence against it, never surer."""
    lower = _lowers(it, claims.confidence, claims.against, bench)
    confidence = min(it.confidence, round(claims.confidence, 2)) if lower else it.confidence
    decided = BOTH if said.statements or said.other else it.decided_by
    it = replace(it, confidence=confidence, decided_by=decided, explanation=said)
    return _named(it, claims, said.other) if _may_be_named(it, said.other, bench) else it


def _may_be_named(it: Diagnosis, other: OtherCause | None, bench: Bench) -> bool:
    """No rule that names this class had the facts to judge."""
    return other is not None and it.cause_class == "inconclusive" and other.cause_class not in bench.heard


def _named(it: Diagnosis, claims: ClaudeClaims, other: OtherCause | None) -> Diagnosis:
    """Claude's cause in the place of a shrug, at most as sure as what explains a part; nothing can be approved."""
    if other is None:
        return it
    belief = min(claims.confidence, PARTIAL)
    advice = "Measure what would show it before anything is changed: no rule could judge this cause."
    finding = Finding(other.cause_class, other.cause, None, belief, "named by Claude; no rule could judge", (), advice)
    confidence = round(min(belief, it.coverage), 2)
    first = (finding, other.evidence)
    return replace(
        it, findings=(first, *it.findings), confidence=confidence, decided_by=CLAUDE, fix=NO_FIX, alternatives=()
    )


# -- a second look ---------------------------------------------------------------------------------------------------


def reviewed(it: Diagnosis, review: SecondLook, bench: Bench) -> Diagnosis:
    """After a second look: it strikes statements for a reason that stands in the evidence."""
    said = it.explanation
    if said is None:
        return it
    gone = {each.statement - 1: each.why for each in review.strike if not why_struck(each.why, bench.ground)}
    kept = tuple(each for at, each in enumerate(said.statements) if at not in gone)
    struck = [
        Struck(each.text, f"second look: {gone[at].text}") for at, each in enumerate(said.statements) if at in gone
    ]
    return replace(it, explanation=replace(said, statements=kept, struck=(*said.struck, *struck)))
