"""The end of an added policy's time: said an hour before, and taken back when it has come.

The object itself says how long it is for (`kai.dev/expires`). Whoever may change it extends that, or removes the line
and so makes it permanent: it is the object of now that counts, never what was approved weeks ago. It never ends before
the time that was approved.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from bot.approval.proposal import Json, Kind, Proposal, Purpose
from bot.approval.states import State
from bot.approval.trail import Event
from bot.approval.trail import Note as Entry
from bot.change.marks import EXPIRES, uid_of
from bot.change.pipeline import SELF, Pipeline
from bot.change.ports import CannotRead, Patcher
from bot.desk import Note
from bot.desk.journal import Journal
from bot.store import Investigation, Message
from bot.store.messages import owe
from bot.store.proposals import Forged
from bot.store.store import Store
from bot.verify.looking import Clock
from sensors.kit.attempt import attempt_logged
from sensors.kit.objects import get

log = logging.getLogger(__name__)

ROLE = "expiring"
BEFORE = timedelta(hours=1)
"""So long before the end it is said."""

AGAIN = timedelta(minutes=1)
"""An object that cannot be read is read again after that."""

AGAIN_LATER = "an end is looked at again later"
EVERY = 30
"""Sweeps of the desk (one a second) for one of ours."""

STANDING = frozenset({State.VERIFIED, State.NOT_VERIFIED})
"""What is stuck has said already who has to act, and is not tried again by itself."""


@dataclass(frozen=True, slots=True)
class ExpiringNote(Note):
    """An added policy is taken back at `at` unless somebody decides otherwise."""

    proposal: Proposal
    at: datetime


def moment_of(said: object) -> datetime | None:
    """When an annotation's time is up: a date lasts to the end of that day, UTC. None: it says no time."""
    if not isinstance(said, str):
        return None
    try:
        return datetime.combine(date.fromisoformat(said) + timedelta(days=1), time(), UTC)
    except (ValueError, OverflowError):
        pass
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def end_of(things: Iterable[Json]) -> datetime | None:
    """The end of objects that stand and fall together: the latest; None as soon as one of them is permanent."""
    ends = [moment_of(get(each, "metadata", "annotations", EXPIRES)) for each in things]
    known = [each for each in ends if each is not None]
    return max(known) if known and len(known) == len(ends) else None


def approved_end(it: Proposal) -> datetime | None:
    """Until when people have approved it; None for what is not an added object alone, or has no time."""
    if it.purpose is not Purpose.CHANGE or any(each.kind is not Kind.CREATE for each in it.parts):
        return None
    return end_of(each.body[0] for each in it.parts)


@dataclass
class Expiry:
    """One for each process; several do no harm, for what begins a rollback is a compare-and-set."""

    store: Store
    patcher: Patcher
    pipeline: Pipeline
    clock: Clock = field(default_factory=Clock)
    _next: dict[str, datetime] = field(default_factory=dict)
    _sweeps: int = 0

    async def sweep(self, journal: Journal) -> None:
        self._sweeps += 1
        if self._sweeps % EVERY == 1:
            await self.look()

    async def look(self) -> None:
        """Once through all that stands in the cluster."""
        standing = await self.store.proposals.in_states(STANDING)
        self._next = {each.id: self._next[each.id] for each in standing if each.id in self._next}
        for it in standing:
            await attempt_logged(self._looked_at(it), log, AGAIN_LATER)

    async def _looked_at(self, it: Proposal) -> None:
        approved, now = approved_end(it), self.clock.now()
        if approved is None or now < self._next.get(it.id, approved - BEFORE):
            return
        try:
            end = await self._end(it, approved)
        except CannotRead as why:
            log.warning("whether the time of proposal %s is up is not known: %s", it.id, why)
            self._next[it.id] = now + AGAIN
            return
        if end is not None and now >= end:
            await self._take_back(it, end)
        elif end is not None and now >= end - BEFORE:
            await self._say(it, end)
            self._next[it.id] = end
        else:
            self._next[it.id] = now + BEFORE if end is None else min(now + BEFORE, end - BEFORE)

    async def _end(self, it: Proposal, approved: datetime) -> datetime | None:
        """By the objects of now. What is gone has nothing to say: its end stays the approved one."""
        ours: list[Json] = []
        for part, written in zip(it.parts, it.written, strict=False):
            now = await self.patcher.read(part)
            if now is not None and written is not None and uid_of(now) == written[0]:
                ours.append(now)
        if not ours:
            return approved
        found = end_of(ours)
        return None if found is None else max(found, approved)

    async def _take_back(self, it: Proposal, end: datetime) -> None:
        """Like an Undo, with the rights of those who approved the change."""
        why = f"its time was up at {end.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        notes = [Entry(Event.EXPIRED, SELF, {"why": why}), Entry(Event.ROLLING_BACK, SELF)]
        given = await self.store.proposals.approvals(it.id)
        await self.pipeline.roll_back(replace(it, why=why), given, notes)

    async def _say(self, it: Proposal, end: datetime) -> None:
        """Once for each end; nothing where the investigation is forgotten, or nobody of Slack asked."""
        role = f"{ROLE}.{it.id}.{int(end.timestamp())}"
        asked = await self.store.investigations.get(it.investigation)
        said = await self.store.messages.get(f"{it.investigation}.{role}")
        if said is None and asked is not None and asked.request.channel:
            async with self.store.database.writing() as connection:
                await owe(connection, it.investigation, role, self.clock.now())


async def note_of(message: Message, it: Investigation, store: Store) -> Note | None:
    """The note of a stored message; None when the change does not stand any more."""
    _, proposal, end = message.role.split(".")
    try:
        found = await store.proposals.get(proposal)
    except Forged:
        return None
    if found is None or found.state not in STANDING:
        return None
    return ExpiringNote(message.key, it, found, datetime.fromtimestamp(int(end), UTC))
