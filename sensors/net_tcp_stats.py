"""What the kernel counted for the pod's TCP: unanswered SYNs, retransmissions, and who listens where.

Reads    /proc/net/{snmp,netstat,sockstat,tcp,tcp6} of the pod and of at most five pods behind the asked peer; Pods,
         Services and EndpointSlices to find those.
Touches  nothing.
Blind    when none of the pod's own files can be read, or one is not in a format this sensor knows. A peer that cannot
         be read is noted with that peer. Counters run since the network namespace was made, not since the trouble.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sensors.kit import Blind, Cluster, Sensor, Target

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
    orphans: int | None = None
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
    """The pod's TCP and, where the question names a peer, that of the pods behind it; `left_out` counts further ones."""

    target: PodSockets
    peers: tuple[PodSockets, ...] = ()
    left_out: int = 0
    unread: tuple[str, ...] = ()

    def summary(self) -> str:
        return "; ".join([_told(self.target), *(_listening(each) for each in self.peers)])


def _told(pod: PodSockets) -> str:
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
    doors = ", ".join(f"{each.address}:{each.port}" for each in pod.listeners[:4]) or "nothing"
    return f"{pod} listens on {doors}"


async def look(target: Target, cluster: Cluster) -> TcpStats:
    """Read the pod's TCP and that of the pods behind the asked peer."""
    raise Blind("the socket tables are not wired")


SENSOR = Sensor(id="net.tcp_stats", look=look, gives=TcpStats, within=8.0, layers=("physical", "application"))
