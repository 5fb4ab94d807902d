"""Endpoints as rows of a table: which of them a rule's peers fit is one number, with a bit for each row.

One row speaks for a class of endpoints (`endpoint_groups`). Labels are read column by column, so that a selector is
answered for ten thousand rows by a few ANDs, and two rules are compared by comparing two numbers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from flows.policy.addresses import CidrBlock, Network, comparable, number_of
from flows.policy.cilium_peers import SERVICE_ACCOUNT, CiliumEndpoints, FqdnPeer, Term
from flows.policy.direction import DirectionContext, entities_of, from_own_node
from flows.policy.model import Direction, Endpoint
from flows.policy.peers import Addresses, AnyOf, PolicyPeer, SelectedPodsPeer, UnclearPeer
from flows.policy.ports import Named, Port, all_on
from flows.policy.portset import PortSet
from flows.policy.profile import Profile
from flows.policy.rules import Clause
from flows.policy.selectors import Requirement, Selector

Rows = int
"""A set of rows: bit n is row n."""
Fits = tuple[Rows, Rows]
"""The rows that certainly fit, and those of which it cannot be told."""
_Column = Mapping[str | None, Rows]
_SUBJECT = Endpoint()


def is_ordinary(endpoint: Endpoint) -> bool:
    """Checks whether a pod looks the same from every node: not on the host network, and of this cluster."""
    return endpoint.is_pod and not (endpoint.host_network or endpoint.cluster or endpoint.entities)


class PeerTable:
    """Rows in one world, each an ordinary pod or outside the pods; ``None`` is in no set."""

    def __init__(self, rows: Sequence[Endpoint | None], profile: Profile) -> None:
        self._rows, self.profile = [row or _SUBJECT for row in rows], profile
        self._outside = [number for number, row in enumerate(rows) if row is not None and not row.is_pod]
        self._pods = [number for number, row in enumerate(rows) if row is not None and row.is_pod]
        self.pods, self.everyone = self._set(self._pods), self._set([*self._pods, *self._outside])
        self._columns: dict[tuple[str, str], _Column] = {}
        self._known: dict[Hashable, Fits] = {}

    def fits(self, clause: Clause, dns_shown: bool | None) -> Fits:
        if clause.fault:
            return 0, self.everyone
        return self._any_of(clause.peers, dns_shown)

    def ports(self, ports: tuple[Port, ...] | None) -> Iterable[tuple[PortSet | None, Rows]]:
        """The ports of a rule as each row understands them; ``None``: every port."""
        if ports is None:
            return ((None, self.everyone),)
        names = tuple((port.name, port.protocol) for port in ports if isinstance(port, Named))
        if not names:
            return ((all_on(ports, _SUBJECT), self.everyone),)
        return [(all_on(ports, row), rows) for row, rows in self._by_names(names)]

    @cached_property
    def own_node(self) -> Rows:
        """The rows that are the node of whatever pod they call."""
        scenes = (
            (n, DirectionContext(Direction.INGRESS, _SUBJECT, self._rows[n], self.profile)) for n in self._outside
        )
        return self._set([number for number, scene in scenes if from_own_node(scene)])

    def _set(self, numbers: Iterable[int]) -> Rows:
        bits = bytearray(len(self._rows) // 8 + 1)
        for number in numbers:
            bits[number >> 3] |= 1 << (number & 7)
        return int.from_bytes(bits, "little")

    def _any_of(self, peers: Iterable[PolicyPeer], dns_shown: bool | None) -> Fits:
        sure = unclear = 0
        for peer in peers:
            yes, unknown = self._one(peer, dns_shown)
            sure, unclear = sure | yes, unclear | unknown
        return sure, unclear & ~sure

    def _one(self, peer: PolicyPeer, dns_shown: bool | None) -> Fits:
        if isinstance(peer, SelectedPodsPeer):
            return self._selected(peer)
        if isinstance(peer, CiliumEndpoints):
            return self._endpoints(peer)
        if isinstance(peer, Addresses):
            return self._once(("block", peer.block), lambda: self._addresses(peer.block))
        if isinstance(peer, AnyOf):
            return self._any_of(peer.peers, dns_shown)
        return self._once((_identity(peer), dns_shown), lambda: self._asked(peer, dns_shown))

    def _once(self, key: Hashable, work: Callable[[], Fits]) -> Fits:
        if key not in self._known:
            self._known[key] = work()
        return self._known[key]

    def _asked(self, peer: PolicyPeer, dns_shown: bool | None) -> Fits:
        """For peers that do not look at a pod's labels, one pod speaks for all."""
        sure, unclear = self._ask(peer, self._outside, dns_shown)
        if isinstance(peer, UnclearPeer) and (peer.possible or peer.pods):
            yes, unknown = self._ask(peer, self._pods, dns_shown)
            return sure | yes, unclear | unknown
        yes, unknown = self._ask(peer, self._pods[:1], dns_shown)
        return sure | (self.pods if yes else 0), unclear | (self.pods if unknown else 0)

    def _ask(self, peer: PolicyPeer, numbers: Iterable[int], dns_shown: bool | None = None) -> Fits:
        found: dict[bool | None, list[int]] = {True: [], False: [], None: []}
        for number in numbers:
            scene = DirectionContext(Direction.EGRESS, _SUBJECT, self._rows[number], self.profile, dns_shown)
            found[peer.fits(scene)].append(number)
        return self._set(found[True]), self._set(found[None])

    def _selected(self, peer: SelectedPodsPeer) -> Fits:
        if peer.namespaces is None:
            rows = self._column("namespace", "").get(peer.namespace, 0)
        else:
            rows = self._matching(peer.namespaces, "namespace label")
        rows &= self._matching(peer.pods, "label")
        other = peer.fits(self._stranger)
        return rows | (self._rest if other else 0), self._rest if other is None else 0

    @cached_property
    def _rest(self) -> Rows:
        return self._set(self._outside)

    @cached_property
    def _stranger(self) -> DirectionContext:
        """Somebody outside: without labels they all look alike."""
        return DirectionContext(Direction.EGRESS, _SUBJECT, _SUBJECT, self.profile)

    def _matching(self, selector: Selector, kind: str) -> Rows:
        rows = self.pods
        for wanted in selector.requirements:
            rows &= self._picked(self._column(kind, wanted.key), wanted)
        return rows

    def _picked(self, column: _Column, wanted: Requirement) -> Rows:
        if wanted.hidden:
            return self.pods if wanted.met_by(None) else 0
        rows = 0
        if wanted.operator == "In":  # nearly all; and it names what it takes
            for named in wanted.values:
                rows |= column.get(named, 0)
            return rows
        for value, some in column.items():
            rows |= some if wanted.met_by(value) else 0
        return rows

    def _endpoints(self, peer: CiliumEndpoints) -> Fits:
        possible = self._column("namespace", "").get(peer.namespace, 0) if peer.namespace else self.pods
        sure = possible
        for term in peer.terms:
            yes, unknown = self._term(term)
            sure, possible = sure & yes, possible & (yes | unknown)
        if peer.pods_only:
            return sure, possible & ~sure
        asked = ((term.source, term.key, term.wanted) for term in peer.terms)
        key = peer.namespace, *((source, key, _bare(wanted)) for source, key, wanted in asked)
        others = self._once(key, lambda: self._ask(peer, self._outside))
        return sure | others[0], (possible & ~sure) | others[1]

    def _term(self, term: Term) -> Fits:
        if term.source == "reserved":
            pod = self._rows[self._pods[0]] if self._pods else _SUBJECT
            met = term.met_by(pod, entities_of(pod, _SUBJECT, self.profile), self.profile)
            return (self.pods if met else 0), 0
        column = self._column("term", term.key, term)
        unknown = column.get("", 0) if term.key == SERVICE_ACCOUNT else 0
        return self._picked(column, term.wanted) & ~unknown, unknown

    def _addresses(self, block: CidrBlock) -> Fits:
        sure, unsure = self._compared
        rows = self._set(self._inside(block.network))
        for hole in block.excepts:
            rows &= ~self._set(self._inside(hole))
        return rows & sure, rows & unsure | self._unknown

    @cached_property
    def _compared(self) -> Fits:
        """The rows whose addresses the datapath compares with blocks."""
        answers = {number: comparable(self._rows[number], self.profile) for number in (*self._pods, *self._outside)}
        yes, unknown = ([number for number, each in answers.items() if each is wanted] for wanted in (True, None))
        return self._set(yes), self._set(unknown)

    @cached_property
    def _unknown(self) -> Rows:
        """The rows that are compared, but whose address is not known."""
        compared = numbers_of(self._compared[0] | self._compared[1])
        return self._set(number for number in compared if number_of(self._rows[number].ip) is None)

    def _inside(self, network: Network) -> Iterator[int]:
        known = self._by_address.get(network.version, [])
        first, last = int(network.network_address), int(network.broadcast_address)
        return (n for _, n in known[bisect_left(known, (first, -1)) : bisect_right(known, (last, len(self._rows)))])

    @cached_property
    def _by_address(self) -> Mapping[int, list[tuple[int, int]]]:
        shelves: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for number in numbers_of(self._compared[0] | self._compared[1]):
            if (address := number_of(self._rows[number].ip)) is not None:
                shelves[address[0]].append((address[1], number))
        return {version: sorted(found) for version, found in shelves.items()}

    def _column(self, kind: str, key: str, term: Term | None = None) -> _Column:
        """The pods by their value of one label (or whatever ``kind`` says); those without it under ``None``."""
        if (kind, key) not in self._columns:
            found: dict[str | None, list[int]] = defaultdict(list)
            for number in self._pods:
                found[self._value(self._rows[number], kind, key, term)].append(number)
            self._columns[kind, key] = {value: self._set(numbers) for value, numbers in found.items()}
        return self._columns[kind, key]

    def _value(self, row: Endpoint, kind: str, key: str, term: Term | None) -> str | None:
        if term is not None:
            return term.value_of(row, self.profile)
        if kind == "namespace":
            return row.namespace
        return (row.labels if kind == "label" else row.namespace_labels).get(key)

    def _by_names(self, names: tuple[tuple[str, str], ...]) -> list[tuple[Endpoint, Rows]]:
        """The rows by the numbers their own port names have, with one of each."""
        if names not in self._named:
            found: dict[Hashable, list[int]] = defaultdict(list)
            for number in (*self._pods, *self._outside):
                found[tuple(self._rows[number].named_ports.get(name) for name in names)].append(number)
            self._named[names] = [(self._rows[numbers[0]], self._set(numbers)) for numbers in found.values()]
        return self._named[names]

    @cached_property
    def _named(self) -> dict[tuple[tuple[str, str], ...], list[tuple[Endpoint, Rows]]]:
        return {}


def _bare(wanted: Requirement) -> Hashable:
    return wanted.operator, wanted.values, wanted.hidden


def _identity(peer: PolicyPeer) -> Hashable:
    """What makes two peers ask the same, wherever they stand."""
    if isinstance(peer, UnclearPeer):
        return id(peer)
    return (peer.pattern, peer.exact) if isinstance(peer, FqdnPeer) else str(peer)


def numbers_of(rows: Rows) -> Iterator[int]:
    """Each row of a set, the first first."""
    while rows:
        lowest = rows & -rows
        yield lowest.bit_length() - 1
        rows ^= lowest
