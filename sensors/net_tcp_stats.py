"""What the kernel counted for the pod's TCP: unanswered SYNs, retransmissions, and who listens where.

Reads    /proc/net/{snmp,netstat,sockstat,tcp,tcp6} of the pod and of at most five pods behind the asked peer; Pods,
         Services and EndpointSlices to find those.
Touches  nothing.
Blind    when neither the pod's own files nor those of a pod behind the peer can be read, or are not in a format this
         sensor knows. Which of them could not is noted with each (`blind`). Counters run since the network namespace
         was made, not since the trouble.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sensors.kit import Absent, Blind, Cluster, Sensor, Target
from sensors.kit.kinds import POD
from sensors.kit.objects import flag, named
from sensors.kit.reading import if_readable
from sensors.topology.destination import Backend, destination_of

MOST_PEERS = 5


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket in LISTEN. `0.0.0.0` and `::` mean every address; `v6` is the table it was found in (a `::` listener
    takes IPv4 too, unless the program asked otherwise)."""

    address: str
    port: int
    v6: bool

    @property
    def on_loopback(self) -> bool:
        return self.address == "::1" or self.address.startswith("127.")

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Connection:
    """One TCP socket that is not listening; v4-mapped addresses are written as v4.

    `retransmits` counts the unanswered repeats of what is being sent (SYN in SYN_SENT, data or FIN elsewhere),
    `send_queue` bytes not yet acknowledged. `orphaned`: the program closed it, the kernel still works on it.
    """

    state: str
    address: str
    port: int
    peer: str
    peer_port: int
    retransmits: int
    send_queue: int
    receive_queue: int
    orphaned: bool
    v6: bool


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
class Counters:
    """Kernel counters by what they mean; None where this kernel or recording does not have one.

    `SOURCES` says which kernel counter each field is. `attempt_fails` counts refused and given up attempts alike;
    `rto_min_ms` and `rto_max_ms` are the kernel's bounds, not a measure.
    """

    active_opens: int | None = None
    passive_opens: int | None = None
    attempt_fails: int | None = None
    established_resets: int | None = None
    established: int | None = None
    segments_in: int | None = None
    segments_out: int | None = None
    retransmitted: int | None = None
    in_errors: int | None = None
    in_checksum_errors: int | None = None
    resets_out: int | None = None
    rto_min_ms: int | None = None
    rto_max_ms: int | None = None
    syn_retransmits: int | None = None
    timeouts: int | None = None
    lost_retransmits: int | None = None
    spurious_rtos: int | None = None
    aborts_on_timeout: int | None = None
    listen_overflows: int | None = None
    listen_drops: int | None = None
    mtu_probe_fails: int | None = None
    mtu_probe_successes: int | None = None
    rp_filter: int | None = None
    fragments_failed: int | None = None
    out_no_routes: int | None = None
    udp_no_ports: int | None = None
    udp_receive_buffer_errors: int | None = None
    time_wait: int | None = None

    @property
    def retransmit_share(self) -> float | None:
        """Retransmitted among sent segments, 0 to 1; None where nothing was sent or counted."""
        if not self.segments_out or self.retransmitted is None:
            return None
        return self.retransmitted / self.segments_out


@dataclass(frozen=True, slots=True)
class PodSockets:
    """The TCP of one pod. `blind` says why nothing could be read (then all else is empty); `unread` names single files.

    `host_network` True means the pod shares its node's namespace: these are the whole node's sockets and counters.
    None means the pod's spec could not be read. `asked_ports` are the ports at which the question arrives here.
    """

    namespace: str
    pod: str
    host_network: bool | None = None
    asked_ports: tuple[int, ...] = ()
    counters: Counters = Counters()
    listeners: tuple[Listener, ...] = ()
    states: Mapping[str, int] = field(default_factory=dict)
    traffic: tuple[PeerTraffic, ...] = ()
    connections: tuple[Connection, ...] = field(default=(), metadata={"report": False})
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
    def unanswered_syns(self) -> tuple[Connection, ...]:
        """Connections still waiting for their SYN to be answered (SYN_SENT)."""
        return tuple(each for each in self.connections if each.state == "SYN_SENT")

    @property
    def stalled(self) -> tuple[Connection, ...]:
        """Connections past the handshake that repeat data nobody acknowledges."""
        return tuple(
            each for each in self.connections if each.retransmits and each.send_queue and each.state in CARRYING
        )

    @property
    def orphans_retransmitting(self) -> tuple[Connection, ...]:
        """Closed by the program, still repeating their last bytes or FIN: the peer went silent after the handshake."""
        return tuple(each for each in self.connections if each.orphaned and each.retransmits)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod}"


