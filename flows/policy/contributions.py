"""Contributions of the policies of one subject for each peer, in the form that decides the outcome.

A contribution is everything that judging reads of a rule that fits: its effect, its ports, whether that is certain, and
where the order of rules counts, its place. Two peers with the same contributions have the same outcome, whoever they
are; so a rule that another rule already covers makes no difference, and needs no second look.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from flows.policy.direction import is_workload
from flows.policy.model import Direction, Endpoint, PolicyRef
from flows.policy.peer_table import PeerTable, Rows
from flows.policy.ports import all_on
from flows.policy.reach import Selected
from flows.policy.rules import Clause, Policy, Tier

Held = Mapping[int, Rows]
"""By the number of a contribution, the rows it holds for."""
_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The policies of one subject in one direction, in one world."""

    policies: list[Selected]
    direction: Direction
    subject: Endpoint
    dns_shown: bool | None

    @property
    def key(self) -> Hashable:
        """Key that tells the rulebooks of two subjects apart, wherever the peer is."""
        policies = tuple((id(policy), certain) for policy, certain in self.policies)
        subject, names = self.subject, frozenset(self.subject.named_ports.items())
        return policies, self.direction, self.dns_shown, names, subject.node, subject.host_network


class Contributions:
    """Numbers of contributions, the same for all tables of one comparison."""

    def __init__(self, *worlds: Iterable[Policy]) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._said: dict[Hashable, list[tuple[int, Rows]]] = {}
        self._places = {key: place for policies in worlds for key, place in _places(policies)}

    def held(self, book: Rulebook, table: PeerTable) -> Held:
        judged = "judged", is_workload(book.subject, table.profile), table.profile
        found: dict[int, Rows] = {self._number(judged): table.everyone}
        names = frozenset(book.subject.named_ports.items()) if book.direction is Direction.INGRESS else None
        seen_by = book.direction, names, book.dns_shown, id(table)
        for policy, certain in book.policies:
            for number, rows in self._of(policy, certain, book, table, seen_by):
                found[number] = found.get(number, 0) | rows
        if book.direction is Direction.INGRESS and table.own_node:
            found[self._number("own node")] = table.own_node
        return found

    def _of(
        self, policy: Policy, certain: bool | None, book: Rulebook, table: PeerTable, seen_by: Hashable
    ) -> list[tuple[int, Rows]]:
        key = id(policy), certain, seen_by
        if key not in self._said:
            if len(self._said) >= _KEPT:
                self._said.clear()
            each = () if policy.inert else self._each(policy, certain, book, table)
            self._said[key] = [(self._number(what), rows) for what, rows in each if rows]
        return self._said[key]

    def _each(
        self, policy: Policy, certain: bool | None, book: Rulebook, table: PeerTable
    ) -> Iterator[tuple[Hashable, Rows]]:
        side, place = policy.side(book.direction), self._places.get(id(policy))
        if policy.fault:
            yield ("fault", policy.tier), table.everyone
        if side.isolates:
            yield ("isolates", policy.tier, certain), table.everyone
        for index, clause in enumerate(side.clauses):
            sure, unclear = table.fits(clause, book.dns_shown)
            rule = (place and (place, index), clause.effect, bool(clause.fault))
            for ports, rows in _ports(clause, book, table):
                yield (*rule, ports, certain is True), rows & sure
                yield (*rule, ports, False), rows & unclear

    def _number(self, what: Hashable) -> int:
        return self._numbers.setdefault(what, len(self._numbers))


def _places(policies: Iterable[Policy]) -> Iterator[tuple[int, Hashable]]:
    """What a policy is known by, in both worlds, where the order of rules counts."""
    times: dict[PolicyRef, int] = {}
    for policy in policies:
        if policy.tier is not Tier.NAMESPACE:
            times[policy.ref] = times.get(policy.ref, 0) + 1
            yield id(policy), (policy.tier, policy.priority, policy.ref, times[policy.ref])


def _ports(clause: Clause, book: Rulebook, table: PeerTable) -> Iterator[tuple[Hashable, Rows]]:
    """The ports of a rule as they are on each destination."""
    if book.direction is Direction.EGRESS:
        found = table.ports(clause.ports)
    else:
        found = [(None if clause.ports is None else all_on(clause.ports, book.subject), table.everyone)]
    return ((None if ports is None else tuple(sorted(ports.ranges.items())), rows) for ports, rows in found)


def mask_at(held: Held, row: int) -> int:
    """The contributions for one row, as the bits of one number."""
    mask = 0
    for number, rows in held.items():
        mask |= (rows >> row & 1) << number
    return mask


def differing(before: Held, after: Held) -> Mapping[tuple[int, int], Rows]:
    """The rows whose contributions differ, by those of both worlds; all others keep their outcome."""
    numbers, rows = before.keys() | after.keys(), 0
    for number in numbers:
        rows |= before.get(number, 0) ^ after.get(number, 0)
    found = {(0, 0): rows} if rows else {}
    for number in numbers if rows else ():
        found = _split(found, 1 << number, before.get(number, 0), after.get(number, 0))
    return found


def _split(found: Mapping[tuple[int, int], Rows], bit: int, before: Rows, after: Rows) -> dict[tuple[int, int], Rows]:
    split: dict[tuple[int, int], Rows] = {}
    for (old, new), rows in found.items():
        first, rest = rows & before, rows & ~before
        for key, some in (
            ((old | bit, new | bit), first & after),
            ((old | bit, new), first & ~after),
            ((old, new | bit), rest & after),
            ((old, new), rest & ~after),
        ):
            if some:
                split[key] = split.get(key, 0) | some
    return split
