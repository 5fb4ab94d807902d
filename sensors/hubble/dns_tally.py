"""Counts of what the DNS proxy saw, per client, name and type."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sensors.hubble.moments import earlier, later
from sensors.hubble.outcomes import DnsOutcome
from sensors.hubble.records import HubbleFlow

MOST_ADDRESSES = 20  # told per DNS name


RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


@dataclass(slots=True)
class DnsTally:
    """Questions and answers of one client, name and type."""

    asked: int = 0
    answered: int = 0
    denied: int = 0
    rcodes: dict[int, int] = field(default_factory=dict)
    addresses: dict[str, None] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None

    def add(self, flow: HubbleFlow) -> None:
        if flow.dns is None:
            return
        self.first, self.last = earlier(self.first, flow.time), later(self.last, flow.time)
        if flow.dns.rcode is None:
            self.asked += 1
            self.denied += flow.verdict == "DROPPED"
            return
        self.answered += 1
        self.rcodes[flow.dns.rcode] = self.rcodes.get(flow.dns.rcode, 0) + 1
        self.addresses |= dict.fromkeys(flow.dns.ips[:MOST_ADDRESSES])

    def join(self, other: DnsTally) -> None:
        """Adds what later flows showed."""
        self.asked += other.asked
        self.answered += other.answered
        self.denied += other.denied
        for rcode, count in other.rcodes.items():
            self.rcodes[rcode] = self.rcodes.get(rcode, 0) + count
        self.addresses |= other.addresses
        self.first, self.last = earlier(self.first, other.first), later(self.last, other.last)

    def outcome(self, client: str, query: str, qtypes: tuple[str, ...]) -> DnsOutcome:
        rcodes = tuple((RCODES.get(number, str(number)), count) for number, count in sorted(self.rcodes.items()))
        addresses = tuple(self.addresses)[:MOST_ADDRESSES]
        return DnsOutcome(
            client, query, qtypes, self.asked, self.answered, self.denied, rcodes, addresses, self.first, self.last
        )
