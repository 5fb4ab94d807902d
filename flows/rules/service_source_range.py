"""The Service's load balancer admits only some source addresses, and the caller's is none of them.

Proof: the datapath drops with DENIED_BY_LB_SRC_RANGE_CHECK (177); or the question names an external address of a
Service with loadBalancerSourceRanges that cover neither the pod nor its node, and that address times out. Not to be
mistaken for a policy: no NetworkPolicy is asked. Widening the list is a decision about security, so no patch.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import CONSISTENT, NAMED
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import Peer, suspects
from flows.symptoms.ranges import within
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_nodes import Nodes
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import ServiceFacts, Services

DENIED_BY_SOURCE_RANGE = 177


def judge(case: Case) -> Iterator[Finding]:
    case[Services]
    for peer, weight in suspects(case):
        dropped = sum(drop.packets for each in peer.connections for drop in each.drops if _is_range(drop.number))
        if peer.service and peer.service.source_ranges and (dropped or _is_left_out(case, peer, peer.service)):
            yield _finding(case, peer.service, dropped, weight)


def _is_range(number: int) -> bool:
    return number == DENIED_BY_SOURCE_RANGE


def _is_left_out(case: Case, peer: Peer, service: ServiceFacts) -> bool:
    """Asked at an outside address that times out, by somebody whose known addresses the list does not cover."""
    mine = _own_addresses(case)
    results = {attempt.result for attempt in peer.doors}
    timed_out = "timeout" in results and not any(attempt.is_open for attempt in peer.doors)
    covered = any(within(ip, service.source_ranges) for ip in mine)
    return peer.host in service.external_ips and timed_out and bool(mine) and not covered


def _own_addresses(case: Case) -> tuple[str, ...]:
    """The pod's and its node's: which of the two the balancer sees depends on the datapath."""
    pod, nodes = case.get(PodFacts), case.get(Nodes)
    node = nodes.find(pod.node) if nodes and pod else None
    return (*(pod.ips if pod else ()), *(node.internal_ips if node else ()))


def _finding(case: Case, service: ServiceFacts, dropped: int, weight: float) -> Finding:
    ranges = ", ".join(service.source_ranges)
    proof = f"{dropped} packets dropped by the check of source ranges (177)" if dropped else "its address times out"
    return Finding(
        cause_class="service.lb_source_range",
        cause=f"{service.ref} admits {ranges} at its load balancer, and {case.target} comes from elsewhere",
        component=Component("Service", service.namespace, service.name),
        belief=(NAMED if dropped else CONSISTENT) * weight,
        because=f"loadBalancerSourceRanges: {ranges}; the caller has {', '.join(_own_addresses(case))}; {proof}",
        shown_by=(Services, HubbleFlows, PodFacts),
        recommendation=(
            f"Call {service.ref} by its name inside the cluster; or ask its owner whether loadBalancerSourceRanges "
            "should cover this caller."
        ),
    )


RULE = Rule(id="service-source-range", judge=judge, causes=("service.lb_source_range",), needs=(Services,))
