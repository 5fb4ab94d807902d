"""Makes a change: reads the object fresh, lets the API server rehearse it, and writes exactly once.

Reads and dry runs change nothing, so they may be asked again; the write never is. Where its answer is lost, the object
is read until it shows the order's mark, or has had the time to: see `PatchWriter.reconcile`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from bot import __version__
from bot.patch.announcing import Announcement, announce
from bot.patch.model import (
    AlreadyExists,
    Applied,
    Approver,
    BadOrder,
    Conflict,
    Creation,
    Deletion,
    Edit,
    Forbidden,
    Gone,
    NotApplied,
    Order,
    Rehearsed,
    Rejected,
    Unknown,
    WriteOutcome,
    WriteTrouble,
)
from bot.patch.operations import (
    carries_mark,
    differences,
    digest,
    guarded_patch,
    marked_manifest,
    uid_of,
    version_of,
)
from bot.patch.rights import ObjectRight, RightsAnswer, may
from bot.patch.wire import WRITE_TIMEOUT_S, AnswerLost, ApiCall, ApiResponse, NotSent, WriteConnection, open_line
from sensors.access.kube import ClusterContext
from sensors.access.kube.lists import path_to
from sensors.access.kube.wire import path_of
from sensors.kit.cluster import Object
from sensors.kit.objects import get, text

MANAGER = "kai"
LOOK_PAUSES_S = (0.0, 0.5, 1.5, 3.0)
"""Pauses before each look after a lost answer: a request that is under way when its connection breaks still ends.

