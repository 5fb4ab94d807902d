"""Hubble's own JSON: shapes with the names of Cilium's protos, and how they become our records."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Annotated, TypeAlias

import msgspec

from sensors.hubble.drop_reasons import name_of, number_of
from sensors.hubble.records import (
    BAD_VERDICTS,
    DatapathPolicy,
    Dns,
    FlowEndpoint,
    Http,
    HubbleFlow,
    HubbleMessage,
    LostEvents,
    NodeStatus,
)
from sensors.hubble.sides import Side, endpoint

UtcMoment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]


class _Ip(msgspec.Struct, frozen=True, gc=False):
    source: str = ""
    destination: str = ""
    source_xlated: str = ""
    ipVersion: str | int = 0
    encrypted: bool = False


class _L4(msgspec.Struct, frozen=True, gc=False):
    source_port: int = 0
    destination_port: int = 0
    flags: dict[str, bool] = msgspec.field(default_factory=dict)
    type: int = 0
    code: int = 0


class _EventType(msgspec.Struct, frozen=True, gc=False):
    type: int = 0
    sub_type: int = 0


class _Named(msgspec.Struct, frozen=True, gc=False):
    name: str = ""
    namespace: str = ""
    line: int = 0


class _Policy(msgspec.Struct, frozen=True, gc=False):
    name: str = ""
    namespace: str = ""
    kind: str = ""
    labels: tuple[str, ...] = ()


class _Dns(msgspec.Struct, frozen=True, gc=False):
    query: str = ""
    ips: tuple[str, ...] = ()
    rcode: int = 0
    qtypes: tuple[str, ...] = ()
    observation_source: str = ""


class _Http(msgspec.Struct, frozen=True, gc=False):  # headers are left out on purpose: they carry credentials
    code: int = 0
    method: str = ""
    url: str = ""


class _L7(msgspec.Struct, frozen=True, gc=False):
    type: str | int = ""
    dns: _Dns | None = None
    http: _Http | None = None


UNSAID = msgspec.Raw(b"{}")
NOBODY = FlowEndpoint()


class WireFlow(msgspec.Struct, gc=False):
    """A flow as it is written. Its two sides are left as text, of which the same few come again and again:
    `read_ends` makes `ends` of them. `is_own` says whether it is of the pod that was asked for."""

    time: UtcMoment | None = None
    uuid: str = ""
    verdict: str | int = ""
    drop_reason: int = 0
    drop_reason_desc: str | int = 0
    IP: _Ip = _Ip()
    l4: dict[str, _L4] = msgspec.field(default_factory=dict)
    source: msgspec.Raw = UNSAID
    destination: msgspec.Raw = UNSAID
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
    ends: tuple[FlowEndpoint, FlowEndpoint] = (NOBODY, NOBODY)
    is_own: bool = False


class _Status(msgspec.Struct, frozen=True, gc=False):
    state_change: str | int = ""
    node_names: tuple[str, ...] = ()
    message: str = ""


class _Lost(msgspec.Struct, frozen=True, gc=False):
    source: str | int = ""
    num_events_lost: str | int = 0
    first: UtcMoment | None = None
    last: UtcMoment | None = None


class _Node(msgspec.Struct, frozen=True, gc=False):
    name: str = ""
    state: str | int = ""


class FlowLine(msgspec.Struct, frozen=True, gc=False):
    flow: WireFlow | None = None
    node_status: _Status | None = None
    lost_events: _Lost | None = None
    nodes: tuple[_Node, ...] = ()
    node_name: str = ""
    time: UtcMoment | None = None


# Enum numbers as an emitter without the names would send them (flow.proto, relay.proto).
VERDICTS = ("", "FORWARDED", "DROPPED", "ERROR", "AUDIT", "REDIRECTED", "TRACED", "TRANSLATED")
FLOW_TYPES = ("", "L3_L4", "L7", "SOCK")
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
BAD_ON_THE_WIRE = BAD_VERDICTS | {VERDICTS.index(each) for each in BAD_VERDICTS}
DROP_EVENT = 1
IP_VERSIONS = {"IPv4": 4, "IPv6": 6, 1: 4, 2: 6}
NOTHING_SAID = frozenset({"VERDICT_UNKNOWN", "TRAFFIC_DIRECTION_UNKNOWN", "UNKNOWN_FLOW_TYPE", "UNKNOWN_POINT"})


def _said(value: str | int, names: tuple[str, ...]) -> str:
    """An enum by name, whether the emitter wrote its name or its number."""
    if isinstance(value, str):
        return "" if value in NOTHING_SAID else value
    return names[value] if 0 <= value < len(names) else str(value)


def _by_name(names: tuple[str, ...]) -> Callable[[str | int], str]:
    """`_said` for one enum, remembering its few answers."""
    return lru_cache(maxsize=256)(lambda value: _said(value, names))


_verdict, kind_of, direction_of = _by_name(VERDICTS), _by_name(FLOW_TYPES), _by_name(DIRECTIONS)
_trace_reason, _sock_point, _l7_type = _by_name(TRACE_REASONS), _by_name(SOCK_POINTS), _by_name(L7_TYPES)


@lru_cache(maxsize=256)
def point_of(value: str | int) -> str:
    """The place at which a packet was seen, by name."""
    return "TO_ENDPOINT" if value == 101 else _said(value, POINTS)


def is_bad(wire: WireFlow) -> bool:
    """As `HubbleFlow.is_bad`, before the trouble of making a record."""
    return wire.verdict in BAD_ON_THE_WIRE or (not wire.verdict and wire.event_type.type == DROP_EVENT)


def verdict_of(said: str | int, event: int) -> str:
    """The verdict by name; a field-masked exporter may have left only the event that says it."""
    return _verdict(said) or ("DROPPED" if event == DROP_EVENT else "")


def reason_of(number: int, name: str | int, event: int, event_sub: int) -> int:
    """The number of a drop, wherever the emitter wrote it."""
    reason = number or (number_of(name) if name else 0)
    return event_sub if reason == 0 and event == DROP_EVENT else reason


def _count(value: str | int) -> int:
    """A 64-bit number, which JSON carries as text."""
    if type(value) is int:
        return value
    return int(value) if str(value).isascii() and str(value).isdigit() and len(str(value)) < 21 else 0


def read_ends(wire: WireFlow) -> None:
    """Fill `ends` in. Raises `msgspec.MsgspecError` where a side is not what it should be."""
    ip = wire.IP
    wire.ends = (
        _end(bytes(wire.source), ip.source, wire.source_names, wire.source_service),
        _end(bytes(wire.destination), ip.destination, wire.destination_names, wire.destination_service),
    )


@lru_cache(maxsize=4096)
def _end(text: bytes, ip: str, names: tuple[str, ...], service: _Named | None) -> FlowEndpoint:
    return endpoint(_side(text), ip, names, "" if service is None else f"{service.namespace}/{service.name}")


_side = lru_cache(maxsize=2048)(msgspec.json.Decoder(Side).decode)


DERIVED_FROM = "io.cilium.k8s.policy.derived-from="
RESERVED_RULE = "reserved:io.cilium.policy.derived-from="


def policies(wire: tuple[_Policy, ...]) -> tuple[DatapathPolicy, ...]:
    """Policies as records name them."""
    return tuple(_policy(each) for each in wire)


def _policy(wire: _Policy) -> DatapathPolicy:
    """Agents before 1.17 say the kind only in a label; Cilium's own built-in rules have labels and no name."""
    kind, name = wire.kind, wire.name
    for label in () if kind and name else wire.labels:
        if DERIVED_FROM in label and not kind:
            kind = label.partition("=")[2]
        elif label.startswith(RESERVED_RULE) and not name:
            kind, name = "reserved", label[len(RESERVED_RULE) :]
    return DatapathPolicy(kind, wire.namespace, name)


