"""Carries an approved proposal on: proved anew, tried, written once, verified, and taken back when it did not help.

What is true is in the store. A step is repeated after a crash until its state has moved on; only the write is not:
whoever finds a proposal that is being applied reads the object and looks for the proposal's mark.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from bot.approval.decision import writer
from bot.approval.proposal import Approval, KubeUser, Proposal, ProposalPart, Purpose, Tuple5, new_id
from bot.approval.rules import EXPIRY
from bot.approval.states import UNDER_WAY, ProposalState
from bot.approval.trail import TrailEvent, TrailNote
from bot.change.extension import has_moved, unsaid
from bot.change.marks import as_written, bound, is_as_read
from bot.change.ports import (
    CannotProve,
    CannotRead,
    Fresh,
    Json,
    Moved,
    NotWritten,
    Patcher,
    ProveProposal,
    ShowProposal,
    Verify,
    WriteUnanswered,
    nobody,
)
from bot.change.rollback import carried, is_same, is_there_already, no_rights, rollback_of
from bot.change.showing import SETTLED, Showing
from bot.change.traces import Traces, Written
from bot.store.store import Store
from bot.verify.looking import Clock
from bot.verify.verdict import Verification, VerificationOutcome

log = logging.getLogger(__name__)

SETTLE = 2.0
"""Seconds after which a request that a dying process has sent must have arrived, one way or the other."""

MOST_ROLLBACKS = 3
"""Rollbacks of one change that may be begun: one may be interrupted before it wrote anything."""

SELF = "kai"


@dataclass(frozen=True, slots=True)
class PipelineTools:
    """Tools of the pipeline; the composition root fills it once."""

    store: Store
    patcher: Patcher
    prove: ProveProposal
    verify: Verify
    show: ShowProposal = nobody
    clock: Clock = field(default_factory=Clock)
    settle: float = SETTLE


class Pipeline:
    """One for each process; one proposal is carried on by one caller at a time."""

    def __init__(self, tools: PipelineTools) -> None:
        self._tools, self._store, self._patcher = tools, tools.store.proposals, tools.patcher
        self._traces = Traces(tools.patcher)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._showing = Showing(self._store, tools.show)
        self._steps: Mapping[ProposalState, Callable[[Proposal], Awaitable[None]]] = {
            ProposalState.APPROVED: self._begin,
            ProposalState.APPLYING: self._reconcile,
            ProposalState.UNKNOWN: self._reconcile,
            ProposalState.APPLIED: self._judge,
            ProposalState.ROLLING_BACK: self._await_rollback,
        }

    async def carry_on(self, proposal: str) -> Proposal | None:
        """Until a person has to act, or nothing more can be done now. To be called again after a crash."""
        async with self._locks.setdefault(proposal, asyncio.Lock()):
            it = await self._store.get(proposal)
            while it is not None and it.state in UNDER_WAY:
                before = it.state
                await self._steps[before](it)
                it = await self._store.get(proposal)
                await self.show(proposal)
                if it is not None and it.state is before:
                    break
            return it

    async def sweep(self) -> tuple[str, ...]:
        """Close what has expired, show what is not shown yet, and say which proposals are to be carried on."""
        now = self._now()
        for it in await self._store.in_states([ProposalState.PROPOSED]):
            if now >= it.expires_at:
                await self._move(it, ProposalState.EXPIRED, TrailEvent.EXPIRED, "it was not approved in time")
                await self.show(it.id)
        for it in await self._store.to_show(now - SETTLED):
            await self.show(it.id)
        under_way = await self._store.in_states(UNDER_WAY)
        return tuple(each.id for each in under_way if each.purpose is not Purpose.ROLLBACK)

    async def show(self, proposal: str, *, again: bool = False) -> None:
        """Tell people where it stands now. `again`: also where they have seen that state (an approval was counted)."""
        await self._showing.show(proposal, again=again)

    async def check(self, it: Proposal) -> Verification:
        """Look once more whether it helps, without a change. What was not verified may be so now."""
        said = await self._tools.verify(it, self._now())
        if it.state is ProposalState.NOT_VERIFIED and said.outcome is VerificationOutcome.VERIFIED:
            await self._move(it, ProposalState.VERIFIED, TrailEvent.VERIFIED, said.words())
            await self.show(it.id)
        return said

    # -- from approved to written --------------------------------------------------------------------------------------

    async def _begin(self, it: Proposal) -> None:
        """Everything that must hold before the one write, in the order in which it is cheapest to fail."""
        if it.purpose is not Purpose.ROLLBACK and self._now() >= it.expires_at:
            await self._move(
                it, ProposalState.EXPIRED, TrailEvent.EXPIRED, "it was approved, and its time was up before it began"
            )
            return
        given = await self._store.approvals(it.id)
        try:
            who = await self._writers(it, given)
            read = await self._traces.read(it.parts, it.cluster)
            if is_there_already(it, read):
                await self._move(
                    it, ProposalState.APPLYING, TrailEvent.RECOGNISED, "an earlier write of it has come through"
                )
                return
            fresh = await self._proved(it, read)
            if fresh is None:
                return
            parts = tuple(bound(part, now) for part, now in zip(it.parts, read, strict=True))
            await self._try_out(it, parts, who)
        except (NotWritten, WriteUnanswered, CannotRead, CannotProve) as why:
            await self._stop(it, str(why) or type(why).__name__)
            return
        said = {"as": [each.name for each in who], "sha256": it.sha256}
        nothing: Written = [None] * len(parts)
        if await self._move(it, ProposalState.APPLYING, TrailEvent.WRITING, "", said, nothing, fresh.denied):
            await self._write(replace(it, state=ProposalState.APPLYING), parts, who)

    async def _writers(self, it: Proposal, given: Sequence[Approval]) -> list[KubeUser]:
        """As whom each part is written; asked anew, for rights can be taken away between the press and the write."""
        found: list[KubeUser] = []
        for place, part in enumerate(it.parts):
            who = writer(it, given, place)
            if who is None:
                raise NotWritten(f"no person with rights on {part.target} has approved it")
            review = await self._patcher.review(who, part, it.id, it.cluster)
            await self._audit(
                it, TrailEvent.REVIEWED, {"as": who.name, "allowed": review.allowed, "said": review.reason}
            )
            if not review.allowed:
                raise NotWritten(no_rights(it, who, part, review.reason))
            found.append(who)
        return found

    async def _proved(self, it: Proposal, read: Sequence[Json | None]) -> Fresh | None:
        """A proof of now. None where it is not what people approved any more: then a fresh proposal takes its place."""
        same = all(is_as_read(part, now) for part, now in zip(it.parts, read, strict=True))
        if it.purpose is not Purpose.CHANGE:
            if not same:
                raise Moved("the object has changed since: KAI does not overwrite it")
            if it.purpose is Purpose.EXTENSION and has_moved(it, read):
                raise Moved("its end has changed since")
            return Fresh(it.parts, it.proved)
        fresh = await self._tools.prove(it)
        await self._audit(it, TrailEvent.REPROVED, {"holds": not fresh.why, "why": fresh.why, "same_object": same})
        if fresh.why:
            raise CannotProve(f"it is not proved any more: {fresh.why}")
        if same and is_same(it, fresh):
            return fresh
        await self._replace(
            it, fresh, "the object has changed since" if not same else "the policies have changed since"
        )
        return None

    async def prove(self, it: Proposal) -> Fresh:
        """The proof of a change on the cluster of now. Raises `CannotProve`."""
        return await self._tools.prove(it)

    def anew(self, it: Proposal, fresh: Fresh, why: str, edited_by: str = "") -> Proposal:
        """The proposal that takes the place of one: proved now, with its whole time, and approved by nobody."""
        now, span = self._now(), it.expires_at - it.created_at
        return replace(
            it,
            id=new_id(),
            parts=fresh.parts,
            proved=fresh.proved,
            created_at=now,
            expires_at=now + (span if span > timedelta(0) else EXPIRY),
            edited_by=edited_by or it.edited_by,
            state=ProposalState.PROPOSED,
            why=why,
            place=replace(it.place, ts=""),
            shown="",
        )

    async def _replace(self, it: Proposal, fresh: Fresh, why: str) -> None:
        new = self.anew(it, fresh, why)
        note = TrailNote(TrailEvent.PROPOSED, SELF, {"instead_of": it.id, "sha256": new.sha256, "why": why})
        if await self._store.create(new, [note], self._now(), instead_of=it.id):
            await self.show(new.id)

    async def _try_out(self, it: Proposal, parts: Sequence[ProposalPart], who: Sequence[KubeUser]) -> None:
        for part, each in zip(parts, who, strict=True):
            await self._patcher.dry_run(each, part, it.id, it.cluster)
        await self._audit(it, TrailEvent.DRY_RUN, {"as": [each.name for each in who], "parts": len(parts)})

    async def _write(self, it: Proposal, parts: Sequence[ProposalPart], who: Sequence[KubeUser]) -> None:
        """Each part once. What is refused at the first part has changed nothing; later it has to be taken back."""
        written: Written = [None] * len(parts)
        for place, (part, each) in enumerate(zip(parts, who, strict=True)):
            try:
                done = await self._patcher.write(each, part, it.id, it.cluster)
            except NotWritten as why:
                await self._broken_off(it, written, f"{each} was refused: {why}")
                return
            except WriteUnanswered as why:
                log.warning("proposal %s: the answer to a write is lost: %s", it.id, why)
                await self._reconcile(it)
                return
            written[place] = as_written(done.after) if done.after is not None else (part.uid, "")
            said = {"as": each.name, "part": str(part.target), "uid": written[place], "audit_id": done.audit_id}
            await self._store.keep_written(it.id, written, TrailNote(TrailEvent.WRITTEN, SELF, said), self._now())
        await self._move(it, ProposalState.APPLIED, TrailEvent.WRITTEN, "", {"parts": len(parts)}, written)

    async def _broken_off(self, it: Proposal, written: Written, why: str) -> None:
        if any(each is not None for each in written):
            partly = f"only a part of it was written: {why}"
            await self._move(it, ProposalState.APPLIED, TrailEvent.NOT_WRITTEN, partly, None, written)
        else:
            await self._move(it, ProposalState.PROPOSED, TrailEvent.NOT_WRITTEN, why, None, [])

    async def _stop(self, it: Proposal, why: str) -> None:
        """Nothing is written. A change can be approved again by somebody else; a rollback is over."""
        if it.purpose is Purpose.ROLLBACK:
            await self._move(it, ProposalState.REJECTED, TrailEvent.NOT_WRITTEN, why)
        else:
            await self._move(it, ProposalState.PROPOSED, TrailEvent.NOT_WRITTEN, why)

    # -- after a crash, or a lost answer -------------------------------------------------------------------------------

    async def _reconcile(self, it: Proposal) -> None:
        """Read the objects and look for the mark. What is nowhere to be found is looked for once more, later."""
        try:
            found = await self._traces.found(it)
            if not all(found):  # also what is missing of several may still be under way
                await self._tools.clock.sleep(self._tools.settle)
                found = await self._traces.found(it)
        except CannotRead as why:
            if it.state is ProposalState.APPLYING:
                await self._move(
                    it, ProposalState.UNKNOWN, TrailEvent.UNKNOWN, f"whether it was written is not known: {why}"
                )
            return
        if all(found):
            await self._move(it, ProposalState.APPLIED, TrailEvent.RECOGNISED, "", {"parts": len(found)}, found)
        else:
            await self._broken_off(it, found, await self._traces.why_nothing(it, found))

    # -- did it help? --------------------------------------------------------------------------------------------------

    async def _judge(self, it: Proposal) -> None:
        await self._announce(it)
        if it.purpose is not Purpose.CHANGE:
            await (self._judge_rollback(it) if it.purpose is Purpose.ROLLBACK else self._judge_extension(it))
            return
        if not it.is_whole:
            await self._take_back(it, it.why or "only a part of it was written")
            return
        said = await self._tools.verify(it, it.moved_at or self._now())
        figures = {"forwarded": said.forwarded, "dropped": said.dropped, "opened": said.opened, "tried": said.tried}
        if said.outcome is VerificationOutcome.FAILED:
            await self._take_back(it, said.words(), figures)
            return
        done = said.outcome is VerificationOutcome.VERIFIED
        state = ProposalState.VERIFIED if done else ProposalState.NOT_VERIFIED
        event = TrailEvent.VERIFIED if done else TrailEvent.NOT_VERIFIED
        await self._move(it, state, event, said.words(), figures)

    async def _announce(self, it: Proposal) -> None:
        """On each object that was written, in the name of who changed it. What fails is only written down."""
        given = await self._store.approvals(it.id)
        for place, (part, done) in enumerate(zip(it.parts, it.written, strict=False)):
            who = writer(it, given, place)
            if done is not None and who is not None:
                why = await self._patcher.announce(who, part, done[0], it, it.moved_at or self._now())
                said = {"part": str(part.target), "as": who.name, "told": not why, "why": why}
                await self._audit(it, TrailEvent.ANNOUNCED, said)

    async def _judge_rollback(self, it: Proposal) -> None:
        """Is everything exactly as it was before the change?"""
        try:
            wrong = await self._traces.not_as_before(it, await self._store.get(it.parent))
        except CannotRead:
            return  # it is written; the next sweep reads it again
        if not wrong and it.is_whole:
            await self._move(it, ProposalState.VERIFIED, TrailEvent.VERIFIED, "everything is as it was")
        else:
            why = f"not as it was before: {', '.join(wrong)}"
            await self._move(it, ProposalState.NOT_VERIFIED, TrailEvent.NOT_VERIFIED, why)

    async def _judge_extension(self, it: Proposal) -> None:
        """Does every object say the end that was approved? Nothing else was changed, so there are no flows to watch."""
        try:
            wrong = unsaid(it, await self._traces.read(it.parts, it.cluster))
        except CannotRead:
            return  # it is written; the next sweep reads it again
        if wrong:
            why = f"the end is not the approved one: {', '.join(wrong)}"
            await self._move(it, ProposalState.NOT_VERIFIED, TrailEvent.NOT_VERIFIED, why)
        else:
            await self._move(it, ProposalState.VERIFIED, TrailEvent.EXTENDED, "", {"parent": it.parent})

    # -- the way back --------------------------------------------------------------------------------------------------

    async def _take_back(self, it: Proposal, why: str, figures: Mapping[str, object] | None = None) -> None:
        """By itself, with the rights of those who approved the change."""
        given = await self._store.approvals(it.id)
        note = TrailNote(TrailEvent.NOT_VERIFIED, SELF, {"why": why, **(figures or {})})
        await self.roll_back(replace(it, why=why), given, [note, TrailNote(TrailEvent.ROLLING_BACK, SELF)])

    async def roll_back(self, it: Proposal, given: Sequence[Approval], notes: Sequence[TrailNote]) -> bool:
        """A rollback of its own, approved by these. False when somebody was faster."""
        now = self._now()
        child = rollback_of(it, now)
        places = [place for place, each in enumerate(it.written) if each is not None][::-1]
        mine = [carried(each, places, child, now) for each in given]
        return await self._store.roll_back(it, child, [each for each in mine if each.covers], notes, now)

    async def _await_rollback(self, it: Proposal) -> None:
        """Carry the rollback on, and end as it ends."""
        children = await self._store.children(it.id)
        if not children:
            await self._move(it, ProposalState.STUCK, TrailEvent.STUCK, "its rollback is not there any more")
            return
        child = await self.carry_on(children[-1].id)
        if child is None or child.state in UNDER_WAY:
            return
        if child.state is ProposalState.VERIFIED:
            await self._move(it, ProposalState.ROLLED_BACK, TrailEvent.ROLLED_BACK, it.why, {"by": child.id})
        elif child.state is ProposalState.PROPOSED and len(children) < MOST_ROLLBACKS:
            await self._again(it, child)
        else:
            await self._close(child)
            await self._move(
                it, ProposalState.STUCK, TrailEvent.STUCK, f"it could not be taken back: {child.why}", {"by": child.id}
            )

    async def _again(self, it: Proposal, child: Proposal) -> None:
        """It was interrupted before it wrote anything, which has cost it its approvals: begin another one."""
        await self._close(child)
        given = await self._store.approvals(it.id)
        now, another = self._now(), rollback_of(it, self._now())
        places = [place for place, each in enumerate(it.written) if each is not None][::-1]
        note = TrailNote(TrailEvent.ROLLING_BACK, SELF, {"parent": it.id, "after": child.id})
        mine = [carried(each, places, another, now) for each in given]
        await self._store.create(another, [note], now, given=[each for each in mine if each.covers])

    async def _close(self, child: Proposal) -> None:
        if child.state is ProposalState.PROPOSED:
            await self._move(child, ProposalState.REJECTED, TrailEvent.REJECTED, child.why)

    # -- small things --------------------------------------------------------------------------------------------------

    async def _move(
        self,
        it: Proposal,
        after: ProposalState,
        event: TrailEvent,
        why: str,
        said: Mapping[str, object] | None = None,
        written: Written | None = None,
        denied: Sequence[Tuple5] | None = None,
    ) -> bool:
        note = TrailNote(event, SELF, {**({"why": why} if why else {}), **(said or {})})
        return await self._store.move(it.id, it.state, after, note, self._now(), why, written, denied)

    async def _audit(self, it: Proposal, event: TrailEvent, said: Mapping[str, object]) -> None:
        await self._tools.store.audit.append(it.id, TrailNote(event, SELF, said), self._now())

    def _now(self) -> datetime:
        return self._tools.clock.now()


_NOT_OVER = {Purpose.ROLLBACK: "takes nothing back over that", Purpose.EXTENSION: "does not keep that any longer"}
