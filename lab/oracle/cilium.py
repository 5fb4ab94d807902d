"""CiliumNetworkPolicy and its cluster-wide sister, read as Cilium 1.17 and later do (`pkg/policy/api`).

What is left out says `CannotTell`: toGroups, toNodes, requirements, authentication; toServices of older versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lab.oracle.ends import CannotTell, End
from lab.oracle.rules import PolicyRule, ProtocolPort, every_port
from lab.oracle.selecting import in_identity, inside, port_fits, selects
from lab.oracle.services import OracleService, meant_by

Json = Mapping[str, Any]
OracleServices = tuple[OracleService, ...] | None
NAMESPACE, OF_NAMESPACE = "io.kubernetes.pod.namespace", "io.cilium.k8s.namespace.labels."
ACCOUNT, CLUSTER = "io.cilium.k8s.policy.serviceaccount", "io.cilium.k8s.policy.cluster"
PEERS = ("Endpoints", "Entities", "CIDR", "CIDRSet", "FQDNs")
ANY_PROTOCOLS = ("TCP", "UDP", "SCTP")
SECTIONS = (("ingress", False), ("ingressDeny", True), ("egress", False), ("egressDeny", True))


def rules_of(item: Json, services: OracleServices = None) -> Iterator[PolicyRule]:
    """The rules of one object; none of one that Cilium itself calls invalid. `services` None: nobody knows them."""
    conditions = (item.get("status") or {}).get("conditions") or ()
    if any(each.get("type") == "Valid" and each.get("status") == "False" for each in conditions):
        return
    home = item["metadata"].get("namespace", "") if item["kind"] == "CiliumNetworkPolicy" else ""
    for spec in (*([item["spec"]] if item.get("spec") else []), *(item.get("specs") or ())):
        if "nodeSelector" not in spec:
            yield from _spec(spec, home, str(item["metadata"]["name"]), services)


def _spec(spec: Json, home: str, name: str, services: OracleServices) -> Iterator[PolicyRule]:
    selector = _bare(spec.get("endpointSelector") or {})

    def mine(end: End) -> bool:
        return end.is_pod and (not home or end.namespace == home) and selects(selector, _labels(end))

    for section, denies in SECTIONS:
        egress, side = section.startswith("egress"), "to" if section.startswith("egress") else "from"
        wanted = (spec.get("enableDefaultDeny") or {}).get("egress" if egress else "ingress")
        for rule in spec.get(section) or ():
            by_service = egress and bool(rule.get("toServices"))
            peer = _by_service(rule, denies, services) if by_service else _peer(rule, side, home)
            port, shows = _port(rule), _shows_names(rule)
            yield PolicyRule(name, egress, mine, wanted is not False, denies, peer, port, shows)


def _shows_names(rule: Json) -> bool:
    return any((each.get("rules") or {}).get("dns") for each in rule.get("toPorts") or ())


# -- peers -----------------------------------------------------------------------------------------------------------


def _peer(rule: Json, side: str, home: str) -> Any:
    known = {f"{side}{each}" for each in PEERS} | {"toPorts", "icmps"}
    odd = set(rule) - known
    listed = [(kind, rule[f"{side}{kind}"]) for kind in PEERS if rule.get(f"{side}{kind}") is not None]

    def fits(other: End, me: End) -> bool:
        if odd:
            raise CannotTell(f"{', '.join(sorted(odd))} of a Cilium rule")
        if not listed:  # no peers at all: everybody on the ports it names, nobody if it names none
            return _has_ports(rule)
        return any(_is(kind, each, other, me, home) for kind, all_of in listed for each in all_of)

    return fits


def _by_service(rule: Json, denies: bool, services: OracleServices) -> Any:
    """Source: `pkg/policy/k8s/service.go`. Nothing resolves a deny rule's; where an allow rule's selector finds none,
    its ports are everybody's."""
    entries = rule["toServices"]

    def fits(other: End, _me: End) -> bool:
        if odd := set(rule) - {"toServices", "toPorts", "icmps"}:
            raise CannotTell(f"{', '.join(sorted(odd))} beside toServices")
        if services is None:
            raise CannotTell("toServices of this version")
        if denies:
            return False
        found = [each for entry in entries for each in meant_by(entry, services)]
        standing = [each for each in found if each.selector is not None or each.addresses]
        return any(each.holds(other, _labels(other)) for each in standing) if standing else _has_ports(rule)

    return fits


def _has_ports(rule: Json) -> bool:
    return bool(rule.get("toPorts") or rule.get("icmps"))


def _is(kind: str, said: Any, other: End, me: End, home: str) -> bool:
    match kind:
        case "Endpoints":
            return _is_endpoint(said, other, home)
        case "Entities":
            return said in entities(other, me)
        case "CIDR":
            return _is_outside(other) and inside(other.ip, said)
        case "CIDRSet":
            if "cidr" not in said:
                raise CannotTell("groups of addresses")
            return _is_outside(other) and inside(other.ip, said["cidr"], said.get("except") or ())
    return _is_named(said, other)


