"""Puts changes of policies and dropped packets together: what a change cuts is proved, and said once.

One stream of drops through the relay, one watch for each kind of policy. Where a stream breaks, it is opened again
after a pause that grows; what could not be heard meanwhile is not judged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

from bot.watch.changes import WATCHED_KINDS, PolicyChange, policy_change
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

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
MOST_OPEN = 20
"""Changes that are watched at once; an operator that writes hundreds of policies is counted in the log."""


class Sources(Protocol):
    """Sources of changes and drops; each iterator lasts until it fails (`Absent`, `Blind`)."""

    def changes(self, kind: Kind) -> AsyncIterator[ObjectChange]: ...

    def drops(self) -> AsyncIterator[HubbleFlow]: ...


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
            level = logging.WARNING if pause == FIRST_PAUSE_S else logging.DEBUG
            log.log(level, "the watch on %s broke off: %s", what, failed or "it was ended")
            if isinstance(failed, BaseException) and not isinstance(failed, Blind):
                log.error("the watch on %s failed", what, exc_info=failed)
            lasted = (self._now() - began).total_seconds()
            pause = FIRST_PAUSE_S if lasted > LONGEST_PAUSE_S else pause
            await self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _hear_drops(self) -> None:
        self._drops.since = self._now()
        try:
            async for flow in self._sources.drops():
                self._drops.note(flow, self._now())
        finally:
            self._drops.since = None

    async def _hear_changes(self, kind: Kind) -> None:
        async for each in self._sources.changes(kind):
            change = policy_change(each, self._now())
            if change is not None:
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
        """By this change alone, else by it and the others that are watched just now: one hand often writes several."""
        others = tuple(each for each in self._watched if each is not change)
        for each in (change, *([replace(change, also=others)] if others else [])):
            if (back := await self._prove(each, cuts)) is not None:
                return CutFinding(each, cuts, back)
        return None

    async def _look(self, change: PolicyChange) -> None:
        """A few looks: clients try again after seconds, others only after half a minute. One message, which grows."""
        ts, known = "", frozenset[Way]()
        for after in (*(each for each in LOOKS_S if each < self._window_s), self._window_s):
            due = change.at + timedelta(seconds=after)
            await self._sleep(max(0.0, (due - self._now()).total_seconds()))
            if not self._drops.covers(change.at):
                return log.info("what %s cuts was not measured: drops were not heard long enough", change.policy)
            async with self._turn:  # what one change has explained is no other's, and looks are expensive
                cuts = tuple(each for each in self._drops.new_since(change.at) if each.way not in self._said - known)
                if {each.way for each in cuts} <= known:
                    continue
                found = await self._explained(change, cuts)
                if found is not None:
                    known = frozenset(each.way for each in cuts)
                    self._said |= known
                    ts = await self._say(found, ts)
        if len(self._watched) <= 1 or len(self._said) > MAX_REMEMBERED_WAYS:
            self._said.clear()  # whoever cuts them again says it again
        return None
