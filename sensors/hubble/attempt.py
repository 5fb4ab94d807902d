"""An attempt: one 5-tuple, both directions together, and what each hubble flow adds to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Protocol, TypeAlias, TypeVar

import msgspec

from sensors.hubble.moments import later
from sensors.hubble.outcomes import PolicyUse
from sensors.hubble.records import DatapathPolicy, HubbleFlow
from sensors.hubble.signs import POLICY_VERDICT, PacketSigns, Ports, signs_of

EPHEMERAL = 32768  # Linux gives clients source ports from here on

Ends: TypeAlias = tuple[str, str, str]  # protocol, the lower and the upper address

SocketAddress: TypeAlias = tuple[str, int]


class Passing(msgspec.Struct, gc=False, array_like=True):
    """Last time at which a node let a packet through, or dropped it, by whose policies (words with a space between);
    and the same of other nodes."""

    node: int
    directions: str
    when: datetime
    rest: Passing | None = None


class Dropping(msgspec.Struct, gc=False, array_like=True):
    """Drops for one reason: of the same packets so many drops, so many verdicts; and for other reasons."""

    sender: int
    reason: int
    direction: str
    source_identity: int
    destination_identity: int
    rest: Dropping | None = None
    drops: int = 0
    verdicts: int = 0

    def is_of(self, sender: int, reason: int, direction: str, source_identity: int, destination_identity: int) -> bool:
        return (
            self.reason == reason
            and self.sender == sender
            and self.direction == direction
            and self.source_identity == source_identity
            and self.destination_identity == destination_identity
        )


Named = TypeVar("Named", covariant=True)


class NamesPolicies(Protocol[Named]):
    """A flow, read or as it is written."""

    @property
    def egress_allowed_by(self) -> tuple[Named, ...]: ...
    @property
    def ingress_allowed_by(self) -> tuple[Named, ...]: ...
    @property
    def egress_denied_by(self) -> tuple[Named, ...]: ...
    @property
    def ingress_denied_by(self) -> tuple[Named, ...]: ...


Links = TypeVar("Links", Passing, Dropping)


def each_of(chain: Links | None) -> Iterator[Links]:
    """Every link of a chain. There is nearly always one, and a dictionary for each attempt would cost far more."""
    while chain is not None:
        yield chain
        chain = chain.rest


class Attempt(msgspec.Struct, gc=False, array_like=True):
    """One 5-tuple, both directions. `leaning` > 0 says that the lower address began, < 0 the upper.

    There are tens of thousands, and none refers to another: the garbage collector need not look at them.
    """

    leaning: int = 0
    hint: int = 0
    lower: int = 0  # bits: what the lower address did
    upper: int = 0
    nodes: int = 0
    denied: int = 0
    audited: bool = False
    translated: bool = False
    icmp: tuple[int, int] | None = None
    first: datetime | None = None
    last: datetime | None = None
    first_drop: datetime | None = None
    last_drop: datetime | None = None
    passed: Passing | None = None
    dropped_at: Passing | None = None
    drops: Dropping | None = None
    policies: set[PolicyUse] | None = None


def ends_of(key: str, source: str, destination: str) -> Ends:
    """The two addresses of a packet, the same for both directions."""
    return (key, source, destination) if source <= destination else (key, destination, source)


def attempt_of(flow: HubbleFlow) -> tuple[Ends, Ports]:
    """The attempt that a flow belongs to."""
    one, other = (flow.source.ip, flow.source_port), (flow.destination.ip, flow.destination_port)
    ports = (one[1], other[1]) if one <= other else (other[1], one[1])
    return ends_of(signs_of(flow).key, one[0], other[0]), ports


def note_packet(
    attempt: Attempt, signs: PacketSigns, ports: Ports, is_lower: bool, node: int, when: datetime | None
) -> None:
    """Notes its time, what it shows of its sender, which side must have begun, and whose policy let it through.

    `ports` are the sender's and the receiver's.
    """
    attempt.nodes |= node
    if is_lower:
        attempt.lower |= signs.bits
        attempt.leaning += signs.began
    else:
        attempt.upper |= signs.bits
        attempt.leaning -= signs.began
    if not signs.began:
        attempt.hint += _port_hint(*ports) if is_lower else -_port_hint(*ports)
    if when is None:
        return
    if attempt.first is None or when < attempt.first:
        attempt.first = when
    if attempt.last is None or when > attempt.last:
        attempt.last = when
    if signs.passed is not None:
        attempt.passed = noted(attempt.passed, node, signs.passed, when)


def noted(chain: Passing | None, node: int, directions: str, when: datetime) -> Passing:
    """The chain with a moment, if that is the newest of its kind."""
    each = chain
    while each is not None:
        if each.node == node and each.directions == directions:
            if when > each.when:
                each.when = when
            return chain or each
        each = each.rest
    return Passing(node, directions, when, chain)


def _port_hint(source: int, destination: int) -> int:
    """Drops carry no `is_reply`: from a service's port to a client's is an answer, else believe the datapath."""
    return -1 if source < EPHEMERAL <= destination and source else 1


def note_drop(attempt: Attempt, signs: PacketSigns, source: int, destination: int, is_lower: bool) -> None:
    """Notes a drop, its side, its reason and both identities; a drop and its policy verdict are counted apart."""
    sender, kept = 0 if is_lower else 1, attempt.drops
    if kept is None or not kept.is_of(sender, signs.reason, signs.direction, source, destination):
        new = Dropping(sender, signs.reason, signs.direction, source, destination)
        kept = linked(attempt.drops, new) if attempt.drops else new
        attempt.drops = attempt.drops or new
    if signs.event == POLICY_VERDICT:
        kept.verdicts += 1
    else:
        kept.drops += 1


def linked(chain: Dropping, new: Dropping) -> Dropping:
    """The link of the same kind, or `new` at the end of the chain."""
    for each in each_of(chain):
        if each.is_of(new.sender, new.reason, new.direction, new.source_identity, new.destination_identity):
            return each
        if each.rest is None:
            each.rest = new
    return new


def note_drop_time(attempt: Attempt, signs: PacketSigns, node: int, when: datetime) -> None:
    """Notes when packets were dropped, and when last by which node and policy, where they were the client's."""
    if attempt.first_drop is None or when < attempt.first_drop:
        attempt.first_drop = when
    if attempt.last_drop is None or when > attempt.last_drop:
        attempt.last_drop = when
    if not signs.is_reply:
        attempt.dropped_at = noted(attempt.dropped_at, node, signs.direction, when)