def _is_outside(other: End) -> bool:
    return not other.is_pod and "world" in other.words


def _is_endpoint(selector: Json, other: End, home: str) -> bool:
    bare = _bare(selector)
    keys = {*(bare["matchLabels"]), *(each["key"] for each in bare["matchExpressions"])}
    if any(each.startswith("reserved") for each in keys):
        raise CannotTell("reserved labels in a selector")
    if not other.is_pod:
        if not home and any(each["operator"] in ("NotIn", "DoesNotExist") for each in bare["matchExpressions"]):
            raise CannotTell("a negative selector of every namespace, and no pod")
        return False
    at_home = not home or any(each == NAMESPACE or each.startswith(OF_NAMESPACE) for each in keys)
    return (at_home or other.namespace == home) and selects(bare, _labels(other))


def _bare(selector: Json) -> dict[str, Any]:
    """Without the source of each label: `k8s:` and `any:` mean the same for what comes from Kubernetes."""
    labels = {_key(key): value for key, value in (selector.get("matchLabels") or {}).items()}
    wanted = [{**each, "key": _key(each["key"])} for each in selector.get("matchExpressions") or ()]
    return {"matchLabels": labels, "matchExpressions": wanted}


def _key(key: str) -> str:
    return re.sub(r"^(k8s|any)[:.]", "", key)


def _labels(end: End) -> dict[str, str]:
    spaces = {f"{OF_NAMESPACE}{key}": value for key, value in end.space.items()}
    return {**in_identity(end.labels), **spaces, NAMESPACE: end.namespace, ACCOUNT: end.account, CLUSTER: "default"}


def entities(other: End, me: End) -> frozenset[str]:
    """Every entity that a peer is. Source: Cilium `pkg/policy/api/entity.go`."""
    if other.is_pod:
        return frozenset({"all", "cluster", "cluster-mesh"})
    words = set(other.words) | {"all"}
    if other.is_node and other.node and me.node:
        words = (words - {"host", "remote-node"}) | {"host" if other.node == me.node else "remote-node"}
    if words & {"host", "remote-node", "health", "init", "ingress", "unmanaged", "kube-apiserver"}:
        words |= {"cluster", "cluster-mesh"}
    if "world" in words and other.ip:
        words.add("world-ipv6" if ":" in other.ip else "world-ipv4")
    return frozenset(words)


def _is_named(said: Json, other: End) -> bool:
    if not _is_outside(other):
        return False
    if other.names is None:
        raise CannotTell("the names that led to an address")
    names = {each.rstrip(".").lower() for each in other.names}
    if "matchName" in said:
        return str(said["matchName"]).rstrip(".").lower() in names
    pattern = re.escape(str(said.get("matchPattern", "")).rstrip(".").lower()).replace(r"\*", "[-a-z0-9_]*")
    return any(re.fullmatch(pattern, each) for each in names)


# -- ports -----------------------------------------------------------------------------------------------------------


def _port(rule: Json) -> Any:
    listed, icmps = rule.get("toPorts"), rule.get("icmps")
    if listed is None and icmps is None:
        return every_port

    def fits(packet: ProtocolPort, there: End) -> bool:
        entries = [each for group in listed or () for each in group.get("ports") or ()]
        fields = [each for group in icmps or () for each in group.get("fields") or ()]
        if not entries and not fields:
            raise CannotTell("ports without a number")
        return any(_is_port(each, packet, there) for each in entries) or any(_is_icmp(each, packet) for each in fields)

    return fits


FAMILIES = {"IPv4": "ICMP", "IPv6": "ICMPv6"}
ECHO = {"ICMP": {"EchoReply": 0, "Echo": 8, "EchoRequest": 8}, "ICMPv6": {"EchoRequest": 128, "EchoReply": 129}}
"""What pings need; every other type may be written as a number."""


def _is_icmp(field: Json, packet: ProtocolPort) -> bool:
    protocol, number = packet
    if FAMILIES.get(field.get("family") or "IPv4") != protocol:
        return False
    said = str(field.get("type"))
    wanted = int(said) if said.isdigit() else ECHO[protocol].get(said)
    if wanted is None or number is None:
        raise CannotTell(f"the ICMP type {said}" if wanted is None else "an ICMP type that is not known")
    return wanted == number


def _is_port(entry: Json, packet: ProtocolPort, there: End) -> bool:
    protocol = entry.get("protocol", "ANY")
    return port_fits(
        entry.get("port"), entry.get("endPort"), ANY_PROTOCOLS if protocol == "ANY" else (protocol,), there, *packet
    )
