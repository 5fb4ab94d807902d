"""The audit trail: entries that each carry the hash of the one before, so that none can be changed, moved or lost.

Pure: the chain and its examination. The last entry is held by the head, which is kept beside the entries; whoever
wants to be safe from somebody who can write both, notes the head elsewhere (`kai audit verify --head`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from bot.approval.proposal import canonical

BEGINNING = "0" * 64
"""What the first entry carries for the one before it."""


class TrailEvent(StrEnum):
    """Event in the life of a proposal."""

    PROPOSED = "proposed"
    JOINED = "joined"
    REFUSED = "refused"
    APPROVED = "approved"
    REJECTED = "rejected"
    EDITED = "edited"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    REVIEWED = "reviewed"
    REPROVED = "reproved"
    DRY_RUN = "dry_run"
    WRITING = "writing"
    WRITTEN = "written"
    NOT_WRITTEN = "not_written"
    UNKNOWN = "unknown"
    RECOGNISED = "recognised"
    VERIFIED = "verified"
    NOT_VERIFIED = "not_verified"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    STUCK = "stuck"
    EXTENDED = "extended"
    LET_GO = "let_go"
    ANNOUNCED = "announced"


@dataclass(frozen=True, slots=True)
class TrailNote:
    """Note to be written down. `actor` is a Slack id, `terminal:NAME`, or `kai`."""

    event: TrailEvent
    actor: str
    said: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrailEntry:
    """One entry as it is kept: `entry` is its canonical JSON, `hash` is over the hash before and the entry."""

    seq: int
    entry: str
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """Number of entries, and the hash of the last."""

    seq: int = 0
    hash: str = BEGINNING


def link(head: Head, note: TrailNote, proposal: str, at: datetime) -> TrailEntry:
    """The next entry of the chain."""
    seq = head.seq + 1
    said = {"seq": seq, "at": at.astimezone(UTC).isoformat(), "event": note.event.value, "proposal": proposal}
    entry = canonical({**said, "actor": note.actor, "said": dict(note.said)})
    return TrailEntry(seq, entry, head.hash, hash_of(head.hash, entry))


def hash_of(previous: str, entry: str) -> str:
    return hashlib.sha256(f"{previous}\n{entry}".encode()).hexdigest()


def faults(links: Iterable[TrailEntry], head: Head) -> list[str]:
    """Faults of a chain, in sentences; empty: every entry is as it was written, and none is missing."""
    found: list[str] = []
    before = Head()
    for each in links:
        found += [f"entry {each.seq}: {why}" for why in _faults_of(each, before)]
        before = Head(each.seq, each.hash)
    if (before.seq, before.hash) != (head.seq, head.hash):
        found.append(f"the trail ends at entry {before.seq}, and the head says that it ends at entry {head.seq}")
    return found


def _faults_of(each: TrailEntry, before: Head) -> Iterable[str]:
    if each.seq != before.seq + 1:
        yield f"it follows entry {before.seq}: something between them is missing or out of order"
    if each.previous != before.hash:
        yield "it does not carry the hash of the entry before it"
    if each.hash != hash_of(each.previous, each.entry):
        yield "its words are not those that were written"
    elif _seq_in(each.entry) != each.seq:
        yield "it stands in another place than where it was written"


def _seq_in(entry: str) -> object:
    said = json.loads(entry)
    return said.get("seq") if isinstance(said, dict) else None


def line(each: TrailEntry) -> str:
    """An entry as one line of JSON, with its hash."""
    return canonical({**json.loads(each.entry), "hash": each.hash})
