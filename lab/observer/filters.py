"""Says which flows a FlowFilter lets through, as the agents do it (Cilium, pkg/hubble/filters).

Fields of one filter must all match, of the values of one field any. Pods and services match by prefix. What is not
supported here is refused, never ignored; to play an old server, ignoring is asked for (`known`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

FlowTest = Callable[[Any, Sequence[Any]], bool]


class BadFilter(ValueError):
    """The filter cannot be understood; a node answers such a question with an error."""


def passes(flow: Any, whitelist: Iterable[Any], blacklist: Iterable[Any], known: frozenset[str] | None = None) -> bool:
    """Checks whether a flow is let through. `known`: the only filter fields this server has heard of; None = all."""
    wanted = list(whitelist)
    if wanted and not any(_matches(flow, each, known) for each in wanted):
        return False
    return not any(_matches(flow, each, known) for each in blacklist)


def _matches(flow: Any, filter_: Any, known: frozenset[str] | None) -> bool:
    fields = [(field.name, values) for field, values in filter_.ListFields()]
    return all(_test(name)(flow, values) for name, values in fields if known is None or name in known)


def _test(name: str) -> FlowTest:
    if name not in TESTS:
        raise BadFilter(f"no filter by {name} here")
    return TESTS[name]


# -- the values a flow has --------------------------------------------------------------------------------------------


def _named(get: Callable[[Any], tuple[str, str]]) -> FlowTest:
    """`ns/prefix`, `ns/` for a whole namespace, a bare prefix in `default`, `/prefix` in any namespace."""

    def test(flow: Any, wanted: Sequence[str]) -> bool:
        namespace, name = get(flow)
        return bool(namespace or name) and any(_is_named(namespace, name, each) for each in wanted)

    return test


def _is_named(namespace: str, name: str, wanted: str) -> bool:
    where, slash, prefix = wanted.partition("/")
    if not slash:
        where, prefix = "default", wanted
    if not where and not prefix:
        raise BadFilter(f"invalid filter, must be [namespace/][<name>], got {wanted!r}")
    return name.startswith(prefix) and where in ("", namespace)


def _address(get: Callable[[Any], str]) -> FlowTest:
    def test(flow: Any, wanted: Sequence[str]) -> bool:
        return any(_is_in(get(flow), each) for each in wanted)

    return test


def _is_in(address: str, wanted: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def _port(end: str) -> FlowTest:
    def test(flow: Any, wanted: Sequence[str]) -> bool:
        protocol = flow.l4.WhichOneof("protocol")
        if protocol not in ("TCP", "UDP", "SCTP"):
            return False
        return str(getattr(getattr(flow.l4, protocol), f"{end}_port")) in wanted

    return test


def _labels(get: Callable[[Any], Iterable[str]]) -> FlowTest:
    """Selectors of the plain kind, `key` or `key=value`, with or without the source (`k8s:`, `reserved:`)."""

    def test(flow: Any, wanted: Sequence[str]) -> bool:
        has = list(get(flow))
        return any(all(_has_label(has, part.strip()) for part in each.split(",")) for each in wanted)

    return test


def _has_label(has: Iterable[str], wanted: str) -> bool:
    wanted = wanted.replace("==", "=")
    for label in has:
        bare = label.partition(":")[2] if ":" in label.partition("=")[0] else label
        if wanted in (label, bare) or ("=" not in wanted and wanted in (label.split("=")[0], bare.split("=")[0])):
            return True
    return False


def _names(get: Callable[[Any], Iterable[str]]) -> FlowTest:
    def test(flow: Any, wanted: Sequence[str]) -> bool:
        return any(fnmatchcase(has.rstrip("."), each.rstrip(".")) for has in get(flow) for each in wanted)

    return test


def _one_of(get: Callable[[Any], Any]) -> FlowTest:
    return lambda flow, wanted: get(flow) in wanted


def _workload(side: str) -> FlowTest:
    def test(flow: Any, wanted: Sequence[Any]) -> bool:
        has = getattr(flow, side).workloads
        pairs = [(each.kind, each.name) for each in has]
        return any(each.kind in ("", kind) and each.name in ("", name) for each in wanted for kind, name in pairs)

    return test


def _event_type(flow: Any, wanted: Sequence[Any]) -> bool:
    has = flow.event_type
    return any(
        each.type == has.type and (not each.match_sub_type or each.sub_type == has.sub_type)
        for each in wanted
        if flow.HasField("event_type")
    )


PROTOCOLS = {"icmp": ("ICMPv4", "ICMPv6"), "icmpv4": ("ICMPv4",), "icmpv6": ("ICMPv6",), "tcp": ("TCP",)}
PROTOCOLS |= {"udp": ("UDP",), "sctp": ("SCTP",), "dns": ("dns",), "http": ("http",), "kafka": ("kafka",)}


def _protocol(flow: Any, wanted: Sequence[str]) -> bool:
    has = {flow.l4.WhichOneof("protocol"), flow.l7.WhichOneof("record")}
    for each in wanted:
        if each.lower() not in PROTOCOLS:
            raise BadFilter(f"unknown protocol: {each!r}")
        if has.intersection(PROTOCOLS[each.lower()]):
            return True
    return False


def _reply(flow: Any, wanted: Sequence[bool]) -> bool:
    return flow.HasField("is_reply") and flow.is_reply.value in wanted


def _tcp_flags(flow: Any, wanted: Sequence[Any]) -> bool:
    has = {field.name for field, value in flow.l4.TCP.flags.ListFields() if value}
    return any({field.name for field, value in each.ListFields() if value} <= has for each in wanted)


def _dns_query(flow: Any, wanted: Sequence[str]) -> bool:
    return flow.l7.HasField("dns") and any(re.search(each, flow.l7.dns.query) for each in wanted)


def _http_code(flow: Any, wanted: Sequence[str]) -> bool:
    code = str(flow.l7.http.code)
    return flow.l7.HasField("http") and any(
        code.startswith(each[:-1]) if each.endswith("+") else code == each for each in wanted
    )


def _node(flow: Any, wanted: Sequence[str]) -> bool:
    name = flow.node_name if "/" in flow.node_name else f"default/{flow.node_name}"
    patterns = [each if "/" in each else f"default/{each}" for each in wanted]
    return any(fnmatchcase(name, each + "*" if each.endswith("/") else each) for each in patterns)


TESTS: dict[str, FlowTest] = {
    "uuid": _one_of(lambda flow: flow.uuid),
    "source_ip": _address(lambda flow: str(flow.IP.source)),
    "source_ip_xlated": _address(lambda flow: str(flow.IP.source_xlated)),
    "destination_ip": _address(lambda flow: str(flow.IP.destination)),
    "source_pod": _named(lambda flow: (flow.source.namespace, flow.source.pod_name)),
    "destination_pod": _named(lambda flow: (flow.destination.namespace, flow.destination.pod_name)),
    "source_service": _named(lambda flow: (flow.source_service.namespace, flow.source_service.name)),
    "destination_service": _named(lambda flow: (flow.destination_service.namespace, flow.destination_service.name)),
    "source_fqdn": _names(lambda flow: flow.source_names),
    "destination_fqdn": _names(lambda flow: flow.destination_names),
    "source_label": _labels(lambda flow: flow.source.labels),
    "destination_label": _labels(lambda flow: flow.destination.labels),
    "source_workload": _workload("source"),
    "destination_workload": _workload("destination"),
    "source_cluster_name": _one_of(lambda flow: flow.source.cluster_name),
    "destination_cluster_name": _one_of(lambda flow: flow.destination.cluster_name),
    "source_identity": _one_of(lambda flow: flow.source.identity),
    "destination_identity": _one_of(lambda flow: flow.destination.identity),
    "source_port": _port("source"),
    "destination_port": _port("destination"),
    "traffic_direction": _one_of(lambda flow: flow.traffic_direction),
    "verdict": _one_of(lambda flow: flow.verdict),
    "drop_reason_desc": _one_of(lambda flow: flow.drop_reason_desc),
    "event_type": _event_type,
    "protocol": _protocol,
    "reply": _reply,
    "tcp_flags": _tcp_flags,
    "dns_query": _dns_query,
    "http_status_code": _http_code,
    "http_method": _one_of(lambda flow: flow.l7.http.method),
    "node_name": _node,
    "ip_version": _one_of(lambda flow: flow.IP.ipVersion),
    "encrypted": _one_of(lambda flow: flow.IP.encrypted),
}
