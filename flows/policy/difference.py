"""Computes what a change of objects opens and closes, compared over everyone who could talk.

Only subjects that a changed policy may select can differ, or whose rules now take somebody for somebody else. For each
of them the peers whose contributions changed are one set, and each pair is looked at for all of its ports at once. What
is too broad to be looked at whole is told in part, and said to be incomplete.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from flows.policy.bulk import collector_paused
from flows.policy.contributions import Contributions, Held, Rulebook, differing, mask_at
from flows.policy.direction import DirectionContext, is_workload
from flows.policy.endpoint_groups import EndpointGroup, NodeAddresses, Vocabulary, outsiders, phantom, vocabulary
from flows.policy.model import Diff, Direction, Endpoint, PolicyParty
from flows.policy.openings import Pair, Ways, openings, opens_world, pairs
from flows.policy.peer_table import PeerTable, numbers_of
from flows.policy.policy_index import PolicyIndex
from flows.policy.portset import SPACE, PortSet
from flows.policy.profile import Profile
from flows.policy.reach import PortOutcome, dns_shown, open_way, side
from flows.policy.rules import Policy
from flows.policy.world import PolicyWorld

MAX_GROUP_PAIRS = 10_000  # pairs of groups that differ; a change that touches more is too broad to be read by anyone
MAX_LOOKS = 200_000  # at pairs of which one side differs: whether the other lets them talk takes a look at each
LOOKS_OF_A_BOOK = 8  # what it takes to open the rulebook of the other side, in such looks
MAX_PARTY_PAIRS = 100_000  # pairs of workloads: a group may be thousands, where few policies tell them apart
BOOKS_KEPT = 512


def difference_of(before: PolicyWorld, after: PolicyWorld) -> Diff:
    """Computes what ``after`` allows that ``before`` does not, and the reverse.

    Exact for pods that exist in both worlds, entities, blocks and names; pods of one world only are left out."""
    with collector_paused():
        words = vocabulary(_policies(before, after))
        everyone = [*_groups(before, after, words), *outsiders(words, after.profile, node_addresses(after))]
        return _Comparison(before, after, everyone).diff()


def _policies(*worlds: PolicyWorld) -> Collection[Policy]:
    """Every policy of any of these worlds once; most are in all of them."""
    return {id(policy): policy for world in worlds for policy in world.policies}.values()


def node_addresses(world: PolicyWorld) -> NodeAddresses:
    nodes = tuple(each for each in world.inventory.by_ip.values() if not each.is_pod)
    return NodeAddresses(nodes, tuple(sorted(world.api_servers - world.inventory.by_ip.keys())))


def _groups(before: PolicyWorld, after: PolicyWorld, words: Vocabulary) -> list[EndpointGroup]:
    """The classes of those who are in both worlds; once for all changes after which nobody has moved."""
    if after.inventory is not before.inventory or after.profile != before.profile:
        return _grouped(before, after, words)
    key = words, after.profile
    if key not in after.inventory.groups:
        after.inventory.groups[key] = _grouped(before, after, words)
    known: list[EndpointGroup] = after.inventory.groups[key]
    return known


def _grouped(before: PolicyWorld, after: PolicyWorld, words: Vocabulary) -> list[EndpointGroup]:
    found: dict[Hashable, EndpointGroup] = {}
    for key, new in after.inventory.pods.items():
        old = before.inventory.pods.get(key)
        if old is None or is_workload(new, after.profile) is False:
            continue
        one = words.of(new, after.profile)
        other = one if old is new else words.of(old, before.profile)
        group = found.get((other, one)) or found.setdefault((other, one), EndpointGroup(old, new, other != one))
        party = PolicyParty("workload", new.namespace, new.workload)
        group.parties[party] = group.parties.get(party, 0) + 1
    return list(found.values())


def changed_policies(before: PolicyWorld, after: PolicyWorld) -> list[Policy]:
    """Every policy that is not the same in both worlds, and that the datapath applies."""
    old, new = _by_ref(before.policies), _by_ref(after.policies)
    differ = [ref for ref in old.keys() | new.keys() if old.get(ref) != new.get(ref)]
    return [policy for ref in differ for policy in (*old.get(ref, ()), *new.get(ref, ())) if not policy.inert]


def _by_ref(policies: Iterable[Policy]) -> dict[object, list[Policy]]:
    found: dict[object, list[Policy]] = defaultdict(list)
    for policy in policies:
        found[policy.ref].append(policy)
    return found


@dataclass(frozen=True, slots=True)
class _Change:
    before: PortOutcome
    after: PortOutcome

    @property
    def same(self) -> bool:
        return self.before == self.after

    def within(self, other: _Change) -> _Change:
        """Both sides must allow."""
        return _Change(self.before & other.before, self.after & other.after)


_OPEN = _Change(open_way(), open_way())


@dataclass(slots=True)
class _Populace:
    """Groups as rows of a table, in both worlds."""

    groups: list[EndpointGroup]
    before: PeerTable
    after: PeerTable

    @classmethod
    def of(cls, groups: list[EndpointGroup], before: Profile, after: Profile) -> _Populace:
        old = PeerTable([group.before if group.ordinary else None for group in groups], before)
        if before == after and not any(group.moved for group in groups):
            return cls(groups, old, old)
        return cls(groups, old, PeerTable([group.after if group.ordinary else None for group in groups], after))


class _Comparison:
    """One comparison of two worlds, with its memory of what was worked out."""

    def __init__(self, before: PolicyWorld, after: PolicyWorld, everyone: list[EndpointGroup]) -> None:
        self.before, self.after, self.everyone = before, after, everyone
        self.opened: Ways = defaultdict(list)
        self.closed: Ways = defaultdict(list)
        self.unclear: Ways = defaultdict(list)
        self.everywhere = self.cut = False
        self.row = {id(group): number for number, group in enumerate(everyone)}
        self.odd = [group for group in everyone if not group.ordinary]
        self.here = _Populace.of(everyone, before.profile, after.profile)
        self.all_subjects = self._changes_all()
        self.changed = PolicyIndex(changed_policies(before, after))
        self.contributions = Contributions(before.policies, after.policies)
        self.books_opened = 0
        self.books: dict[tuple[int, Direction], _Books] = {}
        self.outcomes: dict[Hashable, PortOutcome] = {}
        self.changes: dict[Hashable, _Change] = {}
        self.odd_ones: dict[Hashable, _Change] = {}
        self.found: dict[tuple[int, int], tuple[PortSet, PortSet, PortSet]] = {}  # by the ids of both sides' changes

    def diff(self) -> Diff:
        complete = self._compared()
        opened, closed, unclear = (tuple(openings(each)) for each in (self.opened, self.closed, self.unclear))
        risky = opened + unclear
        return Diff(
            opened,
            closed,
            unclear,
            opens_world=opens_world(risky),
            opens_all_namespaces=self.everywhere,
            opens_all_ports=any(opening.ports == (SPACE["TCP"],) for opening in risky),
            because=tuple(self._doubts()) if unclear else (),
            complete=complete,
        )

    def _compared(self) -> bool:
        """Compares until nothing is left (then it is complete), or until too much differs or was looked at."""
        differ = looks = 0
        for source, destination in self._suspects():
            if differ >= MAX_GROUP_PAIRS or looks >= MAX_LOOKS or self.cut:
                return False
            opened = self.books_opened
            differ += self._compare(source, destination)
            looks += 1 + LOOKS_OF_A_BOOK * (self.books_opened - opened)
        return not self.cut

    def _suspects(self) -> Iterator[tuple[EndpointGroup, EndpointGroup]]:
        """Every pair whose verdict can differ: one side is judged by other policies, or looks different to them."""
        seen: set[tuple[int, int]] = set()
        subjects = self._subjects()
        for direction in Direction:
            for subject in subjects:
                for peer in self._differing(subject, direction):
                    pair = (subject, peer) if direction is Direction.EGRESS else (peer, subject)
                    key = id(pair[0]), id(pair[1])
                    if key not in seen:
                        seen.add(key)
                        yield pair

    def _subjects(self) -> list[EndpointGroup]:
        """Those whose own side can differ: they moved, or a policy that says something else now may select them."""
        turned, pods = PolicyIndex(self._turned()), (group for group in self.everyone if not group.outside)
        return [each for each in pods if self._may_be_changed(each) or turned.candidates(each.before)]

    def _changes_all(self) -> bool:
        """Checks whether everyone's own side can differ, whatever selects them."""
        before, after = self.before, self.after
        shown = before.dns_shown_somewhere != after.dns_shown_somewhere
        return shown or before.profile != after.profile or any(group.moved for group in self.odd)

    def _turned(self) -> list[Policy]:
        """The policies whose rules now take somebody for somebody else."""
        groups = [group for group in self.everyone if group.moved]
        moved = _Populace.of(groups, self.before.profile, self.after.profile)
        return [policy for policy in self.before.policies if groups and _turned(policy, moved)]

    def _differing(self, subject: EndpointGroup, direction: Direction) -> list[EndpointGroup]:
        """The peers towards whom this subject's own side differs."""
        books = self._opened_books(subject, direction)
        rows = 0
        for masks, part in differing(*self._held(books, self.here)).items():
            same = self._change(books, masks, self.everyone[next(numbers_of(part))]).same
            rows |= 0 if same else part
        for peer in self.odd:
            rows |= 0 if self._odd_one(books, peer).same else 1 << self.row[id(peer)]
        return [self.everyone[number] for number in numbers_of(rows)]

    def _compare(self, source: EndpointGroup, destination: EndpointGroup) -> bool:
        """Notes what differs between two groups, if anything does."""
        out = self._side(source, destination, Direction.EGRESS)
        into = self._side(destination, source, Direction.INGRESS)
        found = self._found(out, into)
        for ports, into_list in zip(found, (self.opened, self.closed, self.unclear), strict=True):
            self._note(into_list, pairs(source, destination, ports), ports)
        if found[0] or found[2]:
            self.everywhere = self.everywhere or self._opens_everywhere(source, destination)
        return any(found)

    def _note(self, noted: Ways, these: Iterable[Pair], ports: PortSet) -> None:
        for pair in these:
            if len(noted) >= MAX_PARTY_PAIRS and pair not in noted:
                self.cut = True
                return
            noted[pair].append(ports)

    def _found(self, out: _Change, into: _Change) -> tuple[PortSet, PortSet, PortSet]:
        """The ports that both sides open, close and leave unclear; the same two changes meet again and again."""
        key = id(out), id(into)
        if key not in self.found:
            both = out.within(into)
            opened = both.after.allowed & both.before.denied
            unclear = (both.after.may_allow - both.before.allowed) - opened - _unmoved(both)
            self.found[key] = opened, both.after.denied & both.before.allowed, unclear
        return self.found[key]

    def _opens_everywhere(self, source: EndpointGroup, destination: EndpointGroup) -> bool:
        """Checks whether the same opening holds for a namespace nobody has made yet."""
        return self._phantom(source, destination, Direction.EGRESS) or self._phantom(
            destination, source, Direction.INGRESS
        )

    def _phantom(self, subject: EndpointGroup, peer: EndpointGroup, direction: Direction) -> bool:
        if subject.outside or peer.outside or self._side(subject, peer, direction).same:
            return False
        books = self._opened_books(subject, direction)
        if books.before.key == books.after.key and self.before.profile == self.after.profile:
            return False  # the peer became another; who would look like it in a new namespace is allowed already
        change = self._towards(books, peer, self._nowhere)
        return bool(change.after.may_allow - change.before.may_allow)

    @cached_property
    def _nowhere(self) -> _Populace:
        """Every pod as it would be in a namespace nobody has made yet."""
        groups = [
            g if g.outside else EndpointGroup(phantom(g.before), phantom(g.after), g.moved) for g in self.everyone
        ]
        return _Populace.of(groups, self.before.profile, self.after.profile)

    def _side(self, subject: EndpointGroup, peer: EndpointGroup, direction: Direction) -> _Change:
        if subject.outside:
            return _OPEN
        return self._towards(self._opened_books(subject, direction), peer, self.here)

    def _towards(self, books: _Books, peer: EndpointGroup, populace: _Populace) -> _Change:
        row = self.row[id(peer)]
        seen = populace.groups[row]
        if not peer.ordinary:
            return self._odd_one(books, seen)
        before, after = self._held(books, populace)
        return self._change(books, (mask_at(before, row), mask_at(after, row)), seen)

    def _change(self, books: _Books, masks: tuple[int, int], example: EndpointGroup) -> _Change:
        """The outcome for everyone with these contributions, worked out for one of them."""
        key = books.before.direction, masks
        if key not in self.changes:
            old, new = books.before, books.after
            self.changes[key] = _Change(
                self._outcome(self.before, old, example.before, masks[0]),
                self._outcome(self.after, new, example.after, masks[1]),
            )
        return self.changes[key]

    def _outcome(self, world: PolicyWorld, book: Rulebook, peer: Endpoint, mask: int) -> PortOutcome:
        key = book.direction, mask
        if key not in self.outcomes:
            self.outcomes[key] = _asked(world, book, peer)
        return self.outcomes[key]

    def _odd_one(self, books: _Books, peer: EndpointGroup) -> _Change:
        """The outcome for a peer that is no row: a pod of the host network where that may be a pod to policies."""
        key = books.before.key, books.after.key, id(peer)
        if key not in self.odd_ones:
            old, new = books.before, books.after
            self.odd_ones[key] = _Change(_asked(self.before, old, peer.before), _asked(self.after, new, peer.after))
        return self.odd_ones[key]

    def _held(self, books: _Books, populace: _Populace) -> tuple[Held, Held]:
        """What the policies contribute for each peer, before and after."""
        known = books.held.get(id(populace))
        if known is None:
            before = self.contributions.held(books.before, populace.before)
            unchanged = books.before is books.after and populace.before is populace.after
            after = before if unchanged else self.contributions.held(books.after, populace.after)
            known = books.held[id(populace)] = before, after
        return known

    def _opened_books(self, subject: EndpointGroup, direction: Direction) -> _Books:
        key = id(subject), direction
        if key not in self.books:
            if len(self.books) >= BOOKS_KEPT:
                self.books.clear()
            self.books_opened += 1
            old = _book(self.before, subject.before, direction)
            changed = self._may_be_changed(subject)
            self.books[key] = _Books(old, _book(self.after, subject.after, direction) if changed else old)
        return self.books[key]

    def _may_be_changed(self, subject: EndpointGroup) -> bool:
        """False if the same policies certainly select it in both worlds."""
        return self.all_subjects or subject.moved or bool(self.changed.candidates(subject.before))

    def _doubts(self) -> Iterator[str]:
        """The reason why something is undecidable: what is not understood in the policies that changed."""
        for policy in self.after.policies:
            faults = [policy.fault, policy.subject.doubt]
            faults += [c.fault for side in policy.sides.values() for c in side.clauses]
            yield from (f"{policy.ref}: {fault}" for fault in dict.fromkeys(faults) if fault)


