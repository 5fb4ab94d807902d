"""Computes what a change of objects opens and closes, compared over everyone who could talk.

Only endpoints selected by a policy that changed can differ, and only towards whom that policy tells apart; so few pairs
are looked at, and each pair for all of its ports at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import islice

from flows.policy.direction import DirectionContext, is_workload
from flows.policy.endpoint_groups import EndpointGroup, NodeAddresses, Vocabulary, outsiders, phantom, vocabulary
from flows.policy.model import Diff, Direction, Endpoint, Opening, PolicyParty
from flows.policy.peers import SelectedPodsPeer
from flows.policy.portset import SPACE, PortSet
from flows.policy.profile import Profile
from flows.policy.reach import PortOutcome, Selected, dns_shown, open_way, side
from flows.policy.rules import Clause, Policy
from flows.policy.world import PolicyWorld

_OPEN = open_way()
MAX_GROUP_PAIRS = 10_000  # pairs of groups; a change that touches more is too broad to be read by anyone


def difference_of(before: PolicyWorld, after: PolicyWorld) -> Diff:
    """Computes what ``after`` allows that ``before`` does not, and the reverse.

    Exact for pods that exist in both worlds, entities, blocks and names; pods of one world only are left out."""
    words = vocabulary([*before.policies, *after.policies])
    everyone = [*_groups(before, after, words), *outsiders(words, after.profile, _places(after))]
    return _Comparison(before, after, everyone).diff()


def _places(world: PolicyWorld) -> NodeAddresses:
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


def changed_policies(before: PolicyWorld, after: PolicyWorld) -> set[int]:
    """``id`` of every policy that is not the same in both worlds, and that the datapath applies."""
    old, new = _by_ref(before.policies), _by_ref(after.policies)
    differ = [ref for ref in old.keys() | new.keys() if old.get(ref) != new.get(ref)]
    return {id(policy) for ref in differ for policy in (*old.get(ref, ()), *new.get(ref, ())) if not policy.inert}


def _by_ref(policies: Iterable[Policy]) -> dict[object, list[Policy]]:
    found: dict[object, list[Policy]] = defaultdict(list)
    for policy in policies:
        found[policy.ref].append(policy)
    return found


@dataclass(frozen=True, slots=True)
class _Rulebook:
    """The policies of one group of subjects in one direction, in both worlds."""

    key: Hashable
    before: list[Selected]
    after: list[Selected]
    affected: bool

    def words(self) -> Vocabulary:
        """Every word these policies use to tell peers apart."""
        return vocabulary(policy for policy, _ in (*self.before, *self.after))


@dataclass(frozen=True, slots=True)
class _Alike:
    """Groups in classes that one rulebook cannot tell apart."""

    classes: list[list[EndpointGroup]]
    number: dict[int, int]  # id of a group -> its class


def _part(everyone: list[EndpointGroup], words: Vocabulary, before: Profile, after: Profile) -> _Alike:
    classes: dict[Hashable, list[EndpointGroup]] = defaultdict(list)
    for group in everyone:
        one = words.of(group.after, after)
        other = words.of(group.before, before) if group.moved else one
        classes[id(group) if group.outside else (other, one)].append(group)
    parts = list(classes.values())
    return _Alike(parts, {id(group): number for number, part in enumerate(parts) for group in part})


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


class _Comparison:
    """One comparison of two worlds, with its memory of what was worked out."""

    def __init__(self, before: PolicyWorld, after: PolicyWorld, everyone: list[EndpointGroup]) -> None:
        self.before, self.after, self.everyone = before, after, everyone
        self.changed = changed_policies(before, after)
        self.all_affected = before.profile != after.profile
        self.books: dict[tuple[int, Direction], _Rulebook] = {}
        self.memory: dict[Hashable, _Change] = {}
        self.opened: dict[tuple[PolicyParty, PolicyParty], list[PortSet]] = defaultdict(list)
        self.closed: dict[tuple[PolicyParty, PolicyParty], list[PortSet]] = defaultdict(list)
        self.unclear: dict[tuple[PolicyParty, PolicyParty], list[PortSet]] = defaultdict(list)
        self.everywhere = False
        self.moved = [group for group in everyone if group.moved]
        self.partitions: dict[Vocabulary, _Alike] = {}
        self.readers: dict[Hashable, _Alike] = {}
        self.spoken: dict[Hashable, Vocabulary] = {}  # by rulebook
        self.turned: dict[Hashable, list[EndpointGroup]] = {}  # by policy and direction
        self.renamed = _renamed(self.moved)
        self.seen = {direction: [self._scenes(peer, direction) for peer in self.moved] for direction in Direction}

    def diff(self) -> Diff:
        pairs = self._suspects()
        for source, destination in islice(pairs, MAX_GROUP_PAIRS):
            self._compare(source, destination)
        complete = next(pairs, None) is None
        opened, closed, unclear = (tuple(_openings(each)) for each in (self.opened, self.closed, self.unclear))
        risky = opened + unclear
        return Diff(
            opened,
            closed,
            unclear,
            opens_world=_opens_world(risky),
            opens_all_namespaces=self.everywhere,
            opens_all_ports=any(opening.ports == (SPACE["TCP"],) for opening in risky),
            because=tuple(self._doubts()) if unclear else (),
            complete=complete,
        )

    def _suspects(self) -> Iterator[tuple[EndpointGroup, EndpointGroup]]:
        """Every pair whose verdict can differ: one side is judged by other policies, or looks different to them."""
        seen: set[tuple[int, int]] = set()
        for direction in Direction:
            for subject in self.everyone:
                for peer in self._differing(subject, direction):
                    pair = (subject, peer) if direction is Direction.EGRESS else (peer, subject)
                    key = id(pair[0]), id(pair[1])
                    if key not in seen:
                        seen.add(key)
                        yield pair

    def _differing(self, subject: EndpointGroup, direction: Direction) -> list[EndpointGroup]:
        """The peers towards whom this subject's own side differs."""
        if subject.outside:
            return []
        book = self._book(subject, direction)
        peers = self.everyone if book.affected else self._told_apart(book, direction)
        return [peer for peer in peers if not self._side(subject, peer, direction).same]

    def _compare(self, source: EndpointGroup, destination: EndpointGroup) -> None:
        out = self._side(source, destination, Direction.EGRESS)
        into = self._side(destination, source, Direction.INGRESS)
        both = out.within(into)
        if both.same:
            return
        opened = both.after.allowed & both.before.denied
        closed = both.after.denied & both.before.allowed
        unclear = (both.after.may_allow - both.before.allowed) - opened
        unclear = unclear - _unmoved(both)
        for ports, into_list in ((opened, self.opened), (closed, self.closed), (unclear, self.unclear)):
            for pair in _pairs(source, destination, ports):
                into_list[pair].append(ports)
        if opened or unclear:
            self.everywhere = self.everywhere or self._opens_everywhere(source, destination)

    def _opens_everywhere(self, source: EndpointGroup, destination: EndpointGroup) -> bool:
        """Checks whether the same opening holds for a namespace nobody has made yet."""
        return self._phantom(source, destination, Direction.EGRESS) or self._phantom(
            destination, source, Direction.INGRESS
        )

    def _phantom(self, subject: EndpointGroup, peer: EndpointGroup, direction: Direction) -> bool:
        if subject.outside or peer.outside or self._side(subject, peer, direction).same:
            return False
        nowhere = EndpointGroup(phantom(peer.before), phantom(peer.after), False)
        change = self._work_out(self._book(subject, direction), subject, nowhere, direction)
        return bool(change.after.may_allow - change.before.may_allow)

    def _side(self, subject: EndpointGroup, peer: EndpointGroup, direction: Direction) -> _Change:
        if subject.outside:
            return _Change(_OPEN, _OPEN)
        book = self._book(subject, direction)
        ports = frozenset(subject.after.named_ports.items()) if direction is Direction.INGRESS else None
        key = (book.key, self._look(book, peer), direction, ports)
        if key not in self.memory:
            self.memory[key] = self._work_out(book, subject, peer, direction)
        return self.memory[key]

    def _scenes(
        self, peer: EndpointGroup, direction: Direction
    ) -> tuple[EndpointGroup, DirectionContext, DirectionContext]:
        old, new = peer.before, peer.after
        return (
            peer,
            DirectionContext(direction, old, old, self.before.profile),
            DirectionContext(direction, new, new, self.after.profile),
        )

    def _told_apart(self, book: _Rulebook, direction: Direction) -> list[EndpointGroup]:
        """The peers that moved and that a rule of this book now takes for somebody else."""
        found = {id(peer): peer for policy, _ in book.before for peer in self._turned(policy, direction)}
        return list(found.values())

    def _turned(self, policy: Policy, direction: Direction) -> list[EndpointGroup]:
        """The peers that moved and that fit a rule of this policy before or after, not both; whoever the subject is,
        since only a node's place depends on it, and a node's labels are not read."""
        key = id(policy), direction
        if key not in self.turned:
            rules = [rule for rule in policy.side(direction).clauses if not _untouched(rule, self.renamed)]
            self.turned[key] = [peer for peer, old, new in self.seen[direction] if _turns(peer, old, new, rules)]
        return self.turned[key]

    def _look(self, book: _Rulebook, peer: EndpointGroup) -> Hashable:
        """Key that tells this peer from others under a rulebook. Where it says the same as before, few peers are looked
        at: then everyone need not be parted first, which takes longest."""
        if book.affected:
            return self._alike(book).number[id(peer)]
        if peer.outside:
            return id(peer)
        words = self._words(book)
        one = words.of(peer.after, self.after.profile)
        return one, words.of(peer.before, self.before.profile) if peer.moved else one

    def _words(self, book: _Rulebook) -> Vocabulary:
        if book.key not in self.spoken:
            self.spoken[book.key] = book.words()
        return self.spoken[book.key]

    def _alike(self, book: _Rulebook) -> _Alike:
        """Everyone, parted by what the policies of this rulebook can tell apart."""
        if book.key not in self.readers:
            words = self._words(book)
            if words not in self.partitions:
                self.partitions[words] = _part(self.everyone, words, self.before.profile, self.after.profile)
            self.readers[book.key] = self.partitions[words]
        return self.readers[book.key]

    def _work_out(self, book: _Rulebook, subject: EndpointGroup, peer: EndpointGroup, direction: Direction) -> _Change:
        before = _outcome(self.before, book.before, subject.before, peer.before, direction)
        if not (book.affected or peer.moved):
            return _Change(before, before)
        return _Change(before, _outcome(self.after, book.after, subject.after, peer.after, direction))

    def _book(self, subject: EndpointGroup, direction: Direction) -> _Rulebook:
        key = id(subject), direction
        if key not in self.books:
            self.books[key] = self._open_book(subject, direction)
        return self.books[key]

    def _open_book(self, subject: EndpointGroup, direction: Direction) -> _Rulebook:
        before = self.before.selecting(subject.before, direction)
        after = before if not self.changed and not subject.moved else self.after.selecting(subject.after, direction)
        policies = tuple((id(p), certain) for p, certain in before), tuple((id(p), certain) for p, certain in after)
        affected = self.all_affected or any(id(p) in self.changed for p, _ in (*before, *after))
        affected = affected or policies[0] != policies[1] or (subject.moved and _is_another(subject))
        dns = dns_shown(before, self.before.dns_shown_somewhere) != dns_shown(after, self.after.dns_shown_somewhere)
        key = policies, id(subject) if subject.moved and affected else 0
        return _Rulebook(key, before, after, affected or dns)

    def _doubts(self) -> Iterator[str]:
        """The reason why something is undecidable: what is not understood in the policies that changed."""
        for policy in self.after.policies:
            faults = [policy.fault, policy.subject.doubt]
            faults += [c.fault for side in policy.sides.values() for c in side.clauses]
            yield from (f"{policy.ref}: {fault}" for fault in dict.fromkeys(faults) if fault)


