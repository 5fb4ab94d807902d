"""What comes in at once is judged together: what is started, skipped, listed, dropped, and that each of it is said."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from bot.alerts.alerts import MOST_NOTICES, STARTS_APART_S, Alerts
from bot.alerts.channel_state import MOST_POINTERS, OVER_LIMIT
from bot.alerts.gate import load_gate
from bot.alerts.incidents import Novelty
from bot.alerts.notices import (
    AnswerPlace,
    ListedAlerts,
    MessageSign,
    Notice,
    PointedAlert,
    SkippedAlert,
    StartedByAlert,
    UnclearAlert,
)
from bot.alerts.pending import GATHER_S, KeptAlerts
from bot.alerts.plan import AlertLimits, Received
from bot.clusters.recent_drops import RecentDrops
from bot.clusters.served import UnknownCluster
from bot.desk import LimitReached
from bot.intake import Origin, Taken
from bot.store import Investigation, InvestigationState, OriginKind, Request
from bot.store.pending_alerts import Heard
from bot.triggers.alert import Alert, AlertState, AlertSubject, SubjectKind
from bot.triggers.commands import Investigate
from sensors.kit import Blind, Target
from sensors.kit.kinds import POD
from tests.bot.alerts.alerting import alert, pod, received

NOW = datetime(2026, 11, 28, 22, 0, tzinfo=UTC)
PODS = tuple(pod(f"web-{each}", ready=each != 3) for each in range(10))


@dataclass
class Spoken:
    """What was said where, and which reactions were set."""

    notices: list[tuple[str, Notice]] = field(default_factory=list)
    marks: list[MessageSign] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)
    late: dict[str, str] = field(default_factory=dict)
    elsewhere: AnswerPlace | None = None

    async def anchor(self, channel: str, title: str, seconds: float) -> str:
        return self.titles.get(title, "") or (self.late.get(title, "") if seconds else "")

    async def open(self, it: Investigation) -> AnswerPlace:
        return self.elsewhere or AnswerPlace(it.request.channel, it.request.thread or f"root of {it.id}")

    async def link(self, place: AnswerPlace, reader: str) -> str:
        return f"https://slack/{place.channel}/{place.thread}"

    async def tell(self, channel: str, thread: str, notice: Notice, ts: str = "") -> str:
        self.notices.append((thread, notice))
        return ts or f"ts{len(self.notices)}"

    def mark(self, channel: str, ts: str, mark: MessageSign) -> None:
        self.marks.append(mark)

    def of(self, kind: type[Any]) -> list[Any]:
        return [notice for _, notice in self.notices if isinstance(notice, kind)]


@dataclass
class Desk:
    """Takes everything on, or refuses it."""

    refuses: str = ""
    taken: list[tuple[Investigate, Origin]] = field(default_factory=list)

    async def take(self, asked: Investigate, origin: Origin) -> Taken:
        if self.refuses:
            raise LimitReached("user", self.refuses, 5.0)
        self.taken.append((asked, origin))
        request = Request(asked.target, "flow.x", OriginKind.ALERT, origin.by, "default", origin.channel, origin.thread)
        return Taken(Investigation(f"i{len(self.taken)}", request, InvestigationState.QUEUED, NOW), joined=False)


@dataclass
class Remembered:
    """The store's memory of firings."""

    known: dict[str, str] = field(default_factory=dict)

    async def value_of(self, key: str, now: datetime) -> str | None:
        return self.known.get(key)

    async def values_of(self, keys: Sequence[str], now: datetime) -> dict[str, str]:
        return {each: self.known[each] for each in keys if each in self.known}

    async def count(self, beginning: str, value: str, now: datetime) -> int:
        return sum(key.startswith(beginning) and said == value for key, said in self.known.items())

    async def first_time(self, key: str, now: datetime, kept: timedelta, value: str = "") -> bool:
        return bool(await self.keep_all({key: value}, now, kept))

    async def keep_all(self, rows: Mapping[str, str], now: datetime, kept: timedelta) -> frozenset[str]:
        new = frozenset(each for each in rows if each not in self.known)
        self.known |= {each: rows[each] for each in new}
        return new


@dataclass
class Written:
    """The alerts that were written down."""

    rows: dict[str, Heard] = field(default_factory=dict)
    is_away: bool = False

    async def keep(
        self, rows: Mapping[str, Mapping[str, Any]], owner: str, now: datetime, old: datetime
    ) -> frozenset[str]:
        if self.is_away:
            raise OSError("the database is away")
        new = frozenset(each for each in rows if each not in self.rows)
        self.rows |= {each: Heard(each, owner, rows[each], now) for each in new}
        return new

    async def done(self, keys: Sequence[str]) -> None:
        for each in keys:
            self.rows.pop(each, None)

    async def left(self, old: datetime, most: int) -> tuple[Heard, ...]:
        return tuple(self.rows.values())

    async def take(self, key: str, owner: str, new_owner: str) -> bool:
        ours = self.rows[key].owner == owner
        self.rows[key] = replace(self.rows[key], owner=new_owner)
        return ours


@dataclass
class Resolved:
    investigations: list[str] = field(default_factory=list)

    async def resolve(self, investigation: str) -> None:
        self.investigations.append(investigation)

    def now(self) -> datetime:
        return NOW


