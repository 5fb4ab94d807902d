"""The parts of a proposal as orders for `bot.patch`, the only writer, and its answers in the words of the pipeline."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from bot.approval.decision import AccessReview
from bot.approval.proposal import KubeUser, PartKind, Proposal, ProposalPart, Purpose
from bot.change.ports import CannotRead, Json, Moved, NotWritten, WriteUnanswered, Wrote
from bot.patch import (
    AlreadyExists,
    Announcement,
    Applied,
    Approver,
    BadOrder,
    ClusterChange,
    Conflict,
    Creation,
    Deletion,
    Edit,
    Forbidden,
    Gone,
    NotApplied,
    ObjectName,
    ObjectRight,
    Order,
    Rehearsed,
    Unknown,
    WriteOutcome,
    rights_for,
)
from bot.patch.model import WRITABLE
from bot.patch.writer import Writes
from sensors.kit import Absent, Blind
from sensors.kit.cluster import Object
from sensors.kit.kinds import Kind as Resource
from sensors.kit.objects import name_of

WRITABLE_KINDS: Mapping[str, Resource] = {each.name: each for each in WRITABLE.values()}

EVENT_REASONS: Mapping[Purpose, str] = {
    Purpose.CHANGE: "KaiChanged",
    Purpose.ROLLBACK: "KaiTookBack",
    Purpose.EXTENSION: "KaiExtended",
}
"""Of the Event on a changed object."""


class Lister(Protocol):
    """Reads with KAI's own account, from the API server itself."""

    async def list(self, kind: Resource, namespace: str | None = None) -> tuple[Object, ...]: ...


@dataclass(frozen=True, slots=True)
class ClusterConnection:
    """A connection to one cluster: to read with KAI's own account, and to write as somebody."""

    reader: Lister
    writer: Writes


OpenLine: TypeAlias = Callable[[str], AbstractAsyncContextManager[ClusterConnection]]
"""Opens the line to a cluster by its name. Raises `Blind` for one that is not looked after here."""


@dataclass(frozen=True, slots=True)
class Orders:
    """The pipeline's `Patcher`. `shown` keeps what the dry run of a part said, which the write must then say, too.

    `own`: a person's own credentials write, and nobody is impersonated.
    """

    open_line: OpenLine
    own: bool = False
    shown: dict[tuple[str, ...], str] = field(default_factory=dict)

    async def read(self, part: ProposalPart, cluster: str) -> Json | None:
        async with self._line(cluster) as line:
            try:
                found = await line.reader.list(_resource(part), part.target.namespace or None)
            except Absent:
                return None
            except Blind as why:
                raise CannotRead(str(why)) from why
        return next((each for each in found if name_of(each) == part.target.name), None)

    async def review(self, who: KubeUser, part: ProposalPart, proposal: str, cluster: str) -> AccessReview:
        """Every right that the change needs; the first that is missing speaks for all."""
        said = AccessReview(False, "nothing was asked")
        async with self._line(cluster) as line:
            for right in rights_for(change_of(part)):
                try:
                    verdict = await line.writer.may(self._approver(who), right)
                except (Blind, BadOrder) as why:
                    raise CannotRead(str(why)) from why
                if not verdict.allowed:
                    order = _order(self._approver(who), part, proposal)
                    return AccessReview(False, await _refusal(line.writer, order) or verdict.words)
                said = AccessReview(verdict.allowed, verdict.words)
        return said

    async def may_read_logs(self, who: KubeUser, namespace: str, cluster: str) -> AccessReview:
        """Checks the right to ask about a namespace where the rules say `rights`. Raises `CannotRead`."""
        async with self._line(cluster) as line:
            try:
                right = ObjectRight("get", "pods", namespace=namespace, subresource="log")
                verdict = await line.writer.may(Approver(who.name, who.groups), right)
            except (Blind, BadOrder) as why:
                raise CannotRead(str(why)) from why
        return AccessReview(verdict.allowed, verdict.words)

    async def dry_run(self, who: KubeUser, part: ProposalPart, proposal: str, cluster: str) -> None:
        async with self._line(cluster) as line:
            said = await line.writer.rehearse(_order(self._approver(who), part, proposal))
        if not isinstance(said, Rehearsed):
            raise _trouble(said)
        self.shown[_key(part, proposal, cluster)] = said.digest

    async def write(self, who: KubeUser, part: ProposalPart, proposal: str, cluster: str) -> Wrote:
        expects = self.shown.pop(_key(part, proposal, cluster), None)
        if expects is None:
            raise NotWritten("it was not tried by a dry run before")
        order = _order(self._approver(who), part, proposal, expects)
        try:
            async with self._line(cluster) as line:
                said = await line.writer.apply(order)
        except CannotRead as why:
            raise NotWritten(f"there was no way to the API server: {why}") from why
        if not isinstance(said, Applied):
            raise _trouble(said)
        return Wrote(said.after, said.audit_id)

    async def announce(self, who: KubeUser, part: ProposalPart, uid: str, it: Proposal, at: datetime) -> str:
        """An Event on the object, in the name of whoever changed it. Best effort."""
        try:
            name = ObjectName(_resource(part), part.target.name, part.target.namespace)
            words = f"{it.title} (approved by {who.name}, KAI proposal {it.id})"
            told = Announcement(it.id, self._approver(who), name, uid, EVENT_REASONS[it.purpose], words, at)
            async with self._line(it.cluster) as line:
                return await line.writer.announce(told)
        except (BadOrder, CannotRead, NotWritten) as why:
            return str(why)

    def _approver(self, who: KubeUser) -> Approver | None:
        try:
            return None if self.own else Approver(who.name, who.groups)
        except BadOrder as why:
            raise NotWritten(str(why)) from why

    @asynccontextmanager
    async def _line(self, cluster: str) -> AsyncIterator[ClusterConnection]:
        """A way to the cluster that cannot be opened is a read that failed: nothing has gone out."""
        try:
            async with self.open_line(cluster) as line:
                yield line
        except Blind as why:
            raise CannotRead(str(why)) from why


