"""A rule means this very peer and names another port, usually the Service's port instead of the pod's."""

from __future__ import annotations

from flows.denials.attribution import Denial
from flows.denials.findings import admit, finding, groups, named, passage
from flows.model import Case, Finding, Rule
from flows.policy import Miss, MissKind
from sensors.k8s_network_policies import Policies


def judge(case: Case) -> list[Finding]:
    """One finding for each rule with a wrong port."""
    return [
        finding(case, group, _cause(group[0]), _advice(group[0]), admit(group, correct=True))
        for group in groups(case, "policy.wrong_port")
    ]


def _cause(denial: Denial) -> str:
    allowed = _matching_port(denial.miss)
    return f"{named(denial.component, denial)} blocks {passage(denial)}: its rule allows this peer {allowed}"


def _matching_port(miss: Miss | None) -> str:
    """`only on port 80`, or `only over UDP` where it is the protocol that differs."""
    if miss is None:
        return "only on another port"
    if miss.kind is MissKind.NAMED_PORT:
        return f"only by a port name ({miss.why})"
    return f"only {'over' if miss.kind is MissKind.PROTOCOL else 'on port'} {', '.join(miss.expected)}"


def _advice(denial: Denial) -> str:
    traffic = denial.connection.traffic
    service = traffic.service_port is not None and denial.miss is not None
    why = (
        " (policies see the pod's port, never the Service's)"
        if service and str(traffic.service_port) in (denial.miss.expected if denial.miss else ())
        else ""
    )
    return f"Let the rule name {traffic.protocol} {traffic.port}{why}."


RULE = Rule(id="policy-wrong-port", judge=judge, causes=("policy.wrong_port",), needs=(Policies,))
