"""`kai netdebug --watch`: the same walk again and again, one line for each change, until the answer turns.

It ends when what could not talk talks (or, where nothing was wrong, when something is). That no cause is found any more
is not enough: the peer must have opened to a try of our own, or new attempts must have been forwarded and none dropped.
The rounds are those of a verification after a change (`bot.verify.looking.again`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bot.approval.proposal import Tuple5
from bot.commands.investigate import exit_code
from bot.errors import COULD_NOT_LOOK, FAULT, NO_FAULT
from bot.report.sanitize import clean
from bot.verify.looking import Clock, Glance, again
from bot.verify.verdict import TrafficSince, VerificationOutcome, last_drop
from flows.model import Diagnosis
from sensors.kit import Blind, Target

JUST_AFTER = timedelta(microseconds=1)
"""Hubble's `since` is inclusive: the last drop itself is no news."""

EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lap:
    """One walk among many: its verdict, what it has seen of connections, and the cluster's time when it began."""

    diagnosis: Diagnosis
    moment: TrafficSince
    began: datetime


WalkAgain = Callable[[datetime | None], Awaitable[Lap]]
"""Walks the flow on hubble flows since a moment; None: as far back as was asked for. Raises `Blind`."""

PrintLine = Callable[[str], None]


@dataclass
class Watched:
    """Results of the walks so far: `code` is the exit code of the last verdict; None before the first."""

    code: int | None = None
    line: str = field(default="", repr=False)


async def follow(
    watched: Watched,
    walk: WalkAgain,
    report: Callable[[Diagnosis], None],
    say: PrintLine,
    clock: Clock,
    every: float,
) -> None:
    """Report the first walk whole, and each change after it in a line; `watched` says how it stands at any moment.

    Raises `Blind` where the first walk cannot look; later ones are waited for.
    """
    first = await walk(None)
    watched.code = exit_code(first.diagnosis)
    report(first.diagnosis)
    denied = tuple(each.flow for each in first.moment.seen if each.dropped)
    wanted = about_the_peer(denied, first.diagnosis.target)
    shut = bool(denied) or any(each.result != "open" for each in first.moment.tries)
    rounds = _Rounds(walk, first.diagnosis, watched.code == NO_FAULT, shut, tried=_tried(first.moment))
    watched.line = rounds.standing()
    since = last_drop(first.moment, EARLIEST) or first.began
    await clock.sleep(every)
    async for glance in again(rounds.see, wanted, denied, since, clock, every):
        if glance.said.dropped and glance.said.forwarded:
            continue  # it turned in the midst of this walk, and the next one looks at what came after
        line = rounds.line(glance)
        watched.code = rounds.code(glance)
        if line != watched.line:
            say(f"{glance.at.astimezone(UTC):%H:%M:%S} UTC  {line}")
        watched.line = line
        if rounds.is_over(glance):
            return


def about_the_peer(denied: Sequence[Tuple5], target: Target) -> tuple[Tuple5, ...]:
    """The denied connections that the question is about; all of them where none is known to be."""
    host, port = target.to_host, target.to_port
    if host is None:
        return tuple(denied)
    mine = [each for each in denied if host in (each.address, each.destination) or (port and each.port == port)]
    return tuple(mine or denied)


@dataclass
class _Rounds:
    """Walks again, and keeps what the last walk has said. `was_shut`: the first walk saw attempts or tries fail."""

    walk: WalkAgain
    diagnosis: Diagnosis
    was_healthy: bool
    was_shut: bool
    blind: str = ""
    tried: str = ""

    async def see(self, since: datetime) -> TrafficSince:
        """Takes one more walk; a cluster that does not answer is waited for."""
        try:
            now = await self.walk(since + JUST_AFTER)
        except Blind as why:
            self.blind = str(why)
            return TrafficSince(blind=self.blind)
        self.diagnosis, self.blind = now.diagnosis, ""
        self.tried = _tried(now.moment)
        return now.moment

    def opened(self, glance: Glance) -> bool:
        """Checks that the verdict turned, where the peer opened all the time (large packets lost, a slow answer)."""
        if self.blind or glance.said.outcome is not VerificationOutcome.VERIFIED:
            return False
        return self.was_shut or exit_code(self.diagnosis) == NO_FAULT

    def is_over(self, glance: Glance) -> bool:
        if self.was_healthy:
            return not self.blind and exit_code(self.diagnosis) == FAULT
        return self.opened(glance)

    def code(self, glance: Glance) -> int:
        if self.blind:
            return COULD_NOT_LOOK
        code = exit_code(self.diagnosis)
        return NO_FAULT if self.opened(glance) and code != FAULT else code

    def line(self, glance: Glance) -> str:
        """Line on the present state, without what differs from one walk to the next, such as counts."""
        if self.blind:
            return clean(f"could not look: {self.blind}")
        if self.opened(glance):
            also = f"; still found: {self.diagnosis.root_cause}" if exit_code(self.diagnosis) == FAULT else ""
            return clean(f"✔ {self.diagnosis.target} can talk: {_shown(glance)}{self.tried}{also}", 1000)
        return self.standing()

    def standing(self) -> str:
        """The verdict, as long as nothing has opened."""
        sign = {FAULT: "✖", NO_FAULT: "?"}.get(exit_code(self.diagnosis), "?")
        return clean(f"{sign} {self.diagnosis.cause_class}: {self.diagnosis.root_cause}{self.tried}", 1000)


def _tried(moment: TrafficSince) -> str:
    """Our own tries; without them the verdict stands for itself."""
    said = ", ".join(f"{each.where} {each.result}" for each in moment.tries)
    return f" ({said})" if said else ""


def _shown(glance: Glance) -> str:
    """By what: a try of our own, or attempts of its own."""
    said = glance.said
    return "new attempts are forwarded, and none is dropped" if said.forwarded else "the peer opens to a try of our own"
