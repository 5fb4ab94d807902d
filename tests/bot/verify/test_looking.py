"""Looking until it can be told, with a clock that is handed in."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bot.approval.proposal import ProofRecord, Tuple5
from bot.verify.looking import Clock, asked, watch
from bot.verify.verdict import SeenConnection, TrafficSince, VerificationOutcome
from sensors.kit import Target
from tests.bot.approval.making import proposal
from tests.bot.verify.test_verdict import API, AT, DB, S


class Network:
    """A clock, and a network in which the change is in force after `delay` seconds (None: never)."""

    def __init__(self, delay: float | None, attempts: bool = True) -> None:
        self.at, self.delay, self.attempts, self.looks = AT, delay, attempts, 0

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    async def see(self, since: datetime) -> TrafficSince:
        self.looks += 1
        self.at += 0.5 * S
        if not self.attempts:
            return TrafficSince()
        force = AT + timedelta(seconds=self.delay) if self.delay is not None else self.at + S
        seen = []
        if since < min(self.at, force):
            seen.append(SeenConnection(API, dropped=1, last_drop=min(self.at, force)))
        if self.at > force:
            seen.append(SeenConnection(API, opened=2, last_opened=self.at))
        return TrafficSince(tuple(seen))

    async def result(self):
        return await watch(self.see, [API], [], AT, Clock(lambda: self.at, self.sleep))

    @property
    def took(self) -> float:
        return (self.at - AT).total_seconds()


async def test_a_change_that_helps_at_once_is_verified_within_seconds():
    network = Network(delay=0.0)

    assert (await network.result()).outcome is VerificationOutcome.VERIFIED
    assert network.took < 6


async def test_a_right_change_whose_identities_take_half_a_minute_is_not_given_up():
    network = Network(delay=26.0)

    verdict = await network.result()

    assert verdict.outcome is VerificationOutcome.VERIFIED
    assert verdict.dropped == 0
    assert 26 < network.took < 40


async def test_a_change_that_does_not_help_has_failed_after_a_minute():
    network = Network(delay=None)

    assert (await network.result()).outcome is VerificationOutcome.FAILED
    assert 60 <= network.took < 65


async def test_when_nothing_is_attempted_nothing_is_decided():
    network = Network(delay=0.0, attempts=False)

    assert (await network.result()).outcome is VerificationOutcome.UNDECIDED
    assert 60 <= network.took < 65


def test_where_no_peer_was_asked_for_the_proved_one_is_tried():
    it = proposal(proved=ProofRecord("p", (DB,)))

    assert asked(it) == Target("web-1", "shop", "10.1.0.9", 5432)
    assert asked(replace(it, target=Target("web-1", "shop", "db", 1))).to_host == "db"
    assert asked(proposal(proved=ProofRecord("p", (Tuple5("a", "b", "UDP", 53, address="10.0.0.10"),)))).to_host is None