@dataclass
class World:
    """The alerts with everything around them, and a clock that a test turns."""

    spoken: Spoken = field(default_factory=Spoken)
    desk: Desk = field(default_factory=Desk)
    seen: Remembered = field(default_factory=Remembered)
    known: dict[str, Investigation] = field(default_factory=dict)
    written: Written = field(default_factory=Written)
    resolved: Resolved = field(default_factory=Resolved)
    pods: tuple[Any, ...] | Exception = PODS
    drops: RecentDrops = field(default_factory=lambda: RecentDrops(0))
    asked_drops: list[Target] = field(default_factory=list)
    unread: str = ""
    is_stuck: bool = False
    slept: list[float] = field(default_factory=list)
    at: float = 0.0

    async def dropped(self, target: Target) -> RecentDrops:
        self.asked_drops.append(target)
        return self.drops

    def alerts(self, **limits: Any) -> Alerts:
        async def at_once(seconds: float) -> None:
            self.slept.append(seconds)
            await (asyncio.Event().wait() if self.is_stuck and seconds != GATHER_S else asyncio.sleep(0))

        async def known(investigation: str) -> Investigation | None:
            return self.known.get(investigation)

        store: Any = SimpleNamespace(seen=self.seen, investigations=SimpleNamespace(get=known))
        written: Any = self.written
        kept = KeptAlerts(written, lambda: NOW, alone=True)
        made = AlertLimits(**{"gather_s": 0.0, **limits})
        rules, desk, resolves = load_gate(), self.desk, self.resolved
        around: tuple[Any, ...] = (desk, store, lambda alert, channel: "default", self.cluster, self.spoken, resolves)
        return Alerts(*around, rules, lambda cluster: self.dropped, kept, made, clock=lambda: self.at, sleep=at_once)

    @asynccontextmanager
    async def cluster(self, name: str) -> AsyncIterator[Any]:
        async def objects(kind: object, namespace: str | None = None) -> tuple[Any, ...]:
            if isinstance(self.pods, Exception):
                raise self.pods
            if self.unread and kind is not POD:
                raise Blind(self.unread)
            return self.pods if kind is POD else ()

        yield SimpleNamespace(objects=objects)


async def hear(alerts: Alerts, *heard: Received) -> list[Novelty]:
    """Hear all of them at once, and wait until nothing is under way."""
    said = [alerts.hear(each) for each in heard]
    await alerts.written()
    await quiet(alerts)
    return said


async def quiet(alerts: Alerts) -> None:
    while tasks := [*alerts._workers.values(), *alerts._speakers.values(), *alerts._asides]:
        await asyncio.wait(tasks)


async def test_an_alert_is_looked_into_and_its_thread_says_why():
    world = World()

    await hear(world.alerts(), *received(alert(peer=("10.96.0.1", 443))))

    (asked, origin), (notice,) = world.desk.taken[0], world.spoken.of(StartedByAlert)
    assert asked.target == Target("web-1", "shop", "10.96.0.1", 443)
    assert (origin.kind, origin.channel, origin.thread) == (OriginKind.ALERT, "C0ALERTS", "1.0")
    assert notice.because == "a connection fails"
    assert world.spoken.marks == [MessageSign.LOOKING]


async def test_a_reason_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture):
    world = World(desk=Desk(refuses="no cluster 'x\n2026-11-30 05:00:00,000 ERROR bot.app: forged'"))
    caplog.set_level(logging.INFO, "bot.alerts.alerts")

    await hear(world.alerts(), *received(alert()))

    (said,) = [each.getMessage() for each in caplog.records if "starts nothing" in each.getMessage()]
    assert said.endswith("no cluster 'x 2026-11-30 05:00:00,000 ERROR bot.app: forged'")


async def test_the_same_firing_is_started_once_also_after_a_restart():
    world = World()
    (one,) = received(alert())
    alerts = world.alerts()

    assert await hear(alerts, one, one) == [Novelty.NEW, Novelty.REPEAT]
    world.seen.known[one.once] = "i1"
    await hear(world.alerts(), one)

    assert len(world.desk.taken) == 1


async def test_each_of_those_that_one_investigation_is_for_starts_nothing_after_a_restart():
    world = World()
    heard = [Received(alert(namespace=f"ns-{each}", peer=("10.96.0.1", 443)), "C0ALERTS") for each in range(6)]
    heard.append(Received(alert(peer=("10.96.0.1", 443)), "C0ALERTS"))
    await hear(world.alerts(), *heard)

    await hear(world.alerts(), heard[-1], heard[2])

    assert len(world.desk.taken) == 1


async def test_a_message_that_repeats_after_a_restart_is_looked_into_once_more():
    """It does not say when the alert began: docs/alerts.md tells it. A webhook's alert does."""
    world, told = World(), alert(since="")
    await hear(world.alerts(), Received(told, "C0ALERTS", "1.0"))

    await hear(world.alerts(), Received(told, "C0ALERTS", "1.0"))
    assert len(world.desk.taken) == 1
    await hear(world.alerts(), Received(told, "C0ALERTS", "2.0"))
    assert len(world.desk.taken) == 2


async def test_what_was_taken_in_before_a_crash_is_begun_after_it_exactly_once():
    world, (one,) = World(), received(alert())
    before = world.alerts()
    world.is_stuck = True
    before.hear(one)
    assert await before.written()
    await asyncio.sleep(0)
    await before.close()
    assert world.desk.taken == []
    world.is_stuck = False

    after = world.alerts()
    await asyncio.gather(after.recover(), after.recover())
    await quiet(after)
    assert await hear(after, one) == [Novelty.REPEAT]
    await world.alerts().recover()

    assert [asked.pod for asked, _ in world.desk.taken] == ["web-1"]
    assert world.written.rows == {}


