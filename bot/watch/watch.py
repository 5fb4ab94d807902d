"""Puts changes of policies and dropped packets together: what a change cuts is proved, and said once.

One stream of drops through the relay, one watch for each kind of policy. Where a stream breaks, it is opened again
after a pause that grows; what could not be heard meanwhile is not judged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

from bot.watch.changes import WATCHED_KINDS, PolicyChange, folded, policy_change, written_at
from bot.watch.drops import MAX_REMEMBERED_WAYS, Cut, DropMemory, Way
from bot.watch.proving import WayBack
from sensors.access.kube.watching import ObjectChange
from sensors.hubble.records import HubbleFlow
from sensors.kit import Absent, Blind
from sensors.kit.attempt import attempt, start_logged
from sensors.kit.kinds import Kind

log = logging.getLogger(__name__)

LOOKS_S = (10.0, 30.0)
"""Seconds after a change at which its drops are looked at; the last look is at the end of the window."""

ONE_HAND = timedelta(seconds=10)
"""Changes that are no further apart are judged as one: a rule that moves from one policy to another cuts nothing."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
MOST_OPEN = 20
"""Changes that are watched at once; an operator that writes hundreds of policies is counted in the log."""


class Sources(Protocol):
    """Sources of changes and drops; each iterator lasts until it fails (`Absent`, `Blind`).

    `heard` is called when drops begin to be heard, and again where some may have been missed.
    """

    def changes(self, kind: Kind) -> AsyncIterator[ObjectChange]: ...

    def drops(self, heard: Callable[[], None]) -> AsyncIterator[HubbleFlow]: ...


@dataclass(frozen=True, slots=True)
class CutFinding:
    """A change and what it has cut, ready to be said."""

    change: PolicyChange
    cuts: tuple[Cut, ...]
    back: WayBack


ProveChange = Callable[[PolicyChange, tuple[Cut, ...]], Awaitable[WayBack | None]]
Announce = Callable[[CutFinding, str], Awaitable[str]]
"""Says it, in place of the message with that id where there is one; the message's id."""


