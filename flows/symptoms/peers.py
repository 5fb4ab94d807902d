"""Peers that the pod tries to reach, with the results: the requested peer first, then whatever else its traffic shows.

A failed probe of something the pod never needed is not a fault. So a peer is named by the question, complained of in
the pod's log, really tried (its hubble flows), held or waited for (its sockets), or written in its spec; probes only
add what they saw of those. That a Service stands in its namespace makes it no peer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from flows.belief import ASKED, CONFIGURED, CONTEXT, OWN_TROUBLE
from flows.model import Case, Component
from flows.symptoms.names import addresses_of_name, is_named
from sensors.hubble.outcomes import Connection, ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import ServiceFacts, ServicePort, Services
from sensors.kit.addresses import spelled
from sensors.kit.app_log import LogError
from sensors.kit.objects import Ref
from sensors.kit.proc_net import TcpSocket as Socket
from sensors.net_connect import ConnectionAttempt, Connects, Role
from sensors.net_tcp_stats import TcpStats
from sensors.topology.peer import ResolvedPeer
from sensors.topology.talks import calls_of

DNS_PORT = 53
FAILED = frozenset(
    {ConnectionOutcome.DROPPED, ConnectionOutcome.DENIED, ConnectionOutcome.REFUSED, ConnectionOutcome.UNANSWERED}
)


@dataclass(frozen=True, slots=True)
class Peer:
    """One thing the pod tries to reach.

    `host` and `port` as the question or the wire says; `service` and `service_port` where a Service stands there;
    `connections` are the pod's hubble flows to it (to any backend), `doors` the probes of it, `logged` what the pod's
    own log says of it, `sockets` the connections its kernel holds. `asked` says that the question names it, `resolved`
    how; `said` where in the pod's spec it stands.
    """

    host: str
    port: int | None
    asked: bool
    resolved: ResolvedPeer | None = None
    service: ServiceFacts | None = None
    service_port: ServicePort | None = None
    connections: tuple[Connection, ...] = ()
    doors: tuple[ConnectionAttempt, ...] = ()
    logged: tuple[LogError, ...] = ()
    sockets: tuple[Socket, ...] = ()
    said: str = ""

    @property
    def fails(self) -> bool | None:
        """True when nothing shows that it works now, False when something does, None when nobody saw it tried.

        The newest word counts: an attempt that opened after the last drop means that it works.
        """
        opened = any(attempt.is_open for attempt in self.doors if attempt.role.value in ("peer", "service"))
        failed = any(not attempt.is_open for attempt in self.doors)
        worked = any(each.outcome is ConnectionOutcome.OPENED for each in self.connections)
        worked = worked or any(each.state == "ESTABLISHED" for each in self.sockets)
        broken = any(each.outcome in FAILED for each in self.connections)
        broken = broken or any(each.state == "SYN_SENT" and each.retransmits for each in self.sockets)
        if broken or failed:
            return not (opened and not broken)
        return False if opened or worked else None

    @property
    def pod(self) -> Ref | None:
        """The pod whose own address the question names."""
        return self.resolved.pod if self.resolved else None

    @property
    def owner(self) -> Component | None:
        """The workload behind the peer, where one is known: of the Service's backends, of the wire, of the pod."""
        pods = self.service.matching_pods or () if self.service else ()
        ref = next((each.workload for each in pods if each.workload), None)
        if ref:
            return Component(ref.kind, ref.namespace, ref.name)
        there = next((each.destination for each in self.connections if each.destination.workload), None)
        if there is None:
            ref = (self.resolved and self.resolved.workload) or self.pod
            return Component(ref.kind, ref.namespace, ref.name) if ref else None
        kind, _, name = there.workload.rpartition("/")
        return Component(kind or "Pod", there.namespace, name)

    @property
    def component(self) -> Component:
        """Component to act on at the peer's side: its workload, or the outside address."""
        return self.owner or Component("External", "", self.host)

    def __str__(self) -> str:
        address = self.host if self.port is None else f"{self.host}:{self.port}"
        return f"{self.service.ref} ({address})" if self.service else address


