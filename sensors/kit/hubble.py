"""Reads what Hubble saw: hubble flows, node states and loss reports, from any form Hubble writes them in.

One record (`HubbleFlow`) for every source, so that nothing behind this door knows whether flows came from a file, an
exporter or the relay. Accepted lines: `hubble observe -o jsonpb` (a GetFlowsResponse), a bare flow, exporter lines
(field-masked, without uuid), lowerCamelCase spellings, gzip. Enum values newer than us stay what they were: an unknown
name verbatim, an unknown number as its digits.

Secrets stay outside: HTTP headers and query strings are never decoded into a record.

Shapes: `api/v1/flow/flow.proto`, `observer.proto`, `relay.proto` of Cilium (sensors/kit/pb).
"""

from __future__ import annotations

import heapq
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeAlias, TypeVar, get_args, get_origin

import msgspec

from sensors.kit.drop_reasons import name_of, number_of

BAD_VERDICTS = frozenset({"DROPPED", "ERROR", "AUDIT"})
NODE_CONNECTED = "NODE_CONNECTED"

CHUNK = 1 << 20
BATCH = 512
LONGEST_LINE = 4 << 20  # a hubble flow is about 1.5 kB; what is longer is not one
GIVE_UP = 2000  # lines of garbage, and not one understood: not a file of flows
GZIP = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"
LONG_AGO = datetime.min.replace(tzinfo=UTC)


class UnreadableFlows(ValueError):
    """Nothing in the source could be understood as hubble flows. The message is one line and names the line."""


# --------------------------------------------------------------------------------------------------------------------
# What the rest of KAI sees


class Workload(msgspec.Struct, frozen=True, gc=False):
    """What a pod belongs to, as Hubble names it: `Deployment`, `checkout`."""

    kind: str = ""
    name: str = ""


class Policy(msgspec.Struct, frozen=True, gc=False):
    """A policy named by the datapath. `kind` is empty where an agent before 1.17 did not say."""

    kind: str = ""
    namespace: str = ""
    name: str = ""


class Endpoint(msgspec.Struct, frozen=True):
    """One side of a hubble flow.

    `identity` is the number the datapath decided with (0 = unknown; it can be older than the labels, and numbers from
    16777216 up differ per node). `id` is set (> 0) only on the node that hosts the endpoint, and so are `workloads`.
    `names` are DNS names known to the *source's* DNS proxy. `port` 0 = none.
    """

    ip: str = ""
    port: int = 0
    identity: int = 0
    labels: tuple[str, ...] = ()
    namespace: str = ""
    pod: str = ""
    workloads: tuple[Workload, ...] = ()
    names: tuple[str, ...] = ()
    service: str = ""
    id: int = 0
    cluster: str = ""

    @property
    def entities(self) -> tuple[str, ...]:
        """Reserved identities by label, without the prefix: `world`, `host`, `kube-apiserver`, … (never by number)."""
        return tuple(each[9:] for each in self.labels if each.startswith("reserved:"))


class Dns(msgspec.Struct, frozen=True):
    """A DNS message the proxy saw. `rcode` is None on questions; 0 ok, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED."""

    query: str
    qtypes: tuple[str, ...] = ()
    rcode: int | None = None
    ips: tuple[str, ...] = ()
    source: str = ""


class Http(msgspec.Struct, frozen=True, gc=False):
    """An HTTP exchange the proxy saw: `path` without its query, no headers. `code` 0 on requests."""

    method: str = ""
    path: str = ""
    host: str = ""
    code: int = 0


