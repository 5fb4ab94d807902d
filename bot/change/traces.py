"""Traces of a proposal in the objects of a cluster: whether it was written, and whether anybody else wrote since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.approval.proposal import PartKind, Proposal, ProposalPart
from bot.change.marks import fingerprint, is_as_read, is_written
from bot.change.ports import CannotRead, Json, Patcher
from bot.change.rollback import as_found
from flows.model import Component

Written = list[tuple[str, str] | None]


@dataclass(frozen=True, slots=True)
class Traces:
    """Reads past every cache. Everything here raises `CannotRead`, `why_nothing` aside."""

    patcher: Patcher

    async def read(self, parts: Sequence[ProposalPart], cluster: str) -> list[Json | None]:
        return [await self.patcher.read(each, cluster) for each in parts]

    async def found(self, it: Proposal) -> Written:
        """The uid and fingerprint of each part that carries the mark of this proposal; None where it does not."""
        read = await self.read(it.parts, it.cluster)
        kept = [*it.written, *[None] * (len(it.parts) - len(it.written))]
        return [
            (before or as_found(part, now)) if is_written(part, now, it.id) else None
            for part, now, before in zip(it.parts, read, kept, strict=True)
        ]

    async def why_nothing(self, it: Proposal, found: Written) -> str:
        missing = [part for part, each in zip(it.parts, found, strict=True) if each is None]
        try:
            read = await self.read(missing, it.cluster)
        except CannotRead:
            read = []
        if read and all(is_as_read(part, now) for part, now in zip(missing, read, strict=True)):
            return "KAI was interrupted before it was written"
        return "KAI was interrupted, and its mark is not on the object, which has changed since"

    async def not_as_before(self, it: Proposal, parent: Proposal | None) -> list[str]:
        """The objects of a rollback that are not exactly as they were before the change."""
        before = {part.target: part.fingerprint for part in parent.parts} if parent is not None else {}
        return [
            str(part.target)
            for part, now, done in zip(it.parts, await self.read(it.parts, it.cluster), it.written, strict=True)
            if done is None or (now is not None if part.kind is PartKind.DELETE else _differs(now, before, part))
        ]


def _differs(now: Json | None, before: Mapping[Component, str], part: ProposalPart) -> bool:
    return fingerprint(now) != before.get(part.target)
