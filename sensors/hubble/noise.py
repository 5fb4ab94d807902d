"""Dropped packets that are nobody's failure."""

from __future__ import annotations

from functools import lru_cache

from sensors.hubble.drop_reasons import Noise, reason
from sensors.hubble.records import HubbleFlow

NEIGHBOURS = frozenset({130, 131, 132, 133, 134, 135, 136, 143})  # ICMPv6: MLD, router and neighbour discovery


def noise(flow: HubbleFlow) -> str:
    """Kind of noise that a dropped packet is, in a word or two; empty if it may matter."""
    icmp = flow.icmp_type, flow.icmp_code
    return noise_of(flow.drop_reason, flow.protocol, icmp, flow.destination.ip)


@lru_cache(maxsize=4096)
def noise_of(number: int, protocol: str, icmp: tuple[int | None, int | None] | None, destination: str) -> str:
    """`noise` by the facts that decide it."""
    icmp = icmp or (None, None)
    expected = reason(number).noise
    if expected is Noise.ALWAYS:
        return "not a drop"
    if protocol == "ICMPv6" and icmp[0] in NEIGHBOURS:
        return "IPv6 neighbour chatter"
    if _is_multicast(destination):
        return "multicast"
    if expected is Noise.IPV6 and destination[:4].lower() == "fe80":
        return "IPv6 neighbour chatter"
    if protocol == "ICMPv4" and icmp == (3, 3):
        return "late answer turned away"
    return ""


def _is_multicast(ip: str) -> bool:
    if ip[:2].lower() == "ff" and ":" in ip:
        return True
    head = ip.partition(".")[0]
    return ip == "255.255.255.255" or (len(head) == 3 and "224" <= head <= "239")
