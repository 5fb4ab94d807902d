"""An alert resolved: what is said of its investigation; what was proposed and not approved yet is withdrawn."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from bot.approval.proposal import Proposal, Purpose
from bot.approval.states import IN_FORCE, OPEN, ProposalState
from bot.approval.trail import TrailEvent
from bot.approval.trail import TrailNote as Entry
from bot.desk import Note
from bot.store import Investigation, Message, StoredVerdict
from bot.store.messages import owe
from bot.store.store import Store

log = logging.getLogger(__name__)

ROLE = "resolved"
RESOLVED_LIFETIME = timedelta(days=90)
WITHDRAWN = "the alert resolved before it was approved"
_CHANGED = {*IN_FORCE, ProposalState.APPLIED}


@dataclass(frozen=True, slots=True)
class ResolvedNote(Note):
    """The alert behind an investigation resolved. `by`: what KAI knows of the reason, as a clause."""

    verdict: StoredVerdict | None
    at: datetime
    by: str
    in_thread: bool = False


class ResolvingDesk(Protocol):
    """As much of the desk as a resolve needs."""

    async def wait(self, investigation: str) -> Any: ...

    async def deliver(self, key: str) -> None: ...


class Resolves:
    """Says once of an investigation that its alert resolved, when the investigation itself is over."""

    def __init__(self, store: Store, desk: ResolvingDesk, now: Callable[[], datetime]) -> None:
        self._store, self._desk, self.now = store, desk, now

    async def resolve(self, investigation: str) -> None:
        """Waits for the verdict, which would otherwise take the place of what is said here."""
        at = self.now()
        if await self._desk.wait(investigation) is None:
            return
        proposals = await self._store.proposals.of(investigation)
        said = json.dumps({"at": at.isoformat(), "by": reason(proposals), "in_thread": bool(proposals)})
        if not await self._store.seen.first_time(_key(investigation), at, RESOLVED_LIFETIME, said):
            return
        for each in proposals:
            await self._withdraw(each)
        async with self._store.database.writing() as connection:
            key = await owe(connection, investigation, ROLE, at)
        await self._desk.deliver(key)

    async def _withdraw(self, proposal: Proposal) -> None:
        if proposal.state in OPEN and proposal.purpose is Purpose.CHANGE:  # to keep what was added is another question
            note = Entry(TrailEvent.EXPIRED, "kai", {"why": WITHDRAWN})
            where = (proposal.id, proposal.state, ProposalState.EXPIRED)
            await self._store.proposals.move(*where, note, self.now(), WITHDRAWN)


def reason(proposals: tuple[Proposal, ...]) -> str:
    """Reason as far as KAI knows it: what it changed itself, and nothing else."""
    changed = next((each for each in proposals if each.state in _CHANGED), None)
    if changed is None:
        return "KAI has changed nothing: it went away by itself, or by a change of another person or tool"
    when = f" at {changed.moved_at:%H:%M:%S} UTC" if changed.moved_at is not None else ""
    return f"after the approved change was applied{when}: {changed.title}"


async def note_of(message: Message, it: Investigation, store: Store) -> Note | None:
    """The note of a stored message."""
    said = await store.seen.value_of(_key(it.id), message.due_at)
    if said is None:
        return None
    kept = json.loads(said)
    verdict = await store.investigations.verdict(it.id)
    return ResolvedNote(message.key, it, verdict, datetime.fromisoformat(kept["at"]), kept["by"], kept["in_thread"])


def _key(investigation: str) -> str:
    return f"resolved {investigation}"
