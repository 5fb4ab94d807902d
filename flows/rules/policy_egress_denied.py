"""The pod's own policies do not let it out to this peer, and no rule of theirs comes close."""

from __future__ import annotations

from flows.denials.attribution import Denial
from flows.denials.findings import admit, finding, groups, named, passage, port_in_words
from flows.model import Case, Finding, Rule
from sensors.k8s_network_policies import Policies


def judge(case: Case) -> list[Finding]:
    """One finding for each policy in the way."""
    return [
        finding(case, group, _cause(group[0]), _advice(group[0]), admit(group))
        for group in groups(case, "policy.egress_denied")
    ]


def _cause(denial: Denial) -> str:
    why = ": no egress rule allows it" if denial.component is not None else ""
    return f"{named(denial.component, denial)} blocks {passage(denial)}{why}"


def _advice(denial: Denial) -> str:
    where = "an egress rule for exactly this peer"
    return f"Add {where} on {port_in_words(denial.connection.traffic).partition(' (')[0]}, the port that policies see."


RULE = Rule(id="policy-egress-denied", judge=judge, causes=("policy.egress_denied",), needs=(Policies,))