class HubbleFlow(msgspec.Struct, frozen=True, kw_only=True):
    """One event Hubble reported: a packet seen, decided about or dropped, or a message a proxy read.

    Not a connection and not a failure: one refused packet gives two of these (event types 5 and 1). Times are UTC.
    `drop_reason` 0 = not a drop, or a drop by a proxy (L7 denials carry no reason). `is_reply` is None on drops and
    verdicts. `flags` are upper-case TCP flag names. Direction is relative to the endpoint that decided.
    """

    time: datetime | None = None
    uuid: str = ""
    verdict: str = ""
    drop_reason: int = 0
    drop_reason_name: str = ""
    kind: str = ""  # L3_L4, L7, SOCK
    event: int = 0  # 1 drop, 4 trace, 5 policy verdict, 7 socket trace, 129 proxy
    event_sub: int = 0
    direction: str = ""  # INGRESS, EGRESS or empty
    policy_match: int = 0  # 0 none, 1 L3, 2 L3-L4, 3 L4, 4 all, 5 L3-protocol, 6 protocol
    source: Endpoint = Endpoint()
    destination: Endpoint = Endpoint()
    ip_version: int = 0
    protocol: str = ""  # TCP, UDP, SCTP, ICMPv4, ICMPv6, …
    flags: frozenset[str] = frozenset()
    icmp_type: int | None = None
    icmp_code: int | None = None
    is_reply: bool | None = None
    node: str = ""
    observed_at: str = ""  # TO_ENDPOINT, TO_OVERLAY, TO_NETWORK, …
    trace_reason: str = ""  # NEW, ESTABLISHED, REPLY, RELATED
    dns: Dns | None = None
    http: Http | None = None
    l7_type: str = ""  # REQUEST, RESPONSE, SAMPLE
    egress_allowed_by: tuple[Policy, ...] = ()
    ingress_allowed_by: tuple[Policy, ...] = ()
    egress_denied_by: tuple[Policy, ...] = ()
    ingress_denied_by: tuple[Policy, ...] = ()
    policy_log: tuple[str, ...] = ()
    file: str = ""  # BPF source line of a drop, `bpf_lxc.c:1533`
    source_xlated: str = ""  # the service address the client believed in, where translation was per packet
    sock_point: str = ""
    socket_cookie: int = 0
    proxy_port: int = 0
    interface: str = ""
    encrypted: bool = False

    @property
    def is_bad(self) -> bool:
        """Dropped, failed in a proxy, or passed only because policy audit mode is on."""
        return self.verdict in BAD_VERDICTS


class NodeStatus(msgspec.Struct, frozen=True):
    """The relay speaks about its nodes: NODE_CONNECTED, NODE_UNAVAILABLE, NODE_GONE, NODE_ERROR."""

    state: str
    nodes: tuple[str, ...] = ()
    message: str = ""
    time: datetime | None = None


class LostEvents(msgspec.Struct, frozen=True):
    """Events that never became flows: HUBBLE_RING_BUFFER (reader overtaken), OBSERVER_EVENTS_QUEUE, PERF_EVENT_RING_BUFFER.

    Filters do not touch these reports: compare `first` and `last` (Cilium 1.19 and up) with the window asked for.
    """

    source: str
    count: int = 0
    node: str = ""
    first: datetime | None = None
    last: datetime | None = None
    time: datetime | None = None


class Horizon(msgspec.Struct, frozen=True):
    """How far back a node's answer reaches: the oldest and the newest flow seen from it, of any pod."""

    node: str
    first: datetime
    last: datetime


class FlowReading(msgspec.Struct, frozen=True):
    """How the reading itself went; always the last message. `flows` counts all read, asked for or not.

    `garbage` counts lines that could not be understood (`first_garbage` is the number of the first), `other` lines
    that are well-formed but hold no flow, `truncated` says that the source ended in the middle of a line.
    """

    flows: int = 0
    garbage: int = 0
    first_garbage: int = 0
    other: int = 0
    truncated: bool = False
    horizons: tuple[Horizon, ...] = ()


HubbleMessage: TypeAlias = HubbleFlow | NodeStatus | LostEvents | FlowReading


@dataclass(frozen=True, slots=True)
class FlowQuestion:
    """Which hubble flows to bring: all drops of one pod as far back as anyone remembers, and its recent context.

    The two are asked apart because a limit counts matching flows: one "last 1000" would throw old drops away.

    namespace, pod   exact names (a server's own filter matches prefixes: filter again). Empty: every pod.
    addresses        the pod's own, for flows that do not name it (a peer node that had not heard of it yet).
    ports            for a pod on the host network, whose address is its node's: only flows that touch these ports.
    last             context only: the newest so many *per node*; 0 = all. Bad verdicts of the pod are never cut.
    others           also bring the bad verdicts of other pods.
    """

    namespace: str = ""
    pod: str = ""
    addresses: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()
    last: int = 1000
    since: datetime | None = None
    until: datetime | None = None
    others: bool = True

    def is_about(self, flow: HubbleFlow) -> bool:
        """Whether the asked pod is one of the two sides; any flow where no pod was asked for."""
        if not self.pod:
            return True
        return self.is_side(flow, flow.source) or self.is_side(flow, flow.destination)

    def is_side(self, flow: HubbleFlow, side: Endpoint) -> bool:
        """Whether `side` of the flow is the asked pod, by its exact name or, where Hubble names none, by address."""
        if side.pod:
            return side.pod == self.pod and side.namespace == self.namespace
        if side.ip not in self.addresses:
            return False
        return not self.ports or flow.source.port in self.ports or flow.destination.port in self.ports

    def in_time(self, flow: HubbleFlow) -> bool:
        """Whether the flow lies in the asked window; a flow without a time cannot be shown to lie outside."""
        if flow.time is None:
            return True
        return (self.since is None or flow.time >= self.since) and (self.until is None or flow.time <= self.until)


