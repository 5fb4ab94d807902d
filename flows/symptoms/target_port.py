"""Target of a Service port, and the ports on which the pods behind it could be reached instead."""

from __future__ import annotations

from dataclasses import dataclass

from flows.model import Case, Component, SetTargetPort
from flows.policy import Traffic
from flows.symptoms.peers import Peer
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.k8s_services import ServiceFacts, ServicePort, Services
from sensors.kit.sockets import PodSockets
from sensors.net_connect import Connects
from sensors.net_tcp_stats import TcpStats


@dataclass(frozen=True, slots=True)
class Aim:
    """A Service port that leads to `actual` (None: a name that no pod has), where nothing declares or listens.

    `better` are the ports on which its pods could be reached instead; `listens` those on which their sockets do.
    """

    actual: int | None
    better: tuple[int, ...]
    listens: tuple[int, ...]

    @property
    def right(self) -> int | None:
        """The port that is meant, where only one can be."""
        return self.better[0] if len(self.better) == 1 else None


def aim_of(case: Case, service: ServiceFacts, port: ServicePort) -> Aim | None:
    """None where the port the Service sends to is one that the container declares, or is seen to listen on."""
    if other_protocol(case, service, port):
        return None
    targets = {number for pod in service.matching_pods or () for name, number in pod.targets if name == port.name}
    declared = {
        number for pod in service.matching_pods or () for _, number, kind in pod.declared if kind == port.protocol
    }
    sockets = [each for each in _peer_sockets(case, service) if each.knows_listeners]
    listens = {each.port for pod in sockets for each in pod.listeners if not each.on_loopback}
    actual = next(iter(targets)) if len(targets) == 1 else None
    if len(targets) > 1 or (actual in declared and actual not in listens and not (listens & declared)):
        return None  # several backends, or the declared port itself is silent: the application's matter
    if actual is not None and (actual in listens or (actual in declared and not sockets)):
        return None
    better = (listens & declared) or listens or declared
    return Aim(actual, tuple(sorted(better - {actual})), tuple(sorted(listens)))


def other_protocol(case: Case, service: ServiceFacts, port: ServicePort) -> str:
    """The protocol in which its pods declare the very port that the Service sends to; empty where it is the same.

    Also empty where a socket of theirs takes TCP there: then it is the declaration that is wrong.
    """
    pods = service.matching_pods or ()
    targets = {number for pod in pods for name, number in pod.targets if name == port.name}
    spoken = {kind for pod in pods for _, number, kind in pod.declared if number in targets}
    heard = any(each.listens_on(number) for each in _peer_sockets(case, service) for number in targets if number)
    if len(targets) != 1 or len(spoken) != 1 or port.protocol in spoken or (heard and port.protocol == "TCP"):
        return ""
    return spoken.pop()


def sockets_behind(case: Case, peer: Peer) -> tuple[PodSockets, ...]:
    """The socket tables of the pods at which a peer is reached, as far as they were read."""
    stats = case.get(TcpStats)
    pods = {each.pod for each in (peer.service.matching_pods or ())} if peer.service else set()
    pods |= {each.destination.pod for each in peer.connections} | ({peer.pod.name} if peer.pod else set())
    return tuple(each for each in stats.peers if each.pod in pods and not each.blind) if stats else ()


def ports_behind(peer: Peer) -> tuple[int, ...]:
    """The pods' own ports at which the question arrives."""
    if peer.service and peer.service_port:
        ends = peer.service.ready_endpoints or ()
        name = peer.service_port.name
        return tuple(sorted({number for end in ends for said, number, _ in end.ports if said == name}))
    at_a_pod = bool(peer.connections) or peer.pod is not None
    return (peer.port,) if peer.port is not None and at_a_pod else ()


def is_refused(peer: Peer) -> bool:
    """Somebody answers, and says no: an RST on the wire, or a connection from inside the pod that is refused."""
    delivered = any(each.outcome is ConnectionOutcome.REFUSED for each in peer.connections)
    return delivered or any(attempt.result == "refused" for attempt in peer.doors)


def _peer_sockets(case: Case, service: ServiceFacts) -> tuple[PodSockets, ...]:
    stats = case.get(TcpStats)
    names = {each.pod for each in service.matching_pods or ()}
    return tuple(each for each in stats.peers if each.pod in names) if stats else ()


def open_elsewhere(
    case: Case, addresses: frozenset[str], sockets: tuple[PodSockets, ...], port: int
) -> tuple[int, ...]:
    """The other ports on which those pods are seen to listen for everyone, or at which they were seen to answer."""
    connects = case.get(Connects)
    answered = {each.port for each in (connects.doors if connects else ()) if each.is_open and each.host in addresses}
    listens = {each.port for pod in sockets for each in pod.listeners if not each.on_loopback}
    return tuple(sorted((answered | listens) - {port}))


def corrected(service: ServiceFacts, port: ServicePort, right: int | None) -> SetTargetPort | None:
    """The request to point the Service port at the right port of its pods, where that is known."""
    if right is None:
        return None
    component = Component("Service", service.namespace, service.name)
    return SetTargetPort(component, service.ports.index(port), port.target_port, right)


@dataclass(frozen=True, slots=True)
class Wrong:
    """A Service port that leads where its pods, as their socket tables show, do not listen."""

    service: ServiceFacts
    port: ServicePort
    aim: Aim

    @property
    def remedy(self) -> SetTargetPort | None:
        return corrected(self.service, self.port, self.aim.right)


def wrong_port_of(case: Case, traffic: Traffic) -> Wrong | None:
    """Fault of the Service that the client addressed; None where its port is right, or that is unknown."""
    services = case.get(Services)
    if services is None or traffic.service is None or traffic.service_port is None:
        return None
    service = services.find(*traffic.service)
    port = service.port(traffic.service_port) if service is not None else None
    if service is None or port is None or port.protocol != traffic.protocol:
        return None
    aim = aim_of(case, service, port)
    return Wrong(service, port, aim) if aim is not None and aim.listens and aim.actual == traffic.port else None
