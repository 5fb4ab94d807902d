"""Takes alerts on: at once, whatever comes; then, a moment later and all together, looks into what is worth it.

`hear` costs microseconds and never waits, so that a storm delays no webhook and no person. Each channel has a room:
its alerts are gathered, judged by the gate, planned, and checked against the cluster that was read once for all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from bot.alerts.channel_state import AlertList, Room, Start
from bot.alerts.gate import CountDrops, GateRule, Judged, NetworkRelevance, judged, settled
from bot.alerts.incidents import Incidents, Novelty
from bot.alerts.notices import MessageSign, NoticeSender, SkippedAlert, StartedByAlert, UnclearAlert
from bot.alerts.pending import Keeper, KeptAlerts
from bot.alerts.plan import AlertGroup, AlertLimits, Received, namespace_of, plan
from bot.alerts.resolved import Resolves
from bot.alerts.target import ChosenTarget, ClusterReadings, UnclearTarget, named_target, read_scene, who
from bot.clusters.served import UnknownCluster
from bot.clusters.target import NoSuchPod
from bot.desk import LimitReached
from bot.intake import Intake, Origin
from bot.report.cluster_name import cluster_name
from bot.store import OriginKind
from bot.store.investigations import TRIGGER_LIFETIME
from bot.store.store import Store
from bot.triggers.alert import Alert
from bot.triggers.commands import Investigate
from sensors.kit import Absent, Blind, Cluster, Target
from sensors.kit.attempt import attempt, attempt_logged

log = logging.getLogger(__name__)

MOST_NOTICES = 10
"""What is said of skipped and unclear alerts in a channel and window; the rest is counted in the log."""

MOST_TRIED = 50
"""Alerts of a group that are tried until one of them leads to a pod."""

OVER_LIMIT = "the most that alerts may start in a minute was reached"
READING_S = 15.0
"""Seconds for the one look at pods and Services that all alerts of a moment share."""

OpenCluster = Callable[[str], AbstractAsyncContextManager[Cluster]]
ClusterOf = Callable[[Alert, str], str]
"""The cluster that an alert of a channel is about. Raises `UnknownCluster`."""

Scenes = Mapping[str, ClusterReadings | str]


def found_in(scene: ClusterReadings | str | None, alert: Alert) -> ChosenTarget | UnclearTarget:
    """Target of an alert; as the alert names it where the cluster cannot be read: the investigation says the same."""
    if isinstance(scene, ClusterReadings):
        return who(alert, scene)
    why, target = scene or "the cluster was not read", named_target(alert)
    return (
        UnclearTarget(why)
        if target is None
        else ChosenTarget(target, f"the pod is taken as the alert names it, because {why}")
    )


class Alerts:
    """One for each process."""

    def __init__(
        self,
        intake: Intake,
        store: Store,
        cluster_of: ClusterOf,
        open_cluster: OpenCluster,
        voice: NoticeSender,
        resolves: Resolves,
        rules: Sequence[GateRule],
        drops: Callable[[str], CountDrops],
        kept: KeptAlerts,
        limits: AlertLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._intake, self._store, self._open, self._voice = intake, store, open_cluster, voice
        self._cluster_of = cluster_of
        self._resolves, self._rules, self._limits = resolves, rules, limits or AlertLimits()
        self._drops, self._kept = drops, kept
        self._keeper = Keeper(kept, self._ready, self._elsewhere, self._unsafe, sleep)
        self._clock, self._sleep = clock, sleep
        self._incidents = Incidents()
        self._rooms: dict[str, Room] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._speakers: dict[str, asyncio.Task[None]] = {}
        self._asides: set[asyncio.Task[Any]] = set()
        self.counts: Counter[str] = Counter()

    def hear(self, received: Received) -> Novelty:
        """Take it on. What there is no room for is counted and said, and new when it is sent again."""
        novelty = self._incidents.hear(received.alert)
        self.counts[novelty] += 1
        if novelty in (Novelty.NEW, Novelty.RESOLVED):
            room = self._rooms.setdefault(received.channel, Room())
            full = room.coming if novelty is Novelty.NEW else len(room.resolved)
            if full >= self._limits.waiting:
                self._drop(received, room)
            elif novelty is Novelty.NEW:
                room.coming += 1
                self._keeper.add(received)
            else:
                room.resolved.append(received)
                self._wake(received.channel, room)
        return novelty

    async def written(self) -> bool:
        """Waits until what was heard is where a crash cannot take it; False where it could not be written."""
        return await self._keeper.written()

    async def recover(self) -> None:
        """Take up what a process that is gone has taken in and not judged."""
        for each in await self._kept.lost():
            self._incidents.hear(each.alert)
            self._rooms.setdefault(each.channel, Room()).coming += 1
            self._ready([each])

    async def close(self) -> None:
        await self._keeper.close()
        tasks = [*self._workers.values(), *self._speakers.values(), *self._asides]
        for each in tasks:
            each.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _ready(self, written: Sequence[Received]) -> None:
        for each in written:
            room = self._rooms.setdefault(each.channel, Room())
            room.waiting.append(each)
            self._wake(each.channel, room)

    def _elsewhere(self, others: Sequence[Received]) -> None:
        """Another replica has them, or had them before it ended."""
        for each in others:
            self._rooms[each.channel].coming -= 1

    def _unsafe(self, lost: Sequence[Received]) -> None:
        """They are new when they are sent again."""
        for each in lost:
            self._rooms[each.channel].coming -= 1
            self._incidents.forget(each.alert)

    def _drop(self, received: Received, room: Room) -> None:
        room.dropped += 1
        self.counts["dropped"] += 1
        self._incidents.forget(received.alert)
        self._wake(received.channel, room)

    def _wake(self, channel: str, room: Room) -> None:
        if channel not in self._workers:
            self._workers[channel] = asyncio.create_task(self._work(channel, room))

    async def _work(self, channel: str, room: Room) -> None:
        """Until nothing waits; the room itself stays for as long as its window and its storms last."""
        try:
            while room.waiting or room.resolved or room.dropped:
                await self._sleep(self._limits.gather_s)
                batch, room.waiting = room.waiting, []
                room.coming -= len(batch)
                ended, room.resolved = room.resolved, []
                dropped, room.dropped = room.dropped, 0
                all_of_it = self._together(channel, room, batch, dropped)
                await attempt_logged(all_of_it, log, f"alerts of {channel} are not looked into")
                room.judged += [each.once for each in batch]
                self._speak(channel, room)
                for each in ended:
                    await self._ended(each)
        finally:
            del self._workers[channel]
            self._tidy()

    def _tidy(self) -> None:
        """Rooms in which nothing happened for a window go."""
        before = self._clock() - self._limits.window_s
        for channel, room in list(self._rooms.items()):
            room.forget(before)
            if room.is_idle and channel not in {*self._workers, *self._speakers}:
                del self._rooms[channel]

    # -- all that came together ---------------------------------------------------------------------------------------

    async def _together(self, channel: str, room: Room, batch: Sequence[Received], dropped: int) -> None:
        room.forget(self._clock() - self._limits.window_s)
        said = [(each, judged(each.alert, self._rules)) for each in batch]
        passed = [each for each, gate in said if gate.network is not NetworkRelevance.NO]
        made = plan(passed, room.spent(), self._limits)
        scenes = await self._scenes(each for group in made.groups for each in group.members[:MOST_TRIED])
        for group in made.groups:  # before anything is awaited, or two batches would spend the same room
            room.starts.append(Start(self._clock(), namespace_of(group.lead.alert), made.is_storm))
        gates = {each.alert.key: gate for each, gate in said}
        await asyncio.gather(*(self._group(room, group, scenes, gates, made.is_storm) for group in made.groups))
        self._list(room, made.rest, dropped)
        for each, gate in said:
            if gate.network is NetworkRelevance.NO:
                await self._skip(room, each, gate.why, named_target(each.alert))

    async def _scenes(self, tried: Iterable[Received]) -> Scenes:
        """Every cluster that these alerts are about, as it is now."""
        found = (self._where(each) for each in tried)
        names = list(dict.fromkeys(each for each in found if isinstance(each, str)))
        return dict(zip(names, await asyncio.gather(*map(self._read, names)), strict=True))

    def _where(self, received: Received) -> str | UnclearTarget:
        """The cluster that the alert is about, or why none is meant."""
        try:
            return self._cluster_of(received.alert, received.channel)
        except UnknownCluster as why:
            return UnclearTarget(str(why))

    def _found(self, received: Received, scenes: Scenes) -> ChosenTarget | UnclearTarget:
        where = self._where(received)
        return where if isinstance(where, UnclearTarget) else found_in(scenes.get(where), received.alert)

    async def _read(self, name: str) -> ClusterReadings | str:
        """A cluster as it is now, or why it cannot be read."""
        try:
            async with asyncio.timeout(READING_S), self._open(name) as cluster:
                return await read_scene(cluster)
        except TimeoutError:
            return f"the cluster did not list its pods within {READING_S:.0f} s"
        except (Blind, Absent) as why:
            return str(why)

    async def _group(
        self, room: Room, group: AlertGroup, scenes: Scenes, gates: dict[str, Judged], storm: bool
    ) -> None:
        outcome = await attempt(self._look_into(room, group, scenes, gates))
        if isinstance(outcome, BaseException):
            log.error("the alert %s is not looked into", group.lead.alert.key, exc_info=outcome)
        started = outcome if isinstance(outcome, str) else ""
        if storm:
            self._list_of(room, group, started)

    async def _look_into(self, room: Room, group: AlertGroup, scenes: Scenes, gates: dict[str, Judged]) -> str:
        """The thread of the investigation; empty where none was started, which is said."""
        tried = [(each, self._found(each, scenes)) for each in group.members[:MOST_TRIED]]
        found = next(((each, said) for each, said in tried if isinstance(said, ChosenTarget)), None)
        if found is None:
            unclear = tried[0][1]
            assert isinstance(unclear, UnclearTarget)  # noqa: S101 - for the type checker: none of them is Chosen
            await self._say(room, group.lead, UnclearAlert(group.lead.alert, unclear.why, unclear.candidates))
            return ""
        lead, chosen = found
        cluster = self._cluster_of(lead.alert, lead.channel)
        gate = await settled(gates[lead.alert.key], chosen, self._drops(cluster))
        if gate.network is NetworkRelevance.NO:
            await self._skip(room, lead, gate.why, chosen.target)
            return ""
        return await self._start(room, group, lead, chosen, gate, cluster_name(cluster))

    async def _start(
        self, room: Room, group: AlertGroup, lead: Received, chosen: ChosenTarget, gate: Judged, cluster: str
    ) -> str:
        if known := await self._known(lead):
            return await self._as_known(group, known)
        thread = lead.thread or await self._voice.anchor(lead.channel, lead.alert.title, self._limits.anchor_s)
        it = chosen.target
        asked = Investigate(it.pod, it.namespace, it.to_host, it.to_port, None, it.to_protocol, cluster)
        origin = Origin(OriginKind.ALERT, f"alert {lead.alert.source}"[:100], lead.channel, thread, lead.once)
        try:
            taken = await self._intake.take(asked, origin)
        except (LimitReached, NoSuchPod) as why:
            await self._say(room, lead, SkippedAlert(lead.alert, str(why), it))
            return ""
        await self._remember(group, taken.investigation.id)
        self.counts["started"] += not taken.joined
        where = await self._voice.open(taken.investigation)
        if where:
            notice = StartedByAlert(lead.alert, gate.why, chosen.why, len(group.members) - 1)
            self._aside(self._voice.tell(lead.channel, where, notice), "why it was started is not said")
        if thread:
            self._voice.mark(lead.channel, thread, MessageSign.LOOKING)
        return where

    async def _as_known(self, group: AlertGroup, investigation: str) -> str:
        """State of the investigation that this firing has started before."""
        await self._remember(group, investigation)
        it = await self._store.investigations.get(investigation)
        return "" if it is None else await self._voice.open(it)

    async def _remember(self, group: AlertGroup, investigation: str) -> None:
        """Remembers what all of them led to: for their resolve, and so that none starts anything after a restart."""
        for each in group.members:
            self._incidents.started(each.alert, investigation)
        rows = {each.once: investigation for each in group.members}
        await self._store.seen.keep_all(rows, self._resolves.now(), TRIGGER_LIFETIME)

    async def _known(self, received: Received) -> str:
        """Investigation that this very firing has started before: in another replica, or before a restart."""
        return await self._store.seen.value_of(received.once, self._resolves.now()) or ""

    # -- what is not looked into --------------------------------------------------------------------------------------

    async def _skip(self, room: Room, received: Received, why: str, target: Target | None) -> None:
        """A sign and one line at the channel's own message; without such a message, only the log says it."""
        self.counts["skipped"] += 1
        await self._say(room, received, SkippedAlert(received.alert, why, target), only_in_thread=True)

    async def _say(
        self, room: Room, received: Received, notice: SkippedAlert | UnclearAlert, *, only_in_thread: bool = False
    ) -> None:
        log.info("the alert %.100r starts nothing: %s", received.alert.name, notice.why)
        if len(room.said) >= MOST_NOTICES:
            return
        thread = received.thread or await self._voice.anchor(received.channel, received.alert.title, 0.0)
        if only_in_thread and not thread:
            return
        room.said.append(self._clock())
        await self._voice.tell(received.channel, thread, notice)
        if thread:
            mark = MessageSign.SKIPPED if isinstance(notice, SkippedAlert) else MessageSign.UNCLEAR
            self._voice.mark(received.channel, thread, mark)

    def _list_of(self, room: Room, group: AlertGroup, thread: str) -> None:
        """The list of a storm's cause, in the thread of its investigation, else at the top of the channel."""
        there = room.lists.setdefault(group.cause, AlertList(group.cause))
        if thread:
            there.thread, there.investigated = thread, True
        elif not there.investigated:
            there.why = "no pod that is meant could be found"
        there.add(group.members, self._clock())
        room.unsaid[there.name] = there

    def _list(self, room: Room, rest: Sequence[Received], dropped: int) -> None:
        """Those beyond a limit: with the storm that they belong to, else in one list of all others."""
        touched: dict[str, AlertList] = {}
        if dropped:
            log.error("%d alerts were dropped: too many wait", dropped)
            touched[""] = room.lists.setdefault("", AlertList("", OVER_LIMIT))
            touched[""].add((), self._clock())
            touched[""].dropped += dropped
        for each in rest:
            cause = AlertGroup((each,)).cause
            name = cause if cause in room.lists else ""
            touched[name] = room.lists.setdefault(name, AlertList("", OVER_LIMIT))
            touched[name].add((each,), self._clock())
        room.unsaid |= {there.name: there for there in touched.values()}

    def _speak(self, channel: str, room: Room) -> None:
        if channel not in self._speakers:
            self._speakers[channel] = asyncio.create_task(self._speaking(channel, room))

    async def _speaking(self, channel: str, room: Room) -> None:
        """Say the lists, each as it is when its turn comes; nobody waits for it. Then their alerts are done with."""
        try:
            while room.unsaid or room.judged:
                while room.unsaid:
                    there = room.unsaid.pop(next(iter(room.unsaid)))
                    await attempt_logged(self._show(channel, there), log, "a list of alerts is not said")
                judged_ones, room.judged = room.judged, []
                await attempt_logged(self._kept.done(judged_ones), log, "alerts that were judged may be judged again")
        finally:
            del self._speakers[channel]
            self._tidy()

    async def _show(self, channel: str, there: AlertList) -> None:
        self.counts["listed"] = sum(len(each.lines) for room in self._rooms.values() for each in room.lists.values())
        there.ts = await self._voice.tell(channel, there.thread, there.notice(), there.ts) or there.ts

    def _aside(self, work: Coroutine[Any, Any, object], what: str) -> None:
        """Beside everything else: nobody waits for it."""
        task = asyncio.create_task(attempt_logged(work, log, what))
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    # -- what ended ---------------------------------------------------------------------------------------------------

    async def _ended(self, received: Received) -> None:
        investigation = self._incidents.investigation_of(received.alert) or await self._known(received)
        if investigation and len(self._asides) < self._limits.waiting:
            self._aside(self._resolves.resolve(investigation), "a resolve is not said")