# --------------------------------------------------------------------------------------------------------------------
# What Hubble writes: names as in the protos, everything optional

Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]


class _Wire(msgspec.Struct, frozen=True, gc=False):
    """Base of the wire shapes; unknown fields are skipped by the decoder."""


class _Side(_Wire):
    ID: int = 0
    identity: int = 0
    cluster_name: str = ""
    namespace: str = ""
    labels: tuple[str, ...] = ()
    pod_name: str = ""
    workloads: tuple[Workload, ...] = ()


class _Ip(_Wire):
    source: str = ""
    destination: str = ""
    source_xlated: str = ""
    ipVersion: str | int = 0  # noqa: N815 - the proto's own spelling
    encrypted: bool = False


class _L4(_Wire):
    source_port: int = 0
    destination_port: int = 0
    flags: dict[str, bool] = msgspec.field(default_factory=dict)
    type: int = 0
    code: int = 0


class _EventType(_Wire):
    type: int = 0
    sub_type: int = 0


class _Named(_Wire):
    name: str = ""
    namespace: str = ""
    line: int = 0


class _Policy(_Wire):
    name: str = ""
    namespace: str = ""
    kind: str = ""
    labels: tuple[str, ...] = ()


class _Dns(_Wire):
    query: str = ""
    ips: tuple[str, ...] = ()
    rcode: int = 0
    qtypes: tuple[str, ...] = ()
    observation_source: str = ""


class _Http(_Wire):  # headers are left out on purpose: they carry credentials
    code: int = 0
    method: str = ""
    url: str = ""


class _L7(_Wire):
    type: str | int = ""
    dns: _Dns | None = None
    http: _Http | None = None


class _Flow(_Wire):
    time: Moment | None = None
    uuid: str = ""
    verdict: str | int = ""
    drop_reason: int = 0
    drop_reason_desc: str | int = 0
    IP: _Ip = _Ip()
    l4: dict[str, _L4] = msgspec.field(default_factory=dict)
    source: _Side = _Side()
    destination: _Side = _Side()
    Type: str | int = ""
    node_name: str = ""
    source_names: tuple[str, ...] = ()
    destination_names: tuple[str, ...] = ()
    l7: _L7 | None = None
    event_type: _EventType = _EventType()
    source_service: _Named | None = None
    destination_service: _Named | None = None
    traffic_direction: str | int = ""
    policy_match_type: int = 0
    trace_observation_point: str | int = ""
    trace_reason: str | int = ""
    file: _Named | None = None
    is_reply: bool | None = None
    interface: _Named | None = None
    proxy_port: int = 0
    sock_xlate_point: str | int = ""
    socket_cookie: str | int = 0
    egress_allowed_by: tuple[_Policy, ...] = ()
    ingress_allowed_by: tuple[_Policy, ...] = ()
    egress_denied_by: tuple[_Policy, ...] = ()
    ingress_denied_by: tuple[_Policy, ...] = ()
    policy_log: tuple[str, ...] = ()


class _Status(_Wire):
    state_change: str | int = ""
    node_names: tuple[str, ...] = ()
    message: str = ""


class _Lost(_Wire):
    source: str | int = ""
    num_events_lost: str | int = 0
    first: Moment | None = None
    last: Moment | None = None


class _Node(_Wire):
    name: str = ""
    state: str | int = ""


class _Line(_Wire):
    flow: _Flow | None = None
    node_status: _Status | None = None
    lost_events: _Lost | None = None
    nodes: tuple[_Node, ...] = ()
    node_name: str = ""
    time: Moment | None = None


