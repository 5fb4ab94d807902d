"""Connection attempts from inside the pod, and which of them the question is about.

Reads    the outcome of connections tried inside the pod's network namespace; Services, EndpointSlices and Pods
         to tell what stands behind the asked peer; where nobody names one, what the pod talks to, from its newest
         hubble flows, its sockets, its log and its spec.
Touches  at most twelve tries: TCP connections are opened and closed without payload; where the peer speaks UDP, one
         datagram each, a DNS question for a DNS server and an empty one for any other.
Blind    when the pod cannot be entered (no right to exec, no shell, not running) or nothing was tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sensors.kit import Blind, Cluster, Connect, Dial, Sensor, Target
from sensors.kit.addresses import spelled
from sensors.kit.objects import number, one_line
from sensors.kit.reading import if_readable
from sensors.kit.resolv_conf import Resolver, parse_resolv_conf
from sensors.topology.destination import DNS_PORT, Destination, destination_at, surroundings
from sensors.topology.peer import API_SERVICE, AddressBook
from sensors.topology.talking import dial_to, dials_of, talks_of

MAX_ATTEMPTS = 12
"""A probe is traffic too: more connections than this are never tried."""


class About(StrEnum):
    """Relation of an attempt to the request. A failed control connection is not a fault: the pod may never need it."""

    ASKED = "asked"
    CONTEXT = "context"


class Role(StrEnum):
    """Role of an attempt: the peer as written, its Service address, a backend, or a peer that every pod knows."""

    PEER = "peer"
    SERVICE = "service"
    BACKEND = "backend"
    BACKEND_OTHER_PORT = "backend_other_port"
    RESOLVER = "resolver"
    API_SERVER = "api_server"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ConnectionAttempt:
    """One connection tried. `result`: open, refused, timeout, unreachable or reset; `errno` the kernel's word. Over
    UDP `open` is any answer, `refused` an ICMP port unreachable, `timeout` a DNS question without an answer; `sent` is
    a datagram to which nothing came back and nothing was due.

    `address` is what the name resolved to, `ms` wall time. EPERM at once means that nothing was sent at all: with
    Cilium's socket load balancer that is a Service without backends, elsewhere a local filter.
    """

    host: str
    port: int
    protocol: str
    result: str
    errno: str | None
    address: str | None
    ms: float | None
    about: About
    role: Role

    @property
    def is_open(self) -> bool:
        return self.result == "open"

    @property
    def over(self) -> str:
        """The protocol in upper case, as Kubernetes writes it."""
        return self.protocol.upper()

    @property
    def where(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Connects:
    """All attempts that said something, in the order tried. `unread` says what could not be read to tell asked from
    context, `over` is the protocol of the question.

    `sent` are UDP datagrams to which nothing came back. They stand apart, for they measured nothing: a port that is
    open, one that is filtered and a server that has nothing to say are equally silent.
    """

    doors: tuple[ConnectionAttempt, ...]
    to: str | None = None
    unread: tuple[str, ...] = ()
    over: str = "TCP"
    sent: tuple[ConnectionAttempt, ...] = ()

    @property
    def asked(self) -> tuple[ConnectionAttempt, ...]:
        """The attempts that the question is about; empty where nobody asked for a peer or its name did not resolve."""
        return tuple(each for each in self.doors if each.about is About.ASKED)

    @property
    def context(self) -> tuple[ConnectionAttempt, ...]:
        return tuple(each for each in self.doors if each.about is About.CONTEXT)

    def of(self, role: Role) -> tuple[ConnectionAttempt, ...]:
        return tuple(each for each in self.doors if each.role is role)

    @property
    def asked_opens(self) -> bool | None:
        """Checks whether every requested way opens; None where the requested peer was not tried."""
        return all(each.is_open for each in self.asked) if self.asked else None

    def summary(self) -> str:
        shown = self.asked or self.context
        told = ", ".join(f"{each.where} {each.result}{_errno(each)}" for each in shown[:6])
        if self.asked:
            return f"requested: {told}{self._silence()}{_control(self.context)}"
        reason = self._silence("") or (f"the requested peer was not tried{self._why_not()}" if self.to else NO_PEER)
        return f"{reason}; control connections: {told}" if told else reason

    def _silence(self, joint: str = "; ") -> str:
        asked = [each.where for each in self.sent if each.about is About.ASKED]
        count = "a datagram was" if len(asked) == 1 else "datagrams were"
        told = f"{count} sent to {', '.join(asked[:6])} over UDP, no answer expected and none came"
        return f"{joint}{told}" if asked else ""

    def _why_not(self) -> str:
        return f": {self.over} cannot be tried" if self.over not in DIALLED else ""


NO_PEER = "no peer was requested"

DIALLED = ("TCP", "UDP")
"""What can be tried from inside a pod."""


def _errno(attempt: ConnectionAttempt) -> str:
    return f" ({attempt.errno})" if attempt.errno else ""


def _control(attempts: Sequence[ConnectionAttempt]) -> str:
    """Control connections, which every pod can open: `; control connections: 2 of 2 open (DNS, API server)`."""
    if not attempts:
        return ""
    kinds = dict.fromkeys(CONTROLS.get(each.role, "others") for each in attempts)
    count = sum(each.is_open for each in attempts)
    return f"; control connections: {count} of {len(attempts)} open ({', '.join(kinds)})"


CONTROLS = {Role.RESOLVER: "DNS", Role.API_SERVER: "API server"}


# -- the attempts ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Landmarks:
    """The peers that every pod knows: the nameservers of its resolv.conf and the API server's addresses and ports."""

    nameservers: frozenset[str] = frozenset()
    api_server: frozenset[tuple[str, int]] = frozenset()