async def test_what_was_begun_when_the_crash_came_is_not_begun_again():
    world, (one,) = World(), received(alert())
    await hear(world.alerts(), one)
    world.written.rows[one.once] = Heard(one.once, "a process that is gone", msgspec.to_builtins(one), NOW)

    after = world.alerts()
    await after.recover()
    await quiet(after)

    assert len(world.desk.taken) == 1


async def test_the_same_alert_in_another_replica_is_judged_in_one_of_them():
    world, (one,) = World(), received(alert())
    first, second = world.alerts(), world.alerts()

    first.hear(one)
    await first.written()
    await hear(second, one)
    await quiet(first)

    assert len(world.desk.taken) == 1


async def test_where_the_store_is_away_nothing_is_taken_in_and_the_same_is_new_again():
    world, (one,) = World(), received(alert())
    alerts = world.alerts()
    world.written.is_away = True
    alerts.hear(one)
    assert not await alerts.written()

    world.written.is_away = False
    assert await hear(alerts, one) == [Novelty.NEW]
    assert len(world.desk.taken) == 1


async def test_what_resolves_is_said_of_the_investigation_that_it_started():
    world = World()
    alerts = world.alerts()
    (one,) = received(alert())
    await hear(alerts, one)

    await hear(alerts, replace(one, alert=replace(one.alert, state=AlertState.RESOLVED)))
    await hear(alerts, *received(replace(alert(pod="other"), state=AlertState.RESOLVED)))

    assert world.resolved.investigations == ["i1"]


def ended(one: Received) -> Received:
    return replace(one, alert=replace(one.alert, state=AlertState.RESOLVED))


async def test_of_those_that_one_investigation_is_for_only_the_last_that_resolves_is_said():
    world = World()
    alerts = world.alerts()
    storm = [Received(alert(namespace=f"ns-{each}", peer=("10.96.0.1", 443)), "C0ALERTS") for each in range(6)]
    storm.append(Received(alert(peer=("10.96.0.1", 443)), "C0ALERTS"))
    await hear(alerts, *storm)

    await hear(alerts, ended(storm[-1]), ended(storm[0]), ended(storm[0]))
    assert world.resolved.investigations == []
    await hear(world.alerts(), *map(ended, storm[1:3]))  # another process, which remembers none of them
    assert world.resolved.investigations == []
    await hear(alerts, *map(ended, storm[1:6]))

    assert world.resolved.investigations == ["i1"]
    assert world.written.rows == {}


async def test_a_resolve_is_kept_until_it_is_said_and_taken_up_by_the_next_process():
    world, (one,) = World(), received(alert())
    before = world.alerts()
    await hear(before, one)
    world.is_stuck = True
    before.hear(ended(one))
    assert await before.written()
    await before.close()
    world.is_stuck = False
    assert world.resolved.investigations == []

    after = world.alerts()
    await after.recover()
    await quiet(after)

    assert (world.resolved.investigations, world.written.rows) == (["i1"], {})
    assert len(world.desk.taken) == 1


async def test_a_resolve_that_cannot_be_written_down_is_heard_again():
    world, (one,) = World(), received(alert())
    alerts = world.alerts()
    await hear(alerts, one)
    world.written.is_away = True
    alerts.hear(ended(one))
    assert not await alerts.written()
    world.written.is_away = False

    await hear(alerts, ended(one))

    assert world.resolved.investigations == ["i1"]


async def test_what_names_nothing_that_is_there_takes_no_place_of_what_does():
    world = World()
    gone = [alert(f"N{each}CannotReach", f"gone-{each}", f"ns-{each}") for each in range(5)]

    await hear(world.alerts(), *received(*gone, thread=""))
    await hear(world.alerts(each=1, storm=1), *received(*gone, alert(key="last"), thread=""))
    assert [asked.pod for asked, _ in world.desk.taken] == []  # two plans of one batch, and no more
    await hear(world.alerts(each=1, storm=1), *received(gone[0], alert(key="last"), thread=""))

    assert [asked.pod for asked, _ in world.desk.taken] == ["web-1"]


async def test_what_was_started_keeps_its_place():
    world = World()
    alerts = world.alerts(each=1, storm=0)

    await hear(alerts, *received(alert()))
    await hear(alerts, *received(alert(pod="web-2")))

    assert [asked.pod for asked, _ in world.desk.taken] == ["web-1"]


async def test_a_skipped_alert_is_said_below_a_message_that_comes_after_the_webhook():
    skipped = alert("Watchdog")
    world = World(spoken=Spoken(late={skipped.title: "7.7"}))

    await hear(world.alerts(), Received(skipped, "C0ALERTS"))

    assert [thread for thread, _ in world.spoken.notices] == ["7.7"]
    assert world.spoken.marks == [MessageSign.SKIPPED]


async def test_those_without_a_message_leave_the_places_for_notices_free():
    world = World()
    alerts = world.alerts()
    await hear(alerts, *(Received(alert("Watchdog", f"web-{each}"), "C0ALERTS") for each in range(30)))

    await hear(alerts, *received(*(alert("Watchdog", f"with-{each}") for each in range(30))))

    assert len(world.spoken.of(SkippedAlert)) == 10


