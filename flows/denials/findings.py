"""Says what a refused connection means: how sure, why, and since when, in the words of the report.

One policy finding is one cause at one object; the connections that share both are told together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from flows.belief import (
    CONFIRMED,
    CONSISTENT,
    DISPUTED,
    LIKELY,
    PARTIAL,
    PLAUSIBLE,
    REMOTE,
    ROOT_CAUSE_FROM,
    SUSPECTED,
    TOO_YOUNG,
)
from flows.causes import Stage
from flows.denials.attribution import Denial, denials, first_drop, onset
from flows.denials.connection import START, YOUNG, JudgedConnection
from flows.denials.policy_world import enforces
from flows.denials.probes import probe_says
from flows.model import AdmitTraffic, Case, Component, Finding, Remedy
from flows.policy import Direction, Endpoint, Miss, PolicyRef, Traffic
from flows.symptoms.target_port import wrong_port_of
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.k8s_pod import PodFacts
from sensors.k8s_recent_changes import ChangeKind, RecentChanges
from sensors.kit.managers import made_with
from sensors.net_connect import Connects

WAIT = "Look again in half a minute; change no policy before that."


def is_too_young(case: Case, denial: Denial) -> bool:
    """Advises to wait rather than patch. Not where the policies deny it and one of them is newer than the pod."""
    return is_young(case, denial.connection) and not (denial.verdict.allowed is False and _came_later(case, denial))


def _came_later(case: Case, denial: Denial) -> bool:
    pod, seen = case.get(PodFacts), denial.connection.seen
    if pod is None or pod.created is None or seen is None or seen.first_drop is None:
        return False
    return any(pod.created < each.at <= seen.first_drop for each in onset(case, denial))


def is_young(case: Case, one: JudgedConnection) -> bool:
    """Checks whether the drops may be a start race: a pod under 30 s old that never got through before the first one.

    While a pod's identity travels to the nodes, its packets are refused as a stranger's. One that talked first and was
    refused then has an identity; so has one whose first drop came later than its first seconds.
    """
    seen, pod = one.seen, case.get(PodFacts)
    if pod is None or pod.age_s is None or pod.created is None or pod.age_s >= YOUNG.total_seconds():
        return False
    if seen is None or seen.first_drop is None:
        return True
    talked = seen.opened > 0 and seen.first is not None and seen.first < seen.first_drop
    return not talked and seen.first_drop - pod.created <= START


def belief(case: Case, denial: Denial) -> float:
    """Belief in a denial: the datapath and the simulator agreeing is best, a computation nobody saw fail is weakest."""
    one, computed = denial.connection, denial.verdict.allowed
    if one.drop is not None:
        sure = {False: CONFIRMED, None: PLAUSIBLE, True: DISPUTED}[computed]
    else:
        sure = {False: LIKELY, None: PARTIAL, True: ROOT_CAUSE_FROM}[probe_says(case, one)]
        sure = min(sure, CONSISTENT) if case.get(HubbleFlows) is not None else sure
    if is_too_young(case, denial):
        sure *= TOO_YOUNG
    if not enforces(case):
        sure = min(sure, REMOTE)
    if _is_somebody_else_s(case, one):
        sure = min(sure, DISPUTED)
    return round(sure if one.asked else min(sure, SUSPECTED), 2)


def _is_somebody_else_s(case: Case, one: JudgedConnection) -> bool:
    """Nobody named a peer, and it is another who cannot reach this pod: perhaps rightly, as with a scanner."""
    there = one.traffic.destination
    return case.target.to_host is None and (there.namespace, there.pod) == (case.target.namespace, case.target.pod)


def because(case: Case, group: Iterable[Denial]) -> str:
    """The reason why we think so: what was dropped, when it began, what changed just before, and what the walk says."""
    listed = list(group)
    head = listed[0]
    parts = [_seen_words(listed), *_onset_words(case, head), _walk_words(head), *_doubt_words(case, head)]
    return "; ".join(each for each in parts if each)


def _seen_words(group: list[Denial]) -> str:
    packets = sum(each.connection.packets for each in group if each.connection.drop is not None)
    if not packets:
        return "computed from the policies; no hubble flow shows it"
    attempts = sum(each.connection.seen.dropped for each in group if each.connection.seen is not None)
    drop = group[0].connection.drop
    what = f"{drop.reason} ({drop.number}), {drop.direction}" if drop is not None else ""
    tries = f"{attempts:,} connection {plural(attempts, 'attempt')}"
    return f"{packets:,} {plural(packets, 'packet')} dropped in {tries}, {what}"


def plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"


def _onset_words(case: Case, denial: Denial) -> list[str]:
    first = first_drop((denial,))
    if first is None:
        return []
    said = f"first drop {first:%H:%M:%S} UTC"
    for change in onset(case, denial)[:1]:
        apart = (first - change.at).total_seconds()
        when = f"{apart:.0f} s" if apart >= 1 else "less than a second"
        done = {ChangeKind.CREATED: "created", ChangeKind.CHANGED: "changed"}.get(change.kind, "asked to go")
        return [f"{said}, {when} after {change.about.name} was {done} {made_with(change.manager)}".rstrip()]
    return [said]


def _walk_words(denial: Denial) -> str:
    if denial.rule is not None:
        return f"{denial.guilty[0]}: {denial.rule.why}" if denial.guilty else denial.rule.why
    return denial.verdict.why


def _doubt_words(case: Case, denial: Denial) -> list[str]:
    said: list[str] = []
    if denial.connection.drop is not None and denial.verdict.allowed is not False:
        model = "would let it through" if denial.verdict.allowed else "cannot decide it"
        since = "they may have changed since, or not all are known"
        said.append(f"the datapath drops it, the policies as read {model}: {since}")
    policies = case.get(Policies)
    if policies is not None and policies.unreadable:
        said.append(f"not readable: {', '.join(policies.unreadable)}")
    if is_too_young(case, denial):
        said.append("the pod is younger than 30 s and never got through: its identity may still be on its way")
    return said


def shown_by(case: Case, denial: Denial) -> tuple[type, ...]:
    """The facts a finding about this denial rests on."""
    facts: list[type] = [HubbleFlows] if denial.connection.seen is not None else []
    facts.append(Policies)
    if probe_says(case, denial.connection) is False and not denial.connection.lookup:
        facts.append(Connects)
    if onset(case, denial):
        facts.append(RecentChanges)
    return tuple(facts)


# -- words of the report ---------------------------------------------------------------------------------------------


def who(end: Endpoint) -> str:
    """One side in the words people use: the workload rather than the pod, the name rather than the address."""
    if end.is_pod:
        return f"{end.namespace}/{end.workload.partition(' ')[2] or end.pod or 'a pod'}"
    if "kube-apiserver" in end.entities:
        return f"the API server ({end.ip})"
    if end.node:
        return f"node {end.node} ({end.ip})"
    return f"{end.fqdns[0]} ({end.ip})" if end.fqdns else end.ip or "an unknown address"


def plain_port(traffic: Traffic) -> str:
    """The port as policies see it."""
    return f"{traffic.protocol} {traffic.port}" if traffic.port is not None else traffic.protocol


def port_in_words(traffic: Traffic) -> str:
    """The port as policies see it, with the Service's where the client addressed one."""
    seen = plain_port(traffic)
    if traffic.service_ip and traffic.service_port is not None and traffic.service_port != traffic.port:
        return f"{seen} (asked for as {traffic.service_ip}:{traffic.service_port})"
    return seen