async def look(target: Target, cluster: Cluster) -> Connects:
    """Tries the peers of the question and a few that every pod knows."""
    (where, unread), (conf, _) = await asyncio.gather(surroundings(cluster), if_readable(_resolver(target, cluster)))
    destination = _destination(target, where, unread)
    landmarks = Landmarks(frozenset(conf.nameservers if conf else ()), frozenset(_api_dials(where)))
    rows = await cluster.connects(target.namespace, target.pod, ())  # a recording answers at once with all it has
    if not rows:
        talks = () if destination else await talks_of(target, cluster)
        attempts = dials_to_try(destination, landmarks, dials_of(talks, target.namespace, where))
        rows = await cluster.connects(target.namespace, target.pod, attempts)
    if not rows:
        raise Blind("no connection was tried from inside the pod")
    tried = classify(tuple(map(read_attempt, rows)), destination, landmarks)
    unread, over = (destination.unread, destination.protocol) if destination else ((), "TCP")
    sent = tuple(each for each in tried if each.result == "sent")
    return Connects(tuple(each for each in tried if each not in sent), target.to, unread, over, sent)


def _destination(target: Target, where: AddressBook, unread: tuple[str, ...]) -> Destination | None:
    if target.to_host is None:
        return None
    return destination_at(target.to_host, target.to_port, target.namespace, where, unread, target.to_protocol)


async def _resolver(target: Target, cluster: Cluster) -> Resolver:
    return parse_resolv_conf(await cluster.pod_file(target.namespace, target.pod, "resolv.conf"))


def _api_dials(where: AddressBook) -> Iterable[tuple[str, int]]:
    api = destination_at(f"{API_SERVICE.name}.{API_SERVICE.namespace}.svc", None, "", where)
    yield from ((address, port) for address in api.cluster_ips for port in api.service_ports)
    yield from ((backend.address, port) for backend in api.backends for port in backend.ports)


def dials_to_try(destination: Destination | None, landmarks: Landmarks, talks: Iterable[Dial] = ()) -> tuple[Dial, ...]:
    """The asked peer, its Service address and backends, the resolver and the API server; without a question what the
    pod is known to talk to. At most `MAX_ATTEMPTS`, the asked ones first."""
    known = [Dial(each, 53) for each in sorted(landmarks.nameservers)[:2]]
    known += [Dial(*each) for each in sorted(landmarks.api_server)[:1]]
    asked = list(_requested_dials(destination)) if destination and destination.protocol in DIALLED else []
    room = MAX_ATTEMPTS - len(known)
    wanted = asked if destination else (each for each in talks if each.protocol.upper() in DIALLED)
    return tuple(dict.fromkeys([*dict.fromkeys(wanted)][:room] + known))


