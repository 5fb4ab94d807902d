"""The Service only sends to backends on one node, and there is none there.

Proof: internalTrafficPolicy Local and no ready endpoint on the caller's own node; or externalTrafficPolicy Local, the
question names a node port of a node (or a load balancer's address), and no ready endpoint is on that node. Not to be
mistaken for a Service without ready endpoints anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import CONSISTENT, SHOWN
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import Peer, suspects
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import ServiceFacts, Services


def judge(case: Case) -> Iterator[Finding]:
    node = case[PodFacts].node
    for peer, weight in suspects(case):
        service = peer.service
        if service is None or not service.ready_endpoints:
            continue
        if _from_outside(peer, service):
            if service.external_traffic_policy == "Local" and peer.fails is not False:
                yield from _external(peer, service, node, weight)
        elif service.internal_traffic_policy == "Local" and node and node not in _nodes(service):
            yield _internal(service, node, weight)


def _nodes(service: ServiceFacts) -> list[str]:
    return sorted({each.node for each in service.ready_endpoints or ()})


def _from_outside(peer: Peer, service: ServiceFacts) -> bool:
    """Addressed as clients outside the cluster would: by a node's port, or at an external address."""
    by_node = peer.resolved is not None and bool(peer.resolved.node) and peer.resolved.service_port is not None
    return by_node or peer.host in service.external_ips


def _internal(service: ServiceFacts, node: str, weight: float) -> Finding:
    there = ", ".join(_nodes(service))
    return Finding(
        cause_class="service.external_traffic_local",
        cause=(
            f"{service.ref} has internalTrafficPolicy Local, and none of its ready endpoints is on {node}, "
            f"the caller's node (they are on {there})"
        ),
        component=Component("Service", service.namespace, service.name),
        belief=SHOWN * weight,
        because=f"internalTrafficPolicy: Local; ready endpoints on {there}, the caller on {node}",
        shown_by=(Services, PodFacts),
        recommendation=f"Set internalTrafficPolicy of {service.ref} to Cluster, or run it on every node.",
    )


def _external(peer: Peer, service: ServiceFacts, callers: str, weight: float) -> Iterator[Finding]:
    """A packet that comes to a node from elsewhere is for that node's own backends; from the node itself it may not be.

    kube-proxy leads a node's own pods to any backend (in iptables mode); in IPVS mode it does not.
    """
    asked = peer.resolved.node if peer.resolved else ""
    node = asked or callers
    if not node or node in _nodes(service):
        return
    there, sure = ", ".join(_nodes(service)), bool(asked) and asked != callers
    where = f"node {node}, whose node port is asked," if asked else f"{node}, the caller's node,"
    yield Finding(
        cause_class="service.external_traffic_local",
        cause=(
            f"{service.ref} has externalTrafficPolicy Local, and {where} has none of its ready endpoints "
            f"(they are on {there})"
        ),
        component=Component("Service", service.namespace, service.name),
        belief=(SHOWN if sure else CONSISTENT) * weight,
        because=f"externalTrafficPolicy: Local; ready endpoints on {there}; {peer.host}:{peer.port} leads to {node}",
        shown_by=(Services, PodFacts),
        recommendation=(
            f"Ask a node that has a backend, run {service.ref} on every node, or set externalTrafficPolicy to "
            "Cluster (which hides the clients' addresses from it)."
        ),
    )


RULE = Rule(
    id="service-local-policy", judge=judge, causes=("service.external_traffic_local",), needs=(Services, PodFacts)
)
