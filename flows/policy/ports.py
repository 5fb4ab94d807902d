"""Ports that a rule admits, as exact sets, and the mismatch of a port that is not admitted.

Named ports are resolved on the destination pod, each pod by its own numbers (NetworkPolicyPort in the API reference).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from flows.policy.model import Endpoint, Miss, MissKind, Traffic
from flows.policy.portset import ALL, NO_PORTS, SPACE, PortSet

KNOWN = frozenset(SPACE)


class Port(Protocol):
    @property
    def path(self) -> str: ...

    def on(self, destination: Endpoint) -> PortSet: ...

    def misses(self, traffic: Traffic) -> tuple[Miss, ...]: ...


@dataclass(frozen=True, slots=True)
class PortRange:
    """``low`` to ``high`` of one protocol; the whole range when no port is named."""

    protocol: str
    low: int = 0
    high: int = 65535
    path: str = ""
    warning: str = ""

    def on(self, destination: Endpoint) -> PortSet:
        return PortSet.of(self.protocol, self.low, self.high)

    def misses(self, traffic: Traffic) -> tuple[Miss, ...]:
        return protocol_miss(self.protocol, traffic, self.path) + self._port_miss(traffic)

    def _port_miss(self, traffic: Traffic) -> tuple[Miss, ...]:
        if traffic.port is None or self.low <= traffic.port <= self.high:
            return ()
        why = f"it admits {self.ports}, the traffic is on {traffic.port}"
        why += _translated(traffic, self.low, self.high) + (f" ({self.warning})" if self.warning else "")
        return (Miss(MissKind.PORT, why, f"{self.path}/port", "port", (self.ports,), str(traffic.port)),)

    @property
    def ports(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"

    def __str__(self) -> str:
        return f"{self.protocol} {'all ports' if (self.low, self.high) == SPACE[self.protocol] else self.ports}"


@dataclass(frozen=True, slots=True)
class Named:
    """A port by its name in the destination's pod template. `clash`: the numbers among which the datapath cannot
    choose, so that the name opens nothing."""

    name: str
    protocol: str
    path: str = ""
    clash: tuple[int, ...] = ()

    def on(self, destination: Endpoint) -> PortSet:
        number = None if self.clash else destination.named_ports.get((self.name, self.protocol))
        return NO_PORTS if number is None else PortSet.of(self.protocol, number, number)

    def misses(self, traffic: Traffic) -> tuple[Miss, ...]:
        return protocol_miss(self.protocol, traffic, self.path) + self._port_miss(traffic)

    def _port_miss(self, traffic: Traffic) -> tuple[Miss, ...]:
        destination, got = traffic.destination, str(traffic.port)
        number = destination.named_ports.get((self.name, self.protocol))
        place = f"{self.path}/port"
        if self.clash:
            means = f"it means {' and '.join(map(str, self.clash))}"
            why = f"{self.name!r} opens nothing: {means} on pods of this cluster, and Cilium before 1.20 takes neither"
            return (Miss(MissKind.NAMED_PORT, why, place, "port", (self.name,), got),)
        if number is None:
            why = f"{destination} has no {self.protocol} port named {self.name!r}"
            return (Miss(MissKind.NAMED_PORT, why, place, "port", (self.name,), got),)
        if traffic.port in (None, number):
            return ()
        why = f"it admits {self.name!r} ({number} on {destination}), the traffic is on {got}"
        return (Miss(MissKind.PORT, why + _translated(traffic, number, number), place, "port", (self.name,), got),)

    def __str__(self) -> str:
        return f"{self.protocol} port {self.name!r}"


@dataclass(frozen=True, slots=True)
class Icmp:
    """ICMP messages of one type. Source: Cilium ``icmps`` rules (``pkg/policy/api/icmp.go``)."""

    protocol: str  # ICMP or ICMPv6
    type: int
    path: str = ""

    def on(self, destination: Endpoint) -> PortSet:
        return PortSet.of(self.protocol, self.type, self.type)

    def misses(self, traffic: Traffic) -> tuple[Miss, ...]:
        got = f"{traffic.protocol} type {traffic.icmp_type}" if traffic.icmp_type is not None else traffic.protocol
        why = f"it admits {self}, the traffic is {got}"
        return (Miss(MissKind.ICMP, why, self.path, "type", (str(self.type),), got),)

    def __str__(self) -> str:
        return f"{self.protocol} type {self.type}"


def protocol_miss(protocol: str, traffic: Traffic, path: str) -> tuple[Miss, ...]:
    if protocol == traffic.protocol:
        return ()
    why = f"it admits {protocol}, the traffic is {traffic.protocol}"
    return (Miss(MissKind.PROTOCOL, why, f"{path}/protocol", "protocol", (protocol,), traffic.protocol),)


def _translated(traffic: Traffic, low: int, high: int) -> str:
    """The classic mistake, said: the rule has the Service's port, policies see the pod's."""
    if traffic.service_port is None or not low <= traffic.service_port <= high:
        return ""
    return f" ({traffic.service_port} is the Service's port; policies see the pod's, {traffic.port})"


def port_of(traffic: Traffic) -> int | None:
    return traffic.icmp_type if traffic.protocol.startswith("ICMP") else traffic.port


def all_on(ports: tuple[Port, ...] | None, destination: Endpoint) -> PortSet:
    """Everything a rule's ports hold for this destination; ``None`` = no restriction."""
    if ports is None:
        return ALL
    total = NO_PORTS
    for port in ports:
        total = total | port.on(destination)
    return total


def covers(ports: tuple[Port, ...] | None, traffic: Traffic) -> bool | None:
    """True if a rule's ports hold the traffic. ``None``: the port or the ICMP type is not known and matters, or it
    is a protocol no policy speaks of."""
    if ports is None:
        return True
    if traffic.protocol not in KNOWN:
        return None
    number = port_of(traffic)
    if number is not None:
        return any(port.on(traffic.destination).holds(traffic.protocol, number) for port in ports)
    held = all_on(ports, traffic.destination).ranges.get(traffic.protocol, ())
    whole = held == (SPACE[traffic.protocol],)
    return True if whole else (None if held else False)


def nearest_port_misses(ports: tuple[Port, ...] | None, traffic: Traffic) -> tuple[Miss, ...]:
    """Mismatch of the port that came closest: fewest misses, then the nearest number."""
    return min((port.misses(traffic) for port in ports or ()), key=_distance, default=())


def _distance(misses: tuple[Miss, ...]) -> tuple[int, int]:
    numbers = [abs(int(m.got) - int(m.expected[0])) for m in misses if _both_numbers(m)]
    return len(misses), min(numbers, default=0)


def _both_numbers(miss: Miss) -> bool:
    return miss.kind is MissKind.PORT and miss.got.isdigit() and miss.expected[0].isdigit()
