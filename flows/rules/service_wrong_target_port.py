"""The Service sends to a port on which its pods do not listen.

Proof: ready endpoints, a connection that is refused on the target port, and a container that declares or listens on
another port. Not to be mistaken for a process that is down or listens on loopback (then the declared port itself is
refused), nor for a port the Service does not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flows.belief import ASIDE, LIKELY, PARTIAL, PROVED
from flows.denials.connection import policy_drops
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import Peer, suspects
from flows.symptoms.target_port import Aim, aim_of, corrected
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.k8s_network_policies import Policies
from sensors.k8s_services import ServiceFacts, ServicePort, Services
from sensors.net_connect import Connects, Role
from sensors.net_tcp_stats import TcpStats


def judge(case: Case) -> Iterator[Finding]:
    for peer, weight in suspects(case):
        if peer.service and peer.service_port and peer.service.matching_pods and peer.service.ready_endpoints:
            aim = aim_of(case, peer.service, peer.service_port)
            if aim and _refused(peer, aim.actual):
                yield _finding(case, peer.service, peer.service_port, aim, weight)
            elif aim and aim.listens and peer.fails:
                yield _hidden(case, peer, _finding(case, peer.service, peer.service_port, aim, weight))


def _refused(peer: Peer, actual: int | None) -> bool:
    """The wire says that nobody listens there; a named port that no pod has never even gets an endpoint port."""
    attempts = any(each.result == "refused" for each in peer.doors if each.role is not Role.BACKEND_OTHER_PORT)
    flows = any(
        each.outcome in (ConnectionOutcome.REFUSED, ConnectionOutcome.MIXED) and each.refused
        for each in peer.connections
    )
    return attempts or flows or actual is None


def _hidden(case: Case, peer: Peer, told: Finding) -> Finding:
    """Nobody saw a refusal, as nothing gets that far; the pods' own socket tables tell of it all the same."""
    policy = case.get(Policies) is not None and any(policy_drops(each) for each in peer.connections)
    because = "its pods' socket tables show it; no connection got that far, so no refusal was seen"
    return replace(told, belief=PARTIAL if policy else ASIDE, because=because)


def _finding(case: Case, service: ServiceFacts, port: ServicePort, aim: Aim, weight: float) -> Finding:
    said = port.target_port if port.target_port is not None else port.port
    right = aim.right
    proof = "listens on" if aim.listens else "declares"
    other = " or ".join(map(str, aim.better)) or "no other port"
    return Finding(
        cause_class="service.wrong_target_port",
        cause=(
            f"{service.ref} sends port {port.port} to {said}, where no process listens; "
            f"its pods' container {proof} {other}"
        ),
        component=Component("Service", service.namespace, service.name),
        belief=(PROVED if right else LIKELY) * weight,
        because=f"{_shown(aim, said)}, and the container {proof} {other}",
        shown_by=(Services, Connects, TcpStats),
        recommendation=_advice(service, port, right),
        remedy=corrected(service, port, right),
    )


def _shown(aim: Aim, said: int | str) -> str:
    """A port's name that no container has leads to no port at all, so nothing could be refused there."""
    if aim.actual is None and isinstance(said, str):
        return f"no container of its pods has a port named '{said}'"
    return f"endpoints are ready, connections to {said} are refused"


def _advice(service: ServiceFacts, port: ServicePort, right: int | None) -> str:
    if right is None:
        return f"Set targetPort of port {port.port} of {service.ref} to the port its container listens on."
    return f"Set targetPort of port {port.port} of {service.ref} to {right}."


RULE = Rule(id="service-wrong-target-port", judge=judge, causes=("service.wrong_target_port",), needs=(Services,))
