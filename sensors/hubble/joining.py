"""Joins connections that were gathered from two parts of one source: the same as from the whole.

An attempt can have flows in both parts. So each part first tells which attempts it holds; those of both are handed over
as they are and summed into their connections together, all others as sums. Where Services are translated per packet, an
answer that looks like an attempt of its own may belong to one of the other part: all attempts of its client are then
handed over as they are, where both parts have some.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice

import msgspec

from sensors.hubble.attempt import (
    Attempt,
    Dropping,
    Ends,
    Passing,
    SocketAddress,
    attempt_of,
    client_of,
    each_of,
    linked,
    noted,
)
from sensors.hubble.connections import Connections, GroupKey, HostFacts
from sensors.hubble.dns_tally import DnsTally
from sensors.hubble.group import AttemptGroup, add_group
from sensors.hubble.moments import earlier, later
from sensors.hubble.records import HubbleFlow
from sensors.hubble.signs import Ports

MOST_ATTEMPTS = 1000  # handed over at a time

Renumber = Callable[[int], int]


class PortColumns(msgspec.Struct):
    """Ports of many attempts: those of the lower ends, and those of the upper."""

    lower: list[int]
    upper: list[int]

    def __iter__(self) -> Iterator[Ports]:
        return zip(self.lower, self.upper, strict=True)


class Holding(msgspec.Struct):
    """Holding of a part: its flows' uuids, its attempts, and those whose flows are kept back until all is read.

    `strays` are the clients of answers that came translated: such an answer may belong to another attempt of theirs.
    `translated` are the addresses between which such answers are kept back, of clients that are not known yet.
    """

    uuids: set[str]
    attempts: list[tuple[Ends, PortColumns]]
    context: list[tuple[Ends, Ports]]
    strays: list[tuple[Ends, set[SocketAddress]]]
    translated: set[Ends]


class Shared(msgspec.Struct):
    """Attempts that both parts may have seen: they are handed over as they are."""

    attempts: list[tuple[Ends, PortColumns]]


class HandedAttempts(msgspec.Struct):
    """Attempts between two addresses as they are handed over."""

    ends: Ends
    ports: PortColumns
    attempts: list[Attempt]


class Part(msgspec.Struct):
    """Connections as one process hands them to another. Sets of nodes are numbers: their place in `node_sets`."""

    flows: int
    noise: list[tuple[str, int]]
    node_sets: list[list[str]]
    hosts: list[tuple[str, HostFacts]]
    groups: list[tuple[GroupKey, AttemptGroup]]
    http: list[tuple[GroupKey, list[tuple[tuple[str, str, int, str], int]]]]
    names: list[tuple[tuple[str, str, tuple[str, ...]], DnsTally]]


def holding(part: Connections, context: Iterable[HubbleFlow] = ()) -> Holding:
    """Tells what a part holds, for the other one to compare."""
    late = [(*attempt_of(each), each.source_xlated) for each in context]
    strays = {ends: _strays(ends, held) for ends, held in part.attempts.items()}
    return Holding(
        part.seen,
        [(ends, _columns(held)) for ends, held in part.attempts.items()],
        [(ends, ports) for ends, ports, _ in late],
        [(ends, clients) for ends, clients in strays.items() if clients],
        {ends for ends, _, is_translated in late if is_translated},
    )


def _strays(ends: Ends, attempts: Mapping[Ports, Attempt]) -> set[SocketAddress]:
    return {client_of(ends, ports, each) for ports, each in attempts.items() if each.translated}


def _columns(ports: Collection[Ports]) -> PortColumns:
    return PortColumns([lower for lower, _ in ports], [upper for _, upper in ports])


def shared_by(one: Holding, other: Holding) -> Shared | None:
    """Attempts of both; None where a flow is in both, which then was counted twice."""
    if not one.uuids.isdisjoint(other.uuids):
        return None
    mine, theirs, shared = _all_ports(one), _all_ports(other), {}
    clients = [each for part in (one, other) for each in part.strays]
    for ends in mine.keys() | theirs.keys():
        two = mine.get(ends, set()), theirs.get(ends, set())
        is_whole = ends in one.translated or ends in other.translated
        shared[ends] = two[0] | two[1] if is_whole else two[0] & two[1]
    for ends, some in clients:
        shared[ends] |= _of_clients(ends, some, mine.get(ends, set()), theirs.get(ends, set()))
    for ends, ports in (*one.context, *other.context):
        shared[ends].add(ports)
    return Shared([(ends, _columns(ports)) for ends, ports in shared.items() if ports])


def _of_clients(ends: Ends, clients: set[SocketAddress], mine: set[Ports], theirs: set[Ports]) -> set[Ports]:
    """Attempts of those clients that both parts have attempts of."""
    if ends[1] == ends[2]:
        return mine | theirs
    lower = {port for address, port in clients if address == ends[1]}
    upper = {port for address, port in clients if address == ends[2]}
    near, far = _touching(lower, upper, mine), _touching(lower, upper, theirs)
    lower &= {each for each, _ in near} & {each for each, _ in far}
    upper &= {each for _, each in near} & {each for _, each in far}
    return _touching(lower, upper, near | far)


def _touching(lower: set[int], upper: set[int], attempts: Iterable[Ports]) -> set[Ports]:
    return {ports for ports in attempts if ports[0] in lower or ports[1] in upper}


def _all_ports(part: Holding) -> dict[Ends, set[Ports]]:
    """Ports of all attempts, those included whose flows are kept back."""
    found = {ends: set(ports) for ends, ports in part.attempts}
    for ends, ports in part.context:
        found.setdefault(ends, set()).add(ports)
    return found


def part_of(part: Connections) -> Part:
    """Sums that are to be handed over after `fold`. Sets of nodes have numbers then, also in the attempts left."""
    numbers: dict[int, int] = {}
    for group in part.groups.values():
        _renumber_group(group, lambda nodes: numbers.setdefault(nodes, len(numbers)))
    for attempts in part.attempts.values():
        for attempt in attempts.values():
            _renumber(attempt, lambda nodes: numbers.setdefault(nodes, len(numbers)))
    return Part(
        part.flows,
        list(part.noise.items()),
        [[name for name, bit in part.nodes.items() if nodes & bit] for nodes in numbers],
        list(part.hosts.items()),
        list(part.groups.items()),
        [(key, list(each.items())) for key, each in part.http.items()],
        list(part.names.items()),
    )


def join(whole: Connections, part: Part) -> Renumber:
    """Adds the later part of a source to the connections of the earlier one. Tells the whole's sets of nodes by the
    part's numbers, for `join_attempts`."""
    whole.flows += part.flows
    whole.noise.update(dict(part.noise))
    renumber = [sum(map(whole.node_bit, names)) for names in part.node_sets].__getitem__
    for address, host in part.hosts:
        _join_host(whole.hosts, address, host)
    for group_key, group in part.groups:
        _renumber_group(group, renumber)
        add_group(whole.groups.setdefault(group_key, AttemptGroup()), group)
    for group_key, said in part.http:
        whole.counted_http(group_key).update(dict(said))
    for name, tally in part.names:
        whole.names.setdefault(name, DnsTally()).join(tally)
    return renumber


