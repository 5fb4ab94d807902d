"""Where a Service port points, and where its pods really listen: who is to change when that is refused.

No rule of its own. One question with two owners: where the container declares another port than the one aimed at, the
Service points astray; where it declares that very port and the process listens elsewhere, the workload is at fault.
"""

from __future__ import annotations

from dataclasses import dataclass

from flows.model import Case
from sensors.k8s_services import ServiceFacts, ServicePort
from sensors.net_connect import Connects
from sensors.net_tcp_stats import PodSockets, TcpStats


@dataclass(frozen=True, slots=True)
class Aim:
    """Where the Service port points, where the pods could be reached instead, and how we know."""

    actual: int | None
    better: tuple[int, ...]
    listens: tuple[int, ...]


def astray(case: Case, service: ServiceFacts, port: ServicePort) -> Aim | None:
    """None where the port the Service sends to is one that the container declares, or is seen to listen on."""
    targets = {number for pod in service.matching_pods or () for name, number in pod.targets if name == port.name}
    declared = {
        number for pod in service.matching_pods or () for _, number, kind in pod.declared if kind == port.protocol
    }
    sockets = [each for each in peer_sockets(case, service) if each.knows_listeners]
    listens = {each.port for pod in sockets for each in pod.listeners if not each.on_loopback}
    actual = next(iter(targets)) if len(targets) == 1 else None
    if len(targets) > 1 or (actual in declared and actual not in listens and not (listens & declared)):
        return None  # several backends, or the declared port itself is silent: the application's matter
    if actual is not None and (actual in listens or (actual in declared and not sockets)):
        return None
    better = (listens & declared) or listens or declared
    return Aim(actual, tuple(sorted(better - {actual})), tuple(sorted(listens)))


def peer_sockets(case: Case, service: ServiceFacts) -> tuple[PodSockets, ...]:
    """The socket tables of the pods behind a Service, as far as they were read."""
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