The API server cancels a request whose client has gone; five seconds are for a balancer that keeps it going.
"""

JSON_PATCH = "application/json-patch+json"


class Writes(Protocol):
    """Port of `bot/approval` to a writer."""

    async def may(self, approver: Approver | None, right: ObjectRight) -> RightsAnswer: ...

    async def rehearse(self, order: Order) -> Rehearsed | WriteTrouble | Unknown: ...

    async def apply(self, order: Order) -> WriteOutcome: ...

    async def reconcile(self, order: Order) -> WriteOutcome: ...

    async def announce(self, it: Announcement) -> str: ...


class _Ended(Exception):
    """The order ended before it was written."""

    def __init__(self, outcome: WriteTrouble | Unknown) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class _Ready:
    """An order that only waits for its write. `told`: the approver's extra may carry the proposal's id."""

    order: Order
    body: Any
    told: bool
    rehearsed: Rehearsed


@dataclass(frozen=True, slots=True)
class PatchWriter:
    """One way to write. `pause` waits between looks after a lost answer; tests give one that does not."""

    line: WriteConnection
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def may(self, approver: Approver | None, right: ObjectRight) -> RightsAnswer:
        """Word of the API server on whether the person may do this. Raises `Blind` where it could not be asked."""
        return await may(self.line, f"kai-netdebug/{__version__}", approver, right)

    async def rehearse(self, order: Order) -> Rehearsed | WriteTrouble | Unknown:
        """Result that the API server would store: nothing is written."""
        try:
            return (await self._prepare(order)).rehearsed
        except _Ended as early:
            return early.outcome

    async def apply(self, order: Order) -> WriteOutcome:
        """The change, or why it was not made. Not to be called again for the same order: `reconcile` tells."""
        try:
            ready = await self._prepare(order)
        except _Ended as early:
            return early.outcome
        if order.expects is not None and ready.rehearsed.digest != order.expects:
            return Conflict("the API server would now make something else of it than what was shown")
        return await self._write(ready)

    async def reconcile(self, order: Order) -> WriteOutcome:
        """Checks whether an order whose answer nobody heard was carried out, from the object itself.

        `NotApplied` is told after the last look only: till then a request may still be under way.
        """
        outcome: WriteOutcome = Unknown("not looked yet")
        for pause in LOOK_PAUSES_S:
            await self.pause(pause)
            outcome = await self._trace(order)
            if isinstance(outcome, Applied | Gone | AlreadyExists):
                return outcome
        return outcome

    async def announce(self, it: Announcement) -> str:
        """An Event on the changed object; why there is none, in one line, or nothing. It never raises."""
        return await announce(self.line, it)

    # -- before the write ----------------------------------------------------------------------------------------------

    async def _prepare(self, order: Order) -> _Ready:
        """Reads and rehearses. Raises `_Ended`."""
        before = await self._read(order)
        _check_state(order, before)
        body = _body(order, before)
        told = True
        reply = await self._rehearsal(order, body, told=told)
        if reply.status == 403 and "userextras" in reply.words:  # KAI may not say why: then the audit log has our agent
            told = False
            reply = await self._rehearsal(order, body, told=told)
        if not reply.good:
            raise _Ended(await self._refusal(order, reply))
        after = None if isinstance(order.change, Deletion) else reply.body
        seen = Rehearsed(before, after, differences(before, after), digest(after))
        return _Ready(order, body, told, seen)

    async def _read(self, order: Order) -> Object | None:
        """The object from etcd itself (no resourceVersion is asked for), as the approver. Raises `_Ended`."""
        call = ApiCall("GET", _object_path(order), agent_of(order), approver=order.approver)
        try:
            reply = await self.line.send(call)
        except (NotSent, AnswerLost) as why:
            raise _Ended(NotApplied(f"the object could not be read: {why}")) from None
        if reply.status == 404:
            return None
        if not reply.good:
            raise _Ended(_turned_away(reply))
        return reply.body

    async def _rehearsal(self, order: Order, body: Any, *, told: bool) -> ApiResponse:
        try:
            return await self.line.send(_call(order, body, told=told, dry=True))
        except (NotSent, AnswerLost) as why:  # a dry run leaves nothing behind, whether it was heard or not
            raise _Ended(NotApplied(f"the dry run had no answer: {why}")) from None

    async def _refusal(self, order: Order, reply: ApiResponse) -> WriteTrouble:
        """Meaning of an answer that is none of ours; of a patch that did not fit, the object itself must tell why."""
        if reply.status == 404:
            return Gone(reply.words)
        if reply.status == 409:
            taken = text(reply.body, "reason") == "AlreadyExists"
            return AlreadyExists(reply.words) if taken else Conflict(reply.words)
        if reply.status == 422 and isinstance(order.change, Edit):
            try:
                _check_state(order, await self._read(order))
            except _Ended as changed:
                if isinstance(changed.outcome, Gone | Conflict):
                    return changed.outcome
        return _turned_away(reply)

    # -- the write -----------------------------------------------------------------------------------------------------

    async def _write(self, ready: _Ready) -> WriteOutcome:
        order = ready.order
        try:
            reply = await self.line.send(_call(order, ready.body, told=ready.told, dry=False))
        except NotSent as why:
            return NotApplied(str(why))
        except AnswerLost:
            return await self._reconciled(ready)
        if reply.good:
            return _applied(ready, reply)
        if reply.status >= 500:  # a gateway's or a timeout's: it may have been done all the same
            return await self._reconciled(ready)
        return await self._refusal(order, reply)

    async def _reconciled(self, ready: _Ready) -> WriteOutcome:
        outcome = await self.reconcile(ready.order)
        if isinstance(outcome, Applied):
            return replace(outcome, differences=ready.rehearsed.differences)
        return outcome

    async def _trace(self, order: Order) -> WriteOutcome:
        """One look at the object for traces of the order."""
        try:
            found = await self._read(order)
        except _Ended as blind:
            if isinstance(blind.outcome, Forbidden):
                return Unknown(f"the object may not be read any more: {blind.outcome.words}")
            return Unknown(blind.outcome.words)
        return trace_of(order, found)


def trace_of(order: Order, found: Object | None) -> WriteOutcome:
    """Trace of an order on the object as it is now. Pure.

    An object that somebody else has changed without our mark tells nothing: they may have come first, and ours failed,
    or they replaced the whole object after us.
    """
    match order.change:
        case Deletion(uid=uid):
            return _trace_of_deletion(uid, found)
        case Creation(target=target):
            if found is None:
                return NotApplied(f"there is no {target}")
            if not carries_mark(found, order.proposal):
                return AlreadyExists(f"{target} is there, and was not made by this proposal")
            return _recognised(found)
        case Edit(target=target, uid=uid, resource_version=version):
            if found is None or uid_of(found) != uid:
                return Gone(f"{target} is not there any more")
            if carries_mark(found, order.proposal):
                return _recognised(found)
            if version_of(found) != version:
                return Unknown(f"{target} was changed by another writer and carries no mark of this proposal")
            return NotApplied(f"{target} is as it was")


def _trace_of_deletion(uid: str, found: Object | None) -> WriteOutcome:
    if found is None or uid_of(found) != uid or get(found, "metadata", "deletionTimestamp") is not None:
        return Applied(uid, "", from_mark=True)
    return NotApplied("the object is still there")


def _recognised(found: Object) -> Applied:
    return Applied(uid_of(found), version_of(found), after=found, from_mark=True)


def _applied(ready: _Ready, reply: ApiResponse) -> Applied:
    if isinstance(ready.order.change, Deletion):
        return Applied(ready.order.change.uid, "", ready.rehearsed.differences, audit_id=reply.audit_id)
    made = Applied(uid_of(reply.body), version_of(reply.body), ready.rehearsed.differences, reply.body)
    return replace(made, audit_id=reply.audit_id)


def _check_state(order: Order, found: Object | None) -> None:
    """The object is the one, and in the state, that the approver saw. Raises `_Ended`."""
    change = order.change
    if isinstance(change, Creation):
        if found is not None:
            raise _Ended(AlreadyExists(f"{change.target} is there already"))
        return
    if found is None:
        raise _Ended(Gone(f"{change.target} is not there any more"))
    if uid_of(found) != change.uid:
        raise _Ended(Gone(f"another {change.target} has taken its place (uid {uid_of(found)})"))
    if version_of(found) != change.resource_version:
        raise _Ended(Conflict(f"{change.target} was changed since the proof (revision {version_of(found)})"))


def _turned_away(reply: ApiResponse) -> WriteTrouble:
    if reply.status == 403 and not reply.words.startswith("admission webhook"):
        return Forbidden(reply.words, as_kai="impersonate" in reply.words)
    if reply.status in (400, 403, 413, 415, 422):
        return Rejected(reply.words)
    return NotApplied(reply.words)


# -- requests ----------------------------------------------------------------------------------------------------------


def agent_of(order: Order) -> str:
    """The User-Agent, which the API server's audit log keeps."""
    return f"kai-netdebug/{__version__} proposal/{order.proposal}"


