"""A rule selects pods that are on the host network: to policies these are their node, and no pod selector matches."""

from __future__ import annotations

from flows.denials.attribution import Denial
from flows.denials.findings import admit, finding, groups, named, passage, who
from flows.model import Case, Finding, Rule
from sensors.k8s_network_policies import Policies

ADVICE = (
    "Admit the node instead (Cilium: the entities host and remote-node; others: an ipBlock of the node). "
    "That lets in every process of those nodes: weigh it, or move the pod off the host network."
)


def judge(case: Case) -> list[Finding]:
    """One finding for each rule that selects a host-network pod."""
    return [
        finding(case, group, _cause(group[0]), ADVICE, admit(group)) for group in groups(case, "policy.hostnet_peer")
    ]


def _cause(denial: Denial) -> str:
    policy = named(denial.component, denial)
    seen = who(denial.peer)
    return f"{policy} blocks {passage(denial)}: its rule selects a pod on the host network, and policies see {seen}"


RULE = Rule(id="policy-hostnet-peer", judge=judge, causes=("policy.hostnet_peer",), needs=(Policies,))
