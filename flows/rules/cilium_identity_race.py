"""Packets were refused in the first seconds only, before an identity (or a name's address) was known; now they pass.

A policy patch would open something for nothing: the policies admit this connection already.
"""

from __future__ import annotations

from datetime import timedelta

from flows.belief import CONSISTENT, DOUBTED
from flows.denials.attribution import is_refused
from flows.denials.connection import AUTH_REQUIRED, START, JudgedConnection, is_from_target, policy_drops
from flows.denials.findings import is_young, plural
from flows.denials.judged import judged_connections
from flows.model import Case, Component, Finding, Rule
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.k8s_pod import PodFacts

LATELY = timedelta(minutes=2)
ADVICE = "Wait and let the program retry; no policy is missing. If it does not survive that, delay its first connect."


def judge(case: Case) -> list[Finding]:
    """The refusals that ended by themselves. Needs Hubble: without it no refusal can be seen to end."""
    return [_finding(case, each) for each in case.once(judged_connections) if _was_race(case, each)]


def _was_race(case: Case, one: JudgedConnection) -> bool:
    """Refused at first, admitted by the policies, and let through since, or still in the first seconds."""
    if one.seen is None or not policy_drops(one.seen) or one.judgement.allowed is False:
        return False
    if one.drop is not None and one.drop.number == AUTH_REQUIRED:
        return False  # a handshake that has not come about, whatever the pod's age
    if is_refused(case, one):
        admitted = one.judgement.allowed is True and not case[Policies].unreadable
        return admitted and is_young(case, one)
    return one.seen.only_at_start or _was_short(one)


def _was_short(one: JudgedConnection) -> bool:
    """A name's address: refused as an unknown part of the world for a moment, from its first packet on."""
    seen = one.seen
    if seen is None or seen.first is None or seen.first_drop is None or seen.last_drop is None:
        return False
    from_the_first = (seen.first_drop - seen.first).total_seconds() < 1
    return from_the_first and seen.last_drop - seen.first_drop <= START and bool(one.traffic.destination.fqdns)


def _finding(case: Case, one: JudgedConnection) -> Finding:
    seconds = _seconds(one)
    passes = one.seen is not None and one.seen.opened > 0
    end = "and let through since" if passes else "and the policies admit it"
    return Finding(
        cause_class="cilium.identity_race",
        cause=f"{one.traffic.words()} was refused for the first {seconds:.0f} s only, {end}",
        component=Component("Pod", case.target.namespace, case.target.pod),
        belief=CONSISTENT if _is_the_complaint(case, one) else DOUBTED,
        because=f"{one.packets} dropped {plural(one.packets, 'packet')}; {one.judgement.egress.why}",
        shown_by=(HubbleFlows, Policies, PodFacts),
        recommendation=ADVICE,
    )


def _is_the_complaint(case: Case, one: JudgedConnection) -> bool:
    """It was asked for, or nobody asked and it is the pod's own; a start of long ago is history."""
    seen = one.seen
    if seen is None or seen.last_drop is None or case.at - seen.last_drop > LATELY:
        return False
    return one.asked or (case.target.to_host is None and is_from_target(case, one.traffic))


def _seconds(one: JudgedConnection) -> float:
    """From the first refusal to the last."""
    if one.seen is None or one.seen.first_drop is None or one.seen.last_drop is None:
        return 0.0
    return (one.seen.last_drop - one.seen.first_drop).total_seconds()


RULE = Rule(id="cilium-identity-race", judge=judge, causes=("cilium.identity_race",), needs=(HubbleFlows, Policies))
