"""The end of an added policy's time: said an hour before, and taken back when it has come.

The object itself says how long it is for (`kai.dev/expires`). Whoever may change it extends that, or removes the line
and so makes it permanent: it is the object of now that counts, never what was approved weeks ago. It never ends before
the time that was approved, and a line that says no time does not make it permanent.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from bot.approval.proposal import Json, PartKind, Proposal, ProposalLocation, Purpose
from bot.approval.states import ProposalState
from bot.approval.trail import TrailEvent
from bot.approval.trail import TrailNote as Entry
from bot.change.extension import end_of
from bot.change.marks import uid_of
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

log = logging.getLogger(__name__)

ROLE = "expiring"
BEFORE = timedelta(hours=1)
"""So long before the end it is said."""

REREAD_AFTER = timedelta(minutes=1)
"""An object that cannot be read is read again after that."""

AGAIN_LATER = "an end is looked at again later"
EVERY_SWEEPS = 30
"""Sweeps of the desk (one a second) for one of ours."""

STANDING = frozenset({ProposalState.VERIFIED, ProposalState.NOT_VERIFIED})
"""What is stuck has said already who has to act, and is not tried again by itself."""


@dataclass(frozen=True, slots=True)
class ExpiringNote(Note):
    """An added policy is taken back at `at` unless somebody decides otherwise.

    `extension` is the newest proposal that somebody has made of it there, `let_go_by` who wants nothing to be done.
    """

    proposal: Proposal
    at: datetime
    extension: Proposal | None = None
    let_go_by: str = ""


def approved_end(it: Proposal) -> datetime | None:
    """Until when people have approved it; None for what is not an added object alone, or has no time."""
    if it.purpose is not Purpose.CHANGE or any(each.kind is not PartKind.CREATE for each in it.parts):
        return None
    return end_of(each.body[0] for each in it.parts)


async def ours_of(patcher: Patcher, it: Proposal) -> list[Json | None]:
    """The objects of now that it has added, by place; None where another one or none is there. Raises `CannotRead`."""
    read = [await patcher.read(part, it.cluster) for part in it.parts]
    return [
        now if written is not None and uid_of(now) == written[0] else None
        for now, written in zip(read, it.written, strict=True)
    ]


def end_now(ours: Sequence[Json], approved: datetime) -> datetime | None:
    """End of these objects, never before the approval. None: they are permanent."""
    found = end_of(ours, unreadable=approved)
    return None if found is None else max(found, approved)


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
        if self._sweeps % EVERY_SWEEPS == 1:
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
            self._next[it.id] = now + REREAD_AFTER
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
        ours = [each for each in await ours_of(self.patcher, it) if each is not None]
        return end_now(ours, approved) if ours else approved

    async def _take_back(self, it: Proposal, end: datetime) -> None:
        """Like an Undo, with the rights of those who approved the change."""
        why = f"its time was up at {end.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        notes = [Entry(TrailEvent.EXPIRED, SELF, {"why": why}), Entry(TrailEvent.ROLLING_BACK, SELF)]
        given = await self.store.proposals.approvals(it.id)
        await self.pipeline.roll_back(replace(it, why=why), given, notes)

    async def _say(self, it: Proposal, end: datetime) -> None:
        """Once for each end; nothing where the investigation is forgotten, or nobody of Slack asked."""
        role = role_of(it, end)
        asked = await self.store.investigations.get(it.investigation)
        said = await self.store.messages.get(f"{it.investigation}.{role}")
        if said is None and asked is not None and asked.request.channel:
            async with self.store.database.writing() as connection:
                await owe(connection, it.investigation, role, self.clock.now())


# -- what is said ------------------------------------------------------------------------------------------------------


def role_of(it: Proposal, end: datetime) -> str:
    """Of the message that says when it ends."""
    return f"{ROLE}.{it.id}.{int(end.timestamp())}"


def let_go_key(role: str) -> str:
    """Under which it is kept who wants nothing to be done."""
    return f"let go {role}"


def end_said(role: str) -> datetime:
    """The end of which a message speaks."""
    return datetime.fromtimestamp(int(role.rpartition(".")[2]), UTC)


async def note_of(message: Message, it: Investigation, store: Store) -> ExpiringNote | None:
    """The note of a stored message; None when the change does not stand any more."""
    found = await as_it_stands(message, it, store)
    return found if found is not None and found.proposal.state in STANDING else None


async def as_it_stands(message: Message, it: Investigation, store: Store) -> ExpiringNote | None:
    """The same, whatever became of the change: for a message that is there and is to be edited."""
    try:
        found = await store.proposals.get(message.role.split(".")[1])
    except Forged:
        return None
    if found is None:
        return None
    end, stands = end_said(message.role), message.posted.ts if message.posted is not None else ""
    mine = [each for each in await store.proposals.extensions(found.id) if each.place.ts == stands]
    gone = await store.seen.value_of(let_go_key(message.role), found.created_at)
    return ExpiringNote(message.key, it, found, end, mine[-1] if mine else None, gone or "")


async def said_at(proposal: Proposal, place: ProposalLocation, store: Store) -> Message | None:
    """The message about the end of a change that stands exactly here."""
    for each in await said_of(proposal, store):
        if each.posted is not None and (each.posted.channel, each.posted.ts) == (place.channel, place.ts):
            return each
    return None


async def said_of(proposal: Proposal, store: Store) -> tuple[Message, ...]:
    """Every message about the end of a change."""
    every = await store.messages.of(proposal.investigation)
    return tuple(each for each in every if each.role.startswith(f"{ROLE}.{proposal.id}."))