# Enum numbers as an emitter without the names would send them (flow.proto, relay.proto).
VERDICTS = ("", "FORWARDED", "DROPPED", "ERROR", "AUDIT", "REDIRECTED", "TRACED", "TRANSLATED")
KINDS = ("", "L3_L4", "L7", "SOCK")
DIRECTIONS = ("", "INGRESS", "EGRESS")
L7_TYPES = ("", "REQUEST", "RESPONSE", "SAMPLE")
TRACE_REASONS = ("", "NEW", "ESTABLISHED", "REPLY", "RELATED", "", "SRV6_ENCAP", "SRV6_DECAP")
SOCK_POINTS = (
    "",
    "SOCK_XLATE_POINT_PRE_DIRECTION_FWD",
    "SOCK_XLATE_POINT_POST_DIRECTION_FWD",
    "SOCK_XLATE_POINT_PRE_DIRECTION_REV",
    "SOCK_XLATE_POINT_POST_DIRECTION_REV",
)
NODE_STATES = ("UNKNOWN_NODE_STATE", "NODE_CONNECTED", "NODE_UNAVAILABLE", "NODE_GONE", "NODE_ERROR")
LOST_SOURCES = ("UNKNOWN", "PERF_EVENT_RING_BUFFER", "OBSERVER_EVENTS_QUEUE", "HUBBLE_RING_BUFFER")
POINTS = (
    "",
    "TO_PROXY",
    "TO_HOST",
    "TO_STACK",
    "TO_OVERLAY",
    "FROM_ENDPOINT",
    "FROM_PROXY",
    "FROM_HOST",
    "FROM_STACK",
    "FROM_OVERLAY",
    "FROM_NETWORK",
    "TO_NETWORK",
    "FROM_CRYPTO",
    "TO_CRYPTO",
)
IP_VERSIONS = {"IPv4": 4, "IPv6": 6, 1: 4, 2: 6}
NOTHING_SAID = frozenset({"VERDICT_UNKNOWN", "TRAFFIC_DIRECTION_UNKNOWN", "UNKNOWN_FLOW_TYPE", "UNKNOWN_POINT"})


# --------------------------------------------------------------------------------------------------------------------
# From the wire to the record


def _said(value: str | int, names: tuple[str, ...]) -> str:
    """An enum by name, whether the emitter wrote its name or its number."""
    if type(value) is str:
        return "" if value in NOTHING_SAID else value
    return names[value] if 0 <= value < len(names) else str(value)  # type: ignore[operator, index]


def _point(value: str | int) -> str:
    return "TO_ENDPOINT" if value == 101 else _said(value, POINTS)


def _count(value: str | int) -> int:
    """A 64-bit number, which JSON carries as text."""
    if type(value) is int:
        return value
    return int(value) if str(value).isascii() and str(value).isdigit() and len(str(value)) < 21 else 0


def _endpoint(wire: _Side, ip: str, port: int, names: tuple[str, ...], service: _Named | None) -> Endpoint:
    return Endpoint(
        ip,
        port,
        wire.identity,
        wire.labels,
        wire.namespace,
        wire.pod_name,
        wire.workloads,
        names,
        "" if service is None else f"{service.namespace}/{service.name}",
        wire.ID,
        wire.cluster_name,
    )


DERIVED_FROM = "io.cilium.k8s.policy.derived-from="
RESERVED_RULE = "reserved:io.cilium.policy.derived-from="


def _policies(wire: tuple[_Policy, ...]) -> tuple[Policy, ...]:
    return tuple(_policy(each) for each in wire)


def _policy(wire: _Policy) -> Policy:
    """Agents before 1.17 say the kind only in a label; Cilium's own built-in rules have labels and no name."""
    kind, name = wire.kind, wire.name
    for label in () if kind and name else wire.labels:
        if DERIVED_FROM in label and not kind:
            kind = label.partition("=")[2]
        elif label.startswith(RESERVED_RULE) and not name:
            kind, name = "reserved", label[len(RESERVED_RULE) :]
    return Policy(kind, wire.namespace, name)


def _dns(wire: _L7) -> Dns | None:
    if wire.dns is None:
        return None
    said = wire.dns
    answered = _said(wire.type, L7_TYPES) != "REQUEST"  # rcode 0 is left out of the JSON: only the type tells
    return Dns(said.query, said.qtypes, said.rcode if answered else None, said.ips, said.observation_source)


