"""Pods stand behind the Service, and none of them is ready, so it gets no traffic.

Proof: the selector matches pods, the EndpointSlices hold no ready address, and the pods say why (readiness probe,
crash, image, scheduling, their node). Not to be mistaken for a selector that matches nothing, nor for a node that is
gone: then the pods are only its victims, and the node's rule hides this one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from flows.belief import ASIDE, SHOWN
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import suspects
from sensors.k8s_nodes import Nodes
from sensors.k8s_services import BackendPod, ServiceFacts, Services


def judge(case: Case) -> Iterator[Finding]:
    for peer, weight in suspects(case):
        service = peer.service
        if service and service.matching_pods and service.ready_endpoints == () and _unready(service):
            unsure = case.get(Nodes) is None and all(each.node_lost for each in _unready(service))
            yield _finding(service, _unready(service), _on_lost_nodes(case, _unready(service)), weight, unsure)


def _unready(service: ServiceFacts) -> list[BackendPod]:
    return [each for each in service.matching_pods or () if not each.ready]


def _on_lost_nodes(case: Case, pods: list[BackendPod]) -> bool:
    """Then no workload is at fault: there is nothing in it to change."""
    nodes = case.get(Nodes)
    return nodes is not None and all(each.node in {lost.name for lost in nodes.not_ready} for each in pods)


def _finding(service: ServiceFacts, pods: list[BackendPod], nodes_lost: bool, weight: float, unsure: bool) -> Finding:
    """`unsure`: their node is told to be lost, and nobody could look at the nodes."""
    workloads = Counter(each.workload for each in pods if each.workload)
    workload = workloads.most_common(1)[0][0] if workloads and not nodes_lost else None
    owner = Component(workload.kind, workload.namespace, workload.name) if workload else None
    why = next((each.why for each in pods if each.why), "no reason given")
    count = "its only pod is not" if len(pods) == 1 else f"none of its {len(pods)} pods is"
    return Finding(
        cause_class="service.no_ready_endpoints",
        cause=f"{service.ref} has no ready endpoint: {count} ready ({why})",
        component=owner or Component("Service", service.namespace, service.name),
        belief=(ASIDE if unsure else SHOWN) * weight,
        because=f"{pods[0].pod} on {pods[0].node or 'no node'} is {pods[0].phase} and not ready: {why}",
        shown_by=(Services,),
        recommendation=f"Make the pods of {owner or service.ref} ready again; traffic returns by itself when one is.",
    )


RULE = Rule(id="service-not-ready", judge=judge, causes=("service.no_ready_endpoints",), needs=(Services,))
