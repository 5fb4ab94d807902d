"""Says what the probe may send to: exactly the addresses behind the peers in question, and nothing because it is near.

Pure. The pod's nameservers need no word here: the probe reads them itself and lets itself ask them, on port 53 only.
Addresses to which nothing may be sent (metadata services, groups) are never allowed, whoever names them: the probe
refuses them by itself, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from sensors.access.probe.agent import refusal
from sensors.kit.addresses import as_ip
from sensors.kit.cluster import Dial, DnsLookup
from sensors.topology.destination import destination_at
from sensors.topology.peer import AddressBook


@dataclass(frozen=True, slots=True)
class ConnectPlan:
    """`dials` can be tried at once within `allow`; `later` are names of outside, whose addresses nobody knows yet."""

    dials: tuple[Dial, ...]
    later: tuple[Dial, ...]
    allow: tuple[str, ...]


def plan(dials: Iterable[Dial], destinations: Iterable[str], namespace: str, where: AddressBook) -> ConnectPlan:
    """Peers and path ends that may be tried, with their addresses."""
    now: list[Dial] = []
    later: list[Dial] = []
    allow = {str(address) for end in destinations if (address := as_ip(end))}
    for each in dials:
        behind = addresses_of(each.host, each.port, namespace, where)
        (now if behind else later).append(each)
        allow |= set(behind)
    return ConnectPlan(tuple(now), tuple(later), tuple(sorted(filter(may_be_sent_to, allow))))


def may_be_sent_to(address: str) -> bool:
    """Checks whether the probe would send to the address if it were allowed."""
    return refusal(ip_address(address), (ip_network(address),)) is None


def addresses_of(host: str, port: int, namespace: str, where: AddressBook) -> tuple[str, ...]:
    """An address is itself; a name of the cluster is its Service, the endpoints behind it, or its pod."""
    if address := as_ip(host):
        return (str(address),)
    behind = destination_at(host, port, namespace, where).addresses
    return tuple(str(address) for each in behind if (address := as_ip(each)))


def answered(host: str, rows: Iterable[DnsLookup]) -> tuple[str, ...]:
    """The addresses that the pod's own resolver gave for a name, itself or with one of its search domains."""
    plain = host.rstrip(".").lower()
    mine = (row for row in rows if _is_name(row.name.rstrip(".").lower(), plain))
    return tuple(dict.fromkeys(str(found) for row in mine for each in row.addresses if (found := as_ip(each))))


def _is_name(asked: str, plain: str) -> bool:
    return asked == plain or asked.startswith(f"{plain}.")
