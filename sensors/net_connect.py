"""Which doors open when they are tried from inside the pod, and which of them the question is about.

Reads    the outcome of TCP connections opened inside the pod's network namespace; Services, EndpointSlices and Pods
         to tell what stands behind the asked peer.
Touches  opens and closes at most twelve TCP connections; sends no payload.
Blind    when the pod cannot be entered (no right to exec, no shell, not running) or nothing was tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from sensors.kit import Blind, Cluster, Connect, Sensor, Target
from sensors.kit.addresses import spelled
from sensors.kit.objects import items, namespace_of, number, one_line, text
from sensors.kit.reading import if_readable
from sensors.kit.resolv_conf import Resolver, parse_resolv_conf
from sensors.topology.destination import Destination, destination_at, surroundings
from sensors.topology.peer import API_SERVICE, Places, service_addresses

MOST_DOORS = 12
"""A probe is traffic too: more doors than this are never tried."""


class About(StrEnum):
    """Whether the question is about a door. A failed context door is not a fault: the pod may never need it."""

    ASKED = "asked"
    CONTEXT = "context"


class Role(StrEnum):
    """What a door is: the peer as written, its Service address, a backend, or one of the doors every pod knows."""

    PEER = "peer"
    SERVICE = "service"
    BACKEND = "backend"
    BACKEND_OTHER_PORT = "backend_other_port"
    RESOLVER = "resolver"
    API_SERVER = "api_server"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Door:
    """One connection tried. `result`: open, refused, timeout, unreachable or reset; `errno` the kernel's word.

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
    def where(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Connects:
    """All doors tried, in the order tried. `unread` says what could not be read to tell asked from context.

    `over` is the protocol of the question: only TCP doors are tried, for nothing but TCP promises an answer.
    """

    doors: tuple[Door, ...]
    to: str | None = None
    unread: tuple[str, ...] = ()
    over: str = "TCP"

    @property
    def asked(self) -> tuple[Door, ...]:
        """The doors the question is about; empty where nobody asked for a peer or its name did not resolve."""
        return tuple(each for each in self.doors if each.about is About.ASKED)

    @property
    def context(self) -> tuple[Door, ...]:
        return tuple(each for each in self.doors if each.about is About.CONTEXT)

    def of(self, role: Role) -> tuple[Door, ...]:
        return tuple(each for each in self.doors if each.role is role)

    @property
    def asked_opens(self) -> bool | None:
        """Whether every asked way in opens; None where no asked door was tried."""
        return all(each.is_open for each in self.asked) if self.asked else None

    def summary(self) -> str:
        shown = self.asked or self.context
        told = ", ".join(f"{each.where} {each.result}{_errno(each)}" for each in shown[:6])
        if self.asked:
            return f"asked: {told}; {_tally(self.context)} of context"
        silent = f": over {self.over} an answer need not come" if self.over != "TCP" else ""
        reason = f"no asked door was tried{silent}" if self.to else "no peer was asked for"
        return f"{reason}; context: {told}"


def _errno(door: Door) -> str:
    return f" ({door.errno})" if door.errno else ""


def _tally(doors: Iterable[Door]) -> str:
    listed = tuple(doors)
    return f"{sum(each.is_open for each in listed)} of {len(listed)} open"


# -- the doors -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Landmarks:
    """The doors every pod knows: the nameservers of its resolv.conf and the API server's addresses and ports."""

    nameservers: frozenset[str] = frozenset()
    api_server: frozenset[tuple[str, int]] = frozenset()


async def look(target: Target, cluster: Cluster) -> Connects:
    """Try the doors of the question and a few that every pod knows."""
    (where, unread), (conf, _) = await asyncio.gather(surroundings(cluster), if_readable(_resolver(target, cluster)))
    destination = _destination(target, where, unread)
    landmarks = Landmarks(frozenset(conf.nameservers if conf else ()), frozenset(_api_doors(where)))
    doors = doors_to_try(destination, landmarks, _own_services(target, where))
    rows = await cluster.connects(target.namespace, target.pod, doors)
    if not rows:
        raise Blind("no door was tried from inside the pod")
    tried = tuple(map(read_door, rows))
    unread, over = (destination.unread, destination.protocol) if destination else ((), "TCP")
    return Connects(classify(tried, destination, landmarks), target.to, unread, over)


def _destination(target: Target, where: Places, unread: tuple[str, ...]) -> Destination | None:
    if target.to_host is None:
        return None
    return destination_at(target.to_host, target.to_port, target.namespace, where, unread, target.to_protocol)


async def _resolver(target: Target, cluster: Cluster) -> Resolver:
    return parse_resolv_conf(await cluster.pod_file(target.namespace, target.pod, "resolv.conf"))


def _api_doors(where: Places) -> Iterable[tuple[str, int]]:
    api = destination_at(f"{API_SERVICE.name}.{API_SERVICE.namespace}.svc", None, "", where)
    yield from ((address, port) for address in api.cluster_ips for port in api.service_ports)
    yield from ((backend.address, port) for backend in api.backends for port in backend.ports)


def _own_services(target: Target, where: Places) -> Iterable[tuple[str, int]]:
    """Doors of the Services next to the pod; of use only where the question names no peer."""
    return (
        (address, port)
        for each in where.services
        if namespace_of(each) == target.namespace
        for address in service_addresses(each)[:1]
        for row in items(each, "spec", "ports")
        if text(row, "protocol") in ("", "TCP") and (port := number(row, "port"))
    )


def doors_to_try(
    destination: Destination | None, landmarks: Landmarks, own: Iterable[tuple[str, int]] = ()
) -> tuple[tuple[str, int], ...]:
    """The asked peer, its Service address and backends, the resolver and the API server; without a question the
    namespace's own Services. At most `MOST_DOORS`, the asked ones first."""
    known = [(each, 53) for each in sorted(landmarks.nameservers)[:2]] + sorted(landmarks.api_server)[:1]
    asked = list(_asked_doors(destination)) if destination and destination.protocol == "TCP" else []
    room = MOST_DOORS - len(known)
    return tuple(dict.fromkeys([*(asked if destination else own)][:room] + known))


def _asked_doors(destination: Destination) -> Iterable[tuple[str, int]]:
    ports = (destination.port,) if destination.port else destination.service_ports
    for host in (destination.host, *destination.cluster_ips[:2]):
        yield from ((host, port) for port in ports)
    for backend in destination.backends[:5]:
        yield from ((backend.address, port) for port in backend.ports)


RESULTS = frozenset({"open", "refused", "timeout", "unreachable", "reset"})


def read_door(row: Connect) -> Door:
    """One connection as recorded, not yet told apart. Raises `Blind` on a result or a port it does not know."""
    result, port = str(row.result).lower(), number({"port": row.port}, "port")
    if result not in RESULTS or port is None:
        raise Blind(f"a connection to {one_line(str(row.host))} ended as {one_line(str(row.result))!r}: not understood")
    ms = float(row.ms) if isinstance(row.ms, int | float) else None
    errno, address = (one_line(str(each)) if each else None for each in (row.errno, row.address))
    host, protocol = one_line(str(row.host)), one_line(str(row.protocol))
    return Door(host, port, protocol, result, errno, address, ms, About.CONTEXT, Role.OTHER)


def classify(doors: tuple[Door, ...], destination: Destination | None, landmarks: Landmarks) -> tuple[Door, ...]:
    """Tells the doors of the question from those around it."""
    resolved = {
        spelled(each.address)
        for each in doors
        if destination and each.address and spelled(each.host) == destination.host
    }
    told = (_place(each, destination, landmarks, resolved) for each in doors if not _is_no_word(each, doors))
    return tuple({(each.host, each.port, each.protocol, each.result, each.errno): each for each in told}.values())


NOT_TRIED = frozenset({"ENOENT", "EADDRINUSE", "EADDRNOTAVAIL", "EAGAIN"})
"""The kernel could not try just then; that says nothing about the peer (seen with several looks at one time)."""


def _is_no_word(door: Door, doors: tuple[Door, ...]) -> bool:
    """A door that could not be tried, while the same address and port opened."""
    same = (door.address or door.host, door.port)
    return door.errno in NOT_TRIED and any(each.is_open and same == (each.host, each.port) for each in doors)


def _place(door: Door, destination: Destination | None, landmarks: Landmarks, resolved: set[str]) -> Door:
    role = _asked_role(door, destination, resolved) if destination else None
    if role is not None:
        about = About.CONTEXT if role is Role.BACKEND_OTHER_PORT else About.ASKED
        return replace(door, role=role, about=about)
    return replace(door, role=_landmark(door, landmarks))


def _asked_role(door: Door, destination: Destination, resolved: set[str]) -> Role | None:
    if door.protocol.upper() != destination.protocol:  # TCP says nothing about a peer that speaks UDP
        return None
    ports = (destination.port,) if destination.port else destination.service_ports
    host = spelled(door.host)
    if host == destination.host and (door.port in ports or not ports):
        return Role.PEER
    found = [each for each in destination.backends if each.address == host]
    if host in (*destination.cluster_ips, *resolved) and door.port in ports and not found:
        return Role.SERVICE
    if any(door.port in each.ports for each in found):
        return Role.BACKEND
    return Role.BACKEND_OTHER_PORT if any(each.pod for each in found) else None


def _landmark(door: Door, landmarks: Landmarks) -> Role:
    if door.host in landmarks.nameservers and door.port == 53:
        return Role.RESOLVER
    return Role.API_SERVER if (door.host, door.port) in landmarks.api_server else Role.OTHER


SENSOR = Sensor(id="net.connect", look=look, gives=Connects, within=12.0, layers=("service", "application"))
