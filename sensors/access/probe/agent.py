#!/usr/bin/env -S python3 -I
"""State of a pod's and a node's own network right now: one JSON question in, one JSON answer out.

Runs on the pod's node with the node's process list in sight (hostPID). It finds the pod by its UID in the cgroups,
reads its network files, enters its network namespace to resolve names, open connections and measure path MTUs, and
reads the node's connection tracking and kernel log. docs/probe.md describes question, answer and limits. As a server
(`serve`) it answers one client, known by its certificate, over TLS; it has no other questions than these.

What it never does: send to an address nobody allowed, to a metadata service or to a group address; send more than 50
packets in a second; outlive its budget; write anything; start another program; load a kernel module. Standard library
only, one file: it can be copied to a node and run as `python3 -I agent.py '<json>'`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import ipaddress
import json
import os
import re
import resource
import selectors
import signal
import socket
import stat
import struct
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from errno import EADDRINUSE, EADDRNOTAVAIL, EAGAIN, EMSGSIZE, ENOENT, ENOSYS, EPERM, EPIPE, errorcode
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    import ssl

PROTOCOL_VERSION = 2
POD_FILES = (
    "net/snmp",
    "net/netstat",
    "net/sockstat",
    "net/tcp",
    "net/tcp6",
    "net/udp",
    "net/udp6",
    "links.json",
    "routes.json",
    "resolv.conf",
)
NODE_FILES = ("nf_conntrack_count", "nf_conntrack_max", "conntrack_stats", "links.json", "dmesg")
QTYPES = {"A": 1, "AAAA": 28}

MAX_REQUEST = 64 * 1024
MAX_ANSWER = 1024 * 1024
MAX_TEXT = 256 * 1024
MAX_TARGETS = 16
MAX_ALLOWED = 1024
MAX_BUDGET_MS = 30_000
MAX_SPOKEN = 2 * MAX_ANSWER
PACKETS_PER_SECOND = 50
SOURCE_PORTS = range(61000, 62000)
"""Where this probe's TCP and UDP packets come from, so that whoever sees them knows whose they are. Linux chooses
source ports up to 60999 (`net.ipv4.ip_local_port_range`)."""
ANSWER_TIMEOUT_S = 2.5
"""Seconds that one DNS server gets to answer: CoreDNS itself waits 2 s for an upstream before it says SERVFAIL."""
CONNECT_TIMEOUT_S = 2.0
"""Seconds that one connection gets to open: the kernel repeats the SYN after 1 s, and each has 1 s to be answered."""
UDP_WATCH = 1.0
"""Seconds in which a datagram may be answered or turned away (ICMP); silence until then says nothing."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Row = dict[str, Any]


# -- the question ------------------------------------------------------------------------------------------------------


class BadRequest(ValueError):
    """The request cannot be understood. The message says which part, and is the whole answer."""


class ConnectTarget(NamedTuple):
    """Connection to try: a TCP connection to open, or one UDP datagram to send; `ask` is "dns" where that datagram
    is a DNS question, to which an answer is due."""

    host: str
    port: int
    protocol: str = "tcp"
    ask: str = ""

    @property
    def key(self) -> str:
        """Its name among the errors."""
        return f"connects/{self.host}:{self.port}" + ("" if self.protocol == "tcp" else f"/{self.protocol}")

    def spoken(self) -> Row:
        """As a row of the answer begins."""
        return {key: value for key, value in self._asdict().items() if value}


@dataclass(frozen=True, slots=True)
class LookRequest:
    """Request of one look. `allow` is all that may be sent to, beside the pod's own resolver."""

    pod_uid: str | None = None
    files: tuple[str, ...] = ()
    lookups: tuple[tuple[str, str], ...] = ()
    connects: tuple[ConnectTarget, ...] = ()
    path_mtu: tuple[str, ...] = ()
    node_files: tuple[str, ...] = ()
    allow: tuple[Network, ...] = ()
    budget_ms: int = 8000
    max_targets: int = MAX_TARGETS

    @property
    def wants_pod(self) -> bool:
        return bool(self.files or self.lookups or self.connects or self.path_mtu)


def read_request(text: str) -> LookRequest:
    """The request as typed values. Raises `BadRequest` on anything it does not know: no wish is lost silently."""
    said = _json_object(text)
    if said.pop("version", None) != PROTOCOL_VERSION:
        raise BadRequest(f"this probe speaks version {PROTOCOL_VERSION}")
    allow = said.pop("allow", {})
    known = {each: said.pop(each) for each in LookRequest.__dataclass_fields__ if each in said}
    if said:
        raise BadRequest(f"unknown key {_short(next(iter(said)))}")
    request = LookRequest(
        pod_uid=_pod_uid(known.get("pod_uid")),
        files=_names("files", known.get("files", []), POD_FILES),
        lookups=_once(map(_lookup, _rows("lookups", known.get("lookups", [])))),
        connects=_once(map(_connect_target, _rows("connects", known.get("connects", [])))),
        path_mtu=_once(str(_address(each)) for each in _list("path_mtu", known.get("path_mtu", []))),
        node_files=_names("node_files", known.get("node_files", []), NODE_FILES),
        allow=_allowed(allow),
        budget_ms=_whole("budget_ms", known.get("budget_ms", 8000), 100, MAX_BUDGET_MS),
        max_targets=_whole("max_targets", known.get("max_targets", MAX_TARGETS), 0, MAX_TARGETS),
    )
    if request.wants_pod and request.pod_uid is None:
        raise BadRequest("pod_uid is missing")
    return request


def _json_object(text: str) -> dict[str, Any]:
    if len(text) > MAX_REQUEST:
        raise BadRequest(f"the request is larger than {MAX_REQUEST} characters")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequest("the request is not JSON") from None
    if not isinstance(said, dict):
        raise BadRequest("the request is not a JSON object")
    return said


