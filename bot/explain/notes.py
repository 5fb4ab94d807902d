"""Notes of Claude's part: each look that it asked for, and the explanation on the root message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from bot.alerts.resolved import ROLE as RESOLVED
from bot.approval.states import ProposalState
from bot.desk.notes import Earlier, Note, NoteOf, earlier_of
from bot.desk.watching import Later
from bot.store import Investigation, Message, StoredVerdict
from bot.store.messages import owe
from bot.store.store import Store
from flows.model import AskedLook

EXPLANATION, ASKED = "explanation", "asked"
EXPLANATION_LIFETIME = timedelta(days=90)
_QUIET = (ProposalState.PROPOSED, ProposalState.SUPERSEDED)
"""States of a proposal of which the root message says nothing."""


@dataclass(frozen=True, slots=True)
class Explained(Later):
    """Claude's part of a verdict is written down."""


@dataclass(frozen=True, slots=True)
class ExplanationNote(Note):
    """Claude's part has come. `in_thread`: the root message has something else to say by now."""

    verdict: StoredVerdict
    in_thread: bool = False
    earlier: Earlier | None = None


@dataclass(frozen=True, slots=True)
class AskedNote(Note):
    """Claude asked for a further look."""

    asked: AskedLook


async def _explanation(message: Message, it: Investigation, store: Store) -> Note | None:
    verdict = await store.investigations.verdict(it.id)
    if verdict is None:
        return None
    changed = any(each.state not in _QUIET for each in await store.proposals.of(it.id))
    resolved = await store.messages.get(f"{it.id}.{RESOLVED}") is not None
    repeated = await store.repeats.newest(it.id, message.due_at) != it.id
    earlier = await earlier_of(it, store)
    return ExplanationNote(message.key, it, verdict, in_thread=changed or resolved or repeated, earlier=earlier)


async def _asked(message: Message, it: Investigation, store: Store) -> Note | None:
    said = await store.seen.value_of(_key(message.key), message.due_at)
    return None if not said else AskedNote(message.key, it, AskedLook(**json.loads(said)))


EXPLANATION_NOTES: Mapping[str, NoteOf] = {EXPLANATION: _explanation, ASKED: _asked}


async def owe_asked(store: Store, investigation: str, number: int, asked: AskedLook, now: datetime) -> str | None:
    """Owe the message about a look; its key, or None where it is owed already."""
    role = f"{ASKED}.{number}"
    brief = {name: text[:400] for name, text in asdict(asked).items()}
    if not await store.seen.first_time(_key(f"{investigation}.{role}"), now, EXPLANATION_LIFETIME, json.dumps(brief)):
        return None
    async with store.database.writing() as connection:
        return await owe(connection, investigation, role, now)


def _key(message: str) -> str:
    return f"claude {message}"
