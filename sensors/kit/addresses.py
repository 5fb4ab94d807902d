"""Reads IP addresses, hosts and `HOST:PORT[/PROTOCOL]` as people and programs write them: one grammar for all of KAI.

Names: RFC 1123 labels, with `_` as real DNS has it. Addresses: RFC 4291 and 5952; with a port IPv6 stands in brackets
(RFC 3986), without brackets `fd00::1:443` could be read in two ways and is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeAlias

from sensors.kit.nearest import did_you_mean

Address: TypeAlias = IPv4Address | IPv6Address

PROTOCOLS = ("TCP", "UDP", "SCTP")
LONGEST_HOST = 253

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_ZONE = re.compile(r"[A-Za-z0-9._-]{1,32}")
_ADDRESS = re.compile(r"[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*")
_BRACKETED = re.compile(r"\[([^\[\]]+)\](?::(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class HostPort:
    """A place to connect to, host as written (IPv6 without brackets). None: not said. `protocol` is upper case."""

    host: str
    port: int | None = None
    protocol: str | None = None

    def __str__(self) -> str:
        """As `host_port` reads it; IPv6 hosts in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = host if self.port is None else f"{host}:{self.port}"
        return f"{place}/{self.protocol.lower()}" if self.protocol else place


def as_ip(word: str) -> Address | None:
    """An IP address (brackets and zone tolerated), or None for a name."""
    bare = word.strip("[]").partition("%")[0]
    if _ADDRESS.fullmatch(bare) is None:  # nearly all names, at a tenth of what the library's exceptions cost
        return None
    try:
        return ip_address(bare)
    except ValueError:
        return None


def spelled(host: str) -> str:
    """The one spelling of a host, so that two can be compared: lower case, no last dot, IPv6 as RFC 5952 writes it."""
    address = as_ip(host)
    return str(address) if address else host.rstrip(".").lower()


def host_port(text: str) -> HostPort:
    """`HOST`, `HOST:PORT`, either with `/tcp`, `/udp` or `/sctp`, or an address of the web, of which only the place
    counts. Raises `ValueError`: one line that says what is wrong."""
    said = text.strip()
    scheme = _SCHEME.match(said)
    place, slash, rest = said[scheme.end() if scheme else 0 :].partition("/")
    if scheme:
        return HostPort(*_place(place.partition("?")[0].partition("#")[0].rpartition("@")[2], text))
    host, port = _place(place, text)
    return HostPort(host, port, _protocol(rest, port, text) if slash else None)


def _protocol(word: str, port: int | None, text: str) -> str | None:
    """The word behind the slash: a protocol; behind a port also the path of an address pasted without its scheme."""
    if word.upper() in PROTOCOLS:
        return word.upper()
    near = did_you_mean(word.upper(), PROTOCOLS)
    if near or port is None or word.isdigit():  # HOST/8 is a range of addresses, which is no place to connect to
        raise ValueError(f"{text[:60]!r} is not HOST:PORT: {word[:20]!r} is no protocol (tcp, udp or sctp){near}")
    return None


def _place(place: str, text: str) -> tuple[str, int | None]:
    if bracketed := _BRACKETED.fullmatch(place):
        host, port = bracketed[1], bracketed[2]
        if not isinstance(as_ip(host), IPv6Address) or not _is_host(host):
            raise ValueError(f"{text[:60]!r} is not HOST:PORT: no IPv6 address in the brackets")
        return host, None if port is None else _port(port)
    if place.count(":") > 1:
        return _bare_ipv6(place, text), None
    host, colon, port = place.partition(":")
    if not _is_host(host):
        raise ValueError(f"{text[:60]!r} is not HOST:PORT")
    return host, _port(port) if colon else None


def _bare_ipv6(place: str, text: str) -> str:
    """An IPv6 address without brackets, as long as its end cannot be meant as a port."""
    before, _, last = place.rpartition(":")
    if _is_host(before) and as_ip(before) and last.isdecimal():
        raise ValueError(f"{text[:60]!r} is not HOST:PORT: write [{before}]:{last}, or [{place}] for that address")
    if not _is_host(place) or as_ip(place) is None:
        raise ValueError(f"{text[:60]!r} is not HOST:PORT")
    return place


def _is_host(host: str) -> bool:
    address, _, zone = host.partition("%")
    if as_ip(address) and "[" not in host and "]" not in host:
        return host == address or bool(_ZONE.fullmatch(zone))
    labels = host.removesuffix(".").split(".")
    if len(host) > LONGEST_HOST or labels[-1].isdigit():  # an address that is none; no top-level domain is a number
        return False
    return all(_LABEL.fullmatch(each) for each in labels)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536):
        raise ValueError(f"{text[:20]!r} is not a port")
    return int(text)