def passage(denial: Denial) -> str:
    """A connection in words: `production/api-server → the API server (172.30.0.11) on TCP 6443`."""
    traffic = denial.connection.traffic
    return f"{who(traffic.source)} → {who(traffic.destination)} on {port_in_words(traffic)}"


# -- for the rules ---------------------------------------------------------------------------------------------------


def groups(case: Case, *classes: str) -> Iterator[list[Denial]]:
    """The denials of some classes, those of one cause at one object together, the asked ones first.

    Raises `Missing` when policies could not be looked at.
    """
    found: dict[tuple[Any, ...], list[Denial]] = {}
    for each in case.once(denials):
        if each.cause_class in classes:
            path = each.miss.path if each.miss is not None else ""
            key = (each.cause_class, each.component, each.direction, path, each.connection.asked)
            found.setdefault(key, []).append(each)
    yield from sorted(found.values(), key=lambda group: not group[0].connection.asked)


def admit(group: list[Denial], correct: bool = False) -> AdmitTraffic:
    """The request to let a group of connections through, by correcting the one wrong word if there is one."""
    head = group[0]
    correction: tuple[PolicyRef, Miss] | None = None
    if correct and head.miss is not None and head.guilty:
        correction = (head.guilty[0], head.miss)
    return AdmitTraffic(tuple(each.connection.judgement for each in group), head.guilty, correction)


def finding(case: Case, group: list[Denial], cause: str, recommendation: str, remedy: Remedy | None = None) -> Finding:
    """The finding about denials with one cause. A pod in its first seconds gets no remedy."""
    head = group[0]
    wait = is_too_young(case, head)
    return Finding(
        cause_class=head.cause_class,
        cause=cause,
        component=head.component,
        belief=belief(case, head),
        because=because(case, group),
        shown_by=shown_by(case, head),
        recommendation=WAIT if wait else _unread(case) if _is_unknown(head) else _both(case, head) or recommendation,
        remedy=None if wait else remedy,
        at=_stage(head),
    )


def _stage(denial: Denial) -> Stage | None:
    """A policy of the destination blocks at its end, whatever the mistake in it."""
    at_peer = denial.direction is Direction.INGRESS and not denial.connection.lookup
    return Stage.INGRESS_POLICY if at_peer else None


def _both(case: Case, denial: Denial) -> str:
    """Advice where the Service leads to a port on which its pods do not listen; empty where it does not."""
    wrong = wrong_port_of(case, denial.connection.traffic)
    if wrong is None:
        return ""
    nobody = f"no process listens on {wrong.aim.actual}, to which {wrong.service.ref} leads"
    if wrong.aim.right is None:
        ports = " or ".join(map(str, wrong.aim.listens))
        return f"Find out which port of its pods is meant ({ports}): {nobody}. Then admit that port and no other."
    return f"Admit port {wrong.aim.right}, then point {wrong.service.ref} at it: {nobody}."


def named(component: Component | None, denial: Denial) -> str:
    """Name of what blocks the connection: the policy, else that it is not among those that could be read."""
    if component is not None:
        return str(component)
    side = "sender" if denial.direction is Direction.EGRESS else "receiver"
    default = f"The datapath's default at the {side}"
    return f"A policy of the {side} that was not read" if _is_unknown(denial) else default


def _is_unknown(denial: Denial) -> bool:
    """The datapath refuses it, and no policy that was read does."""
    return denial.component is None and denial.verdict.allowed is not False


def _unread(case: Case) -> str:
    policies = case.get(Policies)
    lacking = f" ({', '.join(policies.unreadable)})" if policies is not None and policies.unreadable else ""
    return f"Find the policy that refuses it: it is not among those that were read{lacking}. Then look again with it."