@dataclass(slots=True)
class _Books:
    """The policies of one subject in one direction, in both worlds, and what they contribute."""

    before: Rulebook
    after: Rulebook
    held: dict[int, tuple[Held, Held]] = field(default_factory=dict)  # by populace


def _book(world: PolicyWorld, subject: Endpoint, direction: Direction) -> Rulebook:
    policies = world.selecting(subject, direction)
    return Rulebook(policies, direction, subject, dns_shown(policies, world.dns_shown_somewhere))


def _asked(world: PolicyWorld, book: Rulebook, peer: Endpoint) -> PortOutcome:
    scene = DirectionContext(book.direction, book.subject, peer, world.profile, book.dns_shown)
    return side(book.policies, scene)


def _turned(policy: Policy, moved: _Populace) -> bool:
    """Checks whether a rule of the policy takes somebody who moved for somebody else."""
    for rules in policy.sides.values():
        for clause in rules.clauses:
            if moved.before.fits(clause, None) != moved.after.fits(clause, None):
                return True
            if clause.ports and moved.before.ports(clause.ports) != moved.after.ports(clause.ports):
                return True
    return False


def _unmoved(change: _Change) -> PortSet:
    """Ports about which nothing changed: as unclear after as before."""
    return (change.before.may_allow & change.before.may_deny) & (change.after.may_allow & change.after.may_deny)
