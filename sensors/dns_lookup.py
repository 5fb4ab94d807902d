"""Look-ups from inside the pod: which resolver it asks, with which search list, and what came back.

Reads    the pod's resolv.conf; DNS questions asked from inside the pod for a name that must always exist and for the
         name in the question.
Touches  sends a few DNS queries to the pod's own resolver.
Blind    when no question could be asked from inside the pod.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sensors.kit import Blind, Cluster, DnsLookup, Sensor, Target
from sensors.kit.addresses import as_ip
from sensors.kit.objects import one_line
from sensors.kit.reading import if_readable
from sensors.kit.resolv_conf import USUAL_DOMAIN, Resolver, parse_resolv_conf, plain_name


class LookupOutcome(StrEnum):
    """Result of looking up one name, after the whole search list.

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


class NameOrigin(StrEnum):
    """Origin of a name: one that every cluster has, another of this cluster, or one from outside."""

    ALWAYS_THERE = "always_there"
    CLUSTER = "cluster"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class DnsQuestion:
    """One question on the wire: the full name, what came back (or did not), and in how many milliseconds."""

    name: str
    qtype: str
    server: str
    outcome: LookupOutcome
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
    origin: NameOrigin
    is_asked: bool
    outcome: LookupOutcome
    answered_by: str | None
    addresses: tuple[str, ...]
    dead_ends: int
    ms: float
    server: str
    questions: tuple[DnsQuestion, ...]


@dataclass(frozen=True, slots=True)
class Lookups:
    """The resolver and every name asked. `resolver` is None where resolv.conf could not be read (`unread` says why):
    search bursts are then not put together, and each full name stands alone."""

    bursts: tuple[Burst, ...]
    resolver: Resolver | None = None
    unread: tuple[str, ...] = ()

    @property
    def asked(self) -> Burst | None:
        """The name in the question, answered if any record type was; None where it has no name or none was asked."""
        found = [each for each in self.bursts if each.is_asked]
        return next((each for each in found if each.outcome is LookupOutcome.ANSWERED), found[0] if found else None)

    @property
    def asked_outcome(self) -> LookupOutcome | None:
        return self.asked.outcome if self.asked else None

    @property
    def cluster_dns_works(self) -> bool | None:
        """True if a name that must exist resolves; None where none was asked or its asking did not come to an end."""
        return _works([each for each in self.bursts if each.origin is NameOrigin.ALWAYS_THERE])

    @property
    def external_dns_works(self) -> bool | None:
        """Checks whether any name from outside resolves; None where none was asked."""
        return _works([each for each in self.bursts if each.origin is NameOrigin.EXTERNAL])

    @property
    def no_server_answers(self) -> bool:
        """Every question ended without an answer from any server."""
        return all(each.outcome in UNHEARD for each in self.bursts)

    def summary(self) -> str:
        servers = ", ".join(self.resolver.nameservers) if self.resolver else "unknown resolver"
        return f"{servers}: " + "; ".join(_told(each) for each in self.bursts)


UNHEARD = frozenset(
    {LookupOutcome.TIMEOUT, LookupOutcome.NOT_PERMITTED, LookupOutcome.PORT_CLOSED, LookupOutcome.UNREACHABLE}
)
"""Outcomes in which no DNS server said anything."""


def _works(bursts: list[Burst]) -> bool | None:
    ended = [each for each in bursts if each.outcome is not LookupOutcome.UNFINISHED]
    return any(each.outcome is LookupOutcome.ANSWERED for each in ended) if ended else None


def _told(burst: Burst) -> str:
    if burst.outcome is LookupOutcome.ANSWERED:
        after = f" after {burst.dead_ends} search-domain misses" if burst.dead_ends else ""
        return f"{burst.name} = {', '.join(burst.addresses[:3])}{after} ({burst.ms:g} ms)"
    return f"{burst.name} {burst.outcome.value} ({burst.ms:g} ms)"


async def look(target: Target, cluster: Cluster) -> Lookups:
    """Ask the pod's resolver for a name that must exist and for the name in the question."""
    text, why = await if_readable(cluster.pod_file(target.namespace, target.pod, "resolv.conf"))
    resolver = parse_resolv_conf(text) if text is not None else None
    names = names_to_ask(target, resolver)
    rows = await cluster.lookups(target.namespace, target.pod, names)
    if not rows:
        raise Blind("the pod's resolver was asked nothing")
    unread = (f"resolv.conf: {why}",) if resolver is None else ()
    return Lookups(bursts(rows, names, resolver, target.to_host), resolver, unread)


def names_to_ask(target: Target, resolver: Resolver | None) -> tuple[str, ...]:
    """The name that every cluster has, then the name in the question (where it is a name, not an address)."""
    always = f"kubernetes.default.svc.{(resolver and resolver.domain) or USUAL_DOMAIN}"
    return (always, target.to_host) if target.to_host and as_ip(target.to_host) is None else (always,)


# -- the names a resolver tries ----------------------------------------------------------------------------------------


def expand(name: str, resolver: Resolver | None) -> tuple[str, ...]:
    """The full names a resolver library tries for `name`, in its order (resolv.conf(5), ndots and search)."""
    search = resolver.search if resolver and not name.endswith(".") else ()
    plain = plain_name(name)
    listed = tuple(f"{plain}.{each}" for each in search)
    as_is_first = resolver is not None and plain.count(".") >= resolver.ndots
    return (plain, *listed) if as_is_first else (*listed, plain)


# -- from questions on the wire to names -----------------------------------------------------------------------------


