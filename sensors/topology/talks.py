"""Says what a pod talks to where nobody names a peer: what its packets went to, then its open sockets, then the names
that it looks up or complains of, then the addresses in its spec. That something stands in its namespace says nothing.

Pure. The variables that Kubernetes gives every pod for every Service (`NAME_SERVICE_HOST`, `NAME_PORT`) are not in the
spec, and where somebody wrote them there they say no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from sensors.hubble.connections import PROBE_PORTS
from sensors.hubble.outcomes import Connection, DnsOutcome
from sensors.kit.addresses import as_ip, host_port
from sensors.kit.app_log import LogError
from sensors.kit.cluster import Object
from sensors.kit.objects import items, text
from sensors.kit.proc_net import TcpSocket as Socket
from sensors.kit.resolv_conf import plain_name
from sensors.kit.sockets import PodSockets
from sensors.topology.destination import DNS_PORT


class Known(StrEnum):
    """Source that shows a peer of the pod, the best first."""

    FLOWS = "hubble flows"
    SOCKETS = "open sockets"
    NAMES = "look-ups and log"
    SPEC = "the pod's spec"


@dataclass(frozen=True, slots=True)
class Talk:
    """A peer of the pod. `port` None: only the name is known; `protocol` None: not said. `said` is where in the spec
    it stands (`DATABASE_URL in container app`)."""

    host: str
    port: int | None
    known: Known
    protocol: str | None = None
    said: str = ""


def in_flows(found: Iterable[Connection], namespace: str, pod: str) -> Iterator[Talk]:
    """Connections that the pod itself tried on the wire, apart from its look-ups."""
    mine = (each for each in found if (each.source.namespace, each.source.pod) == (namespace, pod))
    for each in sorted(mine, key=lambda one: -one.attempts):
        if each.icmp is None and each.port not in (0, DNS_PORT) and each.probed < each.attempts:
            yield Talk(each.destination.ip, each.port, Known.FLOWS, each.protocol)


def calls_of(sockets: PodSockets) -> tuple[Socket, ...]:
    """The connections that the pod's processes opened themselves: those that wait for an answer first.

    On the host network the table is the whole node's and says nothing of the pod.
    """
    served = {each.port for each in sockets.listeners}
    opened = (each for each in sockets.connections if sockets.host_network is False and _is_call(each, served))
    return tuple(sorted(opened, key=lambda each: each.state != "SYN_SENT"))


def _is_call(each: Socket, served: set[int]) -> bool:
    address = as_ip(each.peer)
    outward = address is not None and not address.is_loopback and not address.is_unspecified
    ours = each.port in PROBE_PORTS or each.peer_port in (0, DNS_PORT)
    return each.state in ("SYN_SENT", "ESTABLISHED") and outward and not ours and each.port not in served


def in_sockets(sockets: PodSockets) -> Iterator[Talk]:
    """The peers of those connections; a UDP socket has one only where the program connected it."""
    yield from (Talk(each.peer, each.peer_port, Known.SOCKETS, "TCP") for each in calls_of(sockets))
    for each in sockets.datagrams:
        if sockets.host_network is False and _is_call(each, set()):
            yield Talk(each.peer, each.peer_port, Known.SOCKETS, "UDP")


def in_names(asked: Iterable[DnsOutcome], logged: Iterable[LogError]) -> Iterator[Talk]:
    """The names that the pod's log complains of, and those that its resolver was seen to ask for."""
    yield from (Talk(each.host, each.port, Known.NAMES) for each in logged if each.host)
    yield from (Talk(plain_name(each.query), None, Known.NAMES) for each in asked if each.addresses)


# -- the spec ----------------------------------------------------------------------------------------------------------

INJECTED = re.compile(r"_SERVICE_(HOST|PORT)(_\w+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?$")
"""The names of the variables by which Kubernetes tells every pod of every Service (and Docker's links before it)."""

URL = re.compile(r"\b([a-z][a-z0-9+.-]*)://(?:[^\s/@\"',]*@)?(\[[0-9a-fA-F:]+\]|[\w.-]+)(?::(\d{1,5}))?", re.IGNORECASE)
PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443, "redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671}
PORTS |= {"postgres": 5432, "postgresql": 5432, "mysql": 3306, "mongodb": 27017, "nats": 4222, "ldap": 389}
OTHERWISE = re.compile(r"LISTEN|BIND|PASS|SECRET|TOKEN|CRED|AUTH|KEY|SALT|VERSION|IMAGE", re.IGNORECASE)
"""Variables with a colon in their value that are no peer: what a program listens on, what is secret, what it is."""

OWN = frozenset({"localhost", "file", "unix"})
MOST_SAID = 8
MAX_LINE_CHARS = 4096


def in_spec(pod: Object) -> tuple[Talk, ...]:
    """The URLs and HOST:PORT values among the variables in a pod's spec; nothing else of a value is kept."""
    found = [
        Talk(host, port, Known.SPEC, protocol, f"{name} in container {text(box, 'name')}")
        for box in items(pod, "spec", "containers")
        for each in items(box, "env")
        if not INJECTED.search(name := text(each, "name"))
        for host, port, protocol in _places(name, text(each, "value")[:MAX_LINE_CHARS])
    ]
    return tuple({(each.host, each.port): each for each in reversed(found)}.values())[::-1][:MOST_SAID]


def _places(name: str, value: str) -> Iterator[tuple[str, int, str | None]]:
    urls = list(URL.finditer(value))
    for each in urls:
        scheme, host, port = each[1].lower(), each[2].strip("[]"), each[3]
        number = int(port) if port else PORTS.get(scheme.rpartition("+")[2].rpartition(":")[2])
        if number and 0 < number < 65536 and _is_outward(host):
            yield host, number, "UDP" if scheme == "udp" else "TCP"
    for part in () if urls or OTHERWISE.search(name) else value.split(","):
        try:
            said = host_port(part)
        except ValueError:
            continue
        if said.port is not None and _is_outward(said.host):
            yield said.host, said.port, said.protocol


def _is_outward(host: str) -> bool:
    """Another place than the pod itself: what a program listens on is written in the same way."""
    address = as_ip(host)
    return host.lower() not in OWN if address is None else not (address.is_loopback or address.is_unspecified)