def _is_another(subject: EndpointGroup) -> bool:
    """Checks whether the subject itself changed in what the same policies then decide by."""
    one, other = subject.before, subject.after
    return (one.named_ports, one.host_network, one.node) != (other.named_ports, other.host_network, other.node)


_Labels = Mapping[str, str]


def _renamed(moved: Iterable[EndpointGroup]) -> list[tuple[_Labels, _Labels]] | None:
    """The labels of namespaces before and after, each once, where nothing else of a pod changed; else ``None``."""
    found: dict[str, tuple[_Labels, _Labels]] = {}
    for group in moved:
        old, new = group.before, group.after
        if replace(old, namespace_labels=new.namespace_labels) != new:
            return None
        found[new.namespace] = old.namespace_labels, new.namespace_labels
    return list(found.values())


def _untouched(rule: Clause, renamed: list[tuple[_Labels, _Labels]] | None) -> bool:
    """True if a rule certainly takes everybody for whom it took them: its selectors of namespaces answer as before."""
    if renamed is None or not all(isinstance(peer, SelectedPodsPeer) for peer in rule.peers):
        return False
    asked = [
        peer.namespaces for peer in rule.peers if isinstance(peer, SelectedPodsPeer) and peer.namespaces is not None
    ]
    return all(selector.matches(old) is selector.matches(new) for selector in asked for old, new in renamed)