def _http(wire: _L7) -> Http | None:
    if wire.http is None:
        return None
    host, path = _split_url(wire.http.url)
    return Http(wire.http.method, path, host, wire.http.code)


def _split_url(url: str) -> tuple[str, str]:
    """Host and path of a URL; query, fragment and user information are secrets or noise and stay behind."""
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    scheme, slashes, rest = bare.partition("://")
    if not slashes:
        return "", bare
    authority, slash, path = rest.partition("/")
    return authority.rpartition("@")[2], slash + path


def _flag_set(flags: dict[str, bool]) -> frozenset[str]:
    return _NO_FLAGS if not flags else frozenset(name for name, is_set in flags.items() if is_set)


_NO_FLAGS: frozenset[str] = frozenset()
_NO_L4 = _L4()


def _neutral(wire: _Flow, node: str = "", time: datetime | None = None) -> HubbleFlow:
    protocol, l4 = next(iter(wire.l4.items())) if wire.l4 else ("", _NO_L4)
    is_icmp = protocol.startswith("ICMP")
    ip, event = wire.IP, wire.event_type
    bad = wire.verdict in ("DROPPED", 2) or event.type == 1
    reason = (wire.drop_reason or number_of(wire.drop_reason_desc)) if bad else wire.drop_reason
    if reason == 0 and event.type == 1:
        reason = event.sub_type  # field-masked exporters may have left nothing else
    l7 = wire.l7
    file = wire.file
    return HubbleFlow(
        time=wire.time or time,
        uuid=wire.uuid,
        verdict=_said(wire.verdict, VERDICTS),
        drop_reason=reason,
        drop_reason_name=name_of(reason, wire.drop_reason_desc) if reason or wire.drop_reason_desc else "",
        kind=_said(wire.Type, KINDS),
        event=event.type,
        event_sub=event.sub_type,
        direction=_said(wire.traffic_direction, DIRECTIONS),
        policy_match=wire.policy_match_type,
        source=_endpoint(wire.source, ip.source, l4.source_port, wire.source_names, wire.source_service),
        destination=_endpoint(
            wire.destination, ip.destination, l4.destination_port, wire.destination_names, wire.destination_service
        ),
        ip_version=IP_VERSIONS.get(ip.ipVersion, 0),
        protocol=protocol,
        flags=_flag_set(l4.flags),
        icmp_type=l4.type if is_icmp else None,
        icmp_code=l4.code if is_icmp else None,
        is_reply=wire.is_reply,
        node=wire.node_name or node,
        observed_at=_point(wire.trace_observation_point),
        trace_reason=_said(wire.trace_reason, TRACE_REASONS),
        dns=None if l7 is None else _dns(l7),
        http=None if l7 is None else _http(l7),
        l7_type="" if l7 is None else _said(l7.type, L7_TYPES),
        egress_allowed_by=_policies(wire.egress_allowed_by),
        ingress_allowed_by=_policies(wire.ingress_allowed_by),
        egress_denied_by=_policies(wire.egress_denied_by),
        ingress_denied_by=_policies(wire.ingress_denied_by),
        policy_log=wire.policy_log,
        file="" if file is None else f"{file.name}:{file.line}",
        source_xlated=ip.source_xlated,
        sock_point=_said(wire.sock_xlate_point, SOCK_POINTS),
        socket_cookie=_count(wire.socket_cookie),
        proxy_port=wire.proxy_port,
        interface="" if wire.interface is None else wire.interface.name,
        encrypted=ip.encrypted,
    )


def _messages(line: _Line) -> list[HubbleMessage]:
    if line.flow is not None:
        return [_neutral(line.flow, line.node_name, line.time)]
    if line.lost_events is not None:
        lost = line.lost_events
        count = _count(lost.num_events_lost)
        return [LostEvents(_said(lost.source, LOST_SOURCES), count, line.node_name, lost.first, lost.last, line.time)]
    if line.node_status is not None:
        status = line.node_status
        return [NodeStatus(_said(status.state_change, NODE_STATES), status.node_names, status.message, line.time)]
    return [NodeStatus(_said(each.state, NODE_STATES), (each.name,)) for each in line.nodes]


# --------------------------------------------------------------------------------------------------------------------
# Lines: the fast path for what today's Hubble writes, the patient one for everything else

