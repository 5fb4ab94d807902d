"""Reads the sockets of one pod from its kernel tables: who listens where, what is stuck, what was counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sensors.kit.cluster import Cluster
from sensors.kit.model import Absent, Blind
from sensors.kit.objects import flag, named
from sensors.kit.proc_net import NO_SOCKETS, Counters, Listener, TcpSocket, parse_counters, parse_sockets
from sensors.kit.reading import if_readable, pods_near


@dataclass(frozen=True, slots=True)
class PeerTraffic:
    """The connections of one state to one peer (address and port): how many, and the worst of them."""

    state: str
    peer: str
    peer_port: int
    count: int
    retransmits: int
    send_queue: int


@dataclass(frozen=True, slots=True)
class PodSockets:
    """The sockets of one pod. `blind` says why nothing could be read (then all else is empty); `unread` names files.
    `datagrams` are its UDP sockets that are connected to a peer.

    `host_network` True means the pod shares its node's namespace: these are the whole node's sockets and counters.
    None means the pod's spec could not be read. `asked_ports` are the ports at which the question arrives here.
    """

    namespace: str
    pod: str
    host_network: bool | None = None
    asked_ports: tuple[int, ...] = ()
    counters: Counters = field(default_factory=Counters)
    listeners: tuple[Listener, ...] = ()
    states: Mapping[str, int] = field(default_factory=dict)
    traffic: tuple[PeerTraffic, ...] = ()
    connections: tuple[TcpSocket, ...] = field(default=(), metadata={"report": False})
    datagrams: tuple[TcpSocket, ...] = field(default=(), metadata={"report": False})
    unread: tuple[str, ...] = ()
    blind: str = ""

    @property
    def knows_listeners(self) -> bool:
        """Both socket tables were read: only then does "not in the list" mean "does not listen"."""
        return not self.blind and not {"net/tcp", "net/tcp6"} & set(self.unread)

    def listens_on(self, port: int) -> tuple[str, ...]:
        """The addresses on which something listens for `port`."""
        return tuple(each.address for each in self.listeners if each.port == port)

    def listens_only_on_loopback(self, port: int) -> bool:
        """Seen to listen on `port`, and on no address that another pod could reach."""
        found = [each.on_loopback for each in self.listeners if each.port == port]
        return self.knows_listeners and bool(found) and all(found)

    def does_not_listen_on(self, port: int) -> bool:
        """Seen not to listen: False both where something listens and where the tables were not read."""
        return self.knows_listeners and not self.listens_on(port)

    @property
    def unanswered_syns(self) -> tuple[TcpSocket, ...]:
        """Connections still waiting for their SYN to be answered (SYN_SENT)."""
        return tuple(each for each in self.connections if each.state == "SYN_SENT")

    @property
    def stalled(self) -> tuple[TcpSocket, ...]:
        """Connections past the handshake that repeat data nobody acknowledges."""
        return tuple(
            each for each in self.connections if each.retransmits and each.send_queue and each.state in CARRYING
        )

    @property
    def orphans_retransmitting(self) -> tuple[TcpSocket, ...]:
        """Closed by the program, still repeating their last bytes or FIN: the peer went silent after the handshake."""
        return tuple(each for each in self.connections if each.orphaned and each.retransmits)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod}"


CARRYING = frozenset({"ESTABLISHED", "FIN_WAIT1", "CLOSE_WAIT", "CLOSING", "LAST_ACK"})
"""States past the handshake in which unacknowledged bytes may still be on their way."""

FILES = ("net/snmp", "net/netstat", "net/sockstat", "net/tcp", "net/tcp6")
UDP_FILES = ("net/udp", "net/udp6")
"""Recordings of other tools lack them, and nothing is concluded from that."""


async def read_sockets(cluster: Cluster, namespace: str, pod: str, asked_ports: tuple[int, ...] = ()) -> PodSockets:
    """All that can be read of one pod's TCP. A file in an unknown format makes the whole pod `blind`, never calm."""
    texts = dict(
        zip(FILES, await asyncio.gather(*(_file(cluster, namespace, pod, each) for each in FILES)), strict=True)
    )
    udp = await asyncio.gather(*(_file(cluster, namespace, pod, each) for each in UDP_FILES))
    host_network = await _shares_node(cluster, namespace, pod)
    unread = tuple(name for name, (_, why) in texts.items() if why)
    if len(unread) == len(FILES):
        return PodSockets(namespace, pod, host_network, asked_ports, unread=unread, blind=texts["net/tcp"][1])
    try:
        read = {name: text for name, (text, why) in (*texts.items(), *zip(UDP_FILES, udp, strict=True)) if not why}
        return parse_pod(namespace, pod, read, unread, host_network, asked_ports)
    except Blind as why:
        return PodSockets(namespace, pod, host_network, asked_ports, unread=unread, blind=str(why))


