"""The connections that the question names and Hubble did not see."""

from __future__ import annotations

from collections.abc import Iterable

from flows.denials.connection import JudgedConnection
from flows.denials.requested import Ways, needs_lookup
from flows.model import Case
from flows.policy import PolicyWorld, Traffic
from sensors.dns_lookup import Lookups


def unseen(world: PolicyWorld, ways: Ways, seen: Iterable[JudgedConnection], lookup: bool) -> list[JudgedConnection]:
    """The question's connections that Hubble did not see, one for each kind of endpoint."""
    known = [(_class_of(each.traffic), each.traffic.port) for each in seen]
    found: dict[tuple[tuple[str, str], int | None, str], JudgedConnection] = {}
    for traffic in ways.values():
        kind = _class_of(traffic)
        if (kind, traffic.port) not in known:
            found.setdefault(
                (kind, traffic.port, traffic.protocol), JudgedConnection(world.judge(traffic), None, True, lookup)
            )
    return list(found.values())


def _class_of(traffic: Traffic) -> tuple[str, str]:
    there = traffic.destination
    return (there.namespace, there.workload or there.pod) if there.is_pod else ("", there.ip)


def unseen_lookups(
    case: Case, world: PolicyWorld, resolvers: Ways, seen: Iterable[JudgedConnection]
) -> list[JudgedConnection]:
    """The look-up nobody saw, where looking up is known to get no answer."""
    lookups = case.get(Lookups)
    if not needs_lookup(case) or lookups is None or not lookups.no_server_answers:
        return []
    return unseen(world, {way: each for way, each in resolvers.items() if way[2] == "UDP"}, seen, True)
