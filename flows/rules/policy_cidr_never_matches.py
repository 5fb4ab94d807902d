"""A rule admits the address by CIDR, but this datapath knows the peer by who it is and never compares its address."""

from __future__ import annotations

from flows.denials.attribution import Denial
from flows.denials.findings import admit, finding, groups, named, passage, who
from flows.model import Case, Finding, Rule
from sensors.k8s_network_policies import Policies


def judge(case: Case) -> list[Finding]:
    """One finding for each CIDR rule that cannot match."""
    return [
        finding(case, group, _cause(group[0]), _advice(group[0]), admit(group, correct=True))
        for group in groups(case, "policy.cidr_never_matches")
    ]


def _cause(denial: Denial) -> str:
    cidr = ", ".join(denial.miss.expected) if denial.miss is not None else "its CIDR"
    return f"{named(denial.component, denial)} blocks {passage(denial)}: its rule for {cidr} never matches here"


def _advice(denial: Denial) -> str:
    kind = "a selector of its labels and namespace" if denial.peer.is_pod else "its entity"
    return f"Name {who(denial.peer)} by {kind} instead: pods, nodes and Services have no address to this datapath."


RULE = Rule(id="policy-cidr-never-matches", judge=judge, causes=("policy.cidr_never_matches",), needs=(Policies,))
