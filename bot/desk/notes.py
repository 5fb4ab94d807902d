"""Notes about an investigation, each said once, whatever crashes: one class for each kind of note.

A message in the store has a role; `DESK_NOTES` turns it into its note. Another part of KAI adds a kind with a class of
its own, a line for its role (`open_desk(notes=…)`), and a renderer where it is posted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from bot.store import Investigation, InvestigationState, Message, StoredVerdict
from bot.store.store import Store

VERDICT = "verdict"


@dataclass(frozen=True, slots=True)
class Note:
    """`key` is the same each time it is tried: the id of the investigation, a dot, and the role."""

    key: str
    investigation: Investigation

    @property
    def role(self) -> str:
        return self.key.partition(".")[2]


@dataclass(frozen=True, slots=True)
class Earlier:
    """The verdict of the investigation that this one repeats, and when it ended."""

    verdict: StoredVerdict
    at: datetime


@dataclass(frozen=True, slots=True)
class VerdictNote(Note):
    """The investigation concluded. `earlier`: what it found the last time, where it is run again."""

    verdict: StoredVerdict
    earlier: Earlier | None = None


@dataclass(frozen=True, slots=True)
class EndedNote(Note):
    """The investigation failed, was cancelled or was lost: its `why` says what happened."""


NoteOf: TypeAlias = Callable[[Message, Investigation, Store], Awaitable[Note | None]]
"""The note of a stored message; None where there is nothing to say any more."""


async def _verdict(message: Message, it: Investigation, store: Store) -> Note | None:
    verdict = await store.investigations.verdict(it.id)
    return None if verdict is None else VerdictNote(message.key, it, verdict, await earlier_of(it, store))


async def earlier_of(it: Investigation, store: Store) -> Earlier | None:
    """Finds the verdict of the last time; None where it is not run again, or that had none."""
    before = await store.repeats.earlier(it.id, it.asked_at)
    past = None if before is None else await store.investigations.get(before)
    verdict = None if past is None else await store.investigations.verdict(past.id)
    return None if past is None or verdict is None else Earlier(verdict, past.ended_at or past.asked_at)


async def _ended(message: Message, it: Investigation, store: Store) -> Note | None:
    return EndedNote(message.key, it)


DESK_NOTES: Mapping[str, NoteOf] = {
    VERDICT: _verdict,
    InvestigationState.FAILED: _ended,
    InvestigationState.CANCELLED: _ended,
    InvestigationState.LOST: _ended,
}
"""By the first word of a role: `proposal.3` is of the kind `proposal`."""


def kind_of(role: str) -> str:
    """The first word of a role."""
    return role.partition(".")[0]