def _object_path(order: Order) -> str:
    target = order.change.target
    return path_to(target.kind, target.namespace or None) + path_of(target.name)


def _body(order: Order, before: Object | None) -> Any:
    """Body of the request. Raises `_Ended` on a patch or a manifest that must not."""
    try:
        match order.change:
            case Edit():
                return guarded_patch(order.change, order.proposal, before or {})
            case Creation():
                return marked_manifest(order.change, order.proposal)
            case Deletion(uid=uid, resource_version=version):
                return {"preconditions": {"uid": uid, "resourceVersion": version}, "propagationPolicy": "Background"}
    except BadOrder as why:
        raise _Ended(Rejected(str(why))) from None


def _call(order: Order, body: Any, *, told: bool, dry: bool) -> ApiCall:
    """The write, or with `dry` its rehearsal: the same request, which the API server then does not store."""
    once = ApiCall("", "", agent_of(order), _query(order, dry), body, "application/json", order.approver)
    once = replace(once, why=order.proposal if told else "")
    match order.change:
        case Edit():
            return replace(once, method="PATCH", path=_object_path(order), content_type=JSON_PATCH)
        case Creation(target=target):
            return replace(once, method="POST", path=path_to(target.kind, target.namespace or None))
        case Deletion():
            body = {**body, **({"dryRun": ["All"]} if dry else {})}
            return replace(once, method="DELETE", path=_object_path(order), query=(), body=body)


def _query(order: Order, dry: bool) -> Sequence[tuple[str, str]]:
    return (("fieldManager", MANAGER), ("fieldValidation", "Strict"), *((("dryRun", "All"),) if dry else ()))


@asynccontextmanager
async def open_writer(
    place: ClusterContext, within: float = WRITE_TIMEOUT_S, pause: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> AsyncIterator[PatchWriter]:
    """A writer with the credentials of `place`: KAI's own, under which it acts as the approver."""
    async with open_line(place, within) as line:
        yield PatchWriter(line, pause)