_decode = msgspec.json.Decoder(_Line).decode
_decode_anything = msgspec.json.Decoder().decode
_CANNOT_READ = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)

Shape = TypeVar("Shape", bound=msgspec.Struct)


def read_line(line: bytes) -> list[HubbleMessage] | None:
    """The messages of one line; [] when it is well-formed but holds none, None when it cannot be understood."""
    try:
        read = _decode(line)
    except _CANNOT_READ:
        return _read_patiently(line)
    if read.flow is not None and read.flow.node_name:
        return [_neutral(read.flow, read.node_name, read.time)]
    return _read_patiently(line)


def _read_patiently(line: bytes) -> list[HubbleMessage] | None:
    """Other spellings, other wrappings, and lines in which a field is not what it should be: keep all the others."""
    try:
        raw = _decode_anything(line)
        if not isinstance(raw, dict):
            return None
        raw = _snake(raw)
        if _looks_like_flow(raw):
            raw = {"flow": raw}
        if "flow" in raw and not _looks_like_flow(raw["flow"]):
            return None
        return _messages(_tolerant(_Line, raw))
    except _CANNOT_READ:
        return None


def _looks_like_flow(raw: object) -> bool:
    return isinstance(raw, dict) and ("verdict" in raw or isinstance(raw.get("IP"), dict) or "event_type" in raw)


def _snake(raw: Any) -> Any:
    """lowerCamelCase keys as the proto spells them; keys that begin with a capital (`IP`, `TCP`) are proto names."""
    if isinstance(raw, list):
        return [_snake(each) for each in raw]
    if not isinstance(raw, dict):
        return raw
    return {_snake_key(key): _snake(value) for key, value in raw.items()}


def _snake_key(key: str) -> str:
    if key == "ipVersion" or not key[:1].islower():
        return key
    return re.sub("[A-Z]", lambda capital: "_" + capital.group().lower(), key)


def _tolerant(shape: type[Shape], raw: dict[str, Any]) -> Shape:
    """A shape from its readable fields; the unreadable ones keep their defaults."""
    read = {}
    for each in msgspec.structs.fields(shape):
        value = _as(each.type, raw.get(each.encode_name))
        if value is not None:
            read[each.name] = value
    return shape(**read)


def _as(kind: Any, value: Any) -> Any:
    """`value` as `kind`, or what can be saved of it, or None."""
    if value is None:
        return None
    try:
        return msgspec.convert(value, kind, strict=False)
    except _CANNOT_READ:
        return _saved(kind, value)


def _saved(kind: Any, value: Any) -> Any:
    """What can be saved of a container in which something is not what it should be."""
    inner = get_args(kind)
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(saved for each in value if (saved := _as(inner[0], each)) is not None)
    if not isinstance(value, dict):
        return None
    if get_origin(kind) is dict:
        return {key: saved for key, each in value.items() if (saved := _as(inner[1], each)) is not None}
    shapes = [each for each in (kind, *inner) if isinstance(each, type) and issubclass(each, msgspec.Struct)]
    return _tolerant(shapes[0], value) if shapes else None


# --------------------------------------------------------------------------------------------------------------------
# Sources: bytes into lines, lines into batches


def read_flow_lines(source: Path | str | BinaryIO, question: FlowQuestion) -> Iterator[list[HubbleMessage]]:
    """Hubble messages of a file or binary stream, in bounded batches; the last message is a `FlowReading`.

    Plain or gzip, any form of line (see the module). What cannot be read is counted, never silently skipped; a source
    that breaks off is read up to the break. An empty source is a reading of no flows.

    Raises `UnreadableFlows` when the source is not empty and nothing in it can be understood, `OSError` as open does.
    """
    if isinstance(source, str | Path):
        with open(source, "rb") as stream:
            yield from _read_stream(stream, question)
    else:
        yield from _read_stream(source, question)


def _read_stream(stream: BinaryIO, question: FlowQuestion) -> Iterator[list[HubbleMessage]]:
    reader = _Reader(question)
    batch: list[HubbleMessage] = []
    for line, is_whole in _lines(_inflated(_chunks(stream))):
        batch += reader.read(line, is_whole)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    batch += reader.context()
    yield [*batch, reader.close()]


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


class _BrokeOff(Exception):
    """The compressed source ended, or went wrong, before its end."""


