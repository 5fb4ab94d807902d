"""The ports, ICMP types and L7 rules of one rule of a Cilium policy, and what Cilium refuses in them.

Source: ``pkg/policy/api/rule_validation.go`` (``PortRule.sanitize``, ``PortProtocol.sanitize``, ``ICMPRule.verify``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from flows.policy.kubernetes import port_range
from flows.policy.model import Direction
from flows.policy.ports import Icmp, Named, Port, PortRange
from flows.policy.profile import Profile
from flows.policy.reading import Invalid, Json, NotUnderstood, loose_mapping, mapping, numbered, only, text
from flows.policy.rules import Effect

MOST_PORTS = 40
_PORT_NAME = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*", re.IGNORECASE)
_PROTOCOLS = ("ANY", "TCP", "UDP", "SCTP")
_PORTLESS = ("ICMP", "ICMPV6", "VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH")


def read_ports(
    rule: Json, path: str, direction: Direction, effect: Effect, profile: Profile
) -> tuple[tuple[Port, ...] | None, tuple[str, ...], bool]:
    """The ports of a rule (``None`` = not restricted), what to say about L7, and whether it shows DNS answers to the
    datapath. Raises ``Invalid`` and ``NotUnderstood``."""
    ports: list[Port] = []
    notes: list[str] = []
    for place, entry in numbered(rule.get("toPorts"), f"{path}/toPorts"):
        read = mapping(entry, place)
        only(read, _ENTRY if effect is Effect.ALLOW else ("ports",), place)
        ports += _port_list(read, place, profile)
        _check_l7(read, place, direction)
        notes += _l7_notes(read)
    if rule.get("toPorts") and rule.get("icmps"):
        raise Invalid(path, "toPorts and icmps cannot stand in one rule")
    for place, entry in numbered(rule.get("icmps"), f"{path}/icmps"):
        ports += [icmp for where, field in _fields(entry, place) for icmp in _icmp(mapping(field, where), where)]
    if loose_mapping(rule.get("authentication")).get("mode") == "required":
        notes.append("mutual authentication is required")
    restricted = bool(rule.get("toPorts")) or bool(rule.get("icmps"))
    return tuple(ports) if restricted else None, tuple(notes), any(note.startswith("dns") for note in notes)


_ENTRY = ("ports", "rules", "terminatingTLS", "originatingTLS", "serverNames", "listener")


def _port_list(entry: Json, path: str, profile: Profile) -> Iterator[Port]:
    """An entry without ports holds none, so it admits nothing."""
    listed = list(numbered(entry.get("ports"), f"{path}/ports"))
    if len(listed) > MOST_PORTS:
        raise Invalid(f"{path}/ports", f"{len(listed)} ports, at most {MOST_PORTS} can stand in an entry")
    for place, item in listed:
        yield from _port(mapping(item, place), place, profile)


def _port(entry: Json, path: str, profile: Profile) -> Iterator[Port]:
    only(entry, ("port", "endPort", "protocol"), path)
    protocol = _protocol(entry, path)
    port = str(entry["port"]) if isinstance(entry.get("port"), int) else text(entry.get("port"), f"{path}/port")
    if protocol in _PORTLESS:
        raise NotUnderstood(f"{path}/protocol", f"rules for {protocol} are not modelled")
    if not port:
        raise Invalid(path, "a port is needed")
    for each in ("TCP", "UDP", "SCTP") if protocol == "ANY" else (protocol,):
        yield _one_port(each, port, entry.get("endPort"), path, profile)


def _protocol(entry: Json, path: str) -> str:
    protocol = (text(entry.get("protocol"), f"{path}/protocol") or "ANY").upper()
    if protocol not in (*_PROTOCOLS, *_PORTLESS):
        raise Invalid(f"{path}/protocol", f"the protocol {protocol!r} is not known")
    return protocol


def _one_port(protocol: str, port: str, end: object, path: str, profile: Profile) -> Port:
    if _PORT_NAME.fullmatch(port):
        return Named(port.lower(), protocol, path)
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise Invalid(f"{path}/port", f"{port!r} is neither a port from 0 to 65535 nor a name of at most 15 letters")
    if int(port) == 0:
        return PortRange(protocol, path=path)
    return port_range(protocol, int(port), end or None, path, profile)


def _check_l7(entry: Json, path: str, direction: Direction) -> None:
    """L7 rules are for TCP, DNS rules for egress and single ports as well."""
    rules = mapping(entry.get("rules"), f"{path}/rules")
    filled = [kind for kind, each in rules.items() if each]
    if "dns" in filled and direction is Direction.INGRESS:
        raise Invalid(f"{path}/rules/dns", "DNS rules cannot stand in an ingress rule")
    if len(filled) > 1:
        raise Invalid(f"{path}/rules", f"{' and '.join(filled)} cannot stand in one entry")
    if filled and entry.get("listener"):
        raise Invalid(f"{path}/listener", "a listener cannot stand beside L7 rules")
    if "listener" in entry and entry["listener"] and direction is Direction.INGRESS:
        raise Invalid(f"{path}/listener", "a listener cannot stand in an ingress rule")
    if filled:
        _check_l7_ports(entry, path, filled[0])


def _check_l7_ports(entry: Json, path: str, kind: str) -> None:
    listed = [(place, mapping(item, place)) for place, item in numbered(entry.get("ports"), f"{path}/ports")]
    if kind == "dns" and not listed:
        raise Invalid(path, "DNS rules need a port")
    for place, port in listed:
        if str(port.get("port")) == "0":
            raise Invalid(f"{place}/port", f"{kind} rules need a port other than 0")
        end, low = port.get("endPort"), str(port.get("port"))
        if kind == "dns" and isinstance(end, int) and low.isdigit() and end > int(low):
            raise Invalid(f"{place}/endPort", "DNS rules take no range of ports")
        if kind != "dns" and _protocol(port, place) != "TCP":
            raise Invalid(f"{place}/protocol", f"{kind} rules are for TCP, not {_protocol(port, place)}")


def _l7_notes(entry: Json) -> Iterator[str]:
    for kind, rules in mapping(entry.get("rules"), "").items():
        if rules:
            yield f"{kind} rules apply after the L4 admission"
    for key in ("serverNames", "listener"):
        if entry.get(key):
            yield f"{key} apply after the L4 admission"


def _fields(entry: object, path: str) -> list[tuple[str, object]]:
    read = mapping(entry, path)
    only(read, ("fields",), path)
    found = list(numbered(read.get("fields"), f"{path}/fields"))
    if len(found) > MOST_PORTS:
        raise Invalid(f"{path}/fields", f"{len(found)} ICMP types, at most {MOST_PORTS} can stand in an entry")
    return found


def _icmp(field: Json, path: str) -> list[Port]:
    only(field, ("family", "type"), path)
    family = text(field.get("family"), f"{path}/family") or "IPv4"
    protocol = {"IPv4": "ICMP", "IPv6": "ICMPv6"}.get(family)
    if protocol is None:
        raise Invalid(f"{path}/family", f"the family {family!r} is not known")
    return [Icmp(protocol, _icmp_type(field.get("type"), protocol, path), path)]


def _icmp_type(value: object, protocol: str, path: str) -> int:
    names = _ICMP_TYPES[protocol]
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, str) and value in names:
        return names[value]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
        return value
    raise Invalid(f"{path}/type", f"the ICMP type {value!r} is not known")


# IANA's registry, in the spelling of pkg/policy/api/icmp.go
_ICMP_TYPES = {
    "ICMP": {
        "EchoReply": 0,
        "DestinationUnreachable": 3,
        "Redirect": 5,
        "Echo": 8,
        "EchoRequest": 8,
        "RouterAdvertisement": 9,
        "RouterSelection": 10,
        "TimeExceeded": 11,
        "ParameterProblem": 12,
        "Timestamp": 13,
        "TimestampReply": 14,
        "Photuris": 40,
        "ExtendedEchoRequest": 42,
        "ExtendedEchoReply": 43,
    },
    "ICMPv6": {
        "DestinationUnreachable": 1,
        "PacketTooBig": 2,
        "TimeExceeded": 3,
        "ParameterProblem": 4,
        "EchoRequest": 128,
        "EchoReply": 129,
        "RouterSolicitation": 133,
        "RouterAdvertisement": 134,
        "NeighborSolicitation": 135,
        "NeighborAdvertisement": 136,
    },
}