async def test_alerts_that_a_sender_cut_off_are_said():
    world = World()
    alerts = world.alerts()

    alerts.left_out("C0ALERTS", 500)
    await quiet(alerts)

    assert [each.dropped for each in world.spoken.of(ListedAlerts)] == [500]


async def test_a_crash_loop_is_looked_into_only_where_the_pod_is_not_ready():
    world = World()

    await hear(world.alerts(), *received(alert("KubePodCrashLooping", "web-3"), alert("KubePodCrashLooping", "web-4")))

    assert [asked.pod for asked, _ in world.desk.taken] == ["web-3"]
    (skipped,) = world.spoken.of(SkippedAlert)
    assert skipped.why == (
        "it may have many causes, it names no peer, pod shop/web-4 is ready, "
        "and Hubble saw none of its packets dropped in the last 5 minutes"
    )
    assert skipped.target == Target("web-4", "shop")


async def test_a_ready_pod_whose_packets_were_dropped_just_now_is_looked_into():
    world = World(drops=RecentDrops(12))

    await hear(world.alerts(), *received(alert("KubePodCrashLooping", "web-4")))

    assert [asked.pod for asked, _ in world.desk.taken] == ["web-4"]
    assert world.spoken.of(StartedByAlert)[0].because == "Hubble saw 12 of its packets dropped in the last 5 minutes"


async def test_drops_that_were_not_measured_are_no_reason_of_their_own_to_skip_and_it_is_said():
    measured, blind = World(), World(drops=RecentDrops(why="no hubble relay is configured"))
    for world in (measured, blind):
        await hear(
            world.alerts(), *received(alert("KubePodCrashLooping", "web-4"), alert("KubePodCrashLooping", "web-3"))
        )

    assert [asked.pod for asked, _ in blind.desk.taken] == [asked.pod for asked, _ in measured.desk.taken] == ["web-3"]
    assert blind.spoken.of(SkippedAlert)[0].why.endswith(
        "and whether its packets were dropped in the last 5 minutes was not measured (no hubble relay is configured)"
    )


async def test_drops_are_asked_for_only_where_they_can_decide():
    world = World()

    heard = (alert(peer=("10.96.0.1", 443)), alert("CPUThrottlingHigh", "web-2"), alert("KubePodNotReady", "web-3"))
    await hear(world.alerts(), *received(*heard, alert("KubePodNotReady", "web-4")))

    assert world.asked_drops == [Target("web-4", "shop")]


async def test_without_a_message_to_answer_a_skipped_alert_says_nothing_in_the_channel():
    world = World()

    await hear(world.alerts(), Received(alert("Watchdog"), "C0ALERTS"))

    assert (world.spoken.notices, world.desk.taken) == ([], [])
    assert list(world.seen.known.values()) == ["Watchdog\nit only shows that alerting works\nweb-1\nshop"]


async def test_an_alert_without_a_clear_pod_asks_which_one_is_meant():
    world = World()
    several = alert(meant=(AlertSubject(SubjectKind.WORDS, ""),), words="web-1 and web-2 of shop", title="x")

    await hear(world.alerts(), *received(several))

    (unclear,) = world.spoken.of(UnclearAlert)
    assert unclear.candidates == (("shop", "web-1"), ("shop", "web-2"))
    assert world.spoken.marks == [MessageSign.UNCLEAR]


async def test_an_alert_that_no_rule_knows_and_that_leads_to_no_pod_is_skipped_and_not_asked_about():
    world = World()
    unknown, about_network = (alert(name, pod="gone") for name in ("InvoiceRunLate", "PodCannotReachPeer"))

    for each in (unknown, about_network):
        await hear(world.alerts(), *received(each))

    (skipped,), (unclear,) = world.spoken.of(SkippedAlert), world.spoken.of(UnclearAlert)
    assert skipped.why == "no rule of the gate knows it, and pod shop/gone is not there any more"
    assert unclear.alert.name == "PodCannotReachPeer"


async def test_more_unclear_alerts_than_are_answered_one_by_one_are_listed():
    world = World()
    alerts = world.alerts()
    for each in range(MOST_NOTICES + 2):
        await hear(alerts, *received(alert(pod="gone", namespace=f"ns-{each}")))

    (*_, listed) = world.spoken.of(ListedAlerts)
    assert len(world.spoken.of(UnclearAlert)) == MOST_NOTICES
    assert (listed.count, listed.investigated, listed.dropped) == (2, False, 0)
    assert "more came in a minute" in listed.why


async def test_as_many_unclear_alerts_as_are_answered_one_by_one_need_no_list():
    world = World()
    alerts = world.alerts()
    for each in range(MOST_NOTICES):
        await hear(alerts, *received(alert(pod="gone", namespace=f"ns-{each}")))

    assert len(world.spoken.of(UnclearAlert)) == MOST_NOTICES
    assert world.spoken.of(ListedAlerts) == []


async def test_a_cluster_that_cannot_be_read_keeps_no_named_pod_from_being_looked_into():
    world = World(pods=Blind("the API server does not answer"))

    await hear(
        world.alerts(), *received(alert(), alert("X", meant=(AlertSubject(SubjectKind.NODE, "w1"),), peer=("a.b", 1)))
    )

    assert [asked.pod for asked, _ in world.desk.taken] == ["web-1"]
    assert world.spoken.of(StartedByAlert)[0].chosen.endswith("because the API server does not answer")
    assert world.spoken.of(UnclearAlert)[0].why == "the API server does not answer"


