"""The policies of the destination do not let this client in; the client's own policies are innocent."""

from __future__ import annotations

from flows.denials.attribution import Denial
from flows.denials.findings import admit, finding, groups, named, passage, who
from flows.model import Case, Finding, Rule
from sensors.k8s_network_policies import Policies


def judge(case: Case) -> list[Finding]:
    """One finding for each policy in the way."""
    return [
        finding(case, group, _cause(group[0]), _advice(group[0]), admit(group))
        for group in groups(case, "policy.ingress_denied")
    ]


def _cause(denial: Denial) -> str:
    why = ": no ingress rule allows it" if denial.component is not None else ""
    return f"{named(denial.component, denial)} blocks {passage(denial)}{why}"


def _advice(denial: Denial) -> str:
    return f"Add an ingress rule at {who(denial.subject)} for exactly this client and port; the sender's side is open."


RULE = Rule(id="policy-ingress-denied", judge=judge, causes=("policy.ingress_denied",), needs=(Policies,))
