"""A rule would let this through if one label were right: a misspelt one, one the namespace lacks, a missing namespace.

Which side is to be mended is told by the others: where other namespaces carry the label and get through, the odd one
out is the namespace; else the rule, if it is newer than the trouble.
"""

from __future__ import annotations

from flows.denials.attribution import Denial
from flows.denials.findings import admit, finding, groups, passage
from flows.model import Case, Finding, Rule
from flows.policy import MissKind
from sensors.k8s_network_policies import Policies


def judge(case: Case) -> list[Finding]:
    """One finding for each label that is wrong."""
    return [
        finding(case, group, _cause(group[0]), _advice(group[0]), admit(group, correct=_is_one_word(group[0])))
        for group in groups(case, "policy.wrong_selector")
    ]


def _is_one_word(denial: Denial) -> bool:
    """A label nobody carries is not for us to invent: then the policy gets a rule instead."""
    component, miss = denial.component, denial.miss
    invented = miss is not None and miss.kind is MissKind.NAMESPACE_LABEL and not miss.got
    return not invented or (component is not None and component.kind == "Namespace")


def _cause(denial: Denial) -> str:
    policy = denial.guilty[0] if denial.guilty else "a policy"
    wrong = denial.miss.why if denial.miss is not None else "one label differs"
    return f"{policy} blocks {passage(denial)}, and would allow it but for one thing: {wrong}"


def _advice(denial: Denial) -> str:
    miss = denial.miss
    if denial.component is not None and denial.component.kind == "Namespace" and miss is not None:
        label = f"{miss.key}={miss.expected[0]}" if miss.expected else miss.key
        return f"Label the namespace {denial.component.name} {label}; see first what else that label opens."
    if miss is not None and miss.kind is MissKind.NAMESPACE:
        return f"Give the rule a namespaceSelector for {denial.peer.namespace}: without one it looks into its own only."
    return "Correct the selector of the rule, or the label it asks for."


RULE = Rule(id="policy-wrong-selector", judge=judge, causes=("policy.wrong_selector",), needs=(Policies,))
