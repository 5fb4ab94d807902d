"""Signs of a packet: what a flow shows beside who, when and by which ports, from its record or as it is written."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import msgspec

from sensors.hubble.records import KNOWN_VERDICTS, HubbleFlow
from sensors.hubble.wire import NO_L4, WireFlow, direction_of, flags_of, kind_of, point_of, reason_of, verdict_of

POLICY_VERDICT = 5  # the event type of a policy's own word
BOTH = "EGRESS INGRESS"

# What one end of an attempt was seen doing.
FORWARDED, SYN, SYN_ACK, RST, TALKED, PROXIED, ANSWERED = 1, 2, 4, 8, 16, 32, 64
OPAQUE = 128  # something befell a packet that this version has no word for
POINT_BITS = {"TO_ENDPOINT": 1 << 8, "TO_OVERLAY": 1 << 9, "TO_NETWORK": 1 << 10, "TO_STACK": 1 << 11}
POINT_BITS |= {"TO_HOST": 1 << 12, "TO_PROXY": 1 << 13, "FROM_NETWORK": 1 << 14, "TO_CRYPTO": 1 << 15}

Ports: TypeAlias = tuple[int, int]


class PacketSigns(msgspec.Struct, frozen=True, gc=False):
    """Signs of a packet; the same few come again and again.

    `bits` are what the sender did, `began` whether it began (1 yes, -1 no, 0 cannot be told), `passed` whose policy let
    the packet through (words with a space between, None for nobody's). `key` is the protocol, of ICMP with its type.
    """

    protocol: str
    key: str
    icmp: tuple[int, int] | None
    verdict: str
    reason: int
    kind: str
    event: int
    direction: str
    is_reply: bool | None
    bits: int
    began: int
    passed: str | None


def signs_of(flow: HubbleFlow) -> PacketSigns:
    """Signs of a flow's packet."""
    return _signs(
        flow.protocol,
        flow.icmp_type,
        flow.icmp_code,
        flow.flags,
        flow.verdict,
        flow.drop_reason,
        flow.kind,
        flow.event,
        flow.direction,
        flow.observed_at,
        flow.is_reply,
    )


@lru_cache(maxsize=4096)
def _signs(
    protocol: str,
    icmp_type: int | None,
    icmp_code: int | None,
    flags: frozenset[str],
    verdict: str,
    reason: int,
    kind: str,
    event: int,
    direction: str,
    point: str,
    is_reply: bool | None,
) -> PacketSigns:
    """Signs of a packet by the words of its flow. A verdict newer than us with a reason to drop is a drop."""
    verdict = "DROPPED" if verdict not in KNOWN_VERDICTS and reason else verdict
    bits, began = _shown(flags, is_reply, verdict, kind, point)
    is_let = verdict in ("FORWARDED", "REDIRECTED")
    passed = _lets_through(event, direction, point, flags, is_reply) if is_let else None
    key, icmp = _protocol_key(protocol, icmp_type), None if icmp_type is None else (icmp_type, icmp_code or 0)
    return PacketSigns(protocol, key, icmp, verdict, reason, kind, event, direction, is_reply, bits, began, passed)


def _protocol_key(protocol: str, icmp_type: int | None) -> str:
    """The protocol; for ICMP with its type, echo and its reply being one."""
    return protocol if icmp_type is None else f"{protocol}/{ {0: 8, 129: 128}.get(icmp_type, icmp_type) }"


def signs_on_wire(wire: WireFlow) -> tuple[PacketSigns, Ports]:
    """Signs of a flow's packet, and the ports of its sender and its receiver: what its record would show."""
    protocol, l4 = next(iter(wire.l4.items())) if wire.l4 else ("", NO_L4)
    event = wire.event_type
    found = _signs_as_written(
        protocol,
        l4.type,
        l4.code,
        tuple(l4.flags.items()) if l4.flags else (),
        wire.verdict,
        wire.drop_reason,
        wire.drop_reason_desc,
        wire.Type,
        event.type,
        event.sub_type,
        wire.traffic_direction,
        wire.trace_observation_point,
        wire.is_reply,
    )
    return found, (l4.source_port, l4.destination_port)


@lru_cache(maxsize=4096)
def _signs_as_written(
    protocol: str,
    icmp_type: int,
    icmp_code: int,
    flags: tuple[tuple[str, bool], ...],
    verdict: str | int,
    reason: int,
    reason_name: str | int,
    kind: str | int,
    event: int,
    event_sub: int,
    direction: str | int,
    point: str | int,
    is_reply: bool | None,
) -> PacketSigns:
    is_icmp = protocol.startswith("ICMP")
    return _signs(
        protocol,
        icmp_type if is_icmp else None,
        icmp_code if is_icmp else None,
        flags_of(flags),
        verdict_of(verdict, event),
        reason_of(reason, reason_name, event, event_sub),
        kind_of(kind),
        event,
        direction_of(direction),
        point_of(point),
        is_reply,
    )


def _lets_through(event: int, direction: str, point: str, flags: frozenset[str], is_reply: bool | None) -> str | None:
    """Side whose policy has let the connection through when this is seen: EGRESS, INGRESS, both or nobody's.

    A packet that leaves its sender's node says nothing about the receiver, and one that only enters the datapath
    (`FROM_…`) nothing at all. The server's SYN-ACK, or any answer where there is no handshake, shows both. Later
    answers of a TCP connection pass by connection tracking, also where the client's packets are dropped since.
    """
    if is_reply or {"SYN", "ACK"} <= flags:
        return None if flags and "SYN" not in flags else BOTH
    if event == POLICY_VERDICT:
        return direction
    if point == "TO_ENDPOINT":
        return BOTH
    return "EGRESS" if point.startswith("TO_") else None


def _shown(flags: frozenset[str], is_reply: bool | None, verdict: str, kind: str, point: str) -> tuple[int, int]:
    """Signs of the packet's sender (bits), and whether it began: 1 yes, -1 no, 0 cannot be told."""
    bits, began = _signs_of_flags(flags)
    if is_reply is not None:
        began = -1 if is_reply else 1
    if verdict in ("DROPPED", "ERROR"):
        return 0, began  # a dropped packet reached nobody: it shows who began, and nothing else
    if verdict not in KNOWN_VERDICTS:
        return OPAQUE, began
    if kind == "L7":
        return (ANSWERED if is_reply else 0), began
    if verdict == "REDIRECTED":
        bits |= PROXIED
    return bits | FORWARDED | POINT_BITS.get(point, 0), began


def _signs_of_flags(flags: frozenset[str]) -> tuple[int, int]:
    if not flags:
        return 0, 0
    if "SYN" in flags:
        return (SYN_ACK, -1) if "ACK" in flags else (SYN, 1)
    return (RST, 0) if "RST" in flags else (TALKED, 0)
