"""Takes alerts on: at once, whatever comes; then, a moment later and all together, looks into what is worth it.

`hear` costs microseconds and never waits, so that a storm delays no webhook and no person. Each channel has a room:
its alerts are gathered, judged by the gate, planned, and checked against the cluster that was read once for all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.alerts.channel_state import AlertList, GroupAnswer, Room, Start
from bot.alerts.endings import Endings, Resolving
from bot.alerts.gate import UNKNOWN_ALERT, CountDrops, GateRule, Judged, NetworkRelevance, judged, settled
from bot.alerts.incidents import Incidents, Novelty
from bot.alerts.notices import AnswerPlace, MessageSign, NoticeSender, SkippedAlert, StartedByAlert, UnclearAlert
from bot.alerts.pending import Keeper, KeptAlerts
from bot.alerts.plan import AlertGroup, AlertLimits, AlertPlan, Received, by_cause, namespace_of, plan
from bot.alerts.pointers import Pointers
from bot.alerts.scenes import ClusterOf, OpenCluster, ReadClusters, Scenes
from bot.alerts.skipped import keep_skipped
from bot.alerts.target import ChosenTarget, UnclearTarget, named_target
from bot.clusters.target import NoSuchPod
from bot.desk import LimitReached
from bot.intake import Intake, Origin
from bot.store import Investigation, OriginKind
from bot.store.investigations import TRIGGER_LIFETIME
from bot.store.store import Store
from bot.triggers.alert import AlertState
from bot.triggers.commands import Investigate
from sensors.kit import Target
from sensors.kit.attempt import attempt, attempt_logged, start_logged
from sensors.kit.objects import one_line

log = logging.getLogger(__name__)

MOST_NOTICES = 10
"""What is said of skipped, and of unclear alerts in a channel and window. More unclear ones are listed together; more
skipped ones, which nobody waits for, are in the log."""

MOST_TRIED = 50
"""Alerts of a group that are tried until one of them leads to a pod."""

FAILED = "something failed, and KAI's log says what"

MOST_ROUNDS = 2
"""Plans that are made of one batch: where what was planned led to nothing, others may have its place."""

STARTS_APART_S = 0.6
"""Seconds between investigations that one batch starts. Each looks for half a second, in which alerts still come in."""


class Alerts:
    """One for each process."""

    def __init__(
        self,
        intake: Intake,
        store: Store,
        cluster_of: ClusterOf,
        open_cluster: OpenCluster,
        voice: NoticeSender,
        resolves: Resolving,
        rules: Sequence[GateRule],
        drops: Callable[[str], CountDrops],
        kept: KeptAlerts,
        limits: AlertLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._intake, self._store, self._voice = intake, store, voice
        self._pointers = Pointers(voice, (limits or AlertLimits()).anchor_s)
        self._scenes = Scenes(cluster_of, open_cluster)
        self._now, self._rules, self._limits = resolves.now, rules, limits or AlertLimits()
        self._drops, self._kept, self._clock, self._sleep = drops, kept, clock, sleep
        self._keeper = Keeper(kept, self._ready, self._elsewhere, self._unsafe, sleep, clock)
        self._incidents = Incidents()
        self._endings = Endings(store, resolves, self._incidents, kept)
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
            if room.coming >= self._limits.waiting:
                self._incidents.forget(received.alert)
                self.left_out(received.channel, 1)
            else:
                room.coming += 1
                self._keeper.add(received)
        return novelty

    def left_out(self, channel: str, count: int) -> None:
        """So many alerts are not here: there is no room for them, or their sender has cut them off."""
        room = self._rooms.setdefault(channel, Room())
        room.dropped += count
        self.counts["dropped"] += count
        self._wake(channel, room)

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
            (room.resolved if each.alert.state is AlertState.RESOLVED else room.waiting).append(each)
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

    def _wake(self, channel: str, room: Room) -> None:
        if channel not in self._workers:
            self._workers[channel] = asyncio.create_task(self._work(channel, room))

    async def _work(self, channel: str, room: Room) -> None:
        """Until nothing waits; the room itself stays for as long as its window and its storms last."""
        try:
            while room.waiting or room.resolved or room.dropped:
                await self._sleep(self._limits.gather_s)
                batch, ended, dropped = room.take()
                all_of_it = self._together(room, batch, dropped)
                await attempt_logged(all_of_it, log, f"alerts of {channel} are not looked into")
                room.judged += [each.row for each in batch]
                await attempt_logged(self._ended(room, ended), log, f"resolves of {channel} are not said")
                self._speak(channel, room)
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

    async def _together(self, room: Room, batch: Sequence[Received], dropped: int) -> None:
        room.forget(self._clock() - self._limits.window_s)
        gates = {each.row: judged(each.alert, self._rules) for each in batch}
        rest: Sequence[Received] = [each for each in batch if gates[each.row].network is not NetworkRelevance.NO]
        rest, scenes = await self._without_answered(room, rest), ReadClusters()
        for _ in range(MOST_ROUNDS):
            made = plan(rest, room.spent(), self._limits)
            rest = made.rest
            if await self._begin(room, made, scenes, gates) or not rest:
                break
        self._list(room, rest, dropped)
        for each in batch:
            if gates[each.row].network is NetworkRelevance.NO:
                self._skip(room, each, gates[each.row].why, named_target(each.alert))

    async def _without_answered(self, room: Room, heard: Sequence[Received]) -> Sequence[Received]:
        """Those whose cause is not looked into yet; the others join the list of the storm that they belong to."""
        left: list[Received] = []
        for group in by_cause(heard):
            if answer := room.answered(group.cause, self._clock() - self._limits.window_s):
                await self._remember(group, answer.investigation)
                self._list(room, group.members, 0)
            else:
                left += group.members
        return left

    async def _begin(self, room: Room, made: AlertPlan, scenes: ReadClusters, gates: Mapping[str, Judged]) -> bool:
        """Looks into all that is planned; False where some of it led to nothing, whose place is free again."""
        await self._scenes.read((each for group in made.groups for each in group.members[:MOST_TRIED]), scenes)
        starts = [Start(self._clock(), namespace_of(group.lead.alert), group.is_storm) for group in made.groups]
        room.starts += starts
        looks = (self._group(room, group, scenes, gates, at) for at, group in enumerate(made.groups))
        began = await asyncio.gather(*looks)
        for start, is_spent in zip(starts, began, strict=True):
            if not is_spent and start in room.starts:  # unless it is so old that it was forgotten
                room.starts.remove(start)
        return all(began)

    async def _group(
        self, room: Room, group: AlertGroup, scenes: ReadClusters, gates: Mapping[str, Judged], turn: int
    ) -> bool:
        if turn:
            await self._sleep(turn * STARTS_APART_S)
        outcome = await attempt(self._look_into(room, group, scenes, gates))
        if isinstance(outcome, BaseException):
            log.error("the alert %.100r is not looked into", group.lead.alert.key, exc_info=outcome)
        self.counts["together"] += len(group.members) - 1
        if group.is_storm:
            room.list_storm(group, FAILED if isinstance(outcome, BaseException) else outcome, self._clock())
        return not isinstance(outcome, str)

    async def _look_into(
        self, room: Room, group: AlertGroup, scenes: ReadClusters, gates: Mapping[str, Judged]
    ) -> GroupAnswer | str:
        """The investigation that they lead to; the reason where nothing can be looked into."""
        tried = [(each, self._scenes.target_of(each, scenes)) for each in group.members[:MOST_TRIED]]
        tried.sort(key=lambda it: gates[it[0].row].network is not NetworkRelevance.YES)  # those about the network first
        chosen_ones = ((each, said) for each, said in tried if isinstance(said, ChosenTarget))
        found = min(chosen_ones, key=lambda it: it[1].ready is not False, default=None)  # a pod that fails, if there is
        if found is None:
            lead, unclear = tried[0]
            assert isinstance(unclear, UnclearTarget)  # noqa: S101 - for the type checker: none of them is Chosen
            # An alert that nobody knows and that names nothing of this cluster is about no pod.
            if gates[lead.row] == UNKNOWN_ALERT and not (unclear.is_unread or unclear.candidates):
                self._skip(room, lead, f"{UNKNOWN_ALERT.why}, and {unclear.why}", None)
                return UNKNOWN_ALERT.why
            self.counts["unclear"] += 1
            notice = UnclearAlert(lead.alert, unclear.why, unclear.candidates)
            self._say(room, lead, notice, is_listed=group.is_storm)
            return "no pod that is meant could be found"
        lead, chosen = found
        gate = await settled(gates[lead.row], chosen, self._drops(self._scenes.cluster_of(lead.alert, lead.channel)))
        if gate.network is NetworkRelevance.NO:
            self._skip(room, lead, gate.why, chosen.target)
            return gate.why
        return await self._start(room, group, lead, chosen, gate)

    async def _start(
        self, room: Room, group: AlertGroup, lead: Received, chosen: ChosenTarget, gate: Judged
    ) -> GroupAnswer:
        if known := await self._store.seen.value_of(lead.once, self._now()):  # in another replica, or before a restart
            return await self._as_known(group, known)
        thread = lead.thread or await self._voice.anchor(lead.channel, lead.alert.title, self._limits.anchor_s)
        it, cluster = chosen.target, self._scenes.name_of(lead)
        asked = Investigate(it.pod, it.namespace, it.to_host, it.to_port, None, it.to_protocol, cluster)
        origin = Origin(OriginKind.ALERT, f"alert {lead.alert.source}"[:100], lead.channel, thread, lead.once)
        try:
            taken = await self._intake.take(asked, origin)
        except (LimitReached, NoSuchPod) as why:
            self.counts["refused"] += 1
            self._say(room, lead, SkippedAlert(lead.alert, str(why), it), is_listed=group.is_storm)
            return GroupAnswer(AnswerPlace(lead.channel, ""), why=str(why))
        await self._remember(group, taken.investigation.id)
        self.counts["started"] += not taken.joined
        answer = await self._open(taken.investigation, lead.channel)
        notice = StartedByAlert(lead.alert, gate.why, chosen.why, len(group.members) - 1)
        at_message = replace(lead, thread=thread)
        members = [at_message if each is lead else each for each in group.members if thread or each is not lead]
        tell = self._tell_group(room, members, lead.channel, answer.place, notice)
        self._aside(tell, "why it was started is not said")
        if thread:
            self._voice.mark(lead.channel, thread, MessageSign.LOOKING)
        return answer

    async def _open(self, it: Investigation, channel: str) -> GroupAnswer:
        """Opens its root message. It is for alerts of a window from its own beginning on, which may be long ago."""
        place = await self._voice.open(it) or AnswerPlace(channel, "")
        return GroupAnswer(place, it.id, self._clock() - (self._now() - it.asked_at).total_seconds())

    async def _tell_group(
        self, room: Room, members: Sequence[Received], channel: str, where: AnswerPlace, notice: StartedByAlert
    ) -> None:
        """Say in its thread why it was started; below all other messages, where it is answered.

        The thread is another one where the same is looked into already: for a person, or for an earlier alert.
        """
        if where.thread and where.channel == channel:
            await self._voice.tell(channel, where.thread, notice)
        if where.thread:
            await self._pointers.say(room, members, where, notice.others, self._clock(), investigated=True)

    async def _as_known(self, group: AlertGroup, investigation: str) -> GroupAnswer:
        """The investigation that this firing has started before."""
        await self._remember(group, investigation)
        it = await self._store.investigations.get(investigation)
        channel = group.lead.channel
        return GroupAnswer(AnswerPlace(channel, "")) if it is None else await self._open(it, channel)

    async def _remember(self, group: AlertGroup, investigation: str) -> None:
        """Remembers what all of them led to: for their resolve, and so that none starts anything after a restart."""
        for each in group.members:
            self._incidents.started(each.alert, investigation)
        rows = {each.once: investigation for each in group.members}
        keep = self._store.seen.keep_all(rows, self._now(), TRIGGER_LIFETIME)
        await attempt_logged(keep, log, f"that alerts led to {investigation} is forgotten after a restart")

    # -- what is not looked into --------------------------------------------------------------------------------------

    def _skip(self, room: Room, received: Received, why: str, target: Target | None) -> None:
        """A sign and one line at the channel's own message; without one it is kept, ten at most at a time."""
        self.counts["skipped"] += 1
        self._say(room, received, SkippedAlert(received.alert, why, target), only_in_thread=True)

    def _say(
        self,
        room: Room,
        received: Received,
        notice: SkippedAlert | UnclearAlert,
        *,
        only_in_thread: bool = False,
        is_listed: bool = False,
    ) -> None:
        log.info("the alert %.100r starts nothing: %s", received.alert.name, one_line(notice.why, 400))
        said = room.skipped if only_in_thread else room.said
        notice = replace(notice, cluster=self._scenes.name_of(received))
        if len(said) < MOST_NOTICES:
            said.append(self._clock())
            work = self._say_at_message(said, received, notice, only_in_thread)
            self._aside(work, "why an alert starts nothing is not said")
        elif not (only_in_thread or is_listed):
            self._list(room, (received,), 0)

    async def _say_at_message(
        self, said: deque[float], received: Received, notice: SkippedAlert | UnclearAlert, only_in_thread: bool
    ) -> None:
        """The channel's message may come after the webhook: it is waited for."""
        where = received.channel
        thread = received.thread or await self._voice.anchor(where, received.alert.title, self._limits.anchor_s)
        if only_in_thread and not thread and isinstance(notice, SkippedAlert):
            if said:
                said.pop()
            return await keep_skipped(self._store.seen, received, notice, self._now())
        await self._voice.tell(where, thread, notice)
        if thread:
            sign = MessageSign.SKIPPED if isinstance(notice, SkippedAlert) else MessageSign.UNCLEAR
            self._voice.mark(where, thread, sign)
        return None

    def _list(self, room: Room, rest: Sequence[Received], dropped: int) -> None:
        """Those beyond a limit, and how many could not even be kept."""
        self.counts["listed"] += len(rest)
        if dropped:
            log.error("%d alerts were dropped: too many wait", dropped)
        room.list_rest(rest, dropped, self._clock())

    def _speak(self, channel: str, room: Room) -> None:
        if channel not in self._speakers:
            self._speakers[channel] = asyncio.create_task(self._speaking(channel, room))

    async def _speaking(self, channel: str, room: Room) -> None:
        """Say the lists, each as it is when its turn comes; nobody waits for it. Then their alerts are done with."""
        try:
            while room.unsaid or room.judged:
                while room.unsaid:
                    there = room.unsaid.pop(next(iter(room.unsaid)))
                    await attempt_logged(self._show(channel, room, there), log, "a list of alerts is not said")
                judged_ones, room.judged = room.judged, []
                await attempt_logged(self._kept.done(judged_ones), log, "alerts that were judged may be judged again")
        finally:
            del self._speakers[channel]
            self._tidy()

    async def _show(self, channel: str, room: Room, there: AlertList) -> None:
        there.ts = await self._voice.tell(channel, there.thread, there.notice(), there.ts) or there.ts
        place = there.answer.place if there.answer is not None else AnswerPlace(channel, there.ts)
        others = len(there.lines) - 1
        if place.thread and (fresh := there.take_fresh()):
            say = self._pointers.say(room, fresh, place, others, self._clock(), investigated=there.investigated)
            self._aside(say, "messages of a storm have no pointer")

    def _aside(self, work: Coroutine[Any, Any, object], what: str) -> None:
        """Beside everything else: nobody waits for it."""
        task = start_logged(work, log, what)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    # -- what ended ---------------------------------------------------------------------------------------------------

    async def _ended(self, room: Room, ended: Sequence[Received]) -> None:
        over = await self._endings.over(ended)
        waits = {row for rows in over.values() for row in rows}
        room.judged += [each.row for each in ended if each.row not in waits]
        for investigation, rows in over.items():
            if len(self._asides) < self._limits.waiting:
                self._aside(self._endings.say(investigation, rows), "a resolve is not said")