def left_of(part: Connections) -> Iterator[HandedAttempts]:
    """Attempts that `fold` left; some at a time, for they are the largest part of all."""
    for ends, held in part.attempts.items():
        left = iter(held.items())
        while some := dict(islice(left, MOST_ATTEMPTS)):
            yield HandedAttempts(ends, _columns(some), list(some.values()))


def join_attempts(whole: Connections, renumber: Renumber, handed: Iterable[HandedAttempts]) -> None:
    """Adds attempts that were handed over as they are."""
    for some in handed:
        mine = whole.attempts.setdefault(some.ends, {})
        for ports, attempt in zip(some.ports, some.attempts, strict=True):
            _renumber(attempt, renumber)
            _join_attempt(mine, ports, attempt)


def _join_host(hosts: dict[str, HostFacts], address: str, other: HostFacts) -> None:
    mine = hosts.setdefault(address, other)
    if mine is not other:
        mine.join(other)


def _renumber(attempt: Attempt, renumber: Renumber) -> None:
    attempt.nodes = renumber(attempt.nodes)
    for chain in (attempt.passed, attempt.dropped_at):
        while chain is not None:
            chain.node = renumber(chain.node)
            chain = chain.rest


def _renumber_group(group: AttemptGroup, renumber: Renumber) -> None:
    group.nodes = renumber(group.nodes)
    group.passed = {(renumber(node), each): when for (node, each), when in group.passed.items()}
    group.dropped_at = {(renumber(node), each): when for (node, each), when in group.dropped_at.items()}


def _join_attempt(attempts: dict[Ports, Attempt], ports: Ports, other: Attempt) -> None:
    mine = attempts.setdefault(ports, other)
    if mine is other:
        return
    mine.leaning += other.leaning
    mine.hint += other.hint
    mine.lower |= other.lower
    mine.upper |= other.upper
    mine.nodes |= other.nodes
    mine.denied += other.denied
    mine.audited |= other.audited
    mine.translated |= other.translated
    mine.icmp = mine.icmp or other.icmp
    _join_times(mine, other)
    mine.drops = _drops_of_both(mine.drops, other.drops)
    if other.policies:
        mine.policies = (mine.policies or set()) | other.policies


def _join_times(mine: Attempt, other: Attempt) -> None:
    mine.first, mine.last = earlier(mine.first, other.first), later(mine.last, other.last)
    mine.first_drop = earlier(mine.first_drop, other.first_drop)
    mine.last_drop = later(mine.last_drop, other.last_drop)
    mine.passed = _passings_of_both(mine.passed, other.passed)
    mine.dropped_at = _passings_of_both(mine.dropped_at, other.dropped_at)


def _passings_of_both(mine: Passing | None, other: Passing | None) -> Passing | None:
    for each in each_of(other):
        mine = noted(mine, each.node, each.directions, each.when)
    return mine


def _drops_of_both(mine: Dropping | None, other: Dropping | None) -> Dropping | None:
    if mine is None:
        return other
    for each in list(each_of(other)):
        each.rest = None
        kept = linked(mine, each)
        if kept is not each:
            kept.drops += each.drops
            kept.verdicts += each.verdicts
    return mine