CARRYING = frozenset({"ESTABLISHED", "FIN_WAIT1", "CLOSE_WAIT", "CLOSING", "LAST_ACK"})
"""States past the handshake in which unacknowledged bytes may still be on their way."""


@dataclass(frozen=True, slots=True)
class TcpStats:
    """The pod's TCP and, where the question names a peer, that of the pods behind it; `left_out` more were not read."""

    target: PodSockets
    peers: tuple[PodSockets, ...] = ()
    left_out: int = 0
    unread: tuple[str, ...] = ()

    def summary(self) -> str:
        return "; ".join([_told(self.target), *(_listening(each) for each in self.peers)])


def _told(pod: PodSockets) -> str:
    if pod.blind:
        return f"{pod} not read ({pod.blind})"
    count = pod.counters
    figures = (
        ("SYN retransmits", count.syn_retransmits),
        ("retransmitted segments", count.retransmitted),
        ("failed attempts", count.attempt_fails),
        ("listen drops", count.listen_drops),
    )
    told = ", ".join(f"{value} {name}" for name, value in figures if value is not None) or "no counters"
    return f"{pod}{' (the whole node: host network)' if pod.host_network else ''}: {told}"


def _listening(pod: PodSockets) -> str:
    if pod.blind:
        return f"{pod} not read ({pod.blind})"
    doors = ", ".join(map(str, pod.listeners[:4])) or "nothing"
    return f"{pod} listens on {doors}"


async def look(target: Target, cluster: Cluster) -> TcpStats:
    """Read the pod's TCP and that of the pods behind the asked peer."""
    destination = await destination_of(target, cluster)
    backends = destination.backends if destination else ()
    wanted = ports_by_pod(backends)
    mine = await read_sockets(cluster, target.namespace, target.pod, wanted.get((target.namespace, target.pod), ()))
    others = [each for each in wanted if each != (target.namespace, target.pod)]
    peers = await asyncio.gather(*(read_sockets(cluster, *each, wanted[each]) for each in others[:MOST_PEERS]))
    if mine.blind and all(each.blind for each in peers):
        raise Blind(mine.blind)
    unread = destination.unread if destination else ()
    return TcpStats(mine, tuple(peers), max(len(others) - MOST_PEERS, 0), unread)


def ports_by_pod(backends: Iterable[Backend]) -> dict[tuple[str, str], tuple[int, ...]]:
    """The pods behind a peer with the ports the question arrives at; a pod with two addresses counts once."""
    found: dict[tuple[str, str], tuple[int, ...]] = {}
    for each in backends:
        if each.pod:
            key = each.namespace, each.pod
            found[key] = tuple(dict.fromkeys((*found.get(key, ()), *each.ports)))
    return found


FILES = ("net/snmp", "net/netstat", "net/sockstat", "net/tcp", "net/tcp6")


async def read_sockets(cluster: Cluster, namespace: str, pod: str, asked_ports: tuple[int, ...] = ()) -> PodSockets:
    """All that can be read of one pod's TCP. A file in an unknown format makes the whole pod `blind`, never calm."""
    texts = dict(
        zip(FILES, await asyncio.gather(*(_file(cluster, namespace, pod, each) for each in FILES)), strict=True)
    )
    host_network = await _shares_node(cluster, namespace, pod)
    unread = tuple(name for name, (_, why) in texts.items() if why)
    if len(unread) == len(FILES):
        return PodSockets(namespace, pod, host_network, asked_ports, unread=unread, blind=texts["net/tcp"][1])
    try:
        read = {name: text for name, (text, why) in texts.items() if not why}
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
    pods, _ = await if_readable(cluster.objects(POD))
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
    connections: list[Connection] = []
    for name in ("net/tcp", "net/tcp6"):
        heard, held = parse_sockets(files[name]) if name in files else ((), ())
        listeners += heard
        connections += held
    return PodSockets(
        namespace=namespace,
        pod=pod,
        host_network=host_network,
        asked_ports=asked_ports,
        counters=parse_counters(files),
        listeners=tuple(sorted(listeners, key=lambda each: (each.on_loopback, each.port, each.address))),
        states=dict(sorted(Counter(each.state for each in connections).items())),
        traffic=by_peer(connections),
        connections=tuple(connections),
        unread=unread,
    )


