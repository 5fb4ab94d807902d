"""A policy admits the connection on condition of mutual authentication, and the handshake has not succeeded."""

from __future__ import annotations

from dataclasses import replace

from flows.belief import EVIDENT, SUSPECTED
from flows.denials.attribution import Denial
from flows.denials.findings import finding, groups, passage
from flows.model import Case, Finding, Rule
from sensors.k8s_network_policies import Policies

ADVICE = "Look at the SPIRE server and agents and at the identities of both sides; no policy rule is missing."


def judge(case: Case) -> list[Finding]:
    """Reason 189. The first packets of a new pair are always dropped so: only what keeps failing is a finding."""
    lasting = (group for group in groups(case, "cilium.auth_required") if _keeps_failing(group))
    return [_finding(case, group) for group in lasting]


def _finding(case: Case, group: list[Denial]) -> Finding:
    """The policies admit it, on a condition: that they do is no doubt about the datapath's own word."""
    said = finding(case, group, _cause(group[0]), ADVICE)
    return replace(said, belief=EVIDENT if group[0].connection.asked else SUSPECTED)


def _keeps_failing(group: list[Denial]) -> bool:
    return any(each.connection.seen is not None and each.connection.seen.dropped > 1 for each in group)


def _cause(denial: Denial) -> str:
    return f"{passage(denial)} needs mutual authentication, which does not come about"


RULE = Rule(id="cilium-auth-required", judge=judge, causes=("cilium.auth_required",), needs=(Policies,))
