"""The caller asks the Service for a port, or over a protocol, that it does not have; or its pods speak another one.

Proof: the Service exists and has no such port; or the pods declare the very target port over the other protocol only,
and what is sent there is refused or lost. Under Cilium such a packet leaves the node as if its address were
outside the cluster, so it looks like an unreachable host. Not to be mistaken for a wrong targetPort (the port exists
and points astray).
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import EVIDENT, PROBABLE, PROVED
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.owner import owner
from flows.symptoms.peers import Peer, suspects
from flows.symptoms.target_port import other_protocol
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import ServiceFacts, ServicePort, Services
from sensors.net_connect import Connects


def judge(case: Case) -> Iterator[Finding]:
    for peer, weight in suspects(case):
        service = peer.service
        if service is None or peer.port is None or service.external_name or not service.ports:
            continue
        if service.headless:  # the caller talks to the pods themselves: any port may be right, but one that refuses
            if _is_refused(peer) and (pods_port := _untranslated(peer, service)):
                yield _headless(case, peer, service, pods_port, weight)
            continue
        if peer.service_port is None:
            yield _wrong_port(case, peer, service, weight)
        else:
            yield from _wrong_protocols(case, peer, service, weight)


def _is_refused(peer: Peer) -> bool:
    refused = any(attempt.result == "refused" for attempt in peer.doors)
    return refused or any(each.outcome is ConnectionOutcome.REFUSED for each in peer.connections)


def _untranslated(peer: Peer, service: ServiceFacts) -> int | None:
    """The pods' own port behind the Service port that the caller dials as it stands; None where it is the same."""
    name = next((each.name for each in service.ports if each.port == peer.port), None)
    numbers = {number for end in service.ready_endpoints or () for said, number, _ in end.ports if said == name}
    return numbers.pop() if len(numbers) == 1 and peer.port not in numbers else None


def _headless(case: Case, peer: Peer, service: ServiceFacts, pods_port: int, weight: float) -> Finding:
    return Finding(
        cause_class="service.wrong_port",
        cause=(
            f"{case.target} dials port {peer.port} of the pods behind {service.ref}, and they listen on {pods_port}: "
            "the Service is headless, so nothing translates its port"
        ),
        component=Component("Service", service.namespace, service.name),
        belief=EVIDENT * weight,
        because=f"{service.ref} has no address of its own; port {peer.port} of its pods refuses",
        shown_by=(Services, Connects, HubbleFlows),
        recommendation=f"Let the caller use port {pods_port}, or give {service.ref} a cluster address.",
    )


def _wrong_port(case: Case, peer: Peer, service: ServiceFacts, weight: float) -> Finding:
    has = ", ".join(f"{each.port}/{each.protocol}" for each in service.ports)
    target = next((each for each in service.ports if peer.port in (each.target_port, each.node_port)), None)
    hint = f" ({peer.port} is the pods' own port behind {target.port})" if target else ""
    right = target.port if target else service.ports[0].port if len(service.ports) == 1 else None
    return Finding(
        cause_class="service.wrong_port",
        cause=f"{case.target} asks {service.ref} for port {peer.port}, which it does not have; it has {has}{hint}",
        component=owner(case),
        belief=PROVED * weight,
        because=f"{service.ref} has {has} and no {peer.port}",
        shown_by=(Services,),
        recommendation=f"Let the caller use port {right or has} of {service.ref}.",
    )


def _wrong_protocols(case: Case, peer: Peer, service: ServiceFacts, weight: float) -> Iterator[Finding]:
    """Protocols of the pod or of the question that the Service lacks; KAI's own tries do not count."""
    port = next((each for each in service.ports if peer.service_port and each.port == peer.service_port.port), None)
    if port is None or any(each.outcome is ConnectionOutcome.OPENED for each in peer.connections):
        return
    seen = [each.protocol for each in peer.connections if each.attempts > each.probed and each.icmp is None]
    said = [case.target.to_protocol] if peer.asked and case.target.to_protocol else []
    spoken, pods = next(iter([*said, *seen]), None), other_protocol(case, service, port)
    if pods and service.port(port.port, pods) is None and _goes_wrong(peer, port):
        yield _pods_protocol(service, port, pods, weight)
    elif spoken is not None and service.port(port.port, spoken) is None:
        yield _wrong_protocol(peer, service, port, spoken, weight)


def _goes_wrong(peer: Peer, port: ServicePort) -> bool:
    """Checks whether packets over the Service's protocol are refused or lost; KAI's own tries are all over TCP."""
    lost = any(each.outcome in (ConnectionOutcome.REFUSED, ConnectionOutcome.UNANSWERED) for each in peer.connections)
    shut = any(not each.is_open for each in peer.doors if each.protocol.upper() == port.protocol)
    return peer.fails is not False and (lost or shut)


def _pods_protocol(service: ServiceFacts, port: ServicePort, pods: str, weight: float) -> Finding:
    target = port.target_port or port.port
    return Finding(
        cause_class="service.protocol",
        cause=f"{service.ref} offers port {port.port} over {port.protocol} only, and its pods speak {pods} there",
        component=Component("Service", service.namespace, service.name),
        belief=EVIDENT * weight,
        because=f"the pods behind {service.ref} declare {target}/{pods}, and the Service sends {port.protocol} to it",
        shown_by=(Services, Connects, HubbleFlows),
        recommendation=f"Set the protocol of port {port.port} of {service.ref} to {pods}.",
    )


def _wrong_protocol(peer: Peer, service: ServiceFacts, port: ServicePort, spoken: str, weight: float) -> Finding:
    return Finding(
        cause_class="service.protocol",
        cause=f"{service.ref} offers port {port.port} over {port.protocol} only, and the caller speaks {spoken}",
        component=Component("Service", service.namespace, service.name),
        belief=PROBABLE * weight,
        because=f"port {port.port} of {service.ref} is {port.protocol}, and nothing shows {spoken} to it open",
        shown_by=(Services,),
        recommendation=f"Give port {port.port} of {service.ref} the protocol its pods speak.",
    )


RULE = Rule(id="service-wrong-port", judge=judge, causes=("service.wrong_port", "service.protocol"), needs=(Services,))