MOST_TRAFFIC = 20


def by_peer(connections: Iterable[Connection]) -> tuple[PeerTraffic, ...]:
    """Connections folded by state and peer: those in trouble first, at most `MOST_TRAFFIC`."""
    folded: dict[tuple[str, str, int], PeerTraffic] = {}
    for each in connections:
        key = each.state, each.peer, _their_door(each)
        met = folded.get(key, PeerTraffic(*key, count=0, retransmits=0, send_queue=0))
        folded[key] = PeerTraffic(
            *key, met.count + 1, max(met.retransmits, each.retransmits), max(met.send_queue, each.send_queue)
        )
    ranked = sorted(folded.values(), key=lambda each: (each.state != "SYN_SENT", -each.retransmits, -each.count))
    return tuple(ranked[:MOST_TRAFFIC])


def _their_door(connection: Connection) -> int:
    """The peer's port, 0 where it is one of the many that callers get: a server's peers then fold into one."""
    called_us = connection.peer_port >= EPHEMERAL > connection.port
    return 0 if called_us else connection.peer_port


EPHEMERAL = 32768
"""Linux's default start of the range for outgoing connections."""


# -- counters --------------------------------------------------------------------------------------------------------

SOURCES = {
    "active_opens": "Tcp.ActiveOpens",
    "passive_opens": "Tcp.PassiveOpens",
    "attempt_fails": "Tcp.AttemptFails",
    "established_resets": "Tcp.EstabResets",
    "established": "Tcp.CurrEstab",
    "segments_in": "Tcp.InSegs",
    "segments_out": "Tcp.OutSegs",
    "retransmitted": "Tcp.RetransSegs",
    "in_errors": "Tcp.InErrs",
    "in_checksum_errors": "Tcp.InCsumErrors",
    "resets_out": "Tcp.OutRsts",
    "rto_min_ms": "Tcp.RtoMin",
    "rto_max_ms": "Tcp.RtoMax",
    "fragments_failed": "Ip.FragFails",
    "out_no_routes": "Ip.OutNoRoutes",
    "udp_no_ports": "Udp.NoPorts",
    "udp_receive_buffer_errors": "Udp.RcvbufErrors",
    "syn_retransmits": "TcpExt.TCPSynRetrans",
    "timeouts": "TcpExt.TCPTimeouts",
    "lost_retransmits": "TcpExt.TCPLostRetransmit",
    "spurious_rtos": "TcpExt.TCPSpuriousRTOs",
    "aborts_on_timeout": "TcpExt.TCPAbortOnTimeout",
    "listen_overflows": "TcpExt.ListenOverflows",
    "listen_drops": "TcpExt.ListenDrops",
    "mtu_probe_fails": "TcpExt.TCPMTUPFail",
    "mtu_probe_successes": "TcpExt.TCPMTUPSuccess",
    "rp_filter": "TcpExt.IPReversePathFilter",
    "time_wait": "sockstat.TCP.tw",  # unlike its neighbours orphan, alloc and mem, which count the whole machine
}


def parse_counters(files: Mapping[str, str]) -> Counters:
    """The counters of snmp, netstat and sockstat by name; what is not there stays None."""
    known: dict[str, int] = {}
    for name in ("net/snmp", "net/netstat"):
        known |= parse_table(files[name]) if name in files else {}
    known |= parse_sockstat(files["net/sockstat"]) if "net/sockstat" in files else {}
    return Counters(**{field: known[source] for field, source in SOURCES.items() if source in known})


