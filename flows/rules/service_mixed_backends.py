"""The Service selects pods of two different programs, and only some of them answer.

Proof: its ready endpoints belong to more than one workload, and connections to one of these work while those to
another are refused. Not to be mistaken for one workload of which a pod is unwell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from flows.belief import EVIDENT
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import Peer, suspects
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import ServiceFacts, Services
from sensors.kit.objects import Ref
from sensors.net_connect import Connects, Role


def judge(case: Case) -> Iterator[Finding]:
    for peer, weight in suspects(case):
        if peer.service and peer.service.matching_pods:
            bad, good = _split(peer, peer.service)
            if bad and good:
                yield _finding(peer.service, bad, good, weight)


def _split(peer: Peer, service: ServiceFacts) -> tuple[set[Ref], set[Ref]]:
    """The workloads that refuse and those that answer; one that does both is on neither side."""
    heard: dict[Ref, set[bool]] = defaultdict(set)
    workloads = {ip: pod.workload for pod in service.matching_pods or () for ip in pod.ips}
    for each in peer.connections:
        workload = workloads.get(each.destination.ip)
        if workload and each.outcome in (ConnectionOutcome.OPENED, ConnectionOutcome.REFUSED):
            heard[workload].add(each.outcome is ConnectionOutcome.OPENED)
    for attempt in peer.doors:
        workload = workloads.get(attempt.host)
        if workload and attempt.role is Role.BACKEND and attempt.result in ("open", "refused"):
            heard[workload].add(attempt.is_open)
    return {ref for ref, said in heard.items() if said == {False}}, {
        ref for ref, said in heard.items() if said == {True}
    }


def _finding(service: ServiceFacts, bad: set[Ref], good: set[Ref], weight: float) -> Finding:
    wrong, right = ", ".join(map(str, sorted(bad))), ", ".join(map(str, sorted(good)))
    return Finding(
        cause_class="service.mixed_backends",
        cause=f"{service.ref} also selects the pods of {wrong}, which refuse; only {right} answers",
        component=Component("Service", service.namespace, service.name),
        belief=EVIDENT * weight,
        because=f"connections to {right} open, those to {wrong} are refused, and the selector matches both",
        shown_by=(Services, HubbleFlows, Connects),
        recommendation=f"Tighten the selector of {service.ref} so that it matches {right} only.",
    )


RULE = Rule(id="service-mixed-backends", judge=judge, causes=("service.mixed_backends",), needs=(Services,))