def _requested_dials(destination: Destination) -> Iterable[Dial]:
    ports = (destination.port,) if destination.port else destination.service_ports
    for host in (destination.host, *destination.cluster_ips[:2]):
        yield from (dial_to(destination, host, port) for port in ports)
    for backend in destination.backends[:5]:
        yield from (dial_to(destination, backend.address, port) for port in backend.ports)


RESULTS = frozenset({"open", "refused", "timeout", "unreachable", "reset", "sent"})


def read_attempt(row: Connect) -> ConnectionAttempt:
    """One connection as recorded, not yet told apart. Raises `Blind` on a result or a port it does not know."""
    result, port = str(row.result).lower(), number({"port": row.port}, "port")
    if result not in RESULTS or port is None:
        raise Blind(f"a connection to {one_line(str(row.host))} ended as {one_line(str(row.result))!r}: not understood")
    ms = float(row.ms) if isinstance(row.ms, int | float) else None
    errno, address = (one_line(str(each)) if each else None for each in (row.errno, row.address))
    host, protocol = one_line(str(row.host)), one_line(str(row.protocol))
    if result == "timeout" and protocol.lower() == "udp" and port != DNS_PORT and row.ask != "dns":
        result, errno = "sent", None  # other tools write it so; nothing was due, whatever the tool waited for
    return ConnectionAttempt(host, port, protocol, result, errno, address, ms, About.CONTEXT, Role.OTHER)


def classify(
    attempts: tuple[ConnectionAttempt, ...], destination: Destination | None, landmarks: Landmarks
) -> tuple[ConnectionAttempt, ...]:
    """Tells the attempts to the question's peer from those around it."""
    resolved = {
        spelled(each.address)
        for each in attempts
        if destination and each.address and spelled(each.host) == destination.host
    }
    told = (_place(each, destination, landmarks, resolved) for each in attempts if not _is_no_word(each, attempts))
    return tuple({(each.host, each.port, each.protocol, each.result, each.errno): each for each in told}.values())


NOT_TRIED = frozenset({"ENOENT", "EADDRINUSE", "EADDRNOTAVAIL", "EAGAIN"})
"""The kernel could not try just then; that says nothing about the peer (seen with several looks at one time)."""


def _is_no_word(attempt: ConnectionAttempt, attempts: tuple[ConnectionAttempt, ...]) -> bool:
    """An attempt that could not be made, while the same address and port opened."""
    same = (attempt.address or attempt.host, attempt.port, attempt.over)
    opened = ((each.host, each.port, each.over) for each in attempts if each.is_open)
    return attempt.errno in NOT_TRIED and same in opened


def _place(
    attempt: ConnectionAttempt, destination: Destination | None, landmarks: Landmarks, resolved: set[str]
) -> ConnectionAttempt:
    role = _asked_role(attempt, destination, resolved) if destination else None
    if role is not None:
        about = About.CONTEXT if role is Role.BACKEND_OTHER_PORT else About.ASKED
        return replace(attempt, role=role, about=about)
    return replace(attempt, role=_landmark(attempt, landmarks))


def _asked_role(attempt: ConnectionAttempt, destination: Destination, resolved: set[str]) -> Role | None:
    if attempt.over != destination.protocol:  # TCP says nothing about a peer that speaks UDP
        return None
    ports = (destination.port,) if destination.port else destination.service_ports
    host = spelled(attempt.host)
    if host == destination.host and (attempt.port in ports or not ports):
        return Role.PEER
    found = [each for each in destination.backends if each.address == host]
    if host in (*destination.cluster_ips, *resolved) and attempt.port in ports and not found:
        return Role.SERVICE
    if any(attempt.port in each.ports for each in found):
        return Role.BACKEND
    return Role.BACKEND_OTHER_PORT if any(each.pod for each in found) else None


def _landmark(attempt: ConnectionAttempt, landmarks: Landmarks) -> Role:
    if attempt.host in landmarks.nameservers and attempt.port == DNS_PORT:
        return Role.RESOLVER
    return Role.API_SERVER if (attempt.host, attempt.port) in landmarks.api_server else Role.OTHER


SENSOR = Sensor(id="net.connect", look=look, gives=Connects, within=12.0, layers=("service", "application"))
