"""Packets that policies drop, by the way they took; constant memory, whatever comes. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from sensors.hubble.records import FlowEndpoint, HubbleFlow
from sensors.kit import Target

MAX_REMEMBERED_WAYS = 5000
"""Ways that are remembered; the longest unused are forgotten first."""

NEW_AFTER_QUIET = timedelta(minutes=10)
"""A way without drops for so long is new when it drops again."""

SKEW = timedelta(seconds=2)
"""How far the clock of a node and ours may be apart: a drop this much before a change counts as after it."""

BASELINE = timedelta(seconds=30)
"""Drops must have been heard for so long before a change, or nobody can say that they are new."""


@dataclass(frozen=True, slots=True)
class Way:
    """From whom to whom, on which port. Each side is `namespace/workload`, `namespace/pod` or an address."""

    source: str
    destination: str
    port: int
    protocol: str
    direction: str

    def __str__(self) -> str:
        return f"{self.source} → {self.destination} ({self.protocol} {self.port})"

    @property
    def cut_off(self) -> str:
        """Endpoint that is cut off: the sender where its own policy refuses, else who is not reached."""
        return self.destination if self.direction == "INGRESS" else self.source


@dataclass(slots=True)
class SeenDrops:
    """Drops on one way. `sample` is the pod that sent last, the likeliest to be there still, with the peer as the
    packet had it; None where the sender is no pod."""

    first: datetime
    last: datetime
    packets: int
    sample: Target | None


@dataclass(frozen=True, slots=True)
class Cut:
    """A way that has been dropping since a change, and had not for as long as `quiet` before it."""

    way: Way
    packets: int
    sample: Target | None
    quiet: timedelta = BASELINE


class DropMemory:
    """Recent drops, and since when all of them are known (None: nobody listens).

    What is forgotten for want of room is known no longer: a way could seem new, and a cut one be gone before the look.
    """

    def __init__(self, most: int = MAX_REMEMBERED_WAYS) -> None:
        self._seen: OrderedDict[Way, SeenDrops] = OrderedDict()
        self._most = most
        self.since: datetime | None = None

    def note(self, flow: HubbleFlow, now: datetime) -> None:
        """A dropped packet. One without a time counts as of now."""
        way, when = way_of(flow), flow.time or now
        seen = self._seen.get(way)
        if seen is None or when - seen.last > NEW_AFTER_QUIET:
            self._seen[way] = SeenDrops(when, when, 1, _sample(flow))
        else:
            seen.packets += 1
            seen.sample = _sample(flow)
            seen.last = max(seen.last, when)
            seen.first = min(seen.first, when)
        self._seen.move_to_end(way)
        while len(self._seen) > self._most:
            _, forgotten = self._seen.popitem(last=False)
            if self.since is not None:
                self.since = max(self.since, forgotten.last)

    def covers(self, moment: datetime) -> bool:
        """Was it listened to long enough before that moment?"""
        return self.since is not None and moment - self.since >= BASELINE

    def new_since(self, moment: datetime) -> tuple[Cut, ...]:
        """Ways on which nothing was dropped before that moment and something after it, the most dropped first."""
        found = [(way, seen) for way, seen in self._seen.items() if seen.first >= moment - SKEW]
        ordered = sorted(found, key=lambda each: -each[1].packets)
        quiet = BASELINE if self.since is None else min(moment - self.since, NEW_AFTER_QUIET)
        return tuple(Cut(way, seen.packets, seen.sample, quiet) for way, seen in ordered)

    def __len__(self) -> int:
        return len(self._seen)


def way_of(flow: HubbleFlow) -> Way:
    return Way(_side(flow.source), _side(flow.destination), flow.destination_port, flow.protocol, flow.direction)


def _side(end: FlowEndpoint) -> str:
    """The workload where Hubble names it, which only the pod's own node does; else the pod; else the address."""
    if end.workloads and end.namespace:
        return f"{end.namespace}/{end.workloads[0].name}"
    return f"{end.namespace}/{end.pod}" if end.pod else end.ip


def _sample(flow: HubbleFlow) -> Target | None:
    source, there = flow.source, flow.destination
    if not source.pod or not source.namespace:
        return None
    return Target(source.pod, source.namespace, there.ip or None, flow.destination_port or None, flow.protocol)