async def test_a_refusal_of_the_desk_is_posted():
    world = World(desk=Desk(refuses="5 investigations are under way."))

    await hear(world.alerts(), *received(alert()))

    assert world.spoken.of(SkippedAlert)[0].why == "5 investigations are under way."


async def test_a_webhook_s_answer_stands_below_the_channel_s_message_where_there_is_one():
    world = World(spoken=Spoken(titles={alert().title: "7.7"}))

    await hear(world.alerts(), Received(alert(), "C0ALERTS"), Received(alert(pod="web-2"), "C0ALERTS"))

    assert sorted(origin.thread for _, origin in world.desk.taken) == ["", "7.7"]


async def test_a_storm_is_one_investigation_for_each_cause_and_one_list():
    world = World()
    heard = [Received(alert(namespace=f"ns-{each}", peer=("10.96.0.1", 443)), "C0ALERTS") for each in range(6)]

    await hear(world.alerts(), *heard, Received(alert(peer=("10.96.0.1", 443)), "C0ALERTS"))

    (listed,) = world.spoken.of(ListedAlerts)
    assert [asked.namespace for asked, _ in world.desk.taken] == ["shop"]
    assert (listed.count, listed.investigated, len(listed.lines)) == (7, True, 7)


@pytest.mark.parametrize("others", [1, 6])
async def test_whom_a_storm_s_answer_is_for_needs_no_pod_of_its_own(others: int):
    world = World()
    alerts = world.alerts()
    await hear(alerts, *storm_of(7))

    late = (alert(pod="gone", namespace=f"late-{each}", peer=("10.96.0.1", 443)) for each in range(others))
    await hear(alerts, *(Received(each, "C0ALERTS") for each in late))

    (*_, listed) = world.spoken.of(ListedAlerts)
    assert world.spoken.of(UnclearAlert) == []
    assert (listed.count, listed.investigated) == (7 + others, True)


@pytest.mark.parametrize("others", [1, 6])
async def test_a_cause_is_looked_into_once_in_a_window_however_its_alerts_fall_into_batches(others: int):
    world = World()
    alerts = world.alerts()
    await hear(alerts, *storm_of(7))

    late = [
        alert(pod="web-2", peer=("10.96.0.1", 443), title="late"),
        *(alert(pod="gone", namespace=f"late-{each}", peer=("10.96.0.1", 443)) for each in range(1, others)),
    ]
    await hear(alerts, *(Received(each, "C0ALERTS", f"late.{at}") for at, each in enumerate(late)))

    (*_, listed) = world.spoken.of(ListedAlerts)
    assert [asked.pod for asked, _ in world.desk.taken] == ["web-1"]
    assert (listed.count, listed.investigated) == (7 + others, True)
    assert pointed(world)["late.0"].url == "https://slack/C0ALERTS/0.0"


async def test_after_a_window_a_cause_that_goes_on_is_looked_into_again():
    world = World()
    alerts = world.alerts()
    await hear(alerts, *storm_of(7))
    world.at = 59.0
    await hear(alerts, Received(alert(pod="gone", namespace="late", peer=("10.96.0.1", 443)), "C0ALERTS"))
    world.at = 61.0

    await hear(alerts, Received(alert(pod="web-2", peer=("10.96.0.1", 443)), "C0ALERTS"))

    assert [asked.pod for asked, _ in world.desk.taken] == ["web-1", "web-2"]


async def test_a_storm_is_over_only_when_those_that_came_later_have_resolved_too():
    world = World()
    alerts, storm = world.alerts(), storm_of(7)
    late = Received(alert(pod="gone", namespace="late", peer=("10.96.0.1", 443)), "C0ALERTS")
    await hear(alerts, *storm)
    await hear(alerts, late)

    await hear(alerts, *map(ended, storm))
    assert world.resolved.investigations == []
    await hear(alerts, ended(late))

    assert world.resolved.investigations == ["i1"]


@pytest.mark.parametrize(
    ("name", "refuses", "why"),
    [
        ("PodCannotReachPeer", "", "no pod that is meant could be found"),
        ("KubePodCrashLooping", "", "pod shop/web-1 is ready"),
        ("PodCannotReachPeer", "5 investigations are under way.", "5 investigations are under way."),
    ],
)
async def test_a_storm_that_nobody_looks_into_says_why(name: str, refuses: str, why: str):
    world, pods = World(desk=Desk(refuses=refuses)), ["web-1"] if refuses or "Loop" in name else ["gone"]
    heard = [alert(name, pod, namespace="shop") for pod in (*pods, *(f"gone-{each}" for each in range(6)))]

    await hear(world.alerts(), *(Received(each, "C0ALERTS") for each in heard))

    (*_, listed) = world.spoken.of(ListedAlerts)
    assert (listed.investigated, listed.count) == (False, 7)
    assert why in listed.why


async def test_of_a_storm_a_pod_that_fails_is_looked_into_before_one_that_is_ready():
    world = World()
    names = ("web-1", "web-2", "web-3", *(f"gone-{each}" for each in range(4)))

    await hear(world.alerts(), *(Received(alert("KubePodCrashLooping", each), "C0ALERTS") for each in names))

    assert [asked.pod for asked, _ in world.desk.taken] == ["web-3"]