def _turns(peer: EndpointGroup, old: DirectionContext, new: DirectionContext, rules: Iterable[Clause]) -> bool:
    if peer.before.named_ports != peer.after.named_ports:
        return True
    if not (is_workload(old.peer, old.profile) and is_workload(new.peer, new.profile)):
        return True
    return any(rule.peer_fits(old) is not rule.peer_fits(new) for rule in rules)


def _outcome(
    world: PolicyWorld, policies: list[Selected], subject: Endpoint, peer: Endpoint, direction: Direction
) -> PortOutcome:
    return side(
        policies,
        DirectionContext(direction, subject, peer, world.profile, dns_shown(policies, world.dns_shown_somewhere)),
    )


def _unmoved(change: _Change) -> PortSet:
    """Ports about which nothing changed: as unclear after as before."""
    return (change.before.may_allow & change.before.may_deny) & (change.after.may_allow & change.after.may_deny)


def _pairs(
    source: EndpointGroup, destination: EndpointGroup, ports: PortSet
) -> Iterator[tuple[PolicyParty, PolicyParty]]:
    """Each workload with each other; with itself only if it has two pods, since a pod alone always reaches itself."""
    if not ports:
        return
    for one in source.parties:
        for other in destination.parties:
            if source is not destination or one != other or source.parties[one] > 1:
                yield one, other


def _openings(found: dict[tuple[PolicyParty, PolicyParty], list[PortSet]]) -> Iterator[Opening]:
    for (source, destination), parts in sorted(found.items()):
        total = parts[0]
        for part in parts[1:]:
            total = total | part
        for protocol, ranges in sorted(total.ranges.items()):
            yield Opening(source, destination, protocol, ranges)


def _opens_world(openings: Iterable[Opening]) -> bool:
    """The rest of the world, any name, or blocks that add up to a /8 (IPv6: a /16) or more."""
    parties = {party for opening in openings for party in (opening.source, opening.destination)}
    if any(p.name.startswith("world") or p.name == "*" for p in parties if p.kind != "workload"):
        return True
    blocks = [ip_network(party.name) for party in parties if party.kind == "cidr"]
    share: float = sum(2.0 ** -(block.prefixlen * _SCALE[block.version]) for block in blocks)
    return share >= _A_LOT


_SCALE = {4: 1.0, 6: 0.5}  # a /16 of IPv6 counts like a /8 of IPv4
_A_LOT: float = 2.0**-8