def bursts(
    rows: Sequence[DnsLookup], names: Sequence[str], resolver: Resolver | None, asked: str | None
) -> tuple[Burst, ...]:
    """Puts what was asked on the wire together, one burst for each name a program would have said."""
    grouped: dict[tuple[str, str], list[DnsQuestion]] = {}
    for row in rows:
        question = read_question(row)
        name = _name_behind(question, [plain_name(each) for each in names], [key for key, _ in grouped], resolver)
        grouped.setdefault((name, question.qtype), []).append(question)
    return tuple(_burst(name, tuple(found), resolver, asked) for (name, _), found in grouped.items())


def _name_behind(question: DnsQuestion, wanted: list[str], met: list[str], resolver: Resolver | None) -> str:
    """Name that this full name was tried for: one we wanted or met, newest first, else without its search suffix."""
    full = plain_name(question.name)
    for name in (*wanted, *reversed(met)):
        if full in expand(name, resolver):
            return name
    suffixes = [f".{each}" for each in (resolver.search if resolver else ()) if full.endswith(f".{each}")]
    return full.removesuffix(max(suffixes, key=len)) if suffixes else full


def _burst(name: str, asked_on_wire: tuple[DnsQuestion, ...], resolver: Resolver | None, asked: str | None) -> Burst:
    answer = next((each for each in asked_on_wire if each.outcome is LookupOutcome.ANSWERED), None)
    return Burst(
        name=name,
        origin=_origin(name, resolver),
        is_asked=asked is not None and name == plain_name(asked),
        outcome=_ending(name, asked_on_wire, resolver),
        answered_by=answer.name if answer else None,
        addresses=answer.addresses if answer else (),
        dead_ends=sum(
            each.outcome in (LookupOutcome.NXDOMAIN, LookupOutcome.NO_DATA) for each in asked_on_wire if each != answer
        ),
        ms=round(sum(each.ms or 0.0 for each in asked_on_wire), 1),
        server=asked_on_wire[0].server,
        questions=asked_on_wire,
    )


def _ending(name: str, asked_on_wire: tuple[DnsQuestion, ...], resolver: Resolver | None) -> LookupOutcome:
    """Answered beats all; a failure that is not NXDOMAIN ends the search; NXDOMAIN is final at the end of the list."""
    outcomes = [each.outcome for each in asked_on_wire]
    if LookupOutcome.ANSWERED in outcomes:
        return LookupOutcome.ANSWERED
    failures = [each for each in outcomes if each not in (LookupOutcome.NXDOMAIN, LookupOutcome.NO_DATA)]
    if failures:
        return failures[-1]
    left = set(expand(name, resolver)) - {plain_name(each.name) for each in asked_on_wire}
    if left and not _asked_as_spoken(name, asked_on_wire):
        return LookupOutcome.UNFINISHED
    return LookupOutcome.NO_DATA if LookupOutcome.NO_DATA in outcomes else LookupOutcome.NXDOMAIN


def _asked_as_spoken(name: str, asked_on_wire: tuple[DnsQuestion, ...]) -> bool:
    """One row under the very name: a library's whole answer, its search list already behind it."""
    return len(asked_on_wire) == 1 and plain_name(asked_on_wire[0].name) == name


def _origin(name: str, resolver: Resolver | None) -> NameOrigin:
    domain = (resolver and resolver.domain) or USUAL_DOMAIN
    if name == f"kubernetes.default.svc.{domain}":
        return NameOrigin.ALWAYS_THERE
    ours = name.endswith(f".{domain}") or "svc" in name.split(".")[1:3] or "." not in name
    return NameOrigin.CLUSTER if ours else NameOrigin.EXTERNAL


# -- one question ----------------------------------------------------------------------------------------------------

RCODES = {"NXDOMAIN": LookupOutcome.NXDOMAIN, "SERVFAIL": LookupOutcome.SERVFAIL, "REFUSED": LookupOutcome.REFUSED}
ERRORS = (
    (r"operation not permitted|eperm", LookupOutcome.NOT_PERMITTED),
    (r"timed?[ -]?out|no servers could be reached|etimedout", LookupOutcome.TIMEOUT),
    (r"connection refused|econnrefused", LookupOutcome.PORT_CLOSED),
    (r"unreachable|no route to host", LookupOutcome.UNREACHABLE),
)


def read_question(row: DnsLookup) -> DnsQuestion:
    """One recorded question. Raises `Blind` where neither an answer nor an error was written down."""
    rcode, error = str(row.rcode or "").upper(), one_line(str(row.error or ""))
    if not rcode and not error:
        raise Blind(f"asking for {one_line(str(row.name))} has neither an answer nor an error")
    addresses = tuple(map(str, row.addresses)) if isinstance(row.addresses, tuple | list) else ()
    ms = float(row.ms) if isinstance(row.ms, int | float) else None
    outcome = _answered(rcode, addresses) if rcode else _failed(error)
    return DnsQuestion(one_line(str(row.name)), str(row.qtype), str(row.server), outcome, rcode or error, addresses, ms)


def _answered(rcode: str, addresses: tuple[str, ...]) -> LookupOutcome:
    if rcode == "NOERROR":
        return LookupOutcome.ANSWERED if addresses else LookupOutcome.NO_DATA
    return RCODES.get(rcode, LookupOutcome.FAILED)


def _failed(error: str) -> LookupOutcome:
    return next(
        (outcome for pattern, outcome in ERRORS if re.search(pattern, error, re.IGNORECASE)), LookupOutcome.FAILED
    )


SENSOR = Sensor(id="dns.lookup", look=look, gives=Lookups, within=15.0, layers=("dns",))