async def test_an_alert_of_another_cause_than_the_storm_is_told_that_its_pod_is_not_clear():
    world = World()
    alerts = world.alerts()
    await hear(alerts, *storm_of(7))

    await hear(alerts, Received(alert("KubePodNotReady", pod="gone"), "C0ALERTS"))

    (*_, listed) = world.spoken.of(ListedAlerts)
    assert (len(world.spoken.of(UnclearAlert)), listed.count) == (1, 7)


def storm_of(count: int, thread: str = "{}.0") -> list[Received]:
    """Alerts of one cause; the channel has a message for each, or for all."""
    first = Received(alert(peer=("10.96.0.1", 443)), "C0ALERTS", thread.format("0"))
    made = (alert(namespace=f"ns-{each}", peer=("10.96.0.1", 443)) for each in range(1, count))
    return [first, *(Received(each, "C0ALERTS", thread.format(at)) for at, each in enumerate(made, start=1))]


def pointed(world: World) -> dict[str, PointedAlert]:
    return {thread: notice for thread, notice in world.spoken.notices if isinstance(notice, PointedAlert)}


async def test_the_other_messages_of_a_storm_point_to_its_thread():
    world = World()

    await hear(world.alerts(), *storm_of(7))

    said = pointed(world)
    assert set(said) == {f"{each}.0" for each in range(1, 7)}
    assert {(each.investigated, each.others, each.url) for each in said.values()} == {
        (True, 6, "https://slack/C0ALERTS/0.0")
    }
    assert world.spoken.marks.count(MessageSign.POINTED) == 6


async def test_one_message_about_a_whole_storm_has_the_answer_and_no_pointer():
    world = World()

    await hear(world.alerts(), *storm_of(7, thread="5.0"))

    assert pointed(world) == {}


async def test_a_storm_without_messages_of_its_own_has_no_pointers():
    world = World()

    await hear(world.alerts(), *storm_of(7, thread=""))

    assert pointed(world) == {}


async def test_of_alerts_without_a_name_no_investigation_is_said_to_be_for_the_others():
    world = World()

    await hear(world.alerts(each=0, storm=1), *received(*(alert("", f"web-{each}") for each in (3, 4)), thread=""))

    last = {(each.count, each.investigated, each.why) for each in world.spoken.of(ListedAlerts)}
    assert last == {(1, True, ""), (1, False, OVER_LIMIT)}


async def test_a_large_storm_is_not_doubled_by_its_pointers():
    world = World()
    alerts = world.alerts()

    await hear(alerts, *storm_of(15))
    await hear(alerts, *storm_of(60)[15:])

    assert len(world.spoken.of(PointedAlert)) == len(pointed(world)) == MOST_POINTERS


async def test_a_window_later_there_are_pointers_again():
    world = World()
    alerts = world.alerts()
    await hear(alerts, *storm_of(40))
    world.at = 61.0

    await hear(
        alerts, *(Received(alert(key=f"new {at}", peer=("10.96.0.1", 443)), "C0ALERTS", f"9.{at}") for at in (1, 2))
    )

    assert "9.2" in pointed(world)


async def test_messages_that_never_come_keep_no_other_from_its_pointer():
    world = World()
    alerts = world.alerts(each=0)

    await hear(alerts, *storm_of(40, thread=""))
    await hear(alerts, *storm_of(50)[40:])

    assert len(world.spoken.of(PointedAlert)) == 10


async def test_alerts_beyond_the_limit_point_to_their_list():
    world = World()

    await hear(world.alerts(each=0, storm=0), *received(alert(), thread="1.0"))

    assert pointed(world) == {"1.0": PointedAlert(alert(), False, 0, "https://slack/C0ALERTS/ts1")}


async def test_what_somebody_asked_already_in_another_place_is_pointed_to_from_the_alert():
    world = World(spoken=Spoken(elsewhere=AnswerPlace("C0INCIDENTS", "4.0")))

    await hear(world.alerts(), *received(alert(), thread="1.0"))

    assert world.spoken.of(StartedByAlert) == []
    assert pointed(world) == {"1.0": PointedAlert(alert(), True, 0, "https://slack/C0INCIDENTS/4.0")}


async def test_an_alert_about_what_an_earlier_alert_led_to_points_to_that_thread():
    world = World(spoken=Spoken(elsewhere=AnswerPlace("C0ALERTS", "0.5")))

    await hear(world.alerts(), *received(alert(), thread="1.0"))

    assert pointed(world) == {"1.0": PointedAlert(alert(), True, 0, "https://slack/C0ALERTS/0.5")}
    assert [thread for thread, notice in world.spoken.notices if isinstance(notice, StartedByAlert)] == ["0.5"]


async def test_a_storm_that_is_answered_in_another_channel_points_there_also_later():
    world = World(spoken=Spoken(elsewhere=AnswerPlace("C0INCIDENTS", "4.0")))
    alerts = world.alerts(each=0)

    await hear(alerts, *storm_of(7))
    await hear(alerts, *storm_of(9)[7:])

    assert {each.url for each in pointed(world).values()} == {"https://slack/C0INCIDENTS/4.0"}
    assert len(pointed(world)) == 9


async def test_of_a_batch_one_investigation_begins_after_the_other():
    """Three that look at the same moment would hold up the alerts that still come in."""
    world = World()

    await hear(world.alerts(), *received(alert(), alert("AnotherCannotReach", "web-2")))

    assert len(world.desk.taken) == 2
    assert [each for each in world.slept if each >= STARTS_APART_S] == [STARTS_APART_S]


