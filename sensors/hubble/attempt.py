"""An attempt: one 5-tuple, both directions together, and what each hubble flow adds to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import TypeAlias, TypeVar

import msgspec

from sensors.hubble.moments import earlier, later
from sensors.hubble.outcomes import PolicyUse
from sensors.hubble.records import KNOWN_VERDICTS, DatapathPolicy, HubbleFlow

EPHEMERAL = 32768  # Linux gives clients source ports from here on
POLICY_VERDICT = 5  # the event type of a policy's own word
BOTH = ("EGRESS", "INGRESS")

# What one end of an attempt was seen doing.
FORWARDED, SYN, SYN_ACK, RST, TALKED, PROXIED, ANSWERED = 1, 2, 4, 8, 16, 32, 64
OPAQUE = 128  # something befell a packet that this version has no word for
POINT_BITS = {"TO_ENDPOINT": 1 << 8, "TO_OVERLAY": 1 << 9, "TO_NETWORK": 1 << 10, "TO_STACK": 1 << 11}
POINT_BITS |= {"TO_HOST": 1 << 12, "TO_PROXY": 1 << 13, "FROM_NETWORK": 1 << 14, "TO_CRYPTO": 1 << 15}

SocketAddress: TypeAlias = tuple[str, int]
AttemptKey: TypeAlias = tuple[str, str, int, str, int]  # protocol, the lower end, the upper end


class Passing(msgspec.Struct, gc=False, array_like=True):
    """Last time at which a node let a packet through, or dropped it, by whose policies; and the same of other nodes."""

    node: int
    directions: tuple[str, ...]
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

    def is_of(self, other: Dropping) -> bool:
        return (
            self.reason == other.reason
            and self.sender == other.sender
            and self.direction == other.direction
            and self.source_identity == other.source_identity
            and self.destination_identity == other.destination_identity
        )


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


def protocol_of(flow: HubbleFlow) -> str:
    """The protocol; for ICMP with its type, echo and its reply being one."""
    if flow.icmp_type is None:
        return flow.protocol
    kind = {0: 8, 129: 128}.get(flow.icmp_type, flow.icmp_type)
    return f"{flow.protocol}/{kind}"


def key_of(flow: HubbleFlow, source: str, destination: str) -> tuple[AttemptKey, bool]:
    """The attempt that a flow belongs to, and whether its sender is the lower end."""
    port, other = flow.source.port, flow.destination.port
    protocol = flow.protocol if flow.icmp_type is None else protocol_of(flow)
    if source < destination or (source == destination and port <= other):
        return (protocol, source, port, destination, other), True
    return (protocol, destination, other, source, port), False


def note_packet(attempt: Attempt, flow: HubbleFlow, is_lower: bool, node: int) -> None:
    """Notes its time, what it shows of its sender, which side must have begun, and whose policy let it through."""
    bits, began, passed = shown_by(
        flow.flags, flow.is_reply, flow.verdict, flow.kind, flow.observed_at, flow.event, flow.direction
    )
    attempt.nodes |= node
    if is_lower:
        attempt.lower |= bits
        attempt.leaning += began
    else:
        attempt.upper |= bits
        attempt.leaning -= began
    if not began:
        attempt.hint += _port_hint(flow) if is_lower else -_port_hint(flow)
    if flow.time is not None:
        _note_time(attempt, flow.time)
        if passed:
            attempt.passed = noted(attempt.passed, node, passed, flow.time)


def noted(chain: Passing | None, node: int, directions: tuple[str, ...], when: datetime) -> Passing:
    """The chain with a moment, if that is the newest of its kind."""
    each = chain
    while each is not None:
        if each.node == node and each.directions == directions:
            if when > each.when:
                each.when = when
            return chain or each
        each = each.rest
    return Passing(node, directions, when, chain)


def _note_time(attempt: Attempt, when: datetime) -> None:
    first, last = attempt.first, attempt.last
    if first is None or last is None:
        attempt.first = attempt.last = when
    elif when > last:
        attempt.last = when
    elif when < first:
        attempt.first = when


@lru_cache(maxsize=4096)
def shown_by(
    flags: frozenset[str], is_reply: bool | None, verdict: str, kind: str, point: str, event: int, direction: str
) -> tuple[int, int, tuple[str, ...]]:
    """Signs of a packet: what its sender did (bits), whether it began, and whose policy let it through."""
    bits, began = _signs(flags, is_reply, verdict, kind, point)
    is_let = verdict in ("FORWARDED", "REDIRECTED")
    return bits, began, _lets_through(event, direction, point, flags, is_reply) if is_let else ()


def _lets_through(
    event: int, direction: str, point: str, flags: frozenset[str], is_reply: bool | None
) -> tuple[str, ...]:
    """Side whose policy has let the connection through when this is seen: EGRESS, INGRESS, both or nobody's.

    A packet that leaves its sender's node says nothing about the receiver, and one that only enters the datapath
    (`FROM_…`) nothing at all. The server's SYN-ACK, or any answer where there is no handshake, shows both. Later
    answers of a TCP connection pass by connection tracking, also where the client's packets are dropped since.
    """
    if is_reply or {"SYN", "ACK"} <= flags:
        return () if flags and "SYN" not in flags else BOTH
    if event == POLICY_VERDICT:
        return (direction,)
    if point == "TO_ENDPOINT":
        return BOTH
    return ("EGRESS",) if point.startswith("TO_") else ()


def _signs(flags: frozenset[str], is_reply: bool | None, verdict: str, kind: str, point: str) -> tuple[int, int]:
    """Signs of the packet's sender (bits), and whether it began: 1 yes, -1 no, 0 cannot be told."""
    bits, began = _signs_of_flags(flags)
    if is_reply is not None:
        began = -1 if is_reply else 1
    if verdict in ("DROPPED", "ERROR"):
        return 0, began  # a dropped packet reached nobody: it shows who began, and nothing else
    if verdict not in KNOWN_VERDICTS:
        return OPAQUE, began
    if kind == "L7":
        return (ANSWERED if is_reply else 0), began
    if verdict == "REDIRECTED":
        bits |= PROXIED
    return bits | FORWARDED | POINT_BITS.get(point, 0), began


