"""A policy says no and the packets pass all the same: policies are not enforced here, so they explain nothing."""

from __future__ import annotations

from flows.attribution import component_of
from flows.model import Case, Component, Finding, Rule
from flows.world import Tried, enforces, only_audits, tried
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies

BELIEF = 0.35
"""It explains no failure: it is said so that nobody looks for the fault in a policy."""


def judge(case: Case) -> Finding | None:
    """Speaks where denied connections open, or where the plug-in has no policy engine and policies select the pod."""
    policies = case[Policies]
    passing = [each for each in case.once(tried) if each.works and each.judgement.allowed is False]
    if only_audits(case):
        return _finding(case, passing, "policy audit mode is on: denials are reported, nothing is dropped")
    if not enforces(case) and policies.selecting:
        return _finding(case, passing, f"{case.environment.cni} has no policy engine")
    return _finding(case, passing, "connections that the policies deny were seen to open") if passing else None


def _finding(case: Case, passing: list[Tried], why: str) -> Finding:
    shown = f"; {passing[0].traffic.words()} opened" if passing else ""
    return Finding(
        cause_class="policy.not_enforced",
        cause=f"Policies are not enforced here: {why}",
        component=_component(case, passing),
        belief=BELIEF,
        because=why + shown,
        shown_by=(Policies, HubbleFlows) if passing else (Policies,),
        recommendation="Do not look for this fault in a policy; whether to enforce them is the platform's to say.",
    )


def _component(case: Case, passing: list[Tried]) -> Component | None:
    """The policy that is passed over, else the first one that selects the pod."""
    verdicts = [verdict for each in passing for verdict in (each.judgement.egress, each.judgement.ingress)]
    ignored = next((ref for verdict in verdicts for ref in verdict.isolated_by), None)
    if ignored is not None:
        return component_of(ignored)
    ref = next((each.ref for each in case[Policies].selecting), None)
    return Component(ref.kind, ref.namespace, ref.name) if ref is not None else None


RULE = Rule(id="policy-not-enforced", judge=judge, causes=("policy.not_enforced",))