def _dns(wire: _L7) -> Dns | None:
    if wire.dns is None:
        return None
    said = wire.dns
    answered = _l7_type(wire.type) != "REQUEST"  # rcode 0 is left out of the JSON: only the type tells
    return Dns(said.query, said.qtypes, said.rcode if answered else None, said.ips, said.observation_source)


def _http(wire: _L7) -> Http | None:
    if wire.http is None:
        return None
    host, path = _split_url(wire.http.url)
    return Http(wire.http.method, path, host, wire.http.code)


def _split_url(url: str) -> tuple[str, str]:
    """Host and path of a URL; query, fragment and user information are secrets or noise and stay behind."""
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    _, slashes, rest = bare.partition("://")
    if not slashes:
        return "", bare
    authority, slash, path = rest.partition("/")
    return authority.rpartition("@")[2], slash + path


@lru_cache(maxsize=512)
def flags_of(flags: tuple[tuple[str, bool], ...]) -> frozenset[str]:
    """TCP flags that are set."""
    return frozenset(name for name, is_set in flags if is_set)


_NO_FLAGS: frozenset[str] = frozenset()
NO_L4 = _L4()


def record(wire: WireFlow, node: str = "", time: datetime | None = None) -> HubbleFlow:
    """A wire flow as our record; `node` and `time` stand in where only the wrapping said them.

    The fields stand in the order of `HubbleFlow`: with their names each record takes five times as long.
    """
    protocol, l4 = next(iter(wire.l4.items())) if wire.l4 else ("", NO_L4)
    is_icmp = protocol.startswith("ICMP")
    ip, event, l7 = wire.IP, wire.event_type, wire.l7
    reason = reason_of(wire.drop_reason, wire.drop_reason_desc, event.type, event.sub_type)
    return HubbleFlow(
        wire.time or time,
        wire.uuid,
        verdict_of(wire.verdict, event.type),
        reason,
        name_of(reason, wire.drop_reason_desc) if reason or wire.drop_reason_desc else "",
        kind_of(wire.Type),
        event.type,
        event.sub_type,
        direction_of(wire.traffic_direction),
        wire.policy_match_type,
        *wire.ends,
        l4.source_port,
        l4.destination_port,
        IP_VERSIONS.get(ip.ipVersion, 0),
        protocol,
        flags_of(tuple(l4.flags.items())) if l4.flags else _NO_FLAGS,
        l4.type if is_icmp else None,
        l4.code if is_icmp else None,
        wire.is_reply,
        wire.node_name or node,
        point_of(wire.trace_observation_point),
        _trace_reason(wire.trace_reason),
        None if l7 is None else _dns(l7),
        None if l7 is None else _http(l7),
        "" if l7 is None else _l7_type(l7.type),
        policies(wire.egress_allowed_by) if wire.egress_allowed_by else (),
        policies(wire.ingress_allowed_by) if wire.ingress_allowed_by else (),
        policies(wire.egress_denied_by) if wire.egress_denied_by else (),
        policies(wire.ingress_denied_by) if wire.ingress_denied_by else (),
        wire.policy_log,
        "" if wire.file is None else f"{wire.file.name}:{wire.file.line}",
        ip.source_xlated,
        _sock_point(wire.sock_xlate_point) if wire.sock_xlate_point else "",
        _count(wire.socket_cookie) if wire.socket_cookie else 0,
        wire.proxy_port,
        "" if wire.interface is None else wire.interface.name,
        ip.encrypted,
    )


def messages(line: FlowLine) -> list[HubbleMessage]:
    """Records of a line; [] when it is well-formed and tells nothing."""
    if line.flow is not None:
        return [record(line.flow, line.node_name, line.time)]
    if line.lost_events is not None:
        lost = line.lost_events
        count = _count(lost.num_events_lost)
        return [LostEvents(_said(lost.source, LOST_SOURCES), count, line.node_name, lost.first, lost.last, line.time)]
    if line.node_status is not None:
        status = line.node_status
        return [NodeStatus(_said(status.state_change, NODE_STATES), status.node_names, status.message, line.time)]
    return [NodeStatus(_said(each.state, NODE_STATES), (each.name,)) for each in line.nodes]