async def _file(cluster: Cluster, namespace: str, pod: str, name: str) -> tuple[str, str]:
    """The text and no reason, or nothing and why. A kernel without IPv6 has no tcp6: looked, and it is empty."""
    try:
        return await cluster.pod_file(namespace, pod, name), ""
    except Absent as why:
        return (NO_SOCKETS, "") if name == "net/tcp6" else ("", str(why))
    except Blind as why:
        return "", str(why)


async def _shares_node(cluster: Cluster, namespace: str, pod: str) -> bool | None:
    pods, _ = await if_readable(pods_near(cluster, namespace))
    found = named(pods or (), pod, namespace)
    return None if found is None else flag(found, "spec", "hostNetwork") is True


# -- the pod as a whole ----------------------------------------------------------------------------------------------


def parse_pod(
    namespace: str,
    pod: str,
    files: Mapping[str, str],
    unread: tuple[str, ...] = (),
    host_network: bool | None = None,
    asked_ports: tuple[int, ...] = (),
) -> PodSockets:
    """Pure: one pod's files, by name, into facts. Raises `Blind` on a format it does not know."""
    listeners: list[Listener] = []
    connections: list[TcpSocket] = []
    for name in ("net/tcp", "net/tcp6"):
        heard, held = parse_sockets(files[name]) if name in files else ((), ())
        listeners += heard
        connections += held
    connected = (parse_sockets(files[name])[1] for name in UDP_FILES if name in files)
    return PodSockets(
        namespace=namespace,
        pod=pod,
        host_network=host_network,
        asked_ports=asked_ports,
        datagrams=tuple(each for found in connected for each in found if each.state == "ESTABLISHED"),
        counters=parse_counters(files),
        listeners=tuple(sorted(listeners, key=lambda each: (each.on_loopback, each.port, each.address))),
        states=dict(sorted(Counter(each.state for each in connections).items())),
        traffic=by_peer(connections),
        connections=tuple(connections),
        unread=unread,
    )


MOST_TRAFFIC = 20


def by_peer(connections: Iterable[TcpSocket]) -> tuple[PeerTraffic, ...]:
    """Connections folded by state and peer: those in trouble first, at most `MOST_TRAFFIC`."""
    folded: dict[tuple[str, str, int], PeerTraffic] = {}
    for each in connections:
        key = each.state, each.peer, _peer_address(each)
        met = folded.get(key, PeerTraffic(*key, count=0, retransmits=0, send_queue=0))
        folded[key] = PeerTraffic(
            *key, met.count + 1, max(met.retransmits, each.retransmits), max(met.send_queue, each.send_queue)
        )
    ranked = sorted(folded.values(), key=lambda each: (each.state != "SYN_SENT", -each.retransmits, -each.count))
    return tuple(ranked[:MOST_TRAFFIC])


def _peer_address(connection: TcpSocket) -> int:
    """The peer's port, 0 where it is one of the many that callers get: a server's peers then fold into one."""
    called_us = connection.peer_port >= EPHEMERAL > connection.port
    return 0 if called_us else connection.peer_port


EPHEMERAL = 32768
"""Linux's default start of the range for outgoing connections."""
