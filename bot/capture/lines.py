"""Writes hubble messages as `hubble observe -o jsonpb` would: one GetFlowsResponse a line.

Written is what KAI understood of a flow, under the names of Cilium's protos. HTTP headers and query strings never
reach our records, so they cannot be in a case either.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sensors.hubble.lines import (
    DatapathPolicy,
    FlowEndpoint,
    FlowReading,
    Horizon,
    HubbleFlow,
    HubbleMessage,
    LostEvents,
    NodeStatus,
)

Json = dict[str, Any]


def lines_of(messages: Iterable[HubbleMessage]) -> Iterator[str]:
    """A line for each message. A reading becomes the bare moments that bound each node's memory."""
    for each in messages:
        for said in _told(each):
            yield json.dumps(said, ensure_ascii=False, separators=(",", ":")) + "\n"


def _told(message: HubbleMessage) -> Iterator[Json]:
    if isinstance(message, HubbleFlow):
        yield _kept({"flow": flow_of(message), "node_name": message.node, "time": _time(message.time)})
    elif isinstance(message, NodeStatus):
        told = {"state_change": message.state, "node_names": list(message.nodes), "message": message.message}
        yield _kept({"node_status": _kept(told), "time": _time(message.time)})
    elif isinstance(message, LostEvents):
        yield _kept({"lost_events": _lost(message), "node_name": message.node, "time": _time(message.time)})
    elif isinstance(message, FlowReading):
        for horizon in message.horizons:
            yield from _bounds(horizon)


def _bounds(horizon: Horizon) -> Iterator[Json]:
    """The oldest and the newest flow of a node, whatever they were about: how far back it remembers."""
    for moment in dict.fromkeys((horizon.first, horizon.last)):
        when = _time(moment)
        yield {"flow": {"time": when, "node_name": horizon.node}, "node_name": horizon.node, "time": when}


def _lost(lost: LostEvents) -> Json:
    told = {"source": _enum(lost.source), "num_events_lost": str(lost.count)}
    return _kept({**told, "first": _time(lost.first), "last": _time(lost.last)})


def flow_of(flow: HubbleFlow) -> Json:
    """A record as flow.proto's JSON; what is not set is left out."""
    return _kept(
        {
            "time": _time(flow.time),
            "uuid": flow.uuid,
            "verdict": _enum(flow.verdict),
            "drop_reason": flow.drop_reason,
            "drop_reason_desc": _enum(flow.drop_reason_name),
            "IP": _ip(flow),
            "l4": _l4(flow),
            "source": _side(flow.source),
            "destination": _side(flow.destination),
            "Type": _enum(flow.kind),
            "node_name": flow.node,
            "source_names": list(flow.source.names),
            "destination_names": list(flow.destination.names),
            "event_type": _kept({"type": flow.event, "sub_type": flow.event_sub}),
            "source_service": _service(flow.source.service),
            "destination_service": _service(flow.destination.service),
            "traffic_direction": _enum(flow.direction),
            "policy_match_type": flow.policy_match,
            "trace_observation_point": _enum(flow.observed_at),
            "trace_reason": _enum(flow.trace_reason),
            **_surroundings(flow),
        }
    )


def _surroundings(flow: HubbleFlow) -> Json:
    file, _, line = flow.file.rpartition(":")
    return {
        "is_reply": flow.is_reply,
        "l7": _l7(flow),
        "file": {"name": file, "line": int(line)} if file and line.isdecimal() else None,
        "interface": {"name": flow.interface} if flow.interface else None,
        "proxy_port": flow.proxy_port,
        "sock_xlate_point": _enum(flow.sock_point),
        "socket_cookie": str(flow.socket_cookie) if flow.socket_cookie else None,
        "egress_allowed_by": [_policy(each) for each in flow.egress_allowed_by],
        "ingress_allowed_by": [_policy(each) for each in flow.ingress_allowed_by],
        "egress_denied_by": [_policy(each) for each in flow.egress_denied_by],
        "ingress_denied_by": [_policy(each) for each in flow.ingress_denied_by],
        "policy_log": list(flow.policy_log),
    }


def _side(side: FlowEndpoint) -> Json:
    return _kept(
        {
            "ID": side.id,
            "identity": side.identity,
            "cluster_name": side.cluster,
            "namespace": side.namespace,
            "labels": list(side.labels),
            "pod_name": side.pod,
            "workloads": [{"name": each.name, "kind": each.kind} for each in side.workloads],
        }
    )


def _ip(flow: HubbleFlow) -> Json:
    return _kept(
        {
            "source": flow.source.ip,
            "source_xlated": flow.source_xlated,
            "destination": flow.destination.ip,
            "ipVersion": {4: "IPv4", 6: "IPv6"}.get(flow.ip_version),
            "encrypted": flow.encrypted,
        }
    )


def _l4(flow: HubbleFlow) -> Json:
    if not flow.protocol:
        return {}
    if flow.icmp_type is not None:
        return {flow.protocol: {"type": flow.icmp_type, "code": flow.icmp_code or 0}}
    flags = {"flags": dict.fromkeys(sorted(flow.flags), True)} if flow.flags else {}
    ports = _kept({"source_port": flow.source_port, "destination_port": flow.destination_port})
    return {flow.protocol: {**ports, **flags}}


def _l7(flow: HubbleFlow) -> Json | None:
    if flow.dns is None and flow.http is None:
        return {"type": flow.l7_type} if flow.l7_type else None
    told: Json = _kept({"type": _enum(flow.l7_type)})
    if flow.dns is not None:
        dns = flow.dns
        said = {"query": dns.query, "ips": list(dns.ips), "rcode": dns.rcode, "qtypes": list(dns.qtypes)}
        told["dns"] = _kept({**said, "observation_source": dns.source})
    if flow.http is not None:
        http = flow.http
        url = f"http://{http.host}{http.path}" if http.host else http.path
        told["http"] = _kept({"code": http.code, "method": http.method, "url": url})
    return told


def _policy(policy: DatapathPolicy) -> Json:
    return _kept({"name": policy.name, "namespace": policy.namespace, "kind": policy.kind})


def _service(name: str) -> Json | None:
    namespace, slash, own = name.partition("/")
    return _kept({"name": own, "namespace": namespace}) if slash else None


def _enum(value: str) -> str | int:
    """A number that has no name with us is written as a number."""
    return int(value) if value.isascii() and value.isdigit() else value


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def _kept(told: Json) -> Json:
    """Without what says nothing; False is an answer only where the record knows None."""
    return {
        key: each
        for key, each in told.items()
        if each not in (None, "", 0, [], {}) or (key == "is_reply" and each is False)
    }
