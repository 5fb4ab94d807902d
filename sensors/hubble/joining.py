"""Joins connections that were gathered from two parts of one source: the same as from the whole.

An attempt can have flows in both parts. So each part first tells which attempts it holds; those of both are handed over
as they are and summed into their connections together, all others as sums. Where Services are translated per packet, an
answer that looks like an attempt of its own may belong to one of the other part: all between those two addresses are
then handed over as they are.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TypeAlias
from zlib import adler32, crc32

import msgspec

from sensors.hubble.attempt import Attempt, AttemptKey, Dropping, Passing, each_of, key_of, linked, noted
from sensors.hubble.connections import Connections, GroupKey, HostFacts
from sensors.hubble.dns_tally import DnsTally
from sensors.hubble.group import AttemptGroup, add_group
from sensors.hubble.moments import earlier, later
from sensors.hubble.records import HubbleFlow

Ends: TypeAlias = tuple[str, str, str]  # protocol and the two addresses

MARK, LONG_MARK = "I", "Q"  # 4 and 8 bytes, as `array` writes them


class Holding(msgspec.Struct):
    """Holding of a part: marks of its flows' uuids and of its attempts, of the attempts whose flows are kept back until
    all is read (`context`), and where answers came translated.

    Two marks can be the same by chance. An attempt is then handed over as it is, which costs a moment and changes
    nothing; with uuids, which are many, the mark is so long that this does not happen.
    """

    uuids: bytes
    attempts: bytes
    context: set[int]
    translated: set[Ends]


class Shared(msgspec.Struct):
    """Marks of the attempts that both parts may have seen, and between which addresses all others may be one, too."""

    attempts: set[int]
    translated: set[Ends]

    def among(self, attempts: Iterable[AttemptKey], marks: bytes) -> set[AttemptKey]:
        """Selects the attempts of a part that are to be handed over as they are."""
        numbers = array(MARK, marks)
        return {
            key
            for key, mark in zip(attempts, numbers, strict=True)
            if mark in self.attempts or (self.translated and _ends(key) in self.translated)
        }


class Part(msgspec.Struct):
    """Connections as one process hands them to another."""

    flows: int
    noise: list[tuple[str, int]]
    nodes: list[str]
    hosts: list[tuple[str, HostFacts]]
    groups: list[tuple[GroupKey, AttemptGroup]]
    http: list[tuple[GroupKey, list[tuple[tuple[str, str, int, str], int]]]]
    names: list[tuple[tuple[str, str, tuple[str, ...]], DnsTally]]


def _ends(key: AttemptKey) -> Ends:
    return key[0], key[1], key[3]


def holding(part: Connections, context: Iterable[HubbleFlow] = ()) -> Holding:
    """Marks what a part holds, for the other one to compare."""
    late = [(key_of(each, each.source.ip, each.destination.ip)[0], each.source_xlated) for each in context]
    translated = {_ends(key) for key, each in part.attempts.items() if each.translated}
    return Holding(
        array(LONG_MARK, map(_long_mark, part.seen)).tobytes(),
        array(MARK, map(_mark, part.attempts)).tobytes(),
        {_mark(key) for key, _ in late},
        translated | {_ends(key) for key, is_translated in late if is_translated},
    )


def _mark(key: AttemptKey) -> int:
    return crc32(f"{key[0]} {key[1]} {key[2]} {key[3]} {key[4]}".encode())


def _long_mark(uuid: str) -> int:
    text = uuid.encode()
    return crc32(text) << 32 | adler32(text)


def shared_by(one: Holding, other: Holding) -> Shared | None:
    """Attempts of both; None where a flow seems to be in both, which then was counted twice."""
    if not set(array(LONG_MARK, one.uuids)).isdisjoint(array(LONG_MARK, other.uuids)):
        return None
    attempts = set(array(MARK, one.attempts)).intersection(array(MARK, other.attempts))
    return Shared(attempts | one.context | other.context, one.translated | other.translated)


def part_of(part: Connections) -> Part:
    """Sums that are to be handed over after `fold`, but the attempts that were left."""
    return Part(
        part.flows,
        list(part.noise.items()),
        list(part.nodes),
        list(part.hosts.items()),
        list(part.groups.items()),
        [(key, list(each.items())) for key, each in part.http.items()],
        list(part.names.items()),
    )


def join(whole: Connections, part: Part) -> None:
    """Adds the later part of a source to the connections of the earlier one."""
    whole.flows += part.flows
    whole.noise.update(dict(part.noise))
    renumber = _renumbering(whole, part)
    for address, host in part.hosts:
        _join_host(whole.hosts, address, host)
    for group_key, group in part.groups:
        add_group(whole.groups.setdefault(group_key, AttemptGroup()), group, renumber)
    for group_key, said in part.http:
        whole.counted_http(group_key).update(dict(said))
    for name, tally in part.names:
        whole.names.setdefault(name, DnsTally()).join(tally)


def join_attempts(whole: Connections, part: Part, attempts: Iterable[tuple[AttemptKey, Attempt]]) -> None:
    """Adds attempts that were handed over as they are; some at a time, for they are the largest part of all."""
    renumber = _renumbering(whole, part)
    for (protocol, one, port, other, other_port), attempt in attempts:
        key = protocol, whole.hosts[one].ip, port, whole.hosts[other].ip, other_port
        _join_attempt(whole.attempts, key, _renumbered(attempt, renumber))


def _renumbering(whole: Connections, part: Part) -> Callable[[int], int]:
    """Translates nodes as the part has numbered them (bits) into the whole's numbers."""
    bits = [whole.node_bit(each) for each in part.nodes]
    return lru_cache(maxsize=1024)(lambda nodes: sum(bit for at, bit in enumerate(bits) if nodes >> at & 1))


def _join_host(hosts: dict[str, HostFacts], address: str, other: HostFacts) -> None:
    mine = hosts.setdefault(address, other)
    if mine is not other:
        mine.join(other)


def _renumbered(attempt: Attempt, renumber: Callable[[int], int]) -> Attempt:
    attempt.nodes = renumber(attempt.nodes)
    for chain in (attempt.passed, attempt.dropped_at):
        while chain is not None:
            chain.node = renumber(chain.node)
            chain = chain.rest
    return attempt


def _join_attempt(attempts: dict[AttemptKey, Attempt], key: AttemptKey, other: Attempt) -> None:
    mine = attempts.setdefault(key, other)
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