def parse_table(text: str) -> dict[str, int]:
    """/proc/net/snmp and netstat: pairs of lines with one prefix, names above values. Raises `Blind` on anything else.

    Order and number of the columns change with every kernel: only the names count.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    found: dict[str, int] = {}
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        if names[0] != values[0] or len(names) != len(values) or not names[0].endswith(":"):
            raise Blind("the kernel's counters are not pairs of names and values")
        found |= {
            f"{names[0]}{key}".replace(":", "."): _whole(value)
            for key, value in zip(names[1:], values[1:], strict=True)
        }
    if not found or len(lines) % 2:
        raise Blind("the kernel's counters are empty or cut off")
    return found


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Blind(f"{text[:40]!r} is not a counter") from None


def parse_sockstat(text: str) -> dict[str, int]:
    """/proc/net/sockstat: `TCP: inuse 0 orphan 0 tw 0 …` as `sockstat.TCP.orphan` and so on."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        family, colon, rest = line.partition(":")
        words = rest.split()
        if not colon or len(words) % 2:
            raise Blind("sockstat is not in a format this sensor knows")
        found |= {f"sockstat.{family}.{key}": _whole(value) for key, value in zip(words[::2], words[1::2], strict=True)}
    return found


# -- socket tables ---------------------------------------------------------------------------------------------------

STATES = {
    "01": "ESTABLISHED",
    "02": "SYN_SENT",
    "03": "SYN_RECV",
    "04": "FIN_WAIT1",
    "05": "FIN_WAIT2",
    "06": "TIME_WAIT",
    "07": "CLOSE",
    "08": "CLOSE_WAIT",
    "09": "LAST_ACK",
    "0A": "LISTEN",
    "0B": "CLOSING",
    "0C": "SYN_RECV",
}
"""include/net/tcp_states.h; 0C is a request that has no socket yet."""

SOCKETLESS = frozenset({"TIME_WAIT", "SYN_RECV", "CLOSE"})
"""States in which the kernel never shows a socket's inode: no sign of an orphan."""

COLUMNS = ["st", "tx_queue", "rx_queue", "tr", "tm->when", "retrnsmt", "uid", "timeout", "inode"]
NO_SOCKETS = "sl local_address rem_address " + " ".join(COLUMNS)


def parse_sockets(text: str) -> tuple[tuple[Listener, ...], tuple[Connection, ...]]:
    """/proc/net/tcp or tcp6: who listens, and every other socket. Raises `Blind` on columns it does not know."""
    header, *rows = text.splitlines() or [""]
    names = header.split()
    if names[:2] != ["sl", "local_address"] or names[3:12] != COLUMNS:
        raise Blind("the socket table has columns this sensor does not know")
    try:
        sockets = [_socket(row.split()) for row in rows if row.strip()]
    except (ValueError, IndexError, KeyError):
        raise Blind("the socket table has a row this sensor does not know") from None
    listeners = tuple(Listener(each.address, each.port, each.v6) for each in sockets if each.state == "LISTEN")
    return listeners, tuple(each for each in sockets if each.state != "LISTEN")


def _socket(row: list[str]) -> Connection:
    """Columns of a row: slot, local, remote, state, tx:rx, timer:when, retransmits, uid, timeout, inode, …"""
    (address, port), (peer, peer_port), state = _endpoint(row[1]), _endpoint(row[2]), STATES[row[3]]
    sent, _, received = row[4].partition(":")
    return Connection(
        state=state,
        address=address,
        port=port,
        peer=peer,
        peer_port=peer_port,
        retransmits=int(row[6], 16),
        send_queue=int(sent, 16),
        receive_queue=int(received, 16),
        orphaned=row[9] == "0" and state not in SOCKETLESS,
        v6=len(row[1].partition(":")[0]) == 32,
    )


def _endpoint(text: str) -> tuple[str, int]:
    address, _, port = text.partition(":")
    return decode_address(address), int(port, 16)


def decode_address(digits: str) -> str:
    """Hex of /proc/net/tcp{,6} as an address: 32-bit words in the host's byte order (little-endian on all but s390x).

    A v4-mapped address is written as IPv4.
    """
    raw = bytes.fromhex(digits)
    words = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    if len(raw) == 4:
        return str(ipaddress.IPv4Address(words))
    address = ipaddress.IPv6Address(words)
    return str(address.ipv4_mapped or address)


SENSOR = Sensor(id="net.tcp_stats", look=look, gives=TcpStats, within=8.0, layers=("physical", "application"))
