"""A pod reaches everybody's Service but its own: what it sends to its Service comes back to itself, and is lost.

Proof: the only ready backend of the asked Service is the caller itself, the Service's address fails, and the pod's own
port answers or is listened on. The bridge or the plug-in does not let a packet return by the way it came (hairpin
mode). Not to be mistaken for a Service whose backend is down, nor for one with other backends.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import CONSISTENT, EVIDENT
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import Peer, suspects
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import ServiceFacts, Services
from sensors.net_connect import Connects, Role
from sensors.net_tcp_stats import TcpStats


def judge(case: Case) -> Iterator[Finding]:
    pod = case[PodFacts]
    for peer, weight in suspects(case):
        if peer.service and peer.service_port and _is_itself(pod, peer.service) and _address_fails(peer):
            yield _finding(case, pod, peer, peer.service, weight)


def _is_itself(pod: PodFacts, service: ServiceFacts) -> bool:
    ends = service.ready_endpoints or ()
    return bool(ends) and all(each.ip in pod.ips for each in ends)


def _address_fails(peer: Peer) -> bool:
    attempts = [each for each in peer.doors if each.role in (Role.SERVICE, Role.PEER)]
    return bool(attempts) and all(each.result in ("timeout", "unreachable", "reset") for each in attempts)


def _answers_itself(case: Case, pod: PodFacts, peer: Peer) -> bool:
    """Its own port was opened, or its own socket table shows a listener there."""
    stats, ends = case.get(TcpStats), peer.service.ready_endpoints or () if peer.service else ()
    ports = {number for end in ends for _, number, _ in end.ports}
    listens = stats is not None and any(stats.target.listens_on(each) for each in ports)
    opened = any(each.is_open and each.host in pod.ips for each in peer.doors if each.role is Role.BACKEND)
    return listens or opened


def _finding(case: Case, pod: PodFacts, peer: Peer, service: ServiceFacts, weight: float) -> Finding:
    sure = _answers_itself(case, pod, peer)
    listens = "its own port answers" if sure else "whether its own port answers was not seen"
    return Finding(
        cause_class="service.hairpin",
        cause=f"{case.target} cannot reach itself through {service.ref}: its only backend is the caller itself",
        component=Component("Node", "", pod.node),
        belief=(EVIDENT if sure else CONSISTENT) * weight,
        because=f"the only ready endpoint of {service.ref} is {', '.join(pod.ips)}, the caller; {listens}",
        shown_by=(Services, PodFacts, Connects),
        recommendation=(
            f"Let {case.target.pod} call itself at 127.0.0.1, or switch on hairpin mode in the network plug-in "
            f"(bridge: hairpinMode true; kubelet: hairpin-mode) of {pod.node}."
        ),
    )


RULE = Rule(id="service-hairpin", judge=judge, causes=("service.hairpin",), needs=(Services, PodFacts, Connects))
