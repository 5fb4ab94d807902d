"""Reads IP addresses and host names as people and programs write them, and gives each its one spelling."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address


def as_ip(word: str) -> Address | None:
    """An IP address (brackets and zone tolerated), or None for a name."""
    try:
        return ip_address(word.strip("[]").partition("%")[0])
    except ValueError:
        return None


def spelled(host: str) -> str:
    """The one spelling of a host, so that two can be compared: lower case, no last dot, IPv6 as RFC 5952 writes it."""
    address = as_ip(host)
    return str(address) if address else host.rstrip(".").lower()
