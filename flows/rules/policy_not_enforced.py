"""A policy says no and the packets pass all the same: policies are not enforced here, so they explain nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from flows.belief import NOTED
from flows.denials.attribution import component_of
from flows.denials.connection import JudgedConnection
from flows.denials.judged import judged_connections
from flows.denials.policy_world import enforces, only_audits
from flows.model import Case, Component, Finding, Rule
from flows.policy import PolicyRef
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies

SETTLING = timedelta(seconds=5)
"""Until a new policy is in force on every node; label changes take longer, but those make no new policy."""


def judge(case: Case) -> Finding | None:
    """Speaks where denied connections open, or where the plug-in has no policy engine and policies select the pod."""
    policies = case[Policies]
    passing = [
        each for each in case.once(judged_connections) if each.judgement.allowed is False and _passed_since(case, each)
    ]
    if only_audits(case):
        return _finding(case, passing, "policy audit mode is on: denials are reported, nothing is dropped")
    if not enforces(case) and policies.selecting:
        return _finding(case, passing, f"{case.environment.cni} has no policy engine")
    return _finding(case, passing, "connections that the policies deny were seen to open") if passing else None


def _passed_since(case: Case, one: JudgedConnection) -> bool:
    """It opened after the newest policy that denies it: what opened before says nothing of that policy."""
    deniers = _names(ref for side in (one.judgement.egress, one.judgement.ingress) for ref in side.isolated_by)
    known = [each.created for each in case[Policies].policies if (each.kind, each.namespace, each.name) in deniers]
    newest = max((each for each in known if each), default=None)
    opened = one.seen.last_opened if one.seen else None
    return one.works and opened is not None and (newest is None or opened > newest + SETTLING)


def _names(refs: Iterable[PolicyRef]) -> set[tuple[str, str, str]]:
    return {(each.kind, each.namespace, each.name) for each in refs}


def _finding(case: Case, passing: list[JudgedConnection], why: str) -> Finding:
    shown = f"; {passing[0].traffic.words()} opened" if passing else ""
    return Finding(
        cause_class="policy.not_enforced",
        cause=f"Policies are not enforced here: {why}",
        component=_component(case, passing),
        belief=NOTED,
        because=why + shown,
        shown_by=(Policies, HubbleFlows) if passing else (Policies,),
        recommendation="Do not look for this fault in a policy; whether to enforce them is the platform's to say.",
    )


def _component(case: Case, passing: list[JudgedConnection]) -> Component | None:
    """The policy that is passed over, else the first one that selects the pod."""
    verdicts = [verdict for each in passing for verdict in (each.judgement.egress, each.judgement.ingress)]
    ignored = next((ref for verdict in verdicts for ref in verdict.isolated_by), None)
    if ignored is not None:
        return component_of(ignored)
    ref = next((each.ref for each in case[Policies].selecting), None)
    return Component(ref.kind, ref.namespace, ref.name) if ref is not None else None


RULE = Rule(id="policy-not-enforced", judge=judge, causes=("policy.not_enforced",), needs=(Policies,))
