"""The attempts between two addresses on one port, summed up and judged."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sensors.hubble.attempt import Attempt, Passing
from sensors.hubble.drop_reasons import name_of
from sensors.hubble.moments import CLOCKS, Moments, earlier, later, note_newest
from sensors.hubble.outcomes import ConnectionOutcome, Drop, PolicyUse
from sensors.hubble.signs import ANSWERED, FORWARDED, OPAQUE, RST, SYN, SYN_ACK, TALKED

YOUTH = timedelta(seconds=60)  # a pod's first minute: scheduling, image and start lie before its first packet
RACE = timedelta(seconds=10)  # a new pod's identity reaches all nodes within this


MOST_BEGINNINGS = 16  # told per connection


@dataclass(slots=True)
class AttemptGroup:
    """The sum of the attempts between two addresses on one port."""

    attempts: int = 0
    opened: int = 0
    dropped: int = 0
    refused: int = 0
    unanswered: int = 0
    reset: int = 0
    denied: int = 0
    audited: int = 0
    client: int = 0  # bits, all attempts together
    nodes: int = 0
    icmp: tuple[int, int] | None = None
    first: datetime | None = None
    last: datetime | None = None
    first_drop: datetime | None = None
    last_drop: datetime | None = None
    passed: Moments = field(default_factory=dict)
    dropped_at: Moments = field(default_factory=dict)
    first_opened: datetime | None = None  # when the attempts began that opened, were refused, got no answer
    last_opened: datetime | None = None
    first_refused: datetime | None = None
    last_refused: datetime | None = None
    unanswered_at: list[datetime] = field(default_factory=list)  # the last two
    probed: int = 0
    began: list[datetime] = field(default_factory=list)  # the newest, and perhaps others
    drops: dict[tuple[bool, int, str, int, int], list[int]] = field(default_factory=dict)
    policies: set[PolicyUse] = field(default_factory=set)


def newest(beginnings: list[datetime]) -> list[datetime]:
    """The newest beginnings, in order."""
    return sorted(beginnings)[-MOST_BEGINNINGS:]


COUNTED = ("attempts", "opened", "dropped", "refused", "unanswered", "reset", "denied", "audited", "probed")
EARLIEST = ("first", "first_drop", "first_opened", "first_refused")
LATEST = ("last", "last_drop", "last_opened", "last_refused")


def add_attempt(group: AttemptGroup, attempt: Attempt, lower_began: bool) -> None:
    """Sum one finished attempt into its group."""
    client, server = (attempt.lower, attempt.upper) if lower_began else (attempt.upper, attempt.lower)
    group.attempts += 1
    group.client |= client
    group.nodes |= attempt.nodes
    group.icmp = group.icmp or attempt.icmp
    group.denied += attempt.denied > 0
    group.audited += attempt.audited
    _sum_result(group, attempt, client, server)
    _sum_drops(group, attempt, lower_began)
    _sum_times(group, attempt)
    if attempt.policies:
        group.policies |= attempt.policies


def add_group(group: AttemptGroup, other: AttemptGroup) -> None:
    """Adds the sum of later attempts of the same two addresses."""
    for each in COUNTED:
        setattr(group, each, getattr(group, each) + getattr(other, each))
    for each in EARLIEST:
        setattr(group, each, earlier(getattr(group, each), getattr(other, each)))
    for each in LATEST:
        setattr(group, each, later(getattr(group, each), getattr(other, each)))
    group.client |= other.client
    group.nodes |= other.nodes
    group.icmp = group.icmp or other.icmp
    group.policies |= other.policies
    group.began = newest([*group.began, *other.began])
    group.unanswered_at = sorted([*group.unanswered_at, *other.unanswered_at])[-2:]
    _add_chains(group, other)


def _add_chains(group: AttemptGroup, other: AttemptGroup) -> None:
    for mine, theirs in ((group.passed, other.passed), (group.dropped_at, other.dropped_at)):
        for by, when in theirs.items():
            note_newest(mine, by, when)
    for key, (packets, attempts) in other.drops.items():
        total = group.drops.setdefault(key, [0, 0])
        total[0] += packets
        total[1] += attempts


def _sum_result(group: AttemptGroup, attempt: Attempt, client: int, server: int) -> None:
    opened = bool(server & (SYN_ACK | TALKED | ANSWERED) or client & TALKED)
    opened = opened or bool(server & FORWARDED and not server & RST)  # UDP, ICMP: any answer
    refused = bool(server & RST and client & SYN and not opened)
    group.reset += bool((server | client) & RST and not refused)
    group.dropped += attempt.drops is not None
    if opened and not attempt.denied:  # a proxy opens in order to refuse
        group.opened += 1
        group.first_opened = earlier(group.first_opened, attempt.first)
        group.last_opened = later(group.last_opened, attempt.first)
    elif refused:
        group.refused += 1
        group.first_refused = earlier(group.first_refused, attempt.first)
        group.last_refused = later(group.last_refused, attempt.first)
    elif client & FORWARDED and not (client & OPAQUE or server or attempt.drops or attempt.denied):
        group.unanswered += 1
        if attempt.first is not None:
            insort(group.unanswered_at, attempt.first)
            del group.unanswered_at[:-2]


def _sum_drops(group: AttemptGroup, attempt: Attempt, lower_began: bool) -> None:
    each = attempt.drops
    while each is not None:
        of_reply = (each.sender == 0) != lower_began
        key = (of_reply, each.reason, each.direction, each.source_identity, each.destination_identity)
        total = group.drops.get(key) or group.drops.setdefault(key, [0, 0])
        total[0] += max(each.drops, each.verdicts)
        total[1] += 1
        each = each.rest


def _sum_times(group: AttemptGroup, attempt: Attempt) -> None:
    first, last, began = attempt.first, attempt.last, group.began
    if first is None or last is None:
        return
    began.append(first)
    if len(began) > 4 * MOST_BEGINNINGS:
        began[:] = newest(began)
    if group.first is None or first < group.first:
        group.first = first
    if group.last is None or last > group.last:
        group.last = last
    if attempt.passed is not None:
        _sum_moments(group.passed, attempt.passed)
    if attempt.first_drop is not None:
        group.first_drop = earlier(group.first_drop, attempt.first_drop)
        group.last_drop = later(group.last_drop, attempt.last_drop)
        _sum_moments(group.dropped_at, attempt.dropped_at)


def _sum_moments(whole: Moments, each: Passing | None) -> None:
    while each is not None:
        note_newest(whole, (each.node, each.directions), each.when)
        each = each.rest


def outcome_of(group: AttemptGroup, until: datetime | None) -> ConnectionOutcome:
    """The newest word. Requests denied by a proxy are judged one by one, so they never speak for the others."""
    failure = _failure(group)
    if failure is None:
        return _without_failure(group, until)
    if not group.opened:
        return failure
    first = group.first_drop if failure is ConnectionOutcome.DROPPED else group.first_refused
    last = group.last_drop if failure is ConnectionOutcome.DROPPED else group.last_refused
    if failure is ConnectionOutcome.DENIED or not (first and last and group.first_opened and group.last_opened):
        return ConnectionOutcome.MIXED
    if group.last_opened < first:
        return failure
    return ConnectionOutcome.OPENED if group.first_opened > last else ConnectionOutcome.MIXED


def _failure(group: AttemptGroup) -> ConnectionOutcome | None:
    """The kind of failure that came last."""
    if group.dropped and group.refused and group.last_drop and group.last_refused:
        return ConnectionOutcome.DROPPED if group.last_drop > group.last_refused else ConnectionOutcome.REFUSED
    if group.dropped:
        return ConnectionOutcome.DROPPED
    if group.denied:
        return ConnectionOutcome.DENIED
    return ConnectionOutcome.REFUSED if group.refused else None


def _without_failure(group: AttemptGroup, until: datetime | None) -> ConnectionOutcome:
    """Two attempts without an answer after the last that opened are a word; one may still be on its way.

    So may any that began within the last moment of the flows at hand.
    """
    young = [each for each in group.unanswered_at if until is not None and until - each < CLOCKS]
    since = [each for each in group.unanswered_at if group.last_opened is None or each > group.last_opened]
    if group.opened and len(since) - len(young) < 2:
        return ConnectionOutcome.OPENED
    return ConnectionOutcome.UNANSWERED if group.unanswered > len(young) else ConnectionOutcome.UNKNOWN


def drops_of(group: AttemptGroup) -> tuple[Drop, ...]:
    """Drops, the most packets first."""
    found = (
        Drop(number, name_of(number), direction, packets, attempts, source, destination, of_reply)
        for (of_reply, number, direction, source, destination), (packets, attempts) in group.drops.items()
    )
    return tuple(sorted(found, key=_weight))


def _weight(drop: Drop) -> tuple[int, int, str, int, int, bool]:
    ends = drop.source_identity, drop.destination_identity
    return -drop.packets, drop.number, drop.direction, *ends, drop.of_reply


def only_at_start(group: AttemptGroup, started: datetime | None) -> bool:
    """Dropped for a moment when the pod was new, and let through since: its identity had not got round yet."""
    first, last = group.first_drop, group.last_drop
    if started is None or first is None or last is None or not group.opened:
        return False
    return last - first <= RACE and last - started <= YOUTH and passes_again(group)


def passes_again(group: AttemptGroup) -> bool:
    """True if each policy that dropped has let through since: by the same node's clock, or clearly by another's."""
    return bool(group.dropped_at) and all(
        any(
            direction in ("", *policies.split(" ")) and passed > (last if node == at else last + CLOCKS)
            for (node, policies), passed in group.passed.items()
        )
        for (at, direction), last in group.dropped_at.items()
    )