def asked_peer(case: Case) -> Peer | None:
    """The peer the question names, with all that is known of it. None when the question names none."""
    return next((each for each in case.once(peers) if each.asked), None)


def subject(case: Case) -> Peer | None:
    """Subject of the complaint: the requested peer; without one, the Service the pod's log complains of most."""
    asked = asked_peer(case)
    return asked or next((each for each in case.once(peers) if each.logged), None)


def peers(case: Case) -> tuple[Peer, ...]:
    """Every peer: the asked one first, then those the pod's log complains of, then its traffic, most tried first, then
    those that only its sockets know, and last those that only its spec names.

    DNS is its own matter and not among them.
    """
    asked = _asked(case)
    logged = (*_logged(case, asked), *_logged_outside(case, asked))
    tried = _has_attempts(case, [*([asked] if asked else []), *(each for each in logged if each.service is None)])
    met = {each.service.ref for each in logged if each.service}
    seen = (
        *([asked] if asked else []),
        *logged,
        *(each for each in tried if not each.service or each.service.ref not in met),
    )
    held = _new(_held(case), seen)
    return (*seen, *held, *_new(_written(case), (*seen, *held)))


def suspects(case: Case) -> tuple[tuple[Peer, float], ...]:
    """The peers worth a rule's judgement, each with its weight on belief.

    The asked one counts in full. Where nobody asked for one, a peer that fails or that the log complains of counts
    nearly as much, less where only its spec names it. Beside an asked peer every other is context: too little to
    become the root cause.
    """
    asked = asked_peer(case)
    failing = (each for each in case.once(peers) if not each.asked and (each.logged or each.fails))
    others = ((each, CONTEXT if asked else CONFIGURED if each.said else OWN_TROUBLE) for each in failing)
    return (*([(asked, ASKED)] if asked else []), *others)


def _new(found: Iterable[Peer], known: Iterable[Peer]) -> tuple[Peer, ...]:
    """Those that are not met already: the same Service, or the same address and port."""
    services = {each.service.ref for each in known if each.service}
    ends = {(end.destination.ip, end.port) for each in known for end in each.connections}
    ends |= {(each.host, each.port) for each in known if each.port is not None}
    others = (each for each in found if (each.host, each.port) not in ends)
    return tuple(each for each in others if each.service is None or each.service.ref not in services)


def _held(case: Case) -> Iterable[Peer]:
    """The peers of the pod's own open and waiting connections, as its kernel has them."""
    stats = case.get(TcpStats) if case.target.to_host is None else None
    found: dict[tuple[str, int], list[Socket]] = {}
    for each in calls_of(stats.target) if stats else ():
        found.setdefault((each.peer, each.peer_port), []).append(each)
    for (host, port), sockets in found.items():
        yield replace(_peer_at(case, host, port), sockets=tuple(sockets))


def _written(case: Case) -> Iterable[Peer]:
    """The peers in the variables of the pod's spec: of use only where nobody asked for one."""
    pod = case.get(PodFacts) if case.target.to_host is None else None
    for each in pod.spec_peers if pod else ():
        if each.port is not None:
            yield replace(_peer_at(case, each.host, each.port), said=each.said)


def _peer_at(case: Case, host: str, port: int) -> Peer:
    """A peer by its address or name: the Service that it is or stands behind, with the probes of it."""
    services = case.get(Services)
    name, _, rest = host.partition(".")
    named = services.find(rest.partition(".")[0] or case.target.namespace, name) if services else None
    service, known = (named, named.port(port)) if named else _service_behind(case, host, port)
    attempts = _attempts_of(case, service, known) if service else _attempts_at(case, host, port, ())
    return Peer(host, port, False, None, service, known, doors=attempts)


def _asked(case: Case) -> Peer | None:
    target = case.target
    if target.to_host is None:
        return None
    services, connects = case.get(Services), case.get(Connects)
    resolved = services.asked if services else None
    service = services.asked_service if services else None
    port = target.to_port if target.to_port is not None else (resolved.port if resolved else None)
    known = resolved.port_of_service if resolved else port
    host = spelled(target.to_host)
    return Peer(
        host=host,
        port=port,
        asked=True,
        resolved=resolved,
        service=service,
        service_port=service.port(known) if service and known is not None else None,
        connections=_towards(case, host, port, service, resolved.pod if resolved else None),
        doors=connects.asked if connects else (),
        logged=_log_of(case, host),
    )


