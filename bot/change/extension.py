"""A change of an added object's end, and of nothing else: later, or none any more. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from bot.approval.proposal import Json, PartKind, ProofRecord, Proposal, ProposalLocation, ProposalPart, Purpose, new_id
from bot.approval.states import ProposalState
from bot.change.marks import EXPIRES, fingerprint, uid_of, version_of
from flows.fixes.jsonpatch import escaped, inverse, value_at
from flows.model import Component
from sensors.kit.objects import get

EXTENSION = timedelta(days=30)
EXPIRES_PATH = f"/metadata/annotations/{escaped(EXPIRES)}"


# -- what an object says -----------------------------------------------------------------------------------------------


def moment_of(said: object) -> datetime | None:
    """End that an annotation says: a date lasts to the end of that day, UTC. None: it says no time."""
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


def expires_of(thing: Json | None) -> object:
    """Value of the annotation; None where there is none."""
    return get(thing, "metadata", "annotations", EXPIRES)


def end_of(things: Iterable[Json], unreadable: datetime | None = None) -> datetime | None:
    """The end of objects that stand and fall together: the latest; None as soon as one of them is permanent.

    Only an object without the annotation is permanent. One whose annotation says no time ends at `unreadable`.
    """
    ends: list[datetime] = []
    for each in things:
        said = expires_of(each)
        end = unreadable if said is not None and moment_of(said) is None else moment_of(said)
        if end is None:
            return None
        ends.append(end)
    return max(ends, default=None)


def unreadable_end(thing: Json | None, now: datetime) -> str:
    """The reason why a new object's end cannot stand, in a few words; empty for one that can, and for none."""
    said = expires_of(thing)
    if said is None:
        return ""
    end = moment_of(said)
    if end is None:
        return f"{EXPIRES} should be a date such as {now + EXTENSION:%Y-%m-%d}, not {str(said)[:40]!r}"
    return "" if end > now else f"{EXPIRES} has passed: {said}"


# -- the proposal ------------------------------------------------------------------------------------------------------


def until(end: datetime) -> str:
    """Annotation for an end that is moved: a whole day, so that a person can read it."""
    return f"{end + EXTENSION:%Y-%m-%d}"


def extension_of(
    parent: Proposal,
    read: Sequence[Json],
    said: str | None,
    person: str,
    place: ProposalLocation,
    now: datetime,
    span: timedelta,
) -> Proposal:
    """The proposal that the objects of `parent`, as they were read, end at `said`; None: that they stay for good."""
    parts = tuple(_part(part.target, thing, said) for part, thing in zip(parent.parts, read, strict=True))
    what = ", ".join(str(each.target) for each in parts)
    return replace(
        parent,
        id=new_id(),
        purpose=Purpose.EXTENSION,
        parent=parent.id,
        title=f"Keep {what} to the end of {said} UTC" if said else f"Keep {what} for good",
        parts=parts,
        proved=ProofRecord(""),
        created_at=now,
        expires_at=now + span,
        asked_by=(person,),
        edited_by="",
        place=place,
        state=ProposalState.PROPOSED,
        why="",
        written=(),
        denied=(),
        shown="",
    )


def _part(target: Component, thing: Json, said: str | None) -> ProposalPart:
    """Compared and set: the patch fits only an object whose annotation still says what was read."""
    test = {"op": "test", "path": EXPIRES_PATH, "value": value_at(thing, EXPIRES_PATH)}
    step = {"op": "replace", "path": EXPIRES_PATH, "value": said} if said else {"op": "remove", "path": EXPIRES_PATH}
    body = (test, step)
    return ProposalPart(
        PartKind.PATCH, target, body, inverse(thing, body), uid_of(thing), version_of(thing), fingerprint(thing)
    )


def wanted_end(part: ProposalPart) -> object:
    """Value of the annotation once the part is written; None: it is gone."""
    return part.body[-1].get("value")


def has_moved(it: Proposal, read: Sequence[Json | None]) -> bool:
    """Has somebody else changed the end since it was shown?"""
    return any(expires_of(now) != part.body[0]["value"] for part, now in zip(it.parts, read, strict=True))


def unsaid(it: Proposal, read: Sequence[Json | None]) -> list[str]:
    """The objects that do not say the end that was approved."""
    pairs = zip(it.parts, read, strict=True)
    return [str(part.target) for part, now in pairs if now is None or expires_of(now) != wanted_end(part)]
