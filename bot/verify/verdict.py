"""Verdict on a change, by the numbers of a look after it. Pure.

That nothing is found to be wrong proves nothing: only new attempts of the same connections do, or a try of our own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bot.approval.proposal import Tuple5

QUIET_AFTER_FIX = timedelta(seconds=2)
"""So long nothing may be dropped any more. A denied client tries again within a second (TCP's first retransmission)."""


class VerificationOutcome(StrEnum):
    """`undecided`: nothing of it was attempted or could be seen, which is neither success nor failure."""

    VERIFIED = "verified"
    FAILED = "failed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class SeenConnection:
    """One connection in the window: attempts that were answered, packets that a policy dropped, and when last."""

    flow: Tuple5
    opened: int = 0
    dropped: int = 0
    last_opened: datetime | None = None
    last_drop: datetime | None = None


@dataclass(frozen=True, slots=True)
class Try:
    """A connection that the probe itself opened from the pod: `open`, `refused`, `timeout`, …"""

    where: str
    result: str


@dataclass(frozen=True, slots=True)
class TrafficSince:
    """Traffic since a moment. `blind` says why no flow could be read; empty when they could."""

    seen: tuple[SeenConnection, ...] = ()
    tries: tuple[Try, ...] = ()
    blind: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict of one look or of all of them. `newly` are connections that are denied and were not before.

    New drops are looked for at `looked_at` pods of the `concerned` ones that the change is known to be about; 0: it is
    not known at how many.
    """

    outcome: VerificationOutcome
    forwarded: int = 0
    dropped: int = 0
    opened: int = 0
    tried: int = 0
    newly: tuple[str, ...] = ()
    why: str = ""
    looked_at: int = 0
    concerned: int = 0

    def words(self) -> str:
        """`verified: 12 forwarded, 0 dropped; 2 of 2 tries open`."""
        counted = f"{self.forwarded:,} forwarded, {self.dropped:,} dropped"
        tries = f"; {self.opened} of {self.tried} tries open" if self.tried else ""
        head = {VerificationOutcome.VERIFIED: "verified", VerificationOutcome.FAILED: "not verified"}.get(
            self.outcome, "not measured"
        )
        newly = f"; newly denied: {', '.join(self.newly[:3])}" if self.newly else ""
        return f"{head}: {counted}{tries}{newly}{self._range()}{f' ({self.why})' if self.why else ''}"

    def _range(self) -> str:
        """Range in which new drops were looked for: elsewhere nothing was measured."""
        if not self.looked_at:
            return ""
        few = self.concerned > self.looked_at
        every = f"{self.looked_at} of {self.concerned} pods" if few else _pods(self.looked_at)
        return f"; new drops looked for at {every}"


def _pods(number: int) -> str:
    return f"{number} pod" if number == 1 else f"{number} pods"


def judge(
    wanted: Sequence[Tuple5], denied_before: Iterable[Tuple5], now: TrafficSince, since: datetime
) -> Verification:
    """One look at what happened after `since`, when the change was in force and nothing was dropped up to then."""
    known = [*wanted, *denied_before]
    mine = [each for each in now.seen if any(each.flow.is_like(one) for one in wanted)]
    fresh = [each for each in now.seen if _dropped_after(each, since)]
    newly = [each for each in fresh if not any(each.flow.is_like(one) for one in known)]
    forwarded = sum(each.opened for each in mine if each.last_opened is not None and each.last_opened > since)
    dropped = sum(each.dropped for each in mine if _dropped_after(each, since))
    opened = sum(each.result == "open" for each in now.tries)
    said = Verification(
        _outcome(forwarded, dropped, opened, now, bool(newly), bool(wanted)),
        forwarded,
        dropped,
        opened,
        len(now.tries),
        tuple(str(each.flow) for each in newly),
    )
    return _explained(said, now)


def _outcome(
    forwarded: int, dropped: int, opened: int, now: TrafficSince, newly: bool, flows: bool
) -> VerificationOutcome:
    """A try of our own counts alone where no flow can be read, and for a change that no denied flow is about."""
    if dropped or newly or opened < len(now.tries):
        return VerificationOutcome.FAILED
    shown = forwarded > 0 or (opened > 0 and (now.blind or not flows))
    return VerificationOutcome.VERIFIED if shown else VerificationOutcome.UNDECIDED


def _explained(said: Verification, now: TrafficSince) -> Verification:
    failed = next((f"{each.where} {each.result}" for each in now.tries if each.result != "open"), "")
    why = failed or now.blind
    if not why and said.outcome is VerificationOutcome.UNDECIDED:
        why = "no new attempt of these connections was seen"
    return replace(said, why=why)


def last_drop(now: TrafficSince, since: datetime) -> datetime | None:
    """Time of the last dropped packet, if one was after `since`."""
    return max((each.last_drop for each in now.seen if each.last_drop and each.last_drop > since), default=None)


def _dropped_after(each: SeenConnection, since: datetime) -> bool:
    return each.dropped > 0 and each.last_drop is not None and each.last_drop > since