async def _refusal(writer: Writes, order: Order) -> str:
    """Refusal of the API server itself: RBAC gives no reason in a review, but to a dry run of the change it does.

    Only words: the review has said no already. Empty where KAI is refused and not the person, or nobody is.
    """
    said = await writer.rehearse(order)
    return said.words if isinstance(said, Forbidden) and not said.as_kai else ""


def change_of(part: ProposalPart) -> ClusterChange:
    """Raises `NotWritten` for what KAI never changes."""
    try:
        if part.kind is PartKind.CREATE:
            made = Creation(part.body[0])
            if (made.target.namespace, made.target.name) != (part.target.namespace, part.target.name):
                raise BadOrder("the manifest is not the object that was approved")
            return made
        name = ObjectName(_resource(part), part.target.name, part.target.namespace)
        if part.kind is PartKind.DELETE:
            return Deletion(name, part.uid, part.resource_version)
        return Edit(name, tuple(part.body), part.uid, part.resource_version)
    except BadOrder as why:
        raise NotWritten(str(why)) from why


def _order(approver: Approver | None, part: ProposalPart, proposal: str, expects: str | None = None) -> Order:
    try:
        return Order(proposal, approver, change_of(part), expects)
    except BadOrder as why:
        raise NotWritten(str(why)) from why


def _resource(part: ProposalPart) -> Resource:
    found = WRITABLE_KINDS.get(part.target.kind)
    if found is None:
        raise NotWritten(f"a {part.target.kind} is never changed by KAI")
    return found


def _key(part: ProposalPart, proposal: str, cluster: str) -> tuple[str, ...]:
    return proposal, cluster, str(part.target), part.resource_version


def _trouble(said: WriteOutcome) -> NotWritten | WriteUnanswered:
    match said:
        case Unknown(words=words):
            return WriteUnanswered(words)
        case Conflict(words=words) | Gone(words=words) | AlreadyExists(words=words):
            return Moved(words)
        case NotApplied(words=words):
            return NotWritten(words)
        case Applied():
            return WriteUnanswered("an answer that was not expected")
        case _:
            return NotWritten(said.words)