def _log_of(case: Case, host: str) -> tuple[LogError, ...]:
    pod = case.get(PodFacts)
    return tuple(each for each in pod.log_errors if spelled(each.host) in (host, host.partition(".")[0])) if pod else ()


def _own(case: Case) -> tuple[Connection, ...]:
    """The pod's own attempts, apart from its look-ups."""
    flows = case.get(HubbleFlows)
    mine = (each for each in flows.connections if _is_mine(case, each)) if flows else ()
    return tuple(each for each in mine if each.port != DNS_PORT and each.icmp is None)


def _is_mine(case: Case, connection: Connection) -> bool:
    """Begun by the pod. On the host network hubble names no pod: the flows at hand are already its node's."""
    source, pod = connection.source, case.get(PodFacts)
    if not source.pod and pod and pod.host_network:
        return source.ip in pod.ips
    return (source.namespace, source.pod) == (case.target.namespace, case.target.pod)


def _towards(
    case: Case, host: str, port: int | None, service: ServiceFacts | None, pod: Ref | None = None
) -> tuple[Connection, ...]:
    """The attempts that reach for this peer: its own address or name, its Service's addresses, its backends.

    Where one `pod` was named, only that one of the backends.
    """
    whole = service if pod is None else None
    backends = (
        {(each.ip, number) for each in (whole.endpoints or ()) for _, number, _ in each.ports} if whole else set()
    )
    own = (*whole.cluster_ips, *whole.external_ips) if whole else ()
    addresses, behind = {host, *_addresses_of(case, host), *own}, {ip for ip, _ in backends}
    return tuple(
        each
        for each in _own(case)
        if _fits(each, addresses, port, backends)
        or (_is_lost_tunnel(each) and each.destination.ip in behind)
        or (_is_to(each, pod) and port in (None, each.port))
        or (port in (None, each.port) and is_named(case, host, each.destination.names))
    )


HBONE = 15008
"""The port to which Istio's ambient mode carries whatever is meant for a pod."""


def lost_tunnels(case: Case) -> frozenset[str]:
    """Addresses to which the mesh carried the pod's connections in vain: the tunnel's own packets were dropped."""
    return frozenset(each.destination.ip for each in _own(case) if _is_lost_tunnel(each))


def _is_lost_tunnel(connection: Connection) -> bool:
    return connection.port == HBONE and bool(connection.packets_dropped)


def _is_to(connection: Connection, pod: Ref | None) -> bool:
    return pod is not None and (connection.destination.namespace, connection.destination.pod) == (
        pod.namespace,
        pod.name,
    )


def _addresses_of(case: Case, host: str) -> set[str]:
    """Addresses of the name, looked up inside the pod: without a DNS proxy hubble knows the address only."""
    return set(addresses_of_name(case, host))


def _fits(connection: Connection, addresses: set[str], port: int | None, backends: set[tuple[str, int]]) -> bool:
    there = connection.destination
    named = there.ip in addresses or bool(addresses & set(there.names))
    return (named and port in (None, connection.port)) or (there.ip, connection.port) in backends


def _logged(case: Case, asked: Peer | None) -> tuple[Peer, ...]:
    """The Services that the pod's own error lines name: a refused `connect()` leaves no hubble flow."""
    pod, services = case.get(PodFacts), case.get(Services)
    found: dict[tuple[str, str], list[LogError]] = {}
    for line in pod.log_errors if pod and services else ():
        name, _, rest = line.host.partition(".")
        found.setdefault((rest.partition(".")[0] or case.target.namespace, name), []).append(line)
    known = ((services.find(*key), lines) for key, lines in found.items()) if services else ()
    theirs = asked.service.ref if asked and asked.service else None
    return tuple(_logged_peer(case, each, lines) for each, lines in known if each and each.ref != theirs)