async def test_an_alert_alone_waits_for_no_other():
    world = World()

    await hear(world.alerts(), *received(alert()))

    assert STARTS_APART_S not in world.slept


async def test_in_a_storm_that_goes_on_the_lists_grow_and_no_more_is_started():
    world = World()
    alerts = world.alerts()
    for batch in range(5):
        many = [alert(f"C{each % 4}CannotReach", f"web-{each % 10}", key=f"{batch} {each}") for each in range(40)]
        await hear(alerts, *received(*many, thread=""))

    last = {notice.name: notice for notice in world.spoken.of(ListedAlerts)}
    assert len(world.desk.taken) <= 3
    assert sum(each.count for each in last.values()) == 200
    assert {each.investigated for name, each in last.items() if name} == {True}


async def test_a_minute_later_there_is_room_again():
    world = World()
    alerts = world.alerts(each=1)
    await hear(alerts, *received(alert()))
    await hear(alerts, *received(alert(pod="web-2", namespace="shop")))
    world.at = 61.0

    await hear(alerts, *received(alert(pod="web-4")))

    assert [asked.pod for asked, _ in world.desk.taken][-1] == "web-4"


async def test_what_there_is_no_room_for_is_counted_said_and_new_when_it_comes_again():
    world = World()
    alerts = world.alerts(waiting=6)
    many = received(*(alert(f"N{each}CannotReach", f"web-{each}") for each in range(9)), thread="")

    assert await hear(alerts, *many) == [Novelty.NEW] * 9
    assert sum(each.dropped for each in world.spoken.of(ListedAlerts)) == 3
    assert alerts.counts["dropped"] == 3
    assert alerts.hear(many[-1]) is Novelty.NEW
    await alerts.close()


async def test_memory_shrinks_again_once_alerts_stop():
    world = World()
    alerts = world.alerts()
    for channel in range(50):
        await hear(alerts, *received(alert(), channel=f"C{channel}"))
    world.at = 1000.0

    await hear(alerts, *received(alert(pod="web-5"), channel="CLAST"))

    assert set(alerts._rooms) == {"CLAST"}


@pytest.mark.parametrize("failing", ["open", "tell", "anchor"])
async def test_one_that_fails_keeps_no_other_from_being_looked_into(failing: str):
    world = World()
    usual, calls = getattr(world.spoken, failing), []

    async def once(*given: Any, **named: Any) -> str:
        calls.append(given)
        if len(calls) == 1:
            raise RuntimeError("Slack is away")
        return str(await usual(*given, **named))

    setattr(world.spoken, failing, once)

    await hear(world.alerts(), *(Received(alert(pod=f"web-{each}"), "C0ALERTS") for each in (1, 2, 4)))

    assert len(world.desk.taken) >= 2


UNKNOWN = "CheckoutLatencyHigh"
"""An alert that no rule of the gate knows."""


async def test_an_alert_that_no_rule_knows_is_not_skipped_where_the_cluster_was_not_read():
    world = World(pods=Blind("the API server does not answer"))

    await hear(world.alerts(), *received(alert(UNKNOWN, meant=(AlertSubject(SubjectKind.SERVICE, "web", "shop"),))))

    assert [each.why for each in world.spoken.of(UnclearAlert)] == ["the API server does not answer"]
    assert world.spoken.of(SkippedAlert) == []


async def test_an_alert_that_no_rule_knows_is_not_skipped_where_its_cluster_is_unknown():
    world, why = World(), "no cluster of the name west is served"
    alerts = world.alerts()

    def cluster_of(heard: Alert, channel: str) -> str:
        raise UnknownCluster(why)

    alerts._scenes.cluster_of = cluster_of

    await hear(alerts, *received(alert(UNKNOWN)))

    assert [each.why for each in world.spoken.of(UnclearAlert)] == [why]
    assert world.spoken.of(SkippedAlert) == []


OF_SERVICE = alert(UNKNOWN, meant=(AlertSubject(SubjectKind.SERVICE, "web", "shop"),))


async def test_an_alert_that_no_rule_knows_is_not_skipped_where_services_were_not_read():
    blind, seeing = World(unread="KAI may not list services"), World()
    for world in (blind, seeing):
        await hear(world.alerts(), *received(OF_SERVICE))

    (unclear,) = blind.spoken.of(UnclearAlert)
    assert unclear.why == "Service shop/web could not be read: KAI may not list services"
    assert blind.spoken.of(SkippedAlert) == seeing.spoken.of(UnclearAlert) == []
    assert [each.why for each in seeing.spoken.of(SkippedAlert)] == [
        "no rule of the gate knows it, and no Service shop/web is to be seen"
    ]


async def test_of_two_alerts_about_one_pod_the_one_about_the_network_decides_in_whichever_order_they_come():
    both = alert("KubePodCrashLooping", "web-1"), alert("CiliumPolicyDrop", "web-1")
    worlds = World(), World(), World()
    for world, heard in zip(worlds, (both, both[::-1], both[:1]), strict=True):
        await hear(world.alerts(), *received(*heard))

    assert [[asked.pod for asked, _ in world.desk.taken] for world in worlds] == [["web-1"], ["web-1"], []]
    assert [each.because for each in worlds[0].spoken.of(StartedByAlert)] == ["packets are dropped"]


