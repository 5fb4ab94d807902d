"""`kai netdebug --watch`: one line for each change, until the answer turns. Its time is handed in."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.approval.proposal import Tuple5
from bot.commands.watch import Lap, Watched, about_the_peer, follow
from bot.verify.looking import Clock
from bot.verify.verdict import SeenConnection, TrafficSince, Try
from flows.model import Diagnosis
from sensors.kit import Blind, Target
from tests.bot.report.examples import BEHIND, DENIED, HEALTHY, with_root

AT = datetime(2026, 11, 28, 21, 0, tzinfo=UTC)
S = timedelta(seconds=1)
API = Tuple5("production/api-server", "10.96.0.1", "TCP", 6443, "", "", "10.96.0.1")
DNS = Tuple5("production/api-server", "kube-system/coredns", "UDP", 53)
SHUT, OPEN = (Try("10.96.0.1:6443", "timeout"),), (Try("10.96.0.1:6443", "open"),)
TARGET = DENIED.target
ANOTHER = with_root(DENIED, cause_class=BEHIND.cause_class, cause=BEHIND.cause)
UNTOLD = with_root(DENIED, cause_class="inconclusive", cause="No cause is shown")


class Interrupted(BaseException):
    """Ctrl-C."""


@dataclass
class Stage:
    """What each walk shows in turn; the last one again and again, until `most` walks."""

    walks: list[tuple[Diagnosis, TrafficSince] | str]
    most: int = 12
    at: datetime = AT
    asked: list[datetime | None] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    reported: list[Diagnosis] = field(default_factory=list)
    watched: Watched = field(default_factory=Watched)

    async def walk(self, since: datetime | None) -> Lap:
        number = len(self.asked)
        if number >= self.most:
            raise Interrupted
        self.asked.append(since)
        said = self.walks[min(number, len(self.walks) - 1)]
        if isinstance(said, str):
            raise Blind(said)
        return Lap(*said, self.at)

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    async def run(self) -> Stage:
        clock = Clock(lambda: self.at, self.sleep)
        with suppress(Interrupted):
            await follow(self.watched, self.walk, self.reported.append, self.lines.append, clock, 10)
        return self


def dropped(at: datetime, flow: Tuple5 = API) -> SeenConnection:
    return SeenConnection(flow, dropped=3, last_drop=at)


def opened(at: datetime, flow: Tuple5 = API) -> SeenConnection:
    return SeenConnection(flow, opened=2, last_opened=at)


DENIED_NOW = (DENIED, TrafficSince((dropped(AT),), SHUT))


async def test_it_ends_when_the_peer_opens_with_a_line_that_says_by_what():
    it = await Stage([DENIED_NOW, DENIED_NOW, DENIED_NOW, (HEALTHY, TrafficSince((opened(AT + 25 * S),), OPEN))]).run()

    assert it.reported == [DENIED]
    assert it.watched.code == 0
    said = "can talk: new attempts are forwarded, and none is dropped (10.96.0.1:6443 open)"
    assert it.lines == [f"21:00:30 UTC  ✔ {HEALTHY.target} {said}"]


async def test_each_change_of_the_verdict_is_one_line_and_what_stays_the_same_is_none():
    again = (ANOTHER, TrafficSince((), SHUT))
    it = await Stage([DENIED_NOW, DENIED_NOW, DENIED_NOW, again, again, DENIED_NOW], most=7).run()

    assert it.lines == [
        f"21:00:30 UTC  ✖ service.no_ready_endpoints: {BEHIND.cause} (10.96.0.1:6443 timeout)",
        f"21:00:50 UTC  ✖ policy.egress_denied: {DENIED.root_cause} (10.96.0.1:6443 timeout)",
    ]
    assert it.watched.code == 1


async def test_that_no_cause_is_found_any_more_is_not_enough():
    it = await Stage([DENIED_NOW, (HEALTHY, TrafficSince())], most=4).run()

    assert len(it.asked) == 4
    assert it.lines == [f"21:00:10 UTC  ? none.healthy: {HEALTHY.root_cause}"]


async def test_a_peer_that_opens_to_our_try_while_the_pod_s_own_attempts_are_dropped_is_not_open():
    still = (HEALTHY, TrafficSince((dropped(AT + 11 * S),), OPEN))
    it = await Stage([DENIED_NOW, still], most=3).run()

    assert not any("can talk" in each for each in it.lines)


async def test_an_open_try_counts_where_nothing_of_the_pod_s_own_was_denied():
    it = await Stage([(ANOTHER, TrafficSince((), SHUT)), (HEALTHY, TrafficSince((), OPEN))]).run()

    assert it.watched.code == 0
    assert it.lines[-1].endswith("can talk: the peer opens to a try of our own (10.96.0.1:6443 open)")


async def test_drops_of_before_are_not_held_against_what_comes_after():
    """The ring still holds them: each walk asks for what came after the last drop only."""
    it = await Stage([DENIED_NOW, (DENIED, TrafficSince((dropped(AT + 5 * S),), SHUT)), DENIED_NOW], most=3).run()

    us = timedelta(microseconds=1)
    assert it.asked == [None, AT + us, AT + 5 * S + us]


async def test_a_walk_in_the_midst_of_which_it_turned_says_nothing_yet():
    """Its flows show both, which reads like a race between the two."""
    both = TrafficSince(
        (dropped(AT + 11 * S), opened(AT + 15 * S, DNS), SeenConnection(API, 2, 3, AT + 15 * S, AT + 11 * S)), OPEN
    )
    it = await Stage([DENIED_NOW, (ANOTHER, both), (HEALTHY, TrafficSince((opened(AT + 25 * S),), OPEN))]).run()

    assert [each.split()[2] for each in it.lines] == ["✔"]


async def test_a_peer_that_opens_ends_it_also_where_something_else_is_found_then():
    it = await Stage([DENIED_NOW, (ANOTHER, TrafficSince((opened(AT + 5 * S),), OPEN))]).run()

    assert it.watched.code == 1
    assert it.lines[-1].endswith(f"(10.96.0.1:6443 open); still found: {BEHIND.cause}")


async def test_where_the_peer_opened_all_the_time_the_verdict_has_to_turn():
    slow = (ANOTHER, TrafficSince((), OPEN))
    it = await Stage([slow, slow, slow, (HEALTHY, TrafficSince((), OPEN))]).run()

    assert (len(it.asked), it.watched.code) == (4, 0)


async def test_a_cluster_that_is_away_is_waited_for():
    it = await Stage(
        [DENIED_NOW, "the API server does not answer", (HEALTHY, TrafficSince((opened(AT + S),), OPEN))]
    ).run()

    assert it.lines[0] == "21:00:10 UTC  could not look: the API server does not answer"
    assert it.watched.code == 0


async def test_where_the_first_walk_cannot_look_there_is_nothing_to_watch():
    with pytest.raises(Blind, match="no way to it"):
        await Stage(["no way to it"]).run()


async def test_where_nothing_was_wrong_it_ends_when_something_is():
    fine = (HEALTHY, TrafficSince((opened(AT),), OPEN))
    it = await Stage([fine, fine, fine, (DENIED, TrafficSince((dropped(AT + 30 * S),), SHUT))]).run()

    assert it.watched.code == 1
    assert [each.split()[2] for each in it.lines] == ["✔", "✖"]


@pytest.mark.parametrize(
    ("last", "code"),
    [(DENIED_NOW, 1), ((UNTOLD, TrafficSince()), 3), ((HEALTHY, TrafficSince()), 0), ("gone", 3)],
    ids=["fault", "untold", "healthy", "blind"],
)
async def test_broken_off_it_stands_as_the_last_walk_has_said(last: tuple[Diagnosis, TrafficSince] | str, code: int):
    it = await Stage([DENIED_NOW, DENIED_NOW, last], most=3).run()

    assert it.watched.code == code


async def test_before_the_first_verdict_there_is_no_code():
    it = await Stage([DENIED_NOW], most=0).run()

    assert it.watched.code is None


def test_with_a_peer_that_was_asked_for_only_its_connections_are_waited_for():
    asked = replace(TARGET, to_host="10.96.0.1", to_port=443)

    assert about_the_peer((API, DNS), asked) == (API,)
    assert about_the_peer((API, DNS), Target("api-server", "production")) == (API, DNS)
    assert about_the_peer((DNS,), asked) == (DNS,), "where none is known to be it, all of them"