def _once(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _short(value: object) -> str:
    return repr(value)[:60]


def _list(key: str, value: object) -> list[Any]:
    if not isinstance(value, list) or len(value) > 4 * MAX_TARGETS:
        raise BadRequest(f"{key} is not a list of at most {4 * MAX_TARGETS}")
    return value


def _rows(key: str, value: object) -> list[dict[str, Any]]:
    rows = _list(key, value)
    if not all(isinstance(each, dict) for each in rows):
        raise BadRequest(f"{key} is not a list of objects")
    return rows


def _names(key: str, value: object, known: Sequence[str]) -> tuple[str, ...]:
    for each in (names := _list(key, value)):
        if each not in known:
            raise BadRequest(f"{key}: {_short(each)} is none of {', '.join(known)}")
    return _once(names)


def _whole(key: str, value: object, lowest: int, highest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise BadRequest(f"{key} is not a whole number from {lowest} to {highest}")
    return value


def _pod_uid(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-zA-Z-]{8,64}", value):
        raise BadRequest("pod_uid is not a UID")
    return value


def _host_name(value: object) -> str:
    labels = value.removesuffix(".").split(".") if isinstance(value, str) and len(value) <= 253 else [""]
    if not all(re.fullmatch(r"[0-9A-Za-z_-]{1,63}", label) for label in labels):
        raise BadRequest(f"{_short(value)} is not a host name")
    return cast(str, value)


def _lookup(row: Mapping[str, Any]) -> tuple[str, str]:
    if row.get("qtype", "A") not in list(QTYPES):
        raise BadRequest(f"lookups: qtype {_short(row.get('qtype'))} is none of {', '.join(QTYPES)}")
    return _host_name(row.get("name")), row.get("qtype", "A")


def _connect_target(row: Mapping[str, Any]) -> ConnectTarget:
    protocol, ask = row.get("protocol", "tcp"), row.get("ask", "")
    if protocol not in ("tcp", "udp"):
        raise BadRequest("connects: only tcp and udp can be tried")
    if ask not in ("", "dns") or (ask and protocol != "udp"):
        raise BadRequest("connects: ask is dns, over udp, or left out")
    host = row.get("host")
    spoken = str(as_address(host)) if as_address(host) is not None else _host_name(host)
    return ConnectTarget(spoken, _whole("connects: port", row.get("port"), 1, 65535), protocol, ask)


def as_address(text: object) -> Address | None:
    """An address, or None for a name. An IPv4 address in IPv6 clothes (`::ffff:a.b.c.d`) is taken for what it is."""
    try:
        address = ipaddress.ip_address(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address


def _address(text: object) -> Address:
    if (address := as_address(text)) is None:
        raise BadRequest(f"path_mtu: {_short(text)} is not an address")
    return address


def _allowed(said: object) -> tuple[Network, ...]:
    addresses = said.get("addresses", []) if isinstance(said, dict) else None
    if not isinstance(addresses, list) or len(addresses) > MAX_ALLOWED:
        raise BadRequest(f"allow.addresses is not a list of at most {MAX_ALLOWED}")
    return tuple(map(_network, addresses))


def _network(text: object) -> Network:
    try:
        network = ipaddress.ip_network(text if isinstance(text, str) else "", strict=False)
    except ValueError:
        raise BadRequest(f"allow.addresses: {_short(text)} is neither an address nor a CIDR") from None
    if network.prefixlen < 8:
        raise BadRequest(f"allow.addresses: {network} is too wide, /8 is the widest")
    return network


# -- where packets may go ----------------------------------------------------------------------------------------------

METADATA_TEXT = (
    "169.254.169.254 169.254.170.2 169.254.170.23 100.100.100.200 168.63.129.16 192.0.0.192 "
    "fd00:ec2::254 fd00:ec2::23 fd20:ce::254"
)
METADATA = frozenset(map(ipaddress.ip_address, METADATA_TEXT.split()))
"""Addresses at which clouds hand out credentials, from their own manuals (AWS, Google, Azure, Alibaba, Oracle)."""

NODE_LOCAL_DNS = ipaddress.ip_address("169.254.20.10")
"""The one link-local address that Kubernetes itself gives to a resolver (NodeLocal DNSCache)."""


class NotAllowed(Exception):
    """Nothing was sent, and this is why."""


NAT64 = ipaddress.ip_network("64:ff9b::/96")


def refusal(address: Address, allow: Iterable[Network], *, is_resolver: bool = False) -> str | None:
    """Reason to send nothing to `address`; None where it may be. The pod's own resolver needs no mention in `allow`."""
    for face in _faces(address):
        if why := _never(face):
            return f"{address} is {why}: never probed"
    named = is_resolver or any(address in network for network in allow)
    if address.is_link_local:
        exactly = is_resolver or ipaddress.ip_network(address) in set(allow)
        return None if address == NODE_LOCAL_DNS and exactly else f"{address} is link-local: never probed"
    return None if named else f"{address} is not among the addresses the caller allowed"


def _faces(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 address that a translator on the way would make of it (NAT64, 6to4)."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        yield from (each for each in (address.ipv4_mapped, address.sixtofour) if each)


def _never(address: Address) -> str | None:
    if address in METADATA:
        return "a metadata address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_loopback:
        return "a loopback address"
    is_v4 = isinstance(address, ipaddress.IPv4Address)
    if address.is_unspecified or (is_v4 and int(address) >> 24 == 0):
        return "an unspecified address"
    return "a broadcast or reserved address" if is_v4 and int(address) >> 28 == 15 else None


# -- finding the pod ---------------------------------------------------------------------------------------------------


class NotFound(Exception):
    """The pod, or its or the node's network, is not here or may not be looked into."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the pod, held by an open directory of /proc, so that a reused number cannot deceive."""

    pid: int
    name: str
    folder: int
    netns: tuple[int, int]
    style: str

    @property
    def is_pause(self) -> bool:
        return self.name == "pause"


@dataclass(frozen=True, slots=True)
class Pod:
    """The pod on this node: a process that owns its network and one whose files are the container's."""

    network: Process
    files: Process
    is_host_network: bool | None

    @property
    def how(self) -> str:
        own = f"process {self.network.pid} ({self.network.name}) for the network"
        lent = f", process {self.files.pid} ({self.files.name}) for resolv.conf" if self.files != self.network else ""
        host = "; shares the node's network" if self.is_host_network else ""
        return f"{self.network.style}: {own}{lent}{host}"


def cgroup_style(text: str, uid: str) -> str | None:
    """Style in which a /proc/PID/cgroup names the pod, or None where it is not this pod's.

    kubelet writes `pod<uid>` with the cgroupfs driver and `kubepods-…-pod<uid with underscores>.slice` with systemd's;
    version 2 has one line, `0::`. Seen from another cgroup namespace the path begins with `/../`, the parts stay.
    """
    unit = re.compile(rf"(?:.*-)?pod{re.escape(uid.replace('-', '_'))}\.slice", re.IGNORECASE)
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        for part in rest.partition(":")[2].split("/"):
            if part.lower() == f"pod{uid.lower()}":
                return f"cgroup {'v2' if number == '0' else 'v1'}, cgroupfs"
            if unit.fullmatch(part):
                return f"cgroup {'v2' if number == '0' else 'v1'}, systemd"
    return None


def find_pod(proc: str, uid: str) -> Pod:
    """The pod's processes by UID. Raises `NotFound`. The pause process, where there is one, owns the network."""
    found = sorted(_processes(proc, uid), key=lambda each: each.pid)
    if not found:
        raise NotFound(f"no process of the pod with UID {uid} runs on this node")
    network = next((each for each in found if each.is_pause), found[0])
    own = [each for each in found if not each.is_pause and each.netns == network.netns]
    node = _netns(f"{proc}/1")
    return Pod(network, own[0] if own else network, None if node is None else network.netns == node)


def _processes(proc: str, uid: str) -> Iterator[Process]:
    for pid in (int(name) for name in os.listdir(proc) if name.isdigit()):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            folder = os.open(f"{proc}/{pid}", os.O_RDONLY | os.O_DIRECTORY)
            style = cgroup_style(read_at(folder, "cgroup")[0], uid)
            if style is not None:
                yield _process(pid, folder, style)
            else:
                os.close(folder)


def _process(pid: int, folder: int, style: str) -> Process:
    try:
        where = os.stat("ns/net", dir_fd=folder)
    except PermissionError:
        raise NotFound(
            f"process {pid} of the pod may not be looked into (SYS_PTRACE, or an AppArmor profile)"
        ) from None
    return Process(pid, read_at(folder, "comm")[0].strip(), folder, (where.st_dev, where.st_ino), style)


def _netns(folder: str) -> tuple[int, int] | None:
    try:
        where = os.stat(f"{folder}/ns/net")
    except OSError:
        return None
    return where.st_dev, where.st_ino


# -- reading -----------------------------------------------------------------------------------------------------------


def read_at(folder: int | None, path: str, limit: int = MAX_TEXT) -> tuple[str, bool]:
    """Text of a regular file, at most `limit` bytes, and whether it was cut (after a whole line, then)."""
    return _read(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder), limit)


def _read(fd: int, limit: int) -> tuple[str, bool]:
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(EPERM, "not a regular file")
        raw = file.read(limit + 1)
    whole = raw if len(raw) <= limit else raw[: raw.rfind(b"\n", 0, limit) + 1] or raw[:limit]
    return whole.decode(errors="replace"), len(raw) > limit


CLONE_NEWNET = 0x40000000
RESOLVE_NO_MAGICLINKS, RESOLVE_IN_ROOT, SYS_OPENAT2 = 0x02, 0x10, 437


def read_in_root(folder: int, path: str) -> tuple[str, bool]:
    """A file of the container. Its symbolic links lead where they would inside the container, never into our own files.

    Without openat2(2) (Linux before 5.6, or a filter) a path with links is refused instead of followed.
    """
    root = os.open("root", os.O_PATH | os.O_DIRECTORY, dir_fd=folder)
    try:
        return _read(_open_in_root(root, path), MAX_TEXT)
    finally:
        os.close(root)


def _open_in_root(root: int, path: str) -> int:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    how = struct.pack("=QQQ", flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    fd = _libc().syscall(SYS_OPENAT2, root, path.encode(), how, len(how))
    if fd >= 0:
        return int(fd)
    if ctypes.get_errno() not in (ENOSYS, EPERM):
        raise _os_error()
    *folders, name = path.split("/")
    for each in folders:
        root = os.open(each, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
    return os.open(name, flags | os.O_NOFOLLOW, dir_fd=root)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _os_error() -> OSError:
    return OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def enter_netns(path: str, folder: int | None = None) -> None:
    """Moves this process, which is a child made for it, into a network namespace. Needs SYS_ADMIN and SYS_PTRACE."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
        try:
            _setns(fd)
        finally:
            os.close(fd)
    except OSError as why:
        raise NotFound(f"the network namespace {path} cannot be entered: {words(why)}") from None


def _setns(fd: int) -> None:
    if (setns := getattr(os, "setns", None)) is not None:  # Python 3.12
        setns(fd, CLONE_NEWNET)
    elif _libc().setns(fd, CLONE_NEWNET) != 0:
        raise _os_error()


def words(why: BaseException) -> str:
    """An error in the system's words (`Operation not permitted`), without Python's decoration."""
    if isinstance(why, OSError):
        return os.strerror(why.errno) if why.errno else str(why)
    return str(why) or type(why).__name__


# -- links and routes: rtnetlink(7), written as `ip -j -s link` and `ip -j route` write them ---------------------------

NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWLINK, RTM_GETLINK, RTM_NEWROUTE, RTM_GETROUTE = 16, 18, 24, 26
DUMP, REQUEST = 0x300, 0x1
MAIN_TABLE, RTM_F_CLONED, RTM_F_FIB_MATCH = 254, 0x200, 0x3000

# fmt: off
LINK_FLAGS = (
    (0x8, "LOOPBACK"), (0x2, "BROADCAST"), (0x10, "POINTOPOINT"), (0x1000, "MULTICAST"), (0x80, "NOARP"),
    (0x200, "ALLMULTI"), (0x100, "PROMISC"), (0x400, "MASTER"), (0x800, "SLAVE"), (0x4, "DEBUG"), (0x8000, "DYNAMIC"),
    (0x4000, "AUTOMEDIA"), (0x2000, "PORTSEL"), (0x20, "NOTRAILERS"), (0x1, "UP"), (0x10000, "LOWER_UP"),
    (0x20000, "DORMANT"), (0x40000, "ECHO"),
)
"""In the order in which `ip` shows them."""
OPERSTATES = ("UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP")
LINK_TYPES = {
    1: "ether", 768: "ipip", 769: "tunnel6", 772: "loopback", 776: "sit", 778: "gre", 823: "gre6", 65534: "none",
}
ADDRESSED_TYPES = frozenset({768, 776, 778})
ROUTE_TYPES = {
    2: "local", 3: "broadcast", 4: "anycast", 5: "multicast", 6: "blackhole", 7: "unreachable", 8: "prohibit",
    9: "throw",
}
PROTOCOLS = {
    0: "unspec", 1: "redirect", 2: "kernel", 3: "boot", 4: "static", 9: "ra", 11: "zebra", 12: "bird", 16: "dhcp",
    42: "babel", 186: "bgp", 187: "isis", 188: "ospf", 189: "rip", 192: "eigrp",
}
ROUTE_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
HOP_FLAGS = ((1, "dead"), (2, "pervasive"), (4, "onlink"), (8, "offload"), (16, "linkdown"), (32, "unresolved"))
METRICS = {2: "mtu", 3: "window", 8: "advmss", 10: "hoplimit", 11: "initcwnd", 14: "initrwnd", 15: "quickack"}
# fmt: on


def ask_kernel(kind: int, body: bytes, flags: int) -> list[tuple[int, bytes]]:
    """One rtnetlink question of this namespace; its messages as (type, body). Raises `OSError` as the kernel says."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as wire:
        wire.settimeout(2.0)
        wire.bind((0, 0))
        wire.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | flags, 1, 0) + body)
        messages: list[tuple[int, bytes]] = []
        while not (messages and (messages[-1][0] == NLMSG_DONE or not flags & DUMP)):
            for each in _messages(wire.recv(256 * 1024)):
                _raise_error(each)
                messages.append(each)
    return messages


def _messages(raw: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 16 <= len(raw):
        length, kind = struct.unpack_from("=IH", raw, at)
        if length < 16:
            return
        yield kind, raw[at + 16 : at + length]
        at += (length + 3) & ~3


def _raise_error(message: tuple[int, bytes]) -> None:
    kind, body = message
    code = -struct.unpack_from("=i", body)[0] if kind == NLMSG_ERROR else 0
    if code:
        raise OSError(code, os.strerror(code))


def attributes(raw: bytes) -> dict[int, bytes]:
    """Netlink attributes by number (nested and byte-order marks taken off)."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(raw):
        length, kind = struct.unpack_from("=HH", raw, at)
        if length < 4:
            break
        found[kind & 0x3FFF] = raw[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def _number(value: bytes | None) -> int:
    return int.from_bytes(value or b"", sys.byteorder)


def _text(value: bytes | None) -> str:
    return (value or b"").split(b"\0")[0].decode(errors="replace")


def read_links() -> list[Row]:
    """Every interface of this namespace, with its counters."""
    dump = ask_kernel(RTM_GETLINK, bytes(16), DUMP)
    found = [(body, attributes(body[16:])) for kind, body in dump if kind == RTM_NEWLINK]
    names = {struct.unpack_from("=i", body, 4)[0]: _text(each.get(3)) for body, each in found}
    down = {names[index] for index, flags in (struct.unpack_from("=iI", body, 4) for body, _ in found) if not flags & 1}
    return [_mark_down(_link(body, each, names), down) for body, each in found]


def _mark_down(row: Row, down: set[str]) -> Row:
    """`ip` shows it where the other end lives here and is switched off."""
    return row | {"flags": [*row["flags"], "M-DOWN"]} if row.get("link") in down else row


def _link(body: bytes, said: Mapping[int, bytes], names: Mapping[int, str]) -> Row:
    kind, index, flags = struct.unpack_from("=HiI", body, 2)
    row: Row = {"ifindex": index, **_parent(said, names), "ifname": _text(said.get(3))}
    row |= {"flags": _link_flags(flags), "mtu": _number(said.get(4)), "qdisc": _text(said.get(6))}
    if 10 in said:
        row["master"] = names.get(_number(said[10]), f"if{_number(said[10])}")
    row["operstate"] = _at(OPERSTATES, _number(said.get(16)))
    row |= {"linkmode": _at(("DEFAULT", "DORMANT"), _number(said.get(17))), "group": _group(_number(said.get(27)))}
    row |= {"txqlen": _number(said[13])} if _number(said.get(13)) else {}
    row["link_type"] = LINK_TYPES.get(kind, f"[{kind}]")
    row |= {key: _hardware(said[at], kind) for key, at in (("address", 1), ("broadcast", 2)) if said.get(at)}
    row |= {"link_netnsid": _number(said[37])} if 37 in said else {}
    return row | {"stats64": _stats(said.get(23, b""))}


def _parent(said: Mapping[int, bytes], names: Mapping[int, str]) -> Row:
    """The other end or the lower device: by name where it lives here, by number where it lives in another namespace."""
    if not (index := _number(said.get(5))):
        return {"link": None} if 5 in said else {}
    if 37 in said:
        return {"link_index": index}
    return {"link": names.get(index, f"if{index}")}


def _link_flags(flags: int) -> list[str]:
    missing = ["NO-CARRIER"] if flags & 0x1 and not flags & 0x40 else []
    return missing + [name for bit, name in LINK_FLAGS if flags & bit]


def _at(known: Sequence[str], number: int) -> str:
    return known[number] if number < len(known) else str(number)


def _group(number: int) -> str:
    return str(number) if number else "default"


def _hardware(raw: bytes, kind: int) -> str:
    if kind in ADDRESSED_TYPES and len(raw) == 4:
        return str(ipaddress.IPv4Address(raw))
    return ":".join(f"{each:02x}" for each in raw)


def _stats(raw: bytes) -> Row:
    """struct rtnl_link_stats64 of linux/if_link.h."""
    got = dict(enumerate(struct.unpack_from(f"={len(raw) // 8}Q", raw)))
    rx = {"bytes": 2, "packets": 0, "errors": 4, "dropped": 6, "over_errors": 11, "multicast": 8}
    tx = {"bytes": 3, "packets": 1, "errors": 5, "dropped": 7, "carrier_errors": 17, "collisions": 9}
    return {side: {key: got.get(at, 0) for key, at in keys.items()} for side, keys in (("rx", rx), ("tx", tx))}


def read_routes() -> list[Row]:
    """The IPv4 routes of this namespace's main table, as `ip -j route` shows them."""
    names = {each["ifindex"]: each["ifname"] for each in read_links()}
    dump = ask_kernel(RTM_GETROUTE, bytes([socket.AF_INET]) + bytes(11), DUMP)
    return [_route(body, names) for kind, body in dump if kind == RTM_NEWROUTE and _is_shown(body)]


def _is_shown(body: bytes) -> bool:
    said, flags = attributes(body[12:]), struct.unpack_from("=I", body, 8)[0]
    return _number(said.get(15)) == MAIN_TABLE and not flags & RTM_F_CLONED


def _route(body: bytes, names: Mapping[int, str]) -> Row:
    family, length, _, _, _, protocol, scope, kind = struct.unpack_from("=8B", body)
    said = attributes(body[12:])
    row: Row = {} if kind == 1 else {"type": ROUTE_TYPES.get(kind, str(kind))}
    row |= {"dst": _prefix(said.get(1), length, family), **_hop(said, names)}
    row |= {} if protocol == 3 else {"protocol": PROTOCOLS.get(protocol, str(protocol))}
    row |= {"scope": ROUTE_SCOPES.get(scope, str(scope))} if scope else {}
    row |= {"prefsrc": str(ipaddress.ip_address(said[7]))} if 7 in said else {}
    row |= {"metric": _number(said[6])} if 6 in said else {}
    row |= {"flags": [] if 9 in said else _hop_flags(struct.unpack_from("=I", body, 8)[0])}
    row |= {"metrics": [metrics]} if (metrics := _metrics(said.get(8, b""))) else {}
    return row | ({"nexthops": list(_hops(said[9], names))} if 9 in said else {})


def _prefix(raw: bytes | None, length: int, family: int) -> str:
    if not length:
        return "default"
    address = ipaddress.ip_address(raw or bytes(4))
    return str(address) if length == (32 if family == socket.AF_INET else 128) else f"{address}/{length}"


def _hop(said: Mapping[int, bytes], names: Mapping[int, str]) -> Row:
    row: Row = {"gateway": str(ipaddress.ip_address(said[5]))} if 5 in said else {}
    if 18 in said:
        row["via"] = {"family": "inet6", "host": str(ipaddress.ip_address(said[18][2:]))}
    return row | ({"dev": names.get(_number(said[4]), f"if{_number(said[4])}")} if 4 in said else {})


def _hop_flags(flags: int) -> list[str]:
    return [name for bit, name in HOP_FLAGS if flags & bit]


def _hops(raw: bytes, names: Mapping[int, str]) -> Iterator[Row]:
    at = 0
    while at + 8 <= len(raw):
        length, flags, weight, index = struct.unpack_from("=HBBi", raw, at)
        if length < 8:
            return
        row = _hop(attributes(raw[at + 8 : at + length]), names)
        yield row | {"dev": names.get(index, f"if{index}"), "weight": weight + 1, "flags": _hop_flags(flags)}
        at += (length + 3) & ~3


def _metrics(raw: bytes) -> Row:
    return {METRICS[kind]: _number(value) for kind, value in attributes(raw).items() if kind in METRICS}


def promised_mtu(address: Address) -> int | None:
    """MTU of the route to `address`: its own MTU, else its interface's. A learned path MTU does not count."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    body = struct.pack("=8BI", family, address.max_prefixlen, 0, 0, 0, 0, 0, 0, RTM_F_FIB_MATCH)
    body += struct.pack("=HH", 4 + len(address.packed), 1) + address.packed
    said = attributes(ask_kernel(RTM_GETROUTE, body, 0)[0][1][12:])
    hops = said.get(9, bytes(8))
    index = _number(said.get(4)) or struct.unpack_from("=i", hops, 4)[0]
    link = next((each["mtu"] for each in read_links() if each["ifindex"] == index), None)
    return _metrics(said.get(8, b"")).get("mtu") or link


# -- names: what glibc's resolver would ask, question by question ------------------------------------------------------

RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
NEXT_SERVER = frozenset({"SERVFAIL", "NOTIMP", "REFUSED"})


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """resolv.conf(5) as glibc reads it: three servers at most, the last `search` or `domain` counts, ndots up to 15."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 1
    use_tcp: bool = False


def parse_resolv_conf(text: str) -> ResolvConf:
    """Takes whatever is there; a line that says nothing is passed over, as the library does."""
    lines = [line.split() for line in text.splitlines() if line[:1] not in ("#", ";") and line.split()]
    servers = [each[1] for each in lines if each[0] == "nameserver" and len(each) > 1]
    searches = [each[1:] for each in lines if each[0] in ("search", "domain")]
    options = [word for each in lines if each[0] == "options" for word in each[1:]]
    ndots = [each[6:] for each in options if re.fullmatch(r"ndots:\d{1,9}", each)]
    search = tuple(each.rstrip(".") or "." for each in (searches[-1] if searches else [])[:32])
    return ResolvConf(tuple(servers[:3]), search, min(int(ndots[-1]), 15) if ndots else 1, "use-vc" in options)


class Ended(Enum):
    """End of the look-up of one full name, as far as the search list cares."""

    ANSWER = "an answer"
    NOTHING = "no such name, no such record, or SERVFAIL: the next entry is tried"
    FAILED = "nobody answered or somebody refused: the search stops, the name itself is still tried"
    NOBODY = "no server could even be asked: everything stops"


def tries(name: str, conf: ResolvConf) -> Generator[str, Ended, None]:
    """The full names glibc asks for `name`, in its order; each `send` tells how the last one ended.

    Checked against the library itself in tests/probe/test_glibc.py (res_query.c, `__res_context_search`).
    """
    bare, is_full = name.rstrip("."), name.endswith(".")
    as_is_first = is_full or bare.count(".") >= conf.ndots
    if as_is_first and (yield bare) is Ended.ANSWER:
        return
    for domain in () if is_full else conf.search:
        ended = yield bare if domain == "." else f"{bare}.{domain}"
        if ended in (Ended.ANSWER, Ended.NOBODY):
            return
        if ended is Ended.FAILED:
            break
    if not as_is_first and "." not in conf.search:
        yield bare


def encode_question(ident: int, name: str, qtype: str) -> bytes:
    """A DNS question (RFC 1035), recursion desired, without EDNS as glibc sends it. Raises `ValueError` if too long."""
    labels = [each.encode("ascii") for each in name.split(".")]
    if len(name) > 253 or not all(0 < len(each) < 64 for each in labels):
        raise ValueError(f"{name} is too long for a name")
    packed = b"".join(bytes([len(each)]) + each for each in labels)
    return struct.pack("!6H", ident, 0x0100, 1, 0, 0, 0) + packed + struct.pack("!xHH", QTYPES[qtype], 1)


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """Answer of one DNS server. `records` counts all answer records, `addresses` are those of the asked type."""

    rcode: str
    addresses: tuple[str, ...] = ()
    records: int = 0
    is_cut: bool = False


def decode_answer(question: bytes, raw: bytes) -> DnsAnswer | None:
    """The answer to `question`, or None where these bytes are something else. Raises `ValueError` when garbled."""
    if len(raw) < 12 or raw[:2] != question[:2] or not raw[2] & 0x80:
        return None
    flags, questions, records = struct.unpack_from("!3H", raw, 2)
    if questions and raw[12 : len(question)].lower() != question[12:].lower():
        return None
    rcode = flags & 0xF
    said = RCODES[rcode] if rcode < len(RCODES) else f"RCODE{rcode}"
    if flags & 0x0200:
        return DnsAnswer(said, records=records, is_cut=True)
    try:
        addresses = tuple(_addresses(raw, len(question) if questions else 12, records, question[-4:]))
    except (IndexError, struct.error):
        raise ValueError("garbled answer") from None
    return DnsAnswer(said, addresses, records)


def _addresses(raw: bytes, at: int, records: int, wanted: bytes) -> Iterator[str]:
    for _ in range(min(records, 256)):
        at = _after_name(raw, at)
        kind, length = raw[at : at + 4], struct.unpack_from("!H", raw, at + 8)[0]
        data = raw[at + 10 : at + 10 + length]
        if kind == wanted and len(data) in (4, 16):
            yield str(ipaddress.ip_address(data))
        at += 10 + length


def _after_name(raw: bytes, at: int) -> int:
    """End of a name in the message: names are only stepped over, so a pointer that leads in circles leads nobody."""
    while raw[at]:
        if raw[at] & 0xC0:
            return at + 2
        at += raw[at] + 1
    return at + 1


# -- sending -----------------------------------------------------------------------------------------------------------


class RateLimit:
    """At most `per_second` packets in any one second; whoever comes too early waits."""

    def __init__(self, per_second: int = PACKETS_PER_SECOND, clock: Callable[[], float] = time.monotonic) -> None:
        self._sent: deque[float] = deque(maxlen=per_second)
        self._clock = clock
        self._turn = asyncio.Lock()

    async def packets(self, count: int = 1) -> None:
        async with self._turn:
            for _ in range(count):
                if len(self._sent) == self._sent.maxlen:
                    await asyncio.sleep(max(0.0, self._sent[0] + 1.0 - self._clock()))
                self._sent.append(self._clock())


@contextlib.asynccontextmanager
async def wire(kind: int, address: Address, port: int, protocol: int = 0) -> AsyncIterator[socket.socket]:
    """A connected, non-blocking socket that goes to one address only. `OSError` as connect(2) says."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol) as made:
        if kind == socket.SOCK_STREAM:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 2)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that waits after its end is no hindrance
            _from_own_port(made)
            await asyncio.get_running_loop().sock_connect(made, (str(address), port))
        else:
            if kind == socket.SOCK_DGRAM:
                _from_own_port(made)
            made.connect((str(address), port))  # only notes the address: nothing to wait for
        yield made


def _from_own_port(made: socket.socket) -> None:
    """Any port of `SOURCE_PORTS`; the kernel's choice where all that were tried are in use."""
    for _ in range(8):
        port = SOURCE_PORTS[int.from_bytes(os.urandom(2), "big") % len(SOURCE_PORTS)]
        with contextlib.suppress(OSError):
            made.bind(("", port))
            return


async def ask_server(pace: RateLimit, server: Address, name: str, qtype: str, *, use_tcp: bool = False) -> DnsAnswer:
    """One question to one server; over TCP where the answer was cut. Raises `OSError`, `TimeoutError`, `ValueError`."""
    question = encode_question(int.from_bytes(os.urandom(2), "big"), name, qtype)
    if not use_tcp:
        await pace.packets()
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            answer = await _over_udp(server, question)
        if not answer.is_cut:
            return answer
    await pace.packets(5)
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await _over_tcp(server, question)
    except (OSError, TimeoutError) as why:
        said = "timeout" if isinstance(why, TimeoutError) else words(why)
        raise ValueError(f"{said} over TCP" + ("" if use_tcp else " after a truncated answer over UDP")) from None


async def _over_udp(server: Address, question: bytes) -> DnsAnswer:
    loop = asyncio.get_running_loop()
    async with wire(socket.SOCK_DGRAM, server, 53) as made:
        await loop.sock_sendall(made, question)
        while (answer := decode_answer(question, await loop.sock_recv(made, 65535))) is None:
            continue
    return answer


async def _over_tcp(server: Address, question: bytes) -> DnsAnswer:
    loop = asyncio.get_running_loop()
    async with wire(socket.SOCK_STREAM, server, 53) as made:
        await loop.sock_sendall(made, struct.pack("!H", len(question)) + question)
        length = struct.unpack("!H", await _exactly(made, 2))[0]
        answer = decode_answer(question, await _exactly(made, length))
    if answer is None:
        raise ValueError("an answer to another question")
    return answer


async def _exactly(made: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        if not (part := await asyncio.get_running_loop().sock_recv(made, count - len(got))):
            raise ConnectionResetError(104, "Connection reset by peer")
        got += part
    return got


ReportTry = Callable[[tuple[str, str], int, Row], None]


@dataclass(frozen=True, slots=True)
class StubResolver:
    """The pod's resolver: asks its servers along its search list, and remembers each burst for its lifetime.

    `tell` hears every question as it ends: what was asked for (name, type), its place in that burst, the row.
    """

    conf: ResolvConf
    pace: RateLimit
    tell: ReportTry = lambda asked, place, row: None
    bursts: dict[tuple[str, str], asyncio.Task[list[Row]]] = field(default_factory=dict)

    async def burst(self, name: str, qtype: str) -> list[Row]:
        """Every question that goes out for `name`, in order. Raises `NotAllowed` where no server may be asked."""
        if (name, qtype) not in self.bursts:
            self.bursts[name, qtype] = asyncio.create_task(self._burst(name, qtype))
        return await self.bursts[name, qtype]

    async def _burst(self, name: str, qtype: str) -> list[Row]:
        rows: list[Row] = []
        search = tries(name, self.conf)
        full: str | None = next(search)
        while full is not None:
            so_far = Ended.NOBODY
            async for row, ended in self._servers(full, qtype):
                so_far = so_far if ended is Ended.NOBODY else ended
                self.tell((name, qtype), len(rows), row)
                rows.append(row)
            full = _send(search, so_far)
        return rows

    async def _servers(self, full: str, qtype: str) -> AsyncIterator[tuple[Row, Ended]]:
        """glibc goes on to the next server when one is silent, fails or refuses."""
        for server in self._allowed_servers():
            row, ended = await self._ask(server, full, qtype)
            yield row, ended
            if row.get("rcode") not in (*NEXT_SERVER, None):
                return

    def _allowed_servers(self) -> list[Address]:
        found = [each for each in map(as_address, self.conf.servers) if each is not None]
        refused = {each: refusal(each, (), is_resolver=True) for each in found}
        servers = [each for each in found if refused[each] is None]
        if not servers:
            raise NotAllowed(next(filter(None, refused.values()), "resolv.conf names no server"))
        return servers

    async def _ask(self, server: Address, full: str, qtype: str) -> tuple[Row, Ended]:
        began = time.perf_counter()
        row: Row = {"name": full, "qtype": qtype, "server": str(server)}
        try:
            answer = await ask_server(self.pace, server, full, qtype, use_tcp=self.conf.use_tcp)
        except (OSError, TimeoutError, ValueError) as why:
            said = "timeout" if isinstance(why, TimeoutError) else words(why)
            failed = Ended.FAILED if isinstance(why, TimeoutError | ValueError) else Ended.NOBODY
            return row | {"error": said, "addresses": [], "ms": _ms(began)}, failed
        return row | {"rcode": answer.rcode, "addresses": list(answer.addresses), "ms": _ms(began)}, _ended(answer)


def _send(search: Generator[str, Ended, None], ended: Ended) -> str | None:
    try:
        return search.send(ended)
    except StopIteration:
        return None


def _ended(answer: DnsAnswer) -> Ended:
    if answer.rcode == "NOERROR" and answer.records:
        return Ended.ANSWER
    return Ended.NOTHING if answer.rcode in ("NOERROR", "NXDOMAIN", "SERVFAIL") else Ended.FAILED


def _ms(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)


# -- connections -------------------------------------------------------------------------------------------------------

TCP_INFO_PMTU = 60
RESET_WATCH = 0.02
"""Seconds an opened connection is watched for a reset: proxies accept first and hang up when nobody is behind them."""


@dataclass(frozen=True, slots=True)
class Segments:
    """The kernel's values for an open connection: path MTU and segment size. Belief, not measurement."""

    tcp_pmtu: int
    tcp_mss: int


LOCAL = {errorcode[each] for each in (ENOENT, EADDRINUSE, EADDRNOTAVAIL, EAGAIN)}
"""Errors by which the node says that it could not try, not that nobody answers."""


async def try_connect(pace: RateLimit, address: Address, port: int) -> tuple[Row, Segments | None]:
    """Opens and closes one TCP connection; nothing is sent in it. What the node could not try is tried once more."""
    row, segments = await _try_once(pace, address, port)
    return (row, segments) if row.get("errno") not in LOCAL else await _try_once(pace, address, port)


async def _try_once(pace: RateLimit, address: Address, port: int) -> tuple[Row, Segments | None]:
    await pace.packets(3)
    began = time.perf_counter()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            async with wire(socket.SOCK_STREAM, address, port) as made:
                took = _ms(began)
                return await _opened(made) | {"ms": took}, _segments(made)
    except TimeoutError:
        return {"result": "timeout", "errno": "ETIMEDOUT", "ms": _ms(began)}, None
    except OSError as why:
        return connect_result(why.errno or 0) | {"ms": _ms(began)}, None


async def send_datagram(pace: RateLimit, address: Address, port: int, question: bytes) -> Row:
    """One UDP datagram, empty without a `question`. Any answer means open, an ICMP error is what it says; silence is
    `timeout` where an answer was due (a question), else `sent`, which says nothing about the port."""
    await pace.packets()
    began, due = time.perf_counter(), bool(question)
    try:
        async with (
            asyncio.timeout(ANSWER_TIMEOUT_S if due else UDP_WATCH),
            wire(socket.SOCK_DGRAM, address, port) as made,
        ):
            await asyncio.get_running_loop().sock_sendall(made, question) if due else made.send(b"")
            await asyncio.get_running_loop().sock_recv(made, 1)
    except TimeoutError:
        return ({"result": "timeout", "errno": "ETIMEDOUT"} if due else {"result": "sent"}) | {"ms": _ms(began)}
    except OSError as why:
        return connect_result(why.errno or 0) | {"ms": _ms(began)}
    return {"result": "open", "ms": _ms(began)}


def sure_question(search: Iterable[str]) -> bytes:
    """A DNS question that the cluster's own server answers by itself, and any other with some code."""
    domain = next((each for each in search if each.startswith("svc.")), "svc.cluster.local")
    return encode_question(int.from_bytes(os.urandom(2), "big"), f"kubernetes.default.{domain}", "A")


async def _opened(made: socket.socket) -> Row:
    try:
        async with asyncio.timeout(RESET_WATCH):
            await asyncio.get_running_loop().sock_recv(made, 1)
    except TimeoutError:
        pass
    except OSError as why:
        return connect_result(why.errno or 0)
    return {"result": "open"}


def connect_result(number: int) -> Row:
    """The kernel's error as a result of a case folder, with its name."""
    name = errorcode.get(number, str(number))
    results = {"ECONNREFUSED": "refused", "ECONNRESET": "reset", "EPIPE": "reset", "ETIMEDOUT": "timeout"}
    return {"result": results.get(name, "unreachable"), "errno": name}


def _segments(made: socket.socket) -> Segments | None:
    with contextlib.suppress(OSError, struct.error):
        info = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        mss = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
        return Segments(struct.unpack_from("=I", info, TCP_INFO_PMTU)[0], mss)
    return None


# -- path MTU ----------------------------------------------------------------------------------------------------------

USUAL_SIZES = (1280, 1350, 1376, 1400, 1420, 1430, 1440, 1450, 1460, 1480, 1492, 1500, 3900, 8900, 8950)
"""MTUs that networks have in practice (tunnels take 20 to 100 bytes); four steps of halving tell fifteen apart."""

SILENT = "no answer to ICMP echo of any size"
IP_MTU_DISCOVER, IP_RECVERR, IPV6_MTU_DISCOVER, IPV6_RECVERR, PROBE = 10, 11, 23, 25, 3


@dataclass(slots=True)
class Echo:
    """ICMP echo with "don't fragment" to one address: sizes are whole IP packets in bytes."""

    address: Address
    made: socket.socket
    pace: RateLimit
    ident: int
    waiting: dict[int, tuple[int, asyncio.Future[int]]] = field(default_factory=dict)
    best_ms: float | None = None
    sent: int = 0

    async def arrives(self, size: int) -> int | None:
        """`size` when an echo of that size came back, a smaller number when a router named it, None when neither."""
        for _ in range(2):
            if (heard := await self._once(size)) is not None:
                return heard
        return None

    async def _once(self, size: int) -> int | None:
        self.sent += 1
        turn = self.sent
        heard: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        await self.pace.packets()
        self.waiting[turn] = size, heard
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._patience()):
                await asyncio.get_running_loop().sock_sendall(self.made, self._packet(turn, size))
                told = await heard
        except TimeoutError:
            return None
        finally:
            self.waiting.pop(turn, None)
        self.best_ms = min(self.best_ms or 1e9, _ms(began))
        return told

    def _patience(self) -> float:
        """Once we know how fast this path is, we need not wait long to call a size unanswered."""
        return 1.0 if self.best_ms is None else max(0.15, self.best_ms * 0.01)

    def _packet(self, turn: int, size: int) -> bytes:
        is_v4 = self.address.version == 4
        body = b"kai-probe".ljust(max(0, size - (28 if is_v4 else 48)), b"\0")
        head = struct.pack("!BBHHH", 8 if is_v4 else 128, 0, 0, self.ident, turn)
        checked = struct.pack("!BBHHH", 8, 0, checksum(head + body), self.ident, turn) if is_v4 else head
        return checked + body

    async def listen(self) -> None:
        """Hands every echo and every "too big" to whoever waits for it; runs until cancelled."""
        while True:
            try:
                self._hear(await asyncio.get_running_loop().sock_recv(self.made, 65535))
            except OSError as why:
                self._hear_error(why)

    def _hear(self, raw: bytes) -> None:
        icmp = raw[(raw[0] & 0xF) * 4 :] if self.address.version == 4 and raw else raw
        if len(icmp) < 8 or icmp[0] not in (0, 129):
            return
        ident, turn = struct.unpack_from("!HH", icmp, 4)
        size, future = self.waiting.get(turn, (0, None)) if ident == self.ident else (0, None)
        if future is not None and not future.done():
            future.set_result(size)

    def _hear_error(self, why: OSError) -> None:
        """A router named an MTU: all larger sizes are answered. Any other error ends the waiting with its words."""
        told = min(self._named_mtus(), default=None)
        for size, future in self.waiting.values():
            if future.done():
                continue
            if told is not None and told < size:
                future.set_result(told)
            elif told is None and why.errno != EMSGSIZE:
                future.set_exception(why)

    def _named_mtus(self) -> Iterator[int]:
        """All of the kernel's error queue (struct sock_extended_err); a queue left over would wake us for ever."""
        with contextlib.suppress(BlockingIOError):
            while True:
                _, ancillary, _, _ = self.made.recvmsg(65535, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
                for _, kind, data in ancillary:
                    if kind in (IP_RECVERR, IPV6_RECVERR) and len(data) >= 16:
                        number, _, _, _, _, info = struct.unpack_from("=I4BI", data)
                        if number == EMSGSIZE and info:
                            yield int(info)


def checksum(raw: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(raw) // 2 + len(raw) % 2}H", raw + b"\0" * (len(raw) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


async def measure(pace: RateLimit, address: Address, promised: int) -> Row:
    """The largest echo that comes back. `unanswered` are sizes that vanished; those a router refused aloud are not."""
    is_v4 = address.version == 4
    protocol = socket.IPPROTO_ICMP if is_v4 else socket.IPPROTO_ICMPV6
    _require_raw_sockets()
    async with wire(socket.SOCK_RAW, address, 0, protocol) as made:
        level = socket.IPPROTO_IP if is_v4 else socket.IPPROTO_IPV6
        made.setsockopt(level, IP_MTU_DISCOVER if is_v4 else IPV6_MTU_DISCOVER, PROBE)
        made.setsockopt(level, IP_RECVERR if is_v4 else IPV6_RECVERR, 1)
        echo = Echo(address, made, pace, int.from_bytes(os.urandom(2), "big"))
        listening = asyncio.create_task(echo.listen())
        try:
            return await _search_sizes(echo.arrives, promised, 576 if is_v4 else 1280)
        finally:
            listening.cancel()


def _require_raw_sockets() -> None:
    """Our own lack of a right must not be taken for the pod's EPERM."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    except PermissionError:
        raise NotAllowed("the probe may not open raw sockets (NET_RAW)") from None


async def _search_sizes(arrives: Callable[[int], Any], promised: int, smallest: int) -> Row:
    small = min(smallest, promised)
    whole, least = await asyncio.gather(arrives(promised), arrives(small))
    if whole == promised:
        return {"mtu": promised, "unanswered": []}
    if least is None and whole is None:
        return {"error": SILENT}
    heard: dict[int, int | None] = {promised: whole, small: least}
    while len(heard) < 6 and (size := next_size(heard, promised)) is not None:
        heard[size] = await arrives(size)
    fits = [size for size, said in heard.items() if said == size]
    lost = sorted(size for size, said in heard.items() if said is None)
    return {"mtu": max(fits), "unanswered": lost} if fits else {"error": "no size was answered", "unanswered": lost}


def next_size(heard: Mapping[int, int | None], promised: int) -> int | None:
    """The next size worth sending: what a router named, else the middle of the usual ones still open."""
    fits = max((size for size, said in heard.items() if said == size), default=0)
    fails = min((size for size, said in heard.items() if said != size), default=promised)
    named = {said for size, said in heard.items() if said is not None and said != size}
    if fits in named:
        return None
    if within := [size for size in named if fits < size < fails]:
        return min(within)
    still_open = [size for size in USUAL_SIZES if fits < size < fails]
    return still_open[len(still_open) // 2] if still_open else None


# -- the node ----------------------------------------------------------------------------------------------------------

CONNTRACK_COLUMNS = {
    "searched": "searched",
    "found": "found",
    "invalid": "invalid",
    "insert": "insert",
    "insert_failed": "insert_failed",
    "drop": "drop",
    "early_drop": "early_drop",
    "icmp_error": "error",
    "search_restart": "search_restart",
    "clashres": "clash_resolve",
    "chainlength": "chaintoolong",
}
"""Columns of /proc/net/stat/nf_conntrack and what `conntrack -S` calls them. `new`, `ignore`, `delete` are always 0 in
current kernels and left out, as that tool leaves them out; `entries` is no counter."""


def conntrack_stats(text: str) -> str:
    """/proc/net/stat/nf_conntrack (hexadecimal, one line for each CPU) as `conntrack -S` writes it (decimal)."""
    head, *lines = text.splitlines() or [""]
    columns = head.split()
    rows = (dict(zip(columns, line.split(), strict=False)) for line in lines if line.strip())
    return "".join(f"cpu={cpu:<4}\t{_conntrack_line(row)} \n" for cpu, row in enumerate(rows))


def _conntrack_line(row: Mapping[str, str]) -> str:
    return " ".join(f"{name}={int(row[key], 16)}" for key, name in CONNTRACK_COLUMNS.items() if key in row)


NETWORK_MESSAGES = re.compile(
    r"conntrack|neighbou?r table overflow|table overflow|martian|out of memory|oom[-_ ]?kill|oom_reaper|SYN flooding"
    r"|link (?:is )?(?:up|down)|link becomes ready|link is not ready|NETDEV WATCHDOG|transmit (?:queue|timeout)"
    r"|carrier (?:lost|acquired)|tx timeout|dst cache overflow|route cache is full|nic .*reset|bond\w*: .*link"
    r"|UDP: bad checksum|nf_ct_proto_\d",
    re.IGNORECASE,
)
"""Kernel messages that bear on a network: the rest of the log is nobody's business here."""

MAX_KERNEL_LINES, MAX_KERNEL_RECORDS = 200, 200_000


def kernel_line(seconds: float | None, text: str, booted: float) -> str:
    """One message with its wall clock time, as `dmesg --time-format=iso` writes it (the kernel's own clock drifts)."""
    if seconds is None:
        return text
    when = datetime.fromtimestamp(booted + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S,%f+00:00")
    return f"{when} {text}"


def read_kernel_log(device: str = "/dev/kmsg") -> str:
    """The messages that matter, newest last. From the device, or by syslog(2) where there is none in a container."""
    booted = time.time() - time.monotonic()
    try:
        records = list(_device_records(device))
    except (FileNotFoundError, PermissionError):
        records = list(syslog_records(_syslog()))
    lines = [kernel_line(seconds, text, booted) for seconds, text in records if NETWORK_MESSAGES.search(text)]
    return "".join(f"{line}\n" for line in lines[-MAX_KERNEL_LINES:])


def _device_records(device: str) -> Iterator[tuple[float | None, str]]:
    fd = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        for _ in range(MAX_KERNEL_RECORDS):
            try:
                yield device_record(os.read(fd, 8192).decode(errors="replace"))
            except OSError as why:
                if why.errno == EAGAIN:
                    return
                if why.errno != EPIPE:  # EPIPE: the record was overwritten while we read; the next read goes on
                    raise
    finally:
        os.close(fd)


def device_record(raw: str) -> tuple[float | None, str]:
    """`level,sequence,microseconds,flags;text`, then lines of detail that begin with a space."""
    head, _, body = raw.partition(";")
    parts = head.split(",")
    seconds = int(parts[2]) / 1e6 if len(parts) > 2 and parts[2].isdigit() else None
    return seconds, body.split("\n")[0]


def _syslog() -> str:
    libc = _libc()
    size = max(0, int(libc.klogctl(10, None, 0)))
    buffer = ctypes.create_string_buffer(min(size, 16 * MAX_ANSWER) or 1)
    got = libc.klogctl(3, buffer, len(buffer))
    if got < 0:
        raise _os_error()
    return buffer.raw[:got].decode(errors="replace")


def syslog_records(text: str) -> Iterator[tuple[float | None, str]]:
    """`<level>[seconds.fraction] text`; without the brackets where the kernel does not stamp its messages."""
    for line in text.splitlines():
        if found := re.match(r"<\d+>(?:\[\s*(\d+\.\d+)\](?:\[[^\]]*\])? ?)?(.*)", line):
            yield float(found[1]) if found[1] else None, found[2]


# -- workers: what is done in a namespace is done in a child that can be ended -----------------------------------------


@dataclass(frozen=True, slots=True)
class ResultWriter:
    """Writes what a worker finds: one JSON line for each thing, at once, so that an end loses nothing."""

    fd: int

    def tell(self, table: str, key: object, value: object) -> None:
        line = json.dumps([table, key, value], separators=(",", ":")).encode() + b"\n"
        while line:
            line = line[os.write(self.fd, line) :]

    def try_to_tell(self, table: str, name: str, read: Callable[[], tuple[str, bool]]) -> None:
        try:
            text, is_cut = read()
        except (OSError, ValueError, struct.error) as why:
            return self.tell("errors", f"{table}/{name}", words(why))
        self.tell(table, name, text)
        if is_cut:
            self.tell("truncated", f"{table}/{name}", f"only the first {len(text.encode())} bytes")
        return None


def look_at_node(request: LookRequest, proc: str, voice: ResultWriter) -> None:
    """The node's own namespace: that of process 1, which with hostPID is the node's."""
    enter_netns(f"{proc}/1/ns/net")
    for name in request.node_files:
        voice.try_to_tell("node_files", name, lambda each=name: read_node_file(proc, each))  # type: ignore[misc]


def read_node_file(proc: str, name: str) -> tuple[str, bool]:
    """One file of the node. Connection tracking is only looked at where it is loaded: asking must not load it."""
    if name == "links.json":
        return _as_json(read_links())
    if name == "dmesg":
        return read_kernel_log(), False
    if not os.path.exists(f"{proc}/sys/net/netfilter/nf_conntrack_max"):
        raise ValueError("connection tracking is not loaded on this node")
    if name == "conntrack_stats":
        text, is_cut = read_at(None, f"{proc}/1/net/stat/nf_conntrack")
        return conntrack_stats(text), is_cut
    return read_at(None, f"{proc}/sys/net/netfilter/{name}")


def _as_json(rows: list[Row]) -> tuple[str, bool]:
    return json.dumps(rows, separators=(",", ":")) + "\n", False


def look_at_pod(request: LookRequest, proc: str, voice: ResultWriter) -> None:
    """Everything about the pod: first what only needs reading, then what needs answers from others."""
    pod = find_pod(proc, request.pod_uid or "")
    voice.tell("about", "pid", pod.network.pid)
    voice.tell("about", "how", pod.how)
    voice.tell("about", "host_network", pod.is_host_network)
    enter_netns("ns/net", pod.network.folder)
    for name in request.files:
        voice.try_to_tell("pod_files", name, lambda each=name: read_pod_file(pod, each))  # type: ignore[misc]
    asyncio.run(Targets(request, pod, voice).all())


def read_pod_file(pod: Pod, name: str) -> tuple[str, bool]:
    if name == "links.json":
        return _as_json(read_links())
    if name == "routes.json":
        return _as_json(read_routes())
    if name == "resolv.conf":
        return read_in_root(pod.files.folder, "etc/resolv.conf")
    return read_at(pod.network.folder, name)


class Targets:
    """All that is sent from inside the pod, at the same time, under one pace."""

    def __init__(self, request: LookRequest, pod: Pod, voice: ResultWriter) -> None:
        self.request, self.pod, self.voice = request, pod, voice
        self.pace = RateLimit()
        self.segments: dict[Address, Segments] = {}
        self.resolver: StubResolver | None = None
        self.no_resolver = ""

    async def all(self) -> None:
        """Every target ends with a row or an error; one that goes wrong does not take the others with it."""
        self._learn_resolver()
        chosen = chosen_targets(self.request)
        lookups = [self._guard(key, self._lookup(name, qtype)) for _, key, (name, qtype) in chosen.lookups]
        targets = [self._guard(key, self._connect(at, target)) for at, key, target in chosen.connects]
        opened = asyncio.gather(*targets)
        paths = [self._guard(key, self._path(at, each, opened)) for at, key, each in chosen.path_mtu]
        await asyncio.gather(*lookups, opened, *paths)

    def _learn_resolver(self) -> None:
        try:
            text, _ = read_in_root(self.pod.files.folder, "etc/resolv.conf")
        except OSError as why:
            self.no_resolver = f"resolv.conf: {words(why)}"
        else:
            self.resolver = StubResolver(parse_resolv_conf(text), self.pace, self._tell_question)

    async def _guard(self, key: str, work: Any) -> None:
        try:
            await work
        except (OSError, ValueError, struct.error, NotAllowed) as why:
            self.voice.tell("errors", key, words(why))
        self.voice.tell("ended", key, True)

    async def _lookup(self, name: str, qtype: str) -> None:
        if self.resolver is None:
            raise ValueError(self.no_resolver)
        await self.resolver.burst(name, qtype)

    def _tell_question(self, asked: tuple[str, str], place: int, row: Row) -> None:
        """Bursts that only a connection needed are not part of the answer."""
        if asked in self.request.lookups:
            self.voice.tell("lookups", [self.request.lookups.index(asked), place], row)

    async def _connect(self, at: int, target: ConnectTarget) -> None:
        address = as_address(target.host) or await self._resolve(target.host)
        self._require(address)
        named = {} if as_address(target.host) else {"address": str(address)}
        row = await (self._open(address, target.port) if target.protocol == "tcp" else self._send(address, target))
        self.voice.tell("connects", [at], {**target.spoken(), **named, **row})

    async def _open(self, address: Address, port: int) -> Row:
        row, segments = await try_connect(self.pace, address, port)
        if segments is not None:
            self.segments[address] = segments
        return row

    async def _send(self, address: Address, target: ConnectTarget) -> Row:
        search = self.resolver.conf.search if self.resolver else ()
        return await send_datagram(self.pace, address, target.port, sure_question(search) if target.ask else b"")

    async def _resolve(self, host: str) -> Address:
        if self.resolver is None:
            raise ValueError(self.no_resolver)
        said = "it has no address"
        for qtype in QTYPES:
            for row in await self.resolver.burst(host, qtype):
                if found := [each for each in map(as_address, row["addresses"]) if each is not None]:
                    return found[0]
                said = row.get("error") or row.get("rcode") or said
        raise ValueError(f"not tried: {host} did not resolve ({said})")

    def _require(self, address: Address) -> None:
        if why := refusal(address, self.request.allow):
            raise NotAllowed(why)

    async def _path(self, at: int, text: str, opened: asyncio.Future[Any]) -> None:
        address = ipaddress.ip_address(text)
        self._require(address)
        promised = promised_mtu(address)
        if promised is None:
            raise ValueError("the route's MTU is unknown")
        row = {"destination": text, "method": "icmp-echo-df", "route_mtu": promised}
        try:
            row |= await measure(self.pace, address, promised)
        except OSError as why:
            row["error"] = words(why)
        if "mtu" not in row:
            await opened
            row |= self._belief(address)
        self.voice.tell("path_mtu", [at], row)

    def _belief(self, address: Address) -> Row:
        believed = self.segments.get(address)
        return {"tcp_pmtu": believed.tcp_pmtu, "tcp_mss": believed.tcp_mss} if believed else {}


@dataclass(frozen=True, slots=True)
class ChosenTargets:
    """The targets within the limit, each with its place and its key in `errors`; `left_out` are the keys beyond it."""

    lookups: tuple[tuple[int, str, tuple[str, str]], ...]
    connects: tuple[tuple[int, str, ConnectTarget], ...]
    path_mtu: tuple[tuple[int, str, str], ...]
    left_out: tuple[str, ...]


def chosen_targets(request: LookRequest) -> ChosenTargets:
    """The first `max_targets` targets, connections, then names, then paths: a connection says most for its packets."""
    targets = [(at, each.key, each) for at, each in enumerate(request.connects)]
    names = [(at, f"lookups/{name}/{qtype}", (name, qtype)) for at, (name, qtype) in enumerate(request.lookups)]
    paths = [(at, f"path_mtu/{each}", each) for at, each in enumerate(request.path_mtu)]
    room = request.max_targets
    names_from, paths_from = max(0, room - len(targets)), max(0, room - len(targets) - len(names))
    out = [each[1] for each in (*targets[room:], *names[names_from:], *paths[paths_from:])]
    return ChosenTargets(tuple(names[:names_from]), tuple(targets[:room]), tuple(paths[:paths_from]), tuple(out))


# -- supervision: the parent only waits, and stops waiting on time -----------------------------------------------------


@dataclass(slots=True)
class Worker:
    """A child process that looks, and what it has told so far."""

    name: str
    pid: int
    fd: int
    heard: bytearray = field(default_factory=bytearray)
    has_ended: bool = False


def start(name: str, work: Callable[[ResultWriter], None]) -> Worker:
    """Forks a child for `work`. It dies with its parent, prints nothing, and cannot return into the parent's code."""
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    if (pid := os.fork()) == 0:
        try:
            os.close(ours)
            _silence(parent)
            _work(name, work, ResultWriter(theirs))
        finally:
            os._exit(0)
    os.close(theirs)
    return Worker(name, pid, ours)


def _silence(parent: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)
    _libc().prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(0)


def _work(name: str, work: Callable[[ResultWriter], None], voice: ResultWriter) -> None:
    try:
        work(voice)
    except (OSError, NotFound) as why:
        voice.tell("errors", name, words(why))
    except Exception as bug:  # noqa: BLE001 - a child has nobody above it who could report this
        voice.tell("errors", name, f"the probe failed ({type(bug).__name__}: {bug})")
    voice.tell("ended", name, True)


def listen(workers: Sequence[Worker], deadline: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Collects what the workers tell until all have ended or the deadline is there."""
    with selectors.DefaultSelector() as ears:
        for each in workers:
            ears.register(each.fd, selectors.EVENT_READ, each)
        while ears.get_map() and (left := deadline - clock()) > 0:
            for key, _ in ears.select(left):
                if _is_over(key.data):
                    ears.unregister(key.fd)


def _is_over(worker: Worker) -> bool:
    part = os.read(worker.fd, 65536)
    worker.heard += part
    worker.has_ended = not part
    return not part or len(worker.heard) > MAX_SPOKEN


def end(worker: Worker) -> None:
    """Ends a child for good. One stuck in the kernel is left to its signal: the answer does not wait for it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker.pid, signal.SIGKILL)
    give_up = time.monotonic() + 0.2
    while os.waitpid(worker.pid, os.WNOHANG) == (0, 0) and time.monotonic() < give_up:
        time.sleep(0.002)


def look(request: LookRequest, proc: str = "/proc") -> Row:
    """The whole answer to one request, within its budget."""
    began = time.monotonic()
    workers = []
    if request.wants_pod:
        workers.append(start("pod", lambda voice: look_at_pod(request, proc, voice)))
    if request.node_files:
        workers.append(start("node", lambda voice: look_at_node(request, proc, voice)))
    listen(workers, began + request.budget_ms / 1000)
    for each in workers:
        end(each)
    answer = put_together(request, [bytes(line) for each in workers for line in each.heard.split(b"\n")])
    return fit(answer | {"took_ms": round((time.monotonic() - began) * 1000, 1)})


def put_together(request: LookRequest, lines: Iterable[bytes]) -> Row:
    """The answer from what was told. A half-told last line counts as not told."""
    tables: dict[str, Any] = {each: {} for each in ("about", "pod_files", "node_files", "errors", "truncated", "ended")}
    rows: dict[str, list[tuple[list[int], Row]]] = {"lookups": [], "connects": [], "path_mtu": []}
    for line in lines:
        with contextlib.suppress(ValueError):
            table, key, value = json.loads(line)
            if table in rows:
                rows[table].append((key, value))
            else:
                tables[table][key] = value
    ended, about = tables.pop("ended"), {"pid": None, "how": None, **tables.pop("about")}
    tables["errors"] = _unfinished(request, tables, ended) | tables["errors"]
    listed = {table: [row for _, row in sorted(found, key=lambda each: each[0])] for table, found in rows.items()}
    return {"version": PROTOCOL_VERSION, **about, **tables, **listed}


def _unfinished(request: LookRequest, tables: Mapping[str, Any], ended: Mapping[str, bool]) -> dict[str, str]:
    """The reason why each thing asked for is missing; nothing is missing without a word."""
    chosen = chosen_targets(request)
    late = f"not finished when the budget of {request.budget_ms} ms ended"
    targets = [key for _, key, _ in (*chosen.lookups, *chosen.connects, *chosen.path_mtu)]
    files = [f"{table}/{name}" for table, name in _files(request) if name not in tables[table]]
    why = {"pod": tables["errors"].get("pod", late), "node": tables["errors"].get("node", late)}
    missing = {key: why["node" if key.startswith("node_files/") else "pod"] for key in (*files, *targets)}
    left_out = dict.fromkeys(chosen.left_out, f"left out: {request.max_targets} targets are the limit")
    return {key: said for key, said in missing.items() if key not in ended} | left_out


def _files(request: LookRequest) -> Iterator[tuple[str, str]]:
    yield from (("pod_files", name) for name in request.files)
    yield from (("node_files", name) for name in request.node_files)


def fit(answer: Row, limit: int = MAX_ANSWER) -> Row:
    """Cuts the longest texts until the answer is small enough, and says of each that it was cut."""
    while len(json.dumps(answer)) > limit:
        table, name = max(
            ((table, name) for table in ("pod_files", "node_files") for name in answer[table]),
            key=lambda each: len(answer[each[0]][each[1]]),
            default=("", ""),
        )
        if not table:
            return {"version": PROTOCOL_VERSION, "error": f"the answer is larger than {limit} bytes"}
        _shorten(answer, table, name)
    return answer


def _shorten(answer: Row, table: str, name: str) -> None:
    """Halves a text at the end of a line; half a JSON document is none, so that goes as a whole."""
    text: str = answer[table].pop(name)
    half = text[: text.rfind("\n", 0, len(text) // 2) + 1]
    if name.endswith(".json") or not half:
        answer["errors"][f"{table}/{name}"] = f"left out: its {len(text)} characters make the answer too large"
        answer["truncated"].pop(f"{table}/{name}", None)
        return
    answer[table][name] = half
    answer["truncated"][f"{table}/{name}"] = f"only the first {len(half.encode())} bytes"


# -- the server: one short-lived process for each question, a few at a time --------------------------------------------

PORT = 4246
LOOK_PATH = "/v1/look"
SEATS = 4
"""Questions answered at the same time. Whoever comes later waits in the kernel's queue, which costs no memory here."""

QUEUE = 128
MOST_DATA = 96 * 1024 * 1024
"""Bytes of memory of its own that one answering process may ever take; it needs about a tenth."""

MAX_HEAD = 8 * 1024
HANDSHAKE = 3.0
"""Seconds from a connection to a whole question; a client that takes longer gives its seat to the next."""

HTTP_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 411: "Length Required"}


class NotOurs(Exception):
    """A request that is no question to the probe: the status, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Post:
    """Address of the server, its certificates (tls.crt, tls.key and ca.crt in `tls`), and who alone may ask.

    `local` names an abstract socket in the pod's own network for programs that are run beside the server.
    """

    address: str = "::"
    port: int = PORT
    tls: str = "/etc/kai-probe"
    client: str = "kai"
    proc: str = "/proc"
    local: str = ""


OPTIONS = {"--listen": "address", "--tls": "tls", "--client": "client", "--proc": "proc", "--local": "local"}


def read_post(arguments: Sequence[str]) -> Post:
    """`--listen ADDRESS:PORT --tls FOLDER --client NAME --proc PROC`. Raises `BadRequest`."""
    if len(arguments) % 2 or not set(arguments[::2]) <= set(OPTIONS):
        raise BadRequest(f"options of serve are {', '.join(OPTIONS)}, each with a value")
    said = dict(zip(arguments[::2], arguments[1::2], strict=True))
    named = {OPTIONS[option]: value for option, value in said.items() if option != "--listen"}
    address, _, port = said.get("--listen", f"[::]:{PORT}").rpartition(":")
    if not port.isdigit() or not 0 < int(port) < 65536 or as_address(address.strip("[]")) is None:
        raise BadRequest(f"{_short(said['--listen'])} is not ADDRESS:PORT")
    return Post(address.strip("[]"), int(port), **named)


def serve(post: Post) -> int:
    """Answers questions until SIGTERM. This process reads none: each gets a process that ends with its answer."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    seated: set[int] = set()
    with contextlib.ExitStack() as open_targets, selectors.DefaultSelector() as knocks:
        for target in (listen_at(post), *([_listen_beside(post.local)] if post.local else [])):
            knocks.register(open_targets.enter_context(target), selectors.EVENT_READ)
        gc.freeze()  # what is here now is shared with the children for good
        while True:
            _leave(seated, wait=len(seated) >= SEATS)
            target = cast(socket.socket, knocks.select()[0][0].fileobj)
            with contextlib.suppress(ConnectionAbortedError), target.accept()[0] as connection:
                seated.add(_seat(connection, post, open_targets))


def _listen_beside(name: str) -> socket.socket:
    """For programs in the same container: an abstract name belongs to the pod's own network and leaves no file."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"\0{name}")
    listening.listen(QUEUE)
    return listening


def listen_at(post: Post) -> socket.socket:
    """The listening socket; IPv4 as well where it listens on all addresses of IPv6. A node without IPv6 has IPv4."""
    if ":" in post.address and not socket.has_dualstack_ipv6():
        return socket.create_server(("0.0.0.0", post.port), backlog=QUEUE)  # noqa: S104 - the pod's own network
    if ":" not in post.address:
        return socket.create_server((post.address, post.port), backlog=QUEUE)
    return socket.create_server(
        (post.address, post.port), family=socket.AF_INET6, backlog=QUEUE, dualstack_ipv6=post.address == "::"
    )


def _leave(seated: set[int], *, wait: bool) -> None:
    """Takes leave of those who have ended; with `wait` of one at least."""
    while seated:
        pid, _ = os.waitpid(-1, 0 if wait else os.WNOHANG)
        if pid == 0:
            return
        seated.discard(pid)
        wait = False


def _seat(connection: socket.socket, post: Post, open_targets: contextlib.ExitStack) -> int:
    parent = os.getpid()
    if (pid := os.fork()) != 0:
        return pid
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        open_targets.close()
        _silence(parent)
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_DATA, MOST_DATA))
        with contextlib.suppress(OSError, ValueError, MemoryError):
            attend(connection, post)
    finally:
        os._exit(0)


def attend(connection: socket.socket, post: Post) -> None:
    """One client: handshake, question, answer, good-bye. Whatever hangs is ended by the timer's default action."""
    signal.setitimer(signal.ITIMER_REAL, HANDSHAKE)
    connection.settimeout(None)
    if connection.family == socket.AF_UNIX:
        connection.sendall(json.dumps(_reply_beside(connection, post), separators=(",", ":")).encode())
        return
    with _tls(post).wrap_socket(connection, server_side=True) as channel:
        status, said = reply(channel, post)
        body = json.dumps(said, separators=(",", ":")).encode()
        head = (
            f"HTTP/1.1 {status} {HTTP_REASONS[status]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        channel.sendall(head.encode() + b"\r\nConnection: close\r\n\r\n" + body)


def _tls(post: Post) -> ssl.SSLContext:
    """Read anew for each client, so that certificates may be replaced under a running server."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0
    context.load_cert_chain(f"{post.tls}/tls.crt", f"{post.tls}/tls.key")
    context.load_verify_locations(f"{post.tls}/ca.crt")
    return context


def reply(channel: ssl.SSLSocket, post: Post) -> tuple[int, Row]:
    """Status and answer. The same authority has signed our own certificate: only the client's name may ask."""
    try:
        who = common_name(channel.getpeercert() or {})
        if who != post.client:
            raise NotOurs(403, f"{_short(who)} may not ask")
        request = read_request(read_question(channel).decode())
    except NotOurs as why:
        return why.status, {"version": PROTOCOL_VERSION, "error": str(why)}
    except (BadRequest, UnicodeDecodeError) as why:
        return 400, {"version": PROTOCOL_VERSION, "error": str(why)}
    signal.setitimer(signal.ITIMER_REAL, request.budget_ms / 1000 + 2)
    return 200, look(request, post.proc)


def _reply_beside(connection: socket.socket, post: Post) -> Row:
    """To a program in the same container, which has all rights of the server already."""
    heard = b""
    while len(heard) <= MAX_REQUEST and (part := connection.recv(16 * 1024)):
        heard += part
    try:
        request = read_request(heard.decode())
    except (BadRequest, UnicodeDecodeError) as why:
        return {"version": PROTOCOL_VERSION, "error": str(why)}
    signal.setitimer(signal.ITIMER_REAL, request.budget_ms / 1000 + 2)
    return look(request, post.proc)


def common_name(certificate: Mapping[str, Any]) -> str:
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return names[0] if len(names) == 1 else ""


def read_question(channel: ssl.SSLSocket) -> bytes:
    """The body of the one request there is: POST /v1/look with a Content-Length. Raises `NotOurs`."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += _more(channel)
        if len(heard) > MAX_HEAD + MAX_REQUEST:
            raise NotOurs(400, "the head of the request is too large")
    head, _, body = heard.partition(b"\r\n\r\n")
    length = question_length(head)
    while len(body) < length:
        body += _more(channel)
    return body[:length]


def _more(channel: ssl.SSLSocket) -> bytes:
    if part := channel.recv(16 * 1024):
        return part
    raise NotOurs(400, "the request breaks off")


def question_length(head: bytes) -> int:
    """Length of the question that this head announces. Raises `NotOurs` where it announces none."""
    first, *lines = head.split(b"\r\n")
    if first not in (f"POST {LOOK_PATH} HTTP/1.1".encode(), f"POST {LOOK_PATH} HTTP/1.0".encode()):
        raise NotOurs(404, f"there is POST {LOOK_PATH} and nothing else")
    said = [value.strip() for name, _, value in (each.partition(b":") for each in lines) if name.lower() == LENGTH]
    if len(said) != 1 or not said[0].isdigit() or len(said[0]) > 6:
        raise NotOurs(411, "one Content-Length is needed")
    if int(said[0]) > MAX_REQUEST:
        raise NotOurs(400, f"the request is larger than {MAX_REQUEST} bytes")
    return int(said[0])


LENGTH = b"content-length"


# -- the program -------------------------------------------------------------------------------------------------------


def read_arguments(arguments: Sequence[str]) -> tuple[str, str]:
    """(/proc, request). The request is the last argument, or stands on standard input."""
    proc = "/proc"
    if arguments[:1] == ["--proc"] and len(arguments) > 1:
        proc, arguments = arguments[1], arguments[2:]
    if len(arguments) > 1:
        raise BadRequest("one argument is expected: the request as JSON")
    return proc, arguments[0] if arguments else sys.stdin.read(MAX_REQUEST + 1)


BESIDE = "KAI_PROBE_LOCAL"
"""Names the socket of the server in the same container: the program then lets it look, and takes no memory for that."""


def handed_over(text: str, name: str) -> Row | None:
    """The server's answer; None where there is no server to ask, and the program looks itself."""
    if not name:
        return None
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(f"\0{name}")
            server.sendall(text.encode())
            server.shutdown(socket.SHUT_WR)
            return cast(Row, json.loads(b"".join(iter(lambda: server.recv(65536), b""))))
    except ConnectionRefusedError:
        return None
    except (OSError, ValueError) as why:
        return {"version": PROTOCOL_VERSION, "error": f"the probe's server gave no answer ({words(why)})"}


def answer(arguments: Sequence[str]) -> tuple[Row, int]:
    """The answer and the exit code: 0 for an answer (partial ones too), 2 for a request that cannot be understood."""
    try:
        proc, text = read_arguments(arguments)
        request = read_request(text)
    except (BadRequest, UnicodeDecodeError) as why:
        return {"version": PROTOCOL_VERSION, "error": str(why)}, 2
    if (found := handed_over(text, os.environ.get(BESIDE, ""))) is not None:
        return found, 0
    signal.setitimer(signal.ITIMER_REAL, request.budget_ms / 1000 + 2)  # its default action ends us, whatever hangs
    return look(request, proc), 0


def main(arguments: Sequence[str] | None = None) -> int:
    """`kai-probe REQUEST` answers and exits; `kai-probe serve [OPTIONS]` answers over TLS until SIGTERM."""
    said = sys.argv[1:] if arguments is None else list(arguments)
    if said[:1] == ["serve"]:
        return _serve(said[1:])
    signal.setitimer(signal.ITIMER_REAL, MAX_BUDGET_MS / 1000)
    found, code = answer(said)
    sys.stdout.write(json.dumps(found, separators=(",", ":")) + "\n")
    sys.stdout.flush()
    return code


def _serve(options: Sequence[str]) -> int:
    try:
        return serve(read_post(options))
    except (BadRequest, OSError) as why:
        sys.stderr.write(f"kai-probe: {words(why)}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