def _signs_of_flags(flags: frozenset[str]) -> tuple[int, int]:
    if not flags:
        return 0, 0
    if "SYN" in flags:
        return (SYN_ACK, -1) if "ACK" in flags else (SYN, 1)
    return (RST, 0) if "RST" in flags else (TALKED, 0)


def _port_hint(flow: HubbleFlow) -> int:
    """Drops carry no `is_reply`: from a service's port to a client's is an answer, else believe the datapath."""
    return -1 if flow.source.port < EPHEMERAL <= flow.destination.port and flow.source.port else 1


def note_drop(attempt: Attempt, flow: HubbleFlow, is_lower: bool) -> None:
    """Notes a drop, its side and its reason; a drop and its policy verdict are counted apart."""
    source, destination = flow.source.identity, flow.destination.identity
    kept = Dropping(0 if is_lower else 1, flow.drop_reason, flow.direction, source, destination)
    if attempt.drops is None:
        attempt.drops = kept
    else:
        kept = linked(attempt.drops, kept)
    if flow.event == POLICY_VERDICT:
        kept.verdicts += 1
    else:
        kept.drops += 1


def linked(chain: Dropping, new: Dropping) -> Dropping:
    """The link of the same kind, or `new` at the end of the chain."""
    for each in each_of(chain):
        if each.is_of(new):
            return each
        if each.rest is None:
            each.rest = new
    return new


def note_drop_time(attempt: Attempt, flow: HubbleFlow, node: int) -> None:
    """Notes when packets were dropped, and when last by which node and policy, where they were the client's."""
    if flow.time is None:
        return
    attempt.first_drop = earlier(attempt.first_drop, flow.time)
    attempt.last_drop = later(attempt.last_drop, flow.time)
    if not flow.is_reply:
        attempt.dropped_at = noted(attempt.dropped_at, node, (flow.direction,), flow.time)


def note_policies(attempt: Attempt, flow: HubbleFlow) -> None:
    """The policies that a verdict names."""
    for verdict, direction, named in (
        ("allowed", "EGRESS", flow.egress_allowed_by),
        ("allowed", "INGRESS", flow.ingress_allowed_by),
        ("denied", "EGRESS", flow.egress_denied_by),
        ("denied", "INGRESS", flow.ingress_denied_by),
    ):
        if named:
            attempt.policies = attempt.policies or set()
            attempt.policies.update(_use(verdict, direction, each) for each in named)


@lru_cache(maxsize=1024)
def _use(verdict: str, direction: str, policy: DatapathPolicy) -> PolicyUse:
    return PolicyUse(verdict, direction, policy.kind, policy.namespace, policy.name)


def reunite(attempts: dict[AttemptKey, Attempt]) -> None:
    """Joins attempts over a Service: where Services are translated per packet, an answer has the backend's address.

    Such an answer makes a 5-tuple of its own; give what it shows to the attempt it belongs to: the one between
    the same client and the same address.
    """
    strays = {_home(key, attempt): key for key, attempt in attempts.items() if attempt.translated and not attempt.drops}
    if not strays:
        return
    for key in list(attempts):
        protocol, lower, upper = ends_of(key)
        for client, server in ((lower, upper), (upper, lower)):
            stray = strays.get((protocol, client, server[0]))
            if stray is not None and stray != key and stray in attempts:
                _bring_home(attempts[key], attempts.pop(stray), client is lower, ends_of(stray)[1] == client)


def ends_of(key: AttemptKey) -> tuple[str, SocketAddress, SocketAddress]:
    """The protocol, the lower and the upper end of a 5-tuple."""
    return key[0], key[1:3], key[3:]


def _home(key: AttemptKey, stray: Attempt) -> tuple[str, SocketAddress, str]:
    """Owner of an answer: the client's address, and the address that answered."""
    protocol, lower, upper = ends_of(key)
    client, server = (lower, upper) if did_lower_begin(stray) else (upper, lower)
    return protocol, client, server[0]


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