def _inflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes, unpacked if they are gzip (one member or many). Raises `_BrokeOff` where the archive breaks."""
    head = next(chunks, b"")
    if not head.startswith(GZIP):
        yield head
        yield from chunks
        return
    while head.startswith(GZIP):
        gzip = zlib.decompressobj(wbits=31)
        yield from _member(gzip, head, chunks)
        head = gzip.unused_data or next(chunks, b"")


def _member(gzip: Any, head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        while head and not gzip.eof:
            yield gzip.decompress(head, CHUNK)  # bounded: a small archive may hold a very large file
            head = gzip.unconsumed_tail or (b"" if gzip.eof else next(chunks, b""))
        yield gzip.flush()
    except zlib.error:
        raise _BrokeOff from None
    if not gzip.eof:
        raise _BrokeOff


def _lines(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Lines without their ends, each with whether its end was there."""
    carry = b""
    try:
        for chunk in chunks:
            *lines, carry = (carry + chunk).split(b"\n")
            for each in lines:
                yield each, True
            if len(carry) > LONGEST_LINE:
                carry = b"\0"  # not a hubble flow, whatever follows: forget it, and let it count as garbage
    except _BrokeOff:
        yield carry, False
        return
    if carry:
        yield carry, False


class _Reader:
    """Keeps what the question asks for, and the books on the rest."""

    def __init__(self, question: FlowQuestion) -> None:
        self.question = question
        self.lines = self.flows = self.understood = self.garbage = self.first_garbage = self.other = 0
        self.truncated = False
        self.spans: dict[str, list[datetime]] = {}
        self.newest: dict[str, list[tuple[datetime, int, HubbleFlow]]] = {}

    def read(self, line: bytes, is_whole: bool) -> list[HubbleMessage]:
        self.lines += 1
        if is_whole and (not line or line.isspace()):
            return []
        messages = read_line(line if self.lines > 1 else line.removeprefix(BOM))
        if messages is None:
            self._cannot_read(is_whole)
            return []
        self.understood += bool(messages)
        self.other += not messages
        return [each for each in messages if self._is_wanted(each)]

    def _cannot_read(self, is_whole: bool) -> None:
        if not is_whole:
            self.truncated = True
            return
        self.garbage += 1
        self.first_garbage = self.first_garbage or self.lines
        if not self.understood and self.garbage >= GIVE_UP:
            raise self._unreadable()

    def _is_wanted(self, message: HubbleMessage) -> bool:
        if not isinstance(message, HubbleFlow):
            return True
        self.flows += 1
        self._widen(message)
        ask = self.question
        if not ask.in_time(message):
            return False
        if not ask.is_about(message):
            return ask.others and message.is_bad
        if message.is_bad or ask.last == 0:
            return True
        self._remember(message)
        return False

    def _widen(self, flow: HubbleFlow) -> None:
        if flow.time is None:
            return
        span = self.spans.get(flow.node)
        if span is None:
            self.spans[flow.node] = [flow.time, flow.time]
        elif flow.time > span[1]:
            span[1] = flow.time
        elif flow.time < span[0]:
            span[0] = flow.time

    def _remember(self, flow: HubbleFlow) -> None:
        """The newest so many per node, whatever order the lines come in."""
        newest = self.newest.setdefault(flow.node, [])
        entry = (flow.time or LONG_AGO, self.lines, flow)
        if len(newest) < self.question.last:
            heapq.heappush(newest, entry)
        else:
            heapq.heappushpop(newest, entry)

    def context(self) -> list[HubbleMessage]:
        return [entry[2] for newest in self.newest.values() for entry in sorted(newest, key=_when)]

    def close(self) -> FlowReading:
        if not self.understood and (self.garbage or self.other or self.truncated):
            raise self._unreadable()
        horizons = tuple(Horizon(node, *span) for node, span in sorted(self.spans.items()))
        return FlowReading(self.flows, self.garbage, self.first_garbage, self.other, self.truncated, horizons)

    def _unreadable(self) -> UnreadableFlows:
        return UnreadableFlows(
            f"line {self.first_garbage or 1} is not a hubble flow, nor is any other; "
            "expected JSON lines as `hubble observe -o jsonpb` writes them"
        )


def _when(entry: tuple[datetime, int, HubbleFlow]) -> tuple[datetime, int]:
    return entry[0], entry[1]
