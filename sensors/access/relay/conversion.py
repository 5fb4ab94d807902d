"""Turns Hubble's protobuf messages into our records, by the same decoder as Hubble's JSON.

A message is first told as its JSON would tell it (the same keys, enums by name) and then read by `hubble_wire`. So one
flow gives one record, whether it came over gRPC or from a file, and nothing about records is decided twice. Enum
numbers newer than our protos stay digits, as there is no name to give them. HTTP headers are not even read.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec
from google.protobuf.message import DecodeError

from sensors.hubble.pb.cilium.flow import flow_pb2
from sensors.hubble.pb.cilium.observer import observer_pb2
from sensors.hubble.pb.cilium.relay import relay_pb2
from sensors.hubble.records import FlowEndpoint, HubbleMessage, Workload
from sensors.hubble.sides import Side, endpoint
from sensors.hubble.wire import FlowLine, messages

FlowJson = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _names(enum: Any) -> dict[int, str]:
    return {number: name for name, number in enum.items() if number}


VERDICTS = _names(flow_pb2.Verdict)
DROP_REASONS = _names(flow_pb2.DropReason)
FLOW_TYPES = _names(flow_pb2.FlowType)
DIRECTIONS = _names(flow_pb2.TrafficDirection)
POINTS = _names(flow_pb2.TraceObservationPoint)
TRACE_REASONS = _names(flow_pb2.TraceReason)
SOCK_POINTS = _names(flow_pb2.SocketTranslationPoint)
IP_VERSIONS = _names(flow_pb2.IPVersion)
L7_TYPES = _names(flow_pb2.L7FlowType)
LOST_SOURCES = _names(flow_pb2.LostEventSource)
NODE_STATES = _names(relay_pb2.NodeState)
FLAGS = tuple(each.name for each in flow_pb2.TCPFlags.DESCRIPTOR.fields)


def read_response(raw: bytes) -> list[HubbleMessage] | None:
    """Messages of one serialised `GetFlowsResponse`; [] when it tells nothing, None when it cannot be understood."""
    try:
        response = observer_pb2.GetFlowsResponse.FromString(raw)
        return messages(msgspec.convert(_response(response), FlowLine))
    except (DecodeError, msgspec.MsgspecError, ValueError, OverflowError):
        return None


def _response(said: Any) -> FlowJson:
    kind = said.WhichOneof("response_types")
    if kind == "flow" and said.flow.HasField("time"):
        return {"node_name": said.node_name, "flow": _flow(said.flow)}
    told: FlowJson = {"node_name": said.node_name, "time": _time(said, "time")}
    if kind == "flow":
        told["flow"] = _flow(said.flow)
    elif kind == "node_status":
        told["node_status"] = _status(said.node_status)
    elif kind == "lost_events":
        told["lost_events"] = _lost(said.lost_events)
    return told


def _status(said: Any) -> FlowJson:
    state = said.state_change
    return {
        "state_change": NODE_STATES.get(state, state),
        "node_names": list(said.node_names),
        "message": said.message,
    }


def _lost(said: Any) -> FlowJson:
    return {
        "source": LOST_SOURCES.get(said.source, said.source),
        "num_events_lost": said.num_events_lost,
        "first": _time(said, "first"),
        "last": _time(said, "last"),
    }


def _time(said: Any, field: str) -> datetime | None:
    """A moment, to the nearest microsecond as JSON is read; None when it is not set or not in our calendar."""
    if not said.HasField(field):
        return None
    stamp = getattr(said, field)
    try:
        return EPOCH + timedelta(0, stamp.seconds, (stamp.nanos + 500) // 1000)
    except OverflowError:
        return None


def _flow(said: Any) -> FlowJson:
    """Singular fields are read as they stand: what is not set has the value that the record has by default."""
    told: FlowJson = {
        "time": _time(said, "time"),
        "uuid": said.uuid,
        "verdict": VERDICTS.get(said.verdict, said.verdict),
        "drop_reason": said.drop_reason,
        "drop_reason_desc": DROP_REASONS.get(said.drop_reason_desc, said.drop_reason_desc),
        "ends": _ends(said, said.IP),
        "Type": FLOW_TYPES.get(said.Type, said.Type),
        "node_name": said.node_name,
        "traffic_direction": DIRECTIONS.get(said.traffic_direction, said.traffic_direction),
        "policy_match_type": said.policy_match_type,
        "trace_observation_point": POINTS.get(said.trace_observation_point, said.trace_observation_point),
        "trace_reason": TRACE_REASONS.get(said.trace_reason, said.trace_reason),
        "proxy_port": said.proxy_port,
        "sock_xlate_point": SOCK_POINTS.get(said.sock_xlate_point, said.sock_xlate_point),
        "socket_cookie": said.socket_cookie,
    }
    _tell_packet(told, said)
    _tell_surroundings(told, said)
    _tell_policies(told, said)
    return told


def _tell_packet(told: FlowJson, said: Any) -> None:
    if said.HasField("IP"):
        told["IP"] = _ip(said.IP)
    protocol = said.l4.WhichOneof("protocol")
    if protocol:
        told["l4"] = {protocol: _l4(getattr(said.l4, protocol), protocol)}
    if said.HasField("event_type"):
        told["event_type"] = {"type": said.event_type.type, "sub_type": said.event_type.sub_type}
    if said.HasField("is_reply"):
        told["is_reply"] = said.is_reply.value
    if said.HasField("l7"):
        told["l7"] = _l7(said.l7)


def _tell_surroundings(told: FlowJson, said: Any) -> None:
    if said.HasField("interface"):
        told["interface"] = {"name": said.interface.name}
    if said.HasField("file"):
        told["file"] = {"name": said.file.name, "line": said.file.line}


def _tell_policies(told: FlowJson, said: Any) -> None:
    if said.egress_allowed_by:
        told["egress_allowed_by"] = _policies(said.egress_allowed_by)
    if said.ingress_allowed_by:
        told["ingress_allowed_by"] = _policies(said.ingress_allowed_by)
    if said.egress_denied_by:
        told["egress_denied_by"] = _policies(said.egress_denied_by)
    if said.ingress_denied_by:
        told["ingress_denied_by"] = _policies(said.ingress_denied_by)
    if said.policy_log:
        told["policy_log"] = list(said.policy_log)


def _ends(said: Any, ip: Any) -> tuple[FlowEndpoint, FlowEndpoint]:
    names, other_names = said.source_names, said.destination_names
    return (
        _end(
            said.source.SerializeToString(),
            ip.source,
            tuple(names) if names else (),
            _service(said.source_service) if said.HasField("source_service") else "",
        ),
        _end(
            said.destination.SerializeToString(),
            ip.destination,
            tuple(other_names) if other_names else (),
            _service(said.destination_service) if said.HasField("destination_service") else "",
        ),
    )


@lru_cache(maxsize=4096)
def _end(raw: bytes, ip: str, names: tuple[str, ...], service: str) -> FlowEndpoint:
    """A side from its bytes: the same few come again and again."""
    return endpoint(_side(raw), ip, names, service)


@lru_cache(maxsize=2048)
def _side(raw: bytes) -> Side:
    said: Any = flow_pb2.Endpoint.FromString(raw)
    workloads = tuple(Workload(each.kind, each.name) for each in said.workloads)
    return Side(said.ID, said.identity, said.cluster_name, said.namespace, tuple(said.labels), said.pod_name, workloads)


def _ip(said: Any) -> FlowJson:
    return {
        "source": said.source,
        "destination": said.destination,
        "source_xlated": said.source_xlated,
        "ipVersion": IP_VERSIONS.get(said.ipVersion, said.ipVersion),
        "encrypted": said.encrypted,
    }


def _l4(said: Any, protocol: str) -> FlowJson:
    if protocol == "TCP":
        flags = _flags(said.flags.SerializeToString())
        return {"source_port": said.source_port, "destination_port": said.destination_port, "flags": flags}
    if protocol in ("UDP", "SCTP"):
        return {"source_port": said.source_port, "destination_port": said.destination_port}
    if protocol.startswith("ICMP"):
        return {"type": said.type, "code": said.code}
    return {"type": said.type}


@lru_cache(maxsize=512)
def _flags(raw: bytes) -> dict[str, bool]:
    """TCP flags from their bytes, of which there are few kinds."""
    said: Any = flow_pb2.TCPFlags.FromString(raw)
    return {each.name: value for each, value in said.ListFields()}


def _l7(said: Any) -> FlowJson:
    told: FlowJson = {"type": L7_TYPES.get(said.type, said.type)}
    kind = said.WhichOneof("record")
    if kind == "dns":
        dns = said.dns
        told["dns"] = {
            "query": dns.query,
            "ips": list(dns.ips),
            "rcode": dns.rcode,
            "qtypes": list(dns.qtypes),
            "observation_source": dns.observation_source,
        }
    elif kind == "http":
        told["http"] = {"code": said.http.code, "method": said.http.method, "url": said.http.url}
    return told


def _service(said: Any) -> str:
    return f"{said.namespace}/{said.name}"


def _policies(said: Iterable[Any]) -> list[FlowJson]:
    return [
        {"name": each.name, "namespace": each.namespace, "kind": each.kind, "labels": list(each.labels)}
        for each in said
    ]
