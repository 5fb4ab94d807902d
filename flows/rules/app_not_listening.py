"""The packets arrive and the pod itself refuses them: no process listens on the port, or only on loopback.

Proof: connections are delivered and answered with a reset on the port the container declares; the destination's own
socket table shows a listener on 127.0.0.1 only, or on other ports, or none. Not to be mistaken for a Service that
points at a port which its pods do not even declare, nor for a Service without backends.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import CONFIRMED, PLAUSIBLE
from flows.model import Case, Finding, Rule
from flows.symptoms.peers import Peer, suspects
from flows.symptoms.target_port import aim_of, open_elsewhere
from sensors.hubble.outcomes import Outcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import Services
from sensors.kit.sockets import PodSockets
from sensors.net_connect import Connects, Role
from sensors.net_tcp_stats import TcpStats


def judge(case: Case) -> Iterator[Finding]:
    for peer, weight in suspects(case):
        ports = _backend_ports(peer)
        if ports and _refused(peer) and not _some_answer(peer):
            yield from _judge_peer(case, peer, ports, weight)


def _backend_ports(peer: Peer) -> tuple[int, ...]:
    """The pods' own ports at which the question arrives."""
    if peer.service and peer.service_port:
        ends = peer.service.ready_endpoints or ()
        name = peer.service_port.name
        return tuple(sorted({number for end in ends for said, number, _ in end.ports if said == name}))
    at_a_pod = bool(peer.connections) or peer.pod is not None
    return (peer.port,) if peer.port is not None and at_a_pod else ()


def _refused(peer: Peer) -> bool:
    delivered = any(each.outcome is Outcome.REFUSED for each in peer.connections)
    return delivered or (bool(peer.doors) and any(door.result == "refused" for door in peer.doors))


def _some_answer(peer: Peer) -> bool:
    """Other pods behind the same door do answer: then it is not the program that does not listen."""
    return any(door.role is Role.BACKEND and door.is_open for door in peer.doors)


def _judge_peer(case: Case, peer: Peer, ports: tuple[int, ...], weight: float) -> Iterator[Finding]:
    sockets, port = _sockets(case, peer), ports[0]
    if peer.service and peer.service_port and aim_of(case, peer.service, peer.service_port):
        return
    loopback = any(each.listens_only_on_loopback(port) for each in sockets)
    nobody = any(each.does_not_listen_on(port) for each in sockets)
    if loopback or nobody or _declared(peer, port):
        ends = peer.service.endpoints or () if peer.service else ()
        addresses = frozenset((peer.host, *(each.ip for each in ends)))
        yield _finding(peer, port, loopback, nobody, open_elsewhere(case, addresses, sockets, port), weight)


def _sockets(case: Case, peer: Peer) -> tuple[PodSockets, ...]:
    stats = case.get(TcpStats)
    pods = {each.pod for each in (peer.service.matching_pods or ())} if peer.service else set()
    pods |= {each.destination.pod for each in peer.connections} | ({peer.pod.name} if peer.pod else set())
    return tuple(each for each in stats.peers if each.pod in pods and not each.blind) if stats else ()


def _declared(peer: Peer, port: int) -> bool:
    pods = peer.service.matching_pods or () if peer.service else ()
    return any(number == port for each in pods for _, number, _ in each.declared)


def _finding(peer: Peer, port: int, loopback: bool, nobody: bool, others: tuple[int, ...], weight: float) -> Finding:
    where = "listens (127.0.0.1 only)" if loopback else "does not listen" if nobody else "does not answer"
    seen = "its socket table shows so" if loopback or nobody else "its socket table was not read"
    name, instead = peer.component.name, " and ".join(map(str, others[:4]))
    elsewhere = f"; it listens on {instead}" if others and not loopback else ""
    return Finding(
        cause_class="app.not_listening",
        cause=f"the process of {name} {where} on port {port}: every connection to the pod is refused{elsewhere}",
        component=peer.component,
        belief=(CONFIRMED if loopback or nobody else PLAUSIBLE) * weight,
        because=f"connections are delivered and reset on {port}, the port the container declares; {seen}",
        shown_by=(TcpStats, HubbleFlows, Connects, Services),
        recommendation=_advice(peer, port, loopback, instead),
    )


def _advice(peer: Peer, port: int, loopback: bool, instead: str) -> str:
    if loopback:
        return f"Let the process bind 0.0.0.0:{port} (or ::) instead of loopback."
    if instead:
        there = f", or declare {instead} and send {peer.service.ref} there" if peer.service else ""
        return f"Let the process of {peer.component} listen on {port}{there}."
    return f"Start what should listen on {port} in {peer.component.name}, or correct its configuration."


RULE = Rule(id="app-not-listening", judge=judge, causes=("app.not_listening",), needs=(Services,))
