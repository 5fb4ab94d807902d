"""Parts of a rollback, and the signs that a write has come through. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.approval.proposal import Approval, KubeUser, PartKind, Proposal, ProposalPart, Purpose, digest_of, new_id
from bot.approval.rules import EXPIRY
from bot.approval.states import ProposalState
from bot.change.marks import as_written, back, is_written
from bot.change.ports import Fresh, Json


def rollback_of(parent: Proposal, now: datetime) -> Proposal:
    """Builds what takes back all that is written of a proposal, the last part first."""
    pairs = [(part, each) for part, each in zip(parent.parts, parent.written, strict=False) if each is not None]
    return replace(
        parent,
        id=new_id(),
        purpose=Purpose.ROLLBACK,
        parent=parent.id,
        title=f"Take back: {parent.title}",
        parts=tuple(back(part, each) for part, each in reversed(pairs)),
        created_at=now,
        expires_at=now + EXPIRY,
        state=ProposalState.APPROVED,
        why="",
        written=(),
        denied=(),
        shown="",
    )


def carried(given: Approval, places: Sequence[int], child: Proposal, now: datetime) -> Approval:
    """The same person's approval of the way back, for the parts that they may change."""
    covers = tuple(new for new, old in enumerate(places) if old in given.covers)
    return Approval(given.person, given.who, covers, child.sha256, now)


def is_there_already(it: Proposal, read: Sequence[Json | None]) -> bool:
    """A write that was thought to be lost has come through; or what was to be deleted is gone."""
    found = [is_written(part, now, it.id) for part, now in zip(it.parts, read, strict=True)]
    return all(found) if it.purpose is Purpose.ROLLBACK else any(found)


def is_same(it: Proposal, fresh: Fresh) -> bool:
    """Is it, to a person who approves, what was shown?"""
    before, now = it.proved, fresh.proved
    return (
        digest_of(fresh.parts) == it.sha256
        and now.policies == before.policies
        and set(now.newly_allowed) == set(before.newly_allowed)
        and set(now.newly_denied) == set(before.newly_denied)
    )


def no_rights(it: Proposal, who: KubeUser, part: ProposalPart, said: str) -> str:
    """Persons who cannot write it, in Kubernetes' words; for a rollback also who has to act now."""
    words = f"Kubernetes does not let {who} change {part.target}{f' ({said})' if said else ''}"
    acts = f"; a person with rights on it has to press Undo or run kai undo {it.parent}"
    return words + acts if it.purpose is Purpose.ROLLBACK else words


def as_found(part: ProposalPart, now: Json | None) -> tuple[str, str]:
    return as_written(now) if now is not None and part.kind is not PartKind.DELETE else (part.uid, "")