def policies_of(flow: NamesPolicies[Named]) -> Iterator[tuple[str, str, tuple[Named, ...]]]:
    """Policies that a flow names, by what they did in which direction."""
    if flow.egress_allowed_by:
        yield "allowed", "EGRESS", flow.egress_allowed_by
    if flow.ingress_allowed_by:
        yield "allowed", "INGRESS", flow.ingress_allowed_by
    if flow.egress_denied_by:
        yield "denied", "EGRESS", flow.egress_denied_by
    if flow.ingress_denied_by:
        yield "denied", "INGRESS", flow.ingress_denied_by


def note_policies(attempt: Attempt, verdict: str, direction: str, named: Iterable[DatapathPolicy]) -> None:
    """The policies that a verdict names."""
    attempt.policies = attempt.policies or set()
    attempt.policies.update(_use(verdict, direction, each) for each in named)


@lru_cache(maxsize=1024)
def _use(verdict: str, direction: str, policy: DatapathPolicy) -> PolicyUse:
    return PolicyUse(verdict, direction, policy.kind, policy.namespace, policy.name)


def reunite(ends: Ends, attempts: dict[Ports, Attempt]) -> None:
    """Joins attempts over a Service: where Services are translated per packet, an answer has the backend's address.

    Such an answer makes a 5-tuple of its own; give what it shows to the attempt it belongs to: the one between
    the same client and the same address.
    """
    _, lower, upper = ends
    strays = {
        client_of(ends, ports, each): ports for ports, each in attempts.items() if each.translated and not each.drops
    }
    near, far = ({port for address, port in strays if address == end} for end in (lower, upper))
    for ports in [each for each in attempts if each[0] in near or each[1] in far] if strays else ():
        for client, is_lower in (((lower, ports[0]), True), ((upper, ports[1]), False)):
            stray = strays.get(client, ports)
            if stray != ports and stray in attempts and ports in attempts:
                _bring_home(attempts[ports], attempts.pop(stray), is_lower, (lower, stray[0]) == client)


def client_of(ends: Ends, ports: Ports, attempt: Attempt) -> SocketAddress:
    """Address and port of the side that began."""
    return (ends[1], ports[0]) if did_lower_begin(attempt) else (ends[2], ports[1])


def _bring_home(home: Attempt, stray: Attempt, client_is_lower: bool, client_was_lower: bool) -> None:
    answer = stray.upper if client_was_lower else stray.lower
    if client_is_lower:
        home.upper |= answer
    else:
        home.lower |= answer
    home.nodes |= stray.nodes
    home.last = later(home.last, stray.last)


def did_lower_begin(attempt: Attempt) -> bool:
    """The side that began: what the packets show, else what their ports suggest."""
    return attempt.leaning > 0 if attempt.leaning else attempt.hint >= 0
