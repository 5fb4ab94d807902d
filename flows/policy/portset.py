"""Sets of ports as exact intervals per protocol: union, difference, and membership.

ICMP types are kept as "ports" 0-255 of the protocols ``ICMP`` and ``ICMPv6``, so that one algebra serves all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

NumberRange = tuple[int, int]  # inclusive
Ranges = tuple[NumberRange, ...]  # ordered, disjoint, not adjacent

SPACE: Mapping[str, NumberRange] = {
    "TCP": (0, 65535),
    "UDP": (0, 65535),
    "SCTP": (0, 65535),
    "ICMP": (0, 255),
    "ICMPv6": (0, 255),
}


@dataclass(frozen=True, slots=True)
class PortSet:
    ranges: Mapping[str, Ranges] = field(default_factory=dict)  # protocol -> ranges; no empty entries

    @classmethod
    def of(cls, protocol: str, low: int, high: int) -> PortSet:
        return cls({protocol: ((low, high),)}) if low <= high else NO_PORTS

    def holds(self, protocol: str, port: int) -> bool:
        return any(low <= port <= high for low, high in self.ranges.get(protocol, ()))

    def __or__(self, other: PortSet) -> PortSet:
        if not other.ranges or self is ALL:
            return self
        if not self.ranges or other is ALL:
            return other
        keys = {**self.ranges, **other.ranges}
        return PortSet({key: _union(self.ranges.get(key, ()) + other.ranges.get(key, ())) for key in keys})

    def __sub__(self, other: PortSet) -> PortSet:
        if not self.ranges or not other.ranges:
            return self
        if self is other or other is ALL:
            return NO_PORTS
        left = {key: _minus(ranges, other.ranges.get(key, ())) for key, ranges in self.ranges.items()}
        return PortSet({key: ranges for key, ranges in left.items() if ranges})

    def __and__(self, other: PortSet) -> PortSet:
        return self - (self - other)

    def __bool__(self) -> bool:
        return bool(self.ranges)


NO_PORTS = PortSet()
ALL = PortSet({protocol: (space,) for protocol, space in SPACE.items()})


def _union(ranges: Iterable[NumberRange]) -> Ranges:
    merged: list[NumberRange] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _minus(ranges: Ranges, holes: Ranges) -> Ranges:
    for hole_low, hole_high in holes:
        ranges = tuple(
            part
            for low, high in ranges
            for part in ((low, min(high, hole_low - 1)), (max(low, hole_high + 1), high))
            if part[0] <= part[1]
        )
    return ranges