def _logged_peer(case: Case, service: ServiceFacts, lines: list[LogError]) -> Peer:
    port = next((line.port for line in lines if line.port), None) or (service.ports[0].port if service.ports else None)
    known = service.port(port) if port is not None else None
    attempts = _attempts_of(case, service, known)
    found = _towards(case, service.name, port, service)
    return Peer(lines[0].host, port, False, None, service, known, found, attempts, tuple(lines))


def _attempts_of(case: Case, service: ServiceFacts, port: ServicePort | None) -> tuple[ConnectionAttempt, ...]:
    """The probes of a Service and of its backends, each told apart as if it had been asked for."""
    connects, found = case.get(Connects), list[ConnectionAttempt]()
    ends = {
        (end.ip, number, protocol)
        for end in service.endpoints or ()
        for name, number, protocol in end.ports
        if port and name == port.name
    }
    own = (*service.cluster_ips, *service.external_ips)
    for each in connects.doors if connects else ():
        spoken = port is None or each.over == port.protocol
        if each.host in own and port in (None, service.port(each.port)) and spoken:
            found.append(replace(each, role=Role.SERVICE))
        elif (each.host, each.port, each.over) in ends:
            found.append(replace(each, role=Role.BACKEND))
    return tuple(found)


def _logged_outside(case: Case, asked: Peer | None) -> tuple[Peer, ...]:
    """Hosts outside the cluster that the pod's own error lines name, and to which its traffic was seen to go."""
    pod = case.get(PodFacts)
    found: dict[tuple[str, int | None], list[LogError]] = {}
    for line in pod.log_errors if pod and asked is None else ():
        if "." in line.host and ".svc" not in line.host:
            found.setdefault((line.host, line.port), []).append(line)
    known = ((host, port, lines, _towards(case, host, port, None)) for (host, port), lines in found.items())
    return tuple(
        Peer(host, port, False, connections=towards, doors=_attempts_at(case, host, port, towards), logged=tuple(lines))
        for host, port, lines, towards in known
        if towards and not any(each.destination.pod for each in towards) and not _is_service(case, host)
    )


def _is_service(case: Case, address: str) -> bool:
    services = case.get(Services)
    return any(address in each.external_ips for each in (services.services if services else ()))


def _attempts_at(
    case: Case, host: str, port: int | None, towards: tuple[Connection, ...]
) -> tuple[ConnectionAttempt, ...]:
    connects, hosts = case.get(Connects), {host, *(each.destination.ip for each in towards)}
    return tuple(
        replace(each, role=Role.PEER)
        for each in (connects.doors if connects else ())
        if each.host in hosts and port in (None, each.port) and each.over == "TCP"
    )


def _has_attempts(case: Case, taken_by: Iterable[Peer]) -> tuple[Peer, ...]:
    taken = {connection for peer in taken_by for connection in peer.connections}
    found: dict[tuple[str, int], list[Connection]] = {}
    for each in _own(case):
        if each not in taken:
            service, known = _service_behind(case, each.destination.ip, each.port)
            key = (str(service.ref), known.port) if service and known else (str(each.destination), each.port)
            found.setdefault(key, []).append(each)
    many = sorted(found.items(), key=lambda item: (-sum(each.attempts for each in item[1]), item[0]))
    return tuple(_peer(case, connections) for _, connections in many)


def _peer(case: Case, connections: list[Connection]) -> Peer:
    there, port = connections[0].destination, connections[0].port
    service, service_port = _service_behind(case, there.ip, port)
    return Peer(
        there.ip, service_port.port if service_port else port, False, None, service, service_port, tuple(connections)
    )


def _service_behind(case: Case, ip: str, port: int) -> tuple[ServiceFacts | None, ServicePort | None]:
    services = case.get(Services)
    for each in services.services if services else ():
        if ip in (*each.cluster_ips, *each.external_ips):
            return each, each.port(port)
        for end in each.endpoints or ():
            names = [name for name, number, _ in end.ports if number == port] if end.ip == ip else []
            if known := next((known for known in each.ports if known.name in names), None):
                return each, known
    return None, None
