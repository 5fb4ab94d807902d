"""How names resolve from inside the pod: which resolver it asks, with which search list, and what came back.

Reads    the pod's resolv.conf; DNS questions asked from inside the pod for a name that must always exist and for the
         name in the question.
Touches  sends a few DNS queries to the pod's own resolver.
Blind    when no question could be asked from inside the pod.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sensors.kit import Blind, Cluster, Sensor, Target


class Outcome(StrEnum):
    """How asking for one name ended, after the whole search list.

    `not_permitted` (EPERM) means that the query never left: with Cilium's socket load balancer no backend stands behind
    the resolver's address; in a host-network pod also a full connection table or a local filter. `unfinished` means
    that the search list was not asked to its end, so that nothing final can be said.
    """

    ANSWERED = "answered"
    NO_DATA = "no_data"
    NXDOMAIN = "nxdomain"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    NOT_PERMITTED = "not_permitted"
    PORT_CLOSED = "port_closed"
    UNREACHABLE = "unreachable"
    FAILED = "failed"
    UNFINISHED = "unfinished"


class Origin(StrEnum):
    """Whose name it is: one that every cluster has, another of this cluster, or one from outside."""

    ALWAYS_THERE = "always_there"
    CLUSTER = "cluster"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Resolver:
    """The pod's resolv.conf. `ndots` 1 is the resolver's default where the file sets none; `domain` is the cluster's
    DNS domain as read from the search list, None where the list has no `svc.` entry."""

    nameservers: tuple[str, ...]
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    ndots: int = 1
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One question on the wire: the full name, what came back (or did not), and in how many milliseconds."""

    name: str
    qtype: str
    server: str
    outcome: Outcome
    said: str
    addresses: tuple[str, ...] = ()
    ms: float | None = None


@dataclass(frozen=True, slots=True)
class Burst:
    """All that was asked on the wire to resolve one name, in order, and how that ended.

    `name` as a program would say it, `answered_by` the full name that had the answer, `dead_ends` the NXDOMAINs of the
    search list met before the end, `is_asked` whether it is the name in the question, `ms` the sum of the waits.
    """

    name: str
    origin: Origin
    is_asked: bool
    outcome: Outcome
    answered_by: str | None
    addresses: tuple[str, ...]
    dead_ends: int
    ms: float
    server: str
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Lookups:
    """The resolver and every name asked. `resolver` is None where resolv.conf could not be read (`unread` says why):
    search bursts are then not put together, and each full name stands alone."""

    bursts: tuple[Burst, ...]
    resolver: Resolver | None = None
    unread: tuple[str, ...] = ()

    @property
    def asked(self) -> Burst | None:
        """The name in the question; None where the question has none (an address, or no peer)."""
        return next((each for each in self.bursts if each.is_asked), None)

    @property
    def asked_outcome(self) -> Outcome | None:
        return self.asked.outcome if self.asked else None

    @property
    def cluster_dns_works(self) -> bool | None:
        """Whether a name that must exist resolves; None where none was asked or its asking did not come to an end."""
        return _works([each for each in self.bursts if each.origin is Origin.ALWAYS_THERE])

    @property
    def external_dns_works(self) -> bool | None:
        """Whether any name from outside resolves; None where none was asked."""
        return _works([each for each in self.bursts if each.origin is Origin.EXTERNAL])

    @property
    def no_server_answers(self) -> bool:
        """Every question ended without an answer from any server."""
        return all(each.outcome in UNHEARD for each in self.bursts)

    def summary(self) -> str:
        servers = ", ".join(self.resolver.nameservers) if self.resolver else "unknown resolver"
        return f"{servers}: " + "; ".join(_told(each) for each in self.bursts)


UNHEARD = frozenset({Outcome.TIMEOUT, Outcome.NOT_PERMITTED, Outcome.PORT_CLOSED, Outcome.UNREACHABLE})
"""Outcomes in which no DNS server said anything."""


def _works(bursts: list[Burst]) -> bool | None:
    ended = [each for each in bursts if each.outcome is not Outcome.UNFINISHED]
    return any(each.outcome is Outcome.ANSWERED for each in ended) if ended else None


def _told(burst: Burst) -> str:
    if burst.outcome is Outcome.ANSWERED:
        after = f" after {burst.dead_ends} dead ends" if burst.dead_ends else ""
        return f"{burst.name} = {', '.join(burst.addresses[:3])}{after} ({burst.ms:g} ms)"
    return f"{burst.name} {burst.outcome.value} ({burst.ms:g} ms)"


async def look(target: Target, cluster: Cluster) -> Lookups:
    """Ask the pod's resolver for a name that must exist and for the name in the question."""
    raise Blind("asking names is not wired")


SENSOR = Sensor(id="dns.lookup", look=look, gives=Lookups, within=15.0, layers=("dns",))
