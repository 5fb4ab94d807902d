"""The pod may talk to some names outside, and this one is not among them."""

from __future__ import annotations

from flows.denials.attribution import Denial
from flows.denials.findings import admit, finding, groups, named, passage
from flows.model import Case, Finding, Rule
from flows.policy import MissKind
from sensors.k8s_network_policies import Policies


def judge(case: Case) -> list[Finding]:
    """One finding for each policy whose names all miss."""
    return [
        finding(case, group, _cause(group[0]), _advice(group[0]), admit(group, correct=True))
        for group in groups(case, "policy.fqdn_mismatch")
    ]


def _cause(denial: Denial) -> str:
    if denial.miss is not None and denial.miss.kind is MissKind.FQDN_NOT_SEEN:
        why = "it allows the name, and no DNS rule shows the answer"
        return f"{named(denial.component, denial)} blocks {passage(denial)}: {why}"
    name = denial.peer.fqdns[0]
    return f"{named(denial.component, denial)} blocks {passage(denial)}: no name in it matches {name}"


def _advice(denial: Denial) -> str:
    if denial.miss is not None and denial.miss.kind is MissKind.FQDN_NOT_SEEN:
        return "Give the policy a DNS rule towards the resolver, so that the datapath learns which addresses are meant."
    return f'Add matchName: {denial.peer.fqdns[0]} ("*.x" matches what is below x, never x itself).'


RULE = Rule(id="policy-fqdn-mismatch", judge=judge, causes=("policy.fqdn_mismatch",), needs=(Policies,))