async def test_of_two_alerts_about_a_pod_that_is_gone_the_one_about_the_network_is_said():
    world = World()

    await hear(world.alerts(), *received(alert(UNKNOWN, "gone"), alert("CiliumPolicyDrop", "gone")))

    assert [each.alert.name for each in world.spoken.of(UnclearAlert)] == ["CiliumPolicyDrop"]
    assert world.spoken.of(SkippedAlert) == []


async def test_what_is_offered_of_an_alert_is_of_its_cluster():
    world, near = World(), World()
    alerts = world.alerts()
    alerts._scenes.cluster_of = lambda heard, channel: "west"
    either = alert(
        meant=(AlertSubject(SubjectKind.WORDS, ""),), title="TargetDown web-1 web-2", labels={"cluster": "west"}
    )

    for each in (alerts, near.alerts()):
        await hear(each, *received(alert("CPUThrottlingHigh"), either))

    said = [(*each.spoken.of(SkippedAlert), *each.spoken.of(UnclearAlert)) for each in (world, near)]
    assert [[each.cluster for each in notices] for notices in said] == [["west", "west"], ["", ""]]


def failing_once(world: World) -> list[str]:
    """The store's memory is away for one write."""
    keep, failed = world.seen.keep_all, []

    async def keep_all(rows: Mapping[str, str], now: datetime, kept: timedelta) -> frozenset[str]:
        if not failed:
            failed.extend(rows)
            raise OSError("the database is away")
        return await keep(rows, now, kept)

    world.seen.keep_all = keep_all  # type: ignore[method-assign]
    return failed


async def test_where_the_store_fails_the_others_of_a_batch_are_looked_into_and_the_late_ones_of_a_storm_are_listed():
    world = World()
    alerts = world.alerts()
    await hear(alerts, *storm_of(7))
    failed = failing_once(world)
    late = Received(alert(pod="gone", namespace="late", peer=("10.96.0.1", 443)), "C0ALERTS")

    await hear(alerts, late, *received(alert("AnotherCannotReach", "web-2")))

    (*_, listed) = world.spoken.of(ListedAlerts)
    assert failed == [late.once]
    assert [asked.pod for asked, _ in world.desk.taken] == ["web-1", "web-2"]
    assert (listed.count, listed.investigated) == (8, True)


async def test_an_investigation_that_the_store_cannot_remember_is_said_all_the_same():
    world = World()
    failing_once(world)

    await hear(world.alerts(), *received(alert()))

    assert (len(world.desk.taken), len(world.spoken.of(StartedByAlert))) == (1, 1)


async def test_a_storm_whose_lead_fires_anew_while_its_thread_is_opened_answers_with_its_investigation():
    world = World()
    alerts, storm = world.alerts(), storm_of(7)
    again = replace(storm[0].alert, since="2026-11-28T22:05:00Z")
    usual = world.spoken.open

    async def slowly(it: Investigation) -> AnswerPlace:
        for each in (ended(storm[0]).alert, again):
            alerts._incidents.hear(each)
        return await usual(it)

    world.spoken.open = slowly  # type: ignore[method-assign]
    await hear(alerts, *storm)
    late = Received(alert(pod="gone", namespace="late", peer=("10.96.0.1", 443)), "C0ALERTS")

    await hear(alerts, late)

    assert world.seen.known[late.once] == "i1"


async def test_the_lead_of_a_storm_is_in_no_other_list():
    world = World()
    alerts = world.alerts()
    for each in range(MOST_NOTICES):
        await hear(alerts, *received(alert(pod="gone", namespace=f"ns-{each}")))

    lost = (alert("N1CannotReach", "gone", f"ns-{each}", peer=("10.96.0.1", 443)) for each in range(7))
    await hear(alerts, *received(*lost))

    assert [(each.name, each.count) for each in world.spoken.of(ListedAlerts)] == [("N1CannotReach 10.96.0.1:443", 7)]


@pytest.mark.parametrize(("ago", "started"), [(90.0, ["web-2"]), (0.0, [])])
async def test_an_investigation_answers_later_alerts_for_a_window_from_its_beginning(ago: float, started: list[str]):
    """Firings that are sent again after a restart lead to what they had started before, which may be long ago."""
    world = World()
    storm = storm_of(7)
    world.seen.known = {each.once: "i0" for each in storm}
    request = Request(Target("web-1", "shop"), "flow.x", OriginKind.ALERT, "alert", "default", "C0ALERTS", "0.0")
    world.known = {"i0": Investigation("i0", request, InvestigationState.CONCLUDED, NOW - timedelta(seconds=ago))}
    alerts = world.alerts()
    await hear(alerts, *storm)

    await hear(alerts, Received(alert(pod="web-2", peer=("10.96.0.1", 443)), "C0ALERTS"))

    assert [asked.pod for asked, _ in world.desk.taken] == started


async def test_a_storm_of_alerts_without_a_name_is_not_the_list_of_those_beyond_the_limit():
    world = World()
    alerts = world.alerts(each=0, storm=1)
    peer = ("10.96.0.1", 443)
    await hear(alerts, *received(*(alert("", f"web-{each}", peer=peer) for each in (3, 4, 5)), thread=""))

    await hear(alerts, *received(alert("AnotherCannotReach", "web-4"), alert("", "web-6", peer=peer), thread=""))

    last = {(each.count, each.investigated, each.why) for each in world.spoken.of(ListedAlerts)}
    assert last == {(3, True, ""), (4, True, ""), (1, False, OVER_LIMIT)}
