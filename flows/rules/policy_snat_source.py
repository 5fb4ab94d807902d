"""The client is admitted by its address, but arrives with a node's: its Service passes it on through another node."""

from __future__ import annotations

from flows.denials.attribution import Denial
from flows.denials.findings import finding, groups, named, passage
from flows.model import Case, Finding, Rule
from sensors.k8s_network_policies import Policies

ADVICE = (
    "Either set externalTrafficPolicy: Local on the Service, so that the client's address is kept (nodes without a pod "
    "of it then drop), or admit the nodes (which lets in everything that comes through them). Both need a person."
)


def judge(case: Case) -> list[Finding]:
    """One finding for each policy; never a patch, since either way out costs something."""
    return [finding(case, group, _cause(group[0]), ADVICE) for group in groups(case, "policy.snat_source")]


def _cause(denial: Denial) -> str:
    policy = named(denial.component, denial)
    return f"{policy} blocks {passage(denial)}: it allows clients by address, and sees the node's instead"


RULE = Rule(id="policy-snat-source", judge=judge, causes=("policy.snat_source",), needs=(Policies,))
