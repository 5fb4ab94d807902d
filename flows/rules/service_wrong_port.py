"""The caller asks the Service for a port, or over a protocol, that it does not have.

Proof: the Service exists and has no such port. Under Cilium such a packet leaves the node as if its address were
outside the cluster, so it looks like an unreachable host. Not to be mistaken for a wrong targetPort (the port exists
and points astray).
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.complaint import Peer, suspects
from flows.model import Case, Component, Finding, Rule
from flows.rules.pod_owner import owner
from sensors.k8s_services import ServiceFacts, Services


def judge(case: Case) -> Iterator[Finding]:
    case[Services]
    for peer, weight in suspects(case):
        service = peer.service
        if service is None or peer.port is None or service.external_name or not service.ports:
            continue
        if service.headless:
            continue  # the caller talks to the pods themselves: any port may be right
        if service.port(peer.port) is None:
            yield _wrong_port(case, peer, service, weight)
        elif service.port(peer.port, "TCP") is None and any(not door.is_open for door in peer.doors):
            yield _wrong_protocol(peer, service, weight)


def _wrong_port(case: Case, peer: Peer, service: ServiceFacts, weight: float) -> Finding:
    has = ", ".join(f"{each.port}/{each.protocol}" for each in service.ports)
    target = next((each for each in service.ports if peer.port in (each.target_port, each.node_port)), None)
    hint = f" ({peer.port} is the pods' own port behind {target.port})" if target else ""
    right = target.port if target else service.ports[0].port if len(service.ports) == 1 else None
    return Finding(
        cause_class="service.wrong_port",
        cause=f"{case.target} asks {service.ref} for port {peer.port}, which it does not have; it has {has}{hint}",
        component=owner(case),
        belief=0.97 * weight,
        because=f"{service.ref} has {has} and no {peer.port}",
        shown_by=(Services,),
        recommendation=f"Let the caller use port {right or has} of {service.ref}.",
        hides=frozenset({"external.unreachable"}),
    )


def _wrong_protocol(peer: Peer, service: ServiceFacts, weight: float) -> Finding:
    port = next(each for each in service.ports if each.port == peer.port)
    return Finding(
        cause_class="service.protocol",
        cause=f"{service.ref} offers port {port.port} over {port.protocol} only, and the caller speaks TCP",
        component=Component("Service", service.namespace, service.name),
        belief=0.85 * weight,
        because=f"port {port.port} of {service.ref} is {port.protocol}; TCP to it does not open",
        shown_by=(Services,),
        recommendation=f"Give port {port.port} of {service.ref} the protocol its pods speak.",
    )


RULE = Rule("service-wrong-port", judge, ("service.wrong_port", "service.protocol"))
