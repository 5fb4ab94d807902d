"""Reads the kernel's own tables of a network namespace: /proc/net/{snmp,netstat,sockstat,tcp,tcp6}.

Pure. An unknown format raises `Blind`: it is never taken for calm.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from sensors.kit.model import Blind


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
class TcpSocket:
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


def parse_sockets(text: str) -> tuple[tuple[Listener, ...], tuple[TcpSocket, ...]]:
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


def _socket(row: list[str]) -> TcpSocket:
    """Columns of a row: slot, local, remote, state, tx:rx, timer:when, retransmits, uid, timeout, inode, …"""
    (address, port), (peer, peer_port), state = _endpoint(row[1]), _endpoint(row[2]), STATES[row[3]]
    sent, _, received = row[4].partition(":")
    return TcpSocket(
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