class Watch:
    """One for each process."""

    def __init__(
        self,
        sources: Sources,
        prove: ProveChange,
        say: Announce,
        window_s: float,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._sources, self._prove, self._say = sources, prove, say
        self._window_s, self._now, self._sleep = window_s, now, sleep
        self._drops = DropMemory()
        self._said: set[Way] = set()
        self._open: set[asyncio.Task[Any]] = set()
        self._watched: list[PolicyChange] = []
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._again(self._hear_drops, "policy drops"))
                for kind in WATCHED_KINDS:
                    group.create_task(self._again(partial(self._hear_changes, kind), kind.name))
        finally:
            for each in self._open:
                each.cancel()

    async def _again(self, hear: Callable[[], Awaitable[None]], what: str) -> None:
        """The pause doubles while it fails at once, and starts anew after a stream that has lasted."""
        pause = FIRST_PAUSE_S
        while True:
            began = self._now()
            failed = await attempt(hear())
            if isinstance(failed, Absent):
                return log.info("the watch does without %s: %s", what, failed)
            if isinstance(failed, BaseException) and not isinstance(failed, Blind):
                log.error("the watch on %s failed", what, exc_info=failed)
            lasted = (self._now() - began).total_seconds()
            pause = FIRST_PAUSE_S if lasted > LONGEST_PAUSE_S else pause
            level = logging.WARNING if pause == FIRST_PAUSE_S else logging.DEBUG
            log.log(level, "the watch on %s broke off: %s", what, failed or "it was ended")
            await self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _hear_drops(self) -> None:
        def heard() -> None:
            self._drops.since = self._now()

        try:
            async for flow in self._sources.drops(heard):
                self._drops.note(flow, self._now())
        finally:
            self._drops.since = None

    async def _hear_changes(self, kind: Kind) -> None:
        async for each in self._sources.changes(kind):
            at = written_at(each.after) if each.missed else self._now()
            change = policy_change(each, at or self._now())
            if change is not None and at is None:
                log.warning("%s was %s while nobody watched: what it cuts was not measured", change.policy, change.what)
            elif change is not None:
                self._consider(change)

    def _consider(self, change: PolicyChange) -> None:
        if len(self._open) >= MOST_OPEN:
            return log.warning("%s was %s and is not watched: %d others are", change.policy, change.what, MOST_OPEN)
        task = start_logged(self._look(change), log, "a policy change is not looked into")
        self._watched.append(change)
        task.add_done_callback(lambda _: self._watched.remove(change))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        return None

    async def _explained(self, change: PolicyChange, cuts: tuple[Cut, ...]) -> CutFinding | None:
        """By this change alone, else by it and the others it cannot be told from: one hand often writes several."""
        mine = folded(each for each in self._watched if each.policy == change.policy and each.at >= change.at)
        if not mine:
            return None  # it has been taken back already
        if (back := await self._prove(mine[0], cuts)) is not None:
            return CutFinding(mine[0], cuts, back) if await self._were_open(change, cuts) else None
        others = [each for each in folded(self._watched) if each.policy != change.policy]
        if not others or await self._prove(_together(others), cuts) is not None:
            return None  # what the others explain without it is theirs to say
        return await self._fewest(change, others, cuts)

    async def _fewest(
        self, change: PolicyChange, others: list[PolicyChange], cuts: tuple[Cut, ...]
    ) -> CutFinding | None:
        """This change and those of the others without which the drops are not explained."""
        mine = folded(each for each in self._watched if each.policy == change.policy)
        back = await self._prove(_together([*mine, *others]), cuts) if mine else None
        for each in tuple(others) if back is not None else ():
            fewer = [one for one in others if one is not each]
            if (still := await self._prove(_together([*mine, *fewer]), cuts)) is not None:
                back, others = still, fewer
        return None if back is None else CutFinding(_together([*mine, *others]), cuts, back)

    async def _were_open(self, change: PolicyChange, cuts: tuple[Cut, ...]) -> bool:
        """False where another change of the same moment only handed over a refusal that had been there."""
        moment = [each for each in self._watched if each.at >= change.at - ONE_HAND]
        whole = folded(moment)
        return len(whole) <= 1 or await self._prove(_together(whole), cuts) is not None

    async def _look(self, change: PolicyChange) -> None:
        """A few looks: clients try again after seconds, others only after half a minute. One message, which grows."""
        ts, mine, tried, left = "", frozenset[Way](), frozenset[Way](), 0
        for after in (*(each for each in LOOKS_S if each < self._window_s), self._window_s):
            due = change.at + timedelta(seconds=after)
            await self._sleep(max(0.0, (due - self._now()).total_seconds()))
            async with self._turn:  # what one change has explained is no other's, and looks are expensive
                if not self._drops.covers(change.at):
                    return log.info("what %s cuts was not measured: drops were not heard long enough", change.policy)
                cuts = tuple(each for each in self._drops.new_since(change.at) if each.way not in self._said - mine)
                ways = frozenset(each.way for each in cuts)
                if ways <= tried:
                    continue
                found, left = await self._explained(change, cuts), len(ways)
                if found is not None:
                    tried, mine = ways, frozenset(each.cut.way for each in found.back.proved)
                    self._said |= mine
                    ts = await self._say(found, ts)
        if left and not mine:
            log.info("%d ways drop since %s was %s; none is proved to be its own", left, change.policy, change.what)
        if len(self._watched) <= 1 or len(self._said) > MAX_REMEMBERED_WAYS:
            self._said.clear()  # whoever cuts them again says it again
        return None


def _together(changes: Sequence[PolicyChange]) -> PolicyChange:
    return replace(changes[0], also=tuple(changes[1:]))
