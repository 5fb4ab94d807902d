"""Somebody wrote a rule that denies exactly this. No added rule can allow it; only the deny rule itself can change."""

from __future__ import annotations

from flows.denials.attribution import Denial
from flows.denials.findings import finding, groups, named, passage
from flows.model import Case, Finding, LiftDeny, Rule
from flows.policy import Decision
from sensors.k8s_network_policies import Policies


def judge(case: Case) -> list[Finding]:
    """One finding for each denying policy. Its rule is another person's intent: what its removal would do is told."""
    return [
        finding(case, group, _cause(group[0]), _advice(group[0]), _lift(group))
        for group in groups(case, "policy.explicit_deny")
    ]


def _lift(group: list[Denial]) -> LiftDeny:
    return LiftDeny(tuple(each.connection.judgement for each in group), group[0].guilty)


def _cause(denial: Denial) -> str:
    return f"{named(denial.component, denial)} blocks {passage(denial)} by a deny rule"


def _advice(denial: Denial) -> str:
    where = _deny_rule(denial)
    place = f"its rule {where}" if where else "its deny rule"
    return (
        f"Ask the owner of {named(denial.component, denial)}: {place} must go or except this peer. "
        "An allow rule anywhere else cannot help, because a deny always wins."
    )


def _deny_rule(denial: Denial) -> str:
    """The JSON pointer of the rule that matched."""
    for walk in denial.verdict.walk:
        for rule in walk.rules:
            if rule.decision is Decision.DENIES and walk.ref in denial.guilty:
                return rule.path
    return ""


RULE = Rule(id="policy-explicit-deny", judge=judge, causes=("policy.explicit_deny",), needs=(Policies,))
