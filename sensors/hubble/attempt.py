"""An attempt: one 5-tuple, both directions together, and what each hubble flow adds to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeAlias

from sensors.hubble.moments import Moments, earlier, later, newest
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
AttemptKey: TypeAlias = tuple[str, SocketAddress, SocketAddress]
DropKey: TypeAlias = tuple[int, int, str, int, int]  # sender, reason, direction, source and destination identity


@dataclass(slots=True)
class Attempt:
    """One 5-tuple, both directions. `leaning` > 0 says that the lower door began, < 0 the upper."""

    leaning: int = 0
    hint: int = 0
    lower: int = 0  # bits: what the lower door did
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
    passed: Moments | None = None
    dropped_at: Moments | None = None
    drops: dict[DropKey, list[int]] | None = None
    policies: set[PolicyUse] | None = None


def protocol_of(flow: HubbleFlow) -> str:
    """The protocol; for ICMP with its type, echo and its reply being one."""
    if flow.icmp_type is None:
        return flow.protocol
    kind = {0: 8, 129: 128}.get(flow.icmp_type, flow.icmp_type)
    return f"{flow.protocol}/{kind}"


def note_time(attempt: Attempt, flow: HubbleFlow) -> None:
    """When packets of the attempt were seen, and when they were dropped."""
    when = flow.time
    if when is None:
        return
    if attempt.first is None or when < attempt.first:
        attempt.first = when
    if attempt.last is None or when > attempt.last:
        attempt.last = when
    if flow.verdict == "DROPPED":
        attempt.first_drop = earlier(attempt.first_drop, when)
        attempt.last_drop = later(attempt.last_drop, when)


def note_passing(attempt: Attempt, flow: HubbleFlow, node: int) -> None:
    """When a node dropped the client's packet, or showed that a policy let it through."""
    if flow.time is None or (flow.verdict == "DROPPED" and flow.is_reply):
        return
    if flow.verdict == "DROPPED":
        attempt.dropped_at = newest(attempt.dropped_at or {}, (node, flow.direction), flow.time)
    elif flow.verdict in ("FORWARDED", "REDIRECTED"):
        for direction in _lets_through(flow.event, flow.direction, flow.observed_at, flow.flags, flow.is_reply):
            attempt.passed = newest(attempt.passed or {}, (node, direction), flow.time)


@lru_cache(maxsize=1024)
def _lets_through(
    event: int, direction: str, point: str, flags: frozenset[str], is_reply: bool | None
) -> tuple[str, ...]:
    """Whose policy has let the connection through when this is seen: EGRESS, INGRESS, both or nobody's.

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


def note_side(attempt: Attempt, flow: HubbleFlow, is_lower: bool) -> None:
    """Who sent this, what it shows of them, and who must have begun."""
    bits, began = _signs(flow.flags, flow.is_reply, flow.verdict, flow.kind, flow.observed_at)
    if began:
        attempt.leaning += began if is_lower else -began
    else:
        attempt.hint += _port_hint(flow) if is_lower else -_port_hint(flow)
    if is_lower:
        attempt.lower |= bits
    else:
        attempt.upper |= bits


@lru_cache(maxsize=1024)
def _signs(flags: frozenset[str], is_reply: bool | None, verdict: str, kind: str, point: str) -> tuple[int, int]:
    """What the packet's sender did (bits), and whether it began: 1 yes, -1 no, 0 cannot be told."""
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
    """What was dropped, by which side and for what; a drop and its policy verdict are counted apart."""
    sender = 0 if is_lower else 1
    key = (sender, flow.drop_reason, flow.direction, flow.source.identity, flow.destination.identity)
    if attempt.drops is None:
        attempt.drops = {}
    counts = attempt.drops.setdefault(key, [0, 0])
    counts[flow.event == 5] += 1  # [drops, verdicts] of what are the same packets


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
    """Where services are translated per packet, an answer comes from the backend's address but the service's port.

    Such an answer makes a 5-tuple of its own; give what it shows to the attempt it belongs to: the one between
    the same client door and the same address.
    """
    strays = {_home(key, attempt): key for key, attempt in attempts.items() if attempt.translated and not attempt.drops}
    if not strays:
        return
    for key in list(attempts):
        protocol, lower, upper = key
        for client, server in ((lower, upper), (upper, lower)):
            stray = strays.get((protocol, client, server[0]))
            if stray is not None and stray != key and stray in attempts:
                _bring_home(attempts[key], attempts.pop(stray), client is lower, stray[1] == client)


def _home(key: AttemptKey, stray: Attempt) -> tuple[str, SocketAddress, str]:
    """Where an answer belongs: the client's door, and the address that answered."""
    protocol, lower, upper = key
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
    """Who began: what the packets show, else what their ports suggest."""
    return attempt.leaning > 0 if attempt.leaning else attempt.hint >= 0
