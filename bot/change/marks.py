"""Marks by which an object is known again: its fingerprint, and the mark of the proposal that wrote it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.approval.proposal import PartKind, ProposalPart, canonical
from sensors.kit.objects import get

PROPOSAL_ANNOTATION = "kai.dev/proposal"
"""The annotation that says which proposal has written an object last."""

EXPIRES = "kai.dev/expires"
"""The annotation that says until when an added object is meant to stay."""

_SERVER = ("resourceVersion", "managedFields", "generation", "uid", "creationTimestamp", "selfLink")

Json = Mapping[str, Any]


def mark_of(thing: Json | None) -> str:
    """The id of the proposal that wrote it; empty when none did."""
    found = get(thing, "metadata", "annotations", PROPOSAL_ANNOTATION)
    return found if isinstance(found, str) else ""


def uid_of(thing: Json | None) -> str:
    return str(get(thing, "metadata", "uid") or "")


def version_of(thing: Json | None) -> str:
    return str(get(thing, "metadata", "resourceVersion") or "")


def fingerprint(thing: Json | None) -> str:
    """Of all that people write: without status, what only the server writes, and our own marks (to extend is none)."""
    if thing is None:
        return ""
    meta = {key: value for key, value in thing.get("metadata", {}).items() if key not in _SERVER}
    notes = {
        key: value
        for key, value in (meta.pop("annotations", None) or {}).items()
        if key not in (PROPOSAL_ANNOTATION, EXPIRES)
    }
    rest = {key: value for key, value in thing.items() if key not in ("metadata", "status")}
    said = canonical({**rest, "metadata": {**meta, "annotations": notes}})
    return hashlib.sha256(said.encode()).hexdigest()


def is_as_read(part: ProposalPart, now: Json | None) -> bool:
    """Is the object still the one that the part was made for?"""
    if part.kind is PartKind.CREATE:
        return now is None
    return now is not None and uid_of(now) == part.uid and fingerprint(now) == part.fingerprint


def is_written(part: ProposalPart, now: Json | None, proposal: str) -> bool:
    """Does the object show that this proposal has written it?"""
    if part.kind is PartKind.DELETE:
        return now is None or uid_of(now) != part.uid
    return mark_of(now) == proposal


def as_written(now: Json | None) -> tuple[str, str]:
    return uid_of(now), fingerprint(now)


def back(part: ProposalPart, written: tuple[str, str]) -> ProposalPart:
    """Inverse of a written part: the inverse of a patch, or the deletion of what was made."""
    uid, after = written
    if part.kind is PartKind.CREATE:
        return ProposalPart(PartKind.DELETE, part.target, (), part.body, uid, "", after)
    return ProposalPart(part.kind, part.target, part.inverse, part.body, uid, "", after)


def bound(part: ProposalPart, now: Json | None) -> ProposalPart:
    """The part for exactly the version of the object that was read just now."""
    return replace(part, resource_version=version_of(now))
