"""Decisions by a person on a proposal: approve, reject, undo. Each press is checked anew and recorded, also a no."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from bot.approval.decision import AccessReview, Standing, barred, closed, covered, decided_by, may_undo, standing, words
from bot.approval.person import ApprovalRefusal
from bot.approval.proposal import Approval, KubeUser, PartKind, Proposal, ProposalPart, Purpose
from bot.approval.rules import Approvals
from bot.approval.states import ProposalState
from bot.approval.trail import TrailEvent, TrailNote
from bot.change.disputes import is_disputed
from bot.change.extension import expires_of, unreadable_end
from bot.change.pipeline import Pipeline
from bot.change.ports import CannotProve, CannotRead, Fresh, Json, NotWritten, Patcher
from bot.change.rollback import rollback_of
from bot.store.proposals import Forged
from bot.store.store import Store
from bot.verify.looking import Clock
from flows.fixes.change import component_of_object
from flows.fixes.jsonpatch import CannotPatch, apply

LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Caller:
    """Person who acts, after all checks: `person` as in the audit, `who` for the API server."""

    person: str
    who: KubeUser


Identify: TypeAlias = Callable[[Proposal], Awaitable[Caller | ApprovalRefusal]]
"""Finds out who acts on this proposal, with fresh answers only."""


@dataclass(frozen=True, slots=True)
class DecisionResult:
    """Answer to the person. `code` is empty where it was done; `carry_on` names what is to be carried on now."""

    sentence: str
    code: str = ""
    carry_on: str = ""


NO_SUCH = ApprovalRefusal("no_such_proposal", "There is no such proposal here.")


@dataclass(frozen=True, slots=True)
class Deciding:
    """One for each process. `rules` is asked for each press: what an operator has changed holds at once."""

    store: Store
    patcher: Patcher
    pipeline: Pipeline
    rules: Callable[[], Approvals]
    clock: Clock = field(default_factory=Clock)

    async def approve(self, proposal: str, actor: str, identify: Identify) -> DecisionResult:
        """Count a yes; with the last one that was needed the answer says what is to be carried on."""
        it = await self.get(proposal)
        said = await self._examined(it, identify) if isinstance(it, Proposal) else it
        if isinstance(said, ApprovalRefusal) or not isinstance(it, Proposal):
            return await self.refuse(proposal, actor, said if isinstance(said, ApprovalRefusal) else NO_SUCH)
        caller, covers = said
        now = self.clock.now()
        approval = Approval(caller.person, caller.who, covers, it.sha256, now)
        note = TrailNote(
            TrailEvent.APPROVED, caller.person, {"as": caller.who.name, "covers": list(covers), "sha256": it.sha256}
        )
        disputed = await is_disputed(self.store, it.investigation)

        def stands(one: Proposal, given: Sequence[Approval]) -> Standing:
            return standing(one, given, self.rules(), disputed=disputed)

        counted = await self.store.proposals.approve(it.id, approval, stands, note, now)
        if counted is None or counted.standing is None:
            late = closed(counted.proposal, now) if counted is not None else None
            return await self.refuse(proposal, actor, await self._by_whom(late, it.id) if late else NO_SUCH)
        if counted.standing.enough:
            more = "proved once more, tried" if it.purpose is Purpose.CHANGE else "tried once more"
            return DecisionResult(f"Approved: it is {more} and then applied.", carry_on=it.id)
        await self.pipeline.show(it.id, again=True)
        return DecisionResult(f"Your approval is counted: {counted.standing.missing}.")

    async def why_not(self, proposal: str, identify: Identify) -> ApprovalRefusal | None:
        """The refusal that this person would get, for who looks at the proposal; None where they may approve it.

        Nothing is counted or written down.
        """
        it = await self.get(proposal)
        if isinstance(it, ApprovalRefusal):
            return it
        said = await self._examined(it, identify)
        return said if isinstance(said, ApprovalRefusal) else None

    async def reject(self, proposal: str, actor: str, identify: Identify, reason: str) -> DecisionResult:
        """A no of somebody who asked for it or who might have approved it."""
        it = await self.get(proposal)
        if isinstance(it, ApprovalRefusal):
            return await self.refuse(proposal, actor, it)
        now = self.clock.now()
        caller = await identify(it)
        refused = (
            caller if isinstance(caller, ApprovalRefusal) else closed(it, now) or self._may_reject(it, caller, now)
        )
        if refused is not None:
            return await self.refuse(it.id, actor, refused)
        why = " ".join(reason.split())[:LONGEST_REASON]
        by = caller.person if isinstance(caller, Caller) else actor
        note = TrailNote(TrailEvent.REJECTED, by, {"why": why})
        said = f"{by}: {why}" if why else f"by {by}"
        if await self.store.proposals.move(it.id, ProposalState.PROPOSED, ProposalState.REJECTED, note, now, said):
            return DecisionResult("Rejected: nothing is changed.", carry_on=it.id)
        return await self.refuse(it.id, actor, await self._late(it.id))

    def _may_reject(self, it: Proposal, caller: Caller | ApprovalRefusal, now: datetime) -> ApprovalRefusal | None:
        if isinstance(caller, ApprovalRefusal) or caller.person in it.asked_by:
            return caller if isinstance(caller, ApprovalRefusal) else None
        refused = barred(it, caller.person, caller.who, self.rules(), now)
        return None if refused is not None and refused.code == "terminal_only" else refused

    async def undo(self, proposal: str, actor: str, identify: Identify) -> DecisionResult:
        """Begin a rollback with the rights of whoever wants it."""
        it = await self.get(proposal)
        if isinstance(it, ApprovalRefusal):
            return await self.refuse(proposal, actor, it)
        caller = await identify(it)
        refused = caller if isinstance(caller, ApprovalRefusal) else may_undo(it) or await self._cannot_undo(it, caller)
        if refused is not None or isinstance(caller, ApprovalRefusal):
            return await self.refuse(it.id, actor, refused or NO_SUCH)
        now = self.clock.now()
        approval = Approval(caller.person, caller.who, tuple(range(len(it.parts))), it.sha256, now)
        note = TrailNote(TrailEvent.ROLLING_BACK, caller.person, {"as": caller.who.name})
        if await self.pipeline.roll_back(replace(it, why=f"undone by {caller.person}"), [approval], [note]):
            return DecisionResult("It is being taken back.", carry_on=it.id)
        return await self.refuse(it.id, actor, await self._late(it.id))

    async def _cannot_undo(self, it: Proposal, caller: Caller) -> ApprovalRefusal | None:
        back = rollback_of(it, self.clock.now())
        refused = barred(back, caller.person, caller.who, self.rules(), self.clock.now())
        covers = refused or await self.covered(back, caller)
        if isinstance(covers, ApprovalRefusal):
            return covers
        missing = [part.target for place, part in enumerate(back.parts) if place not in covers]
        return (
            ApprovalRefusal("rbac", f"Kubernetes does not let {caller.who} change {missing[0]}.") if missing else None
        )

    async def edit(
        self, proposal: str, actor: str, identify: Identify, bodies: Sequence[Sequence[Json]]
    ) -> DecisionResult:
        """Another version of each part, proved anew: a proposal of its own, for which nobody has approved anything."""
        it = await self.get(proposal)
        caller = it if isinstance(it, ApprovalRefusal) else await identify(it)
        if isinstance(it, ApprovalRefusal) or isinstance(caller, ApprovalRefusal):
            return await self.refuse(proposal, actor, caller if isinstance(caller, ApprovalRefusal) else NO_SUCH)
        now = self.clock.now()
        refused = closed(it, now) or self._may_reject(it, caller, now)
        fresh = refused or await self._edited(it, bodies)
        if isinstance(fresh, ApprovalRefusal):
            return await self.refuse(it.id, actor, fresh)
        new = self.pipeline.anew(it, fresh, f"edited by {caller.person}", edited_by=caller.person)
        said = {"instead_of": it.id, "sha256": new.sha256}
        if await self.store.proposals.create(
            new, [TrailNote(TrailEvent.EDITED, caller.person, said)], now, instead_of=it.id
        ):
            return DecisionResult("Edited and proved anew: earlier approvals do not count for it.", carry_on=new.id)
        return await self.refuse(it.id, actor, await self._late(it.id))

    async def _edited(self, it: Proposal, bodies: Sequence[Sequence[Json]]) -> Fresh | ApprovalRefusal:
        if len(it.parts) != len(bodies):
            return ApprovalRefusal("other_parts", f"An edit stays with its {len(it.parts)} objects.")
        parts = tuple(replace(part, body=tuple(body)) for part, body in zip(it.parts, bodies, strict=True))
        for each in parts:
            if each.kind is PartKind.CREATE and (
                len(each.body) != 1 or component_of_object(each.body[0]) != each.target
            ):
                return ApprovalRefusal("another_object", f"An edit stays with its object: {each.target}.")
        try:
            if why := [said for each in parts if (said := await self._wrong_end(each, it.cluster))]:
                return ApprovalRefusal("wrong_end", f"It would not end when it says: {why[0]}.")
            fresh = await self.pipeline.prove(replace(it, parts=parts))
        except (CannotProve, CannotRead, NotWritten) as why_not:
            return ApprovalRefusal("not_proved", f"It is not proved: {why_not}.")
        return ApprovalRefusal("not_proved", f"It is not proved: {fresh.why}.") if fresh.why else fresh

    async def _wrong_end(self, part: ProposalPart, cluster: str) -> str:
        """The reason why the end that an edit writes cannot stand; empty where it can, or where none is written."""
        now = None if part.kind is PartKind.CREATE else await self.patcher.read(part, cluster)
        try:
            after = part.body[0] if part.kind is PartKind.CREATE else apply(now or {}, part.body)
        except CannotPatch:
            return ""  # which the proof says in its own words
        return unreadable_end(after, self.clock.now()) if expires_of(after) != expires_of(now) else ""

    # -- inside ----------------------------------------------------------------------------------------------------

    async def _examined(self, it: Proposal, identify: Identify) -> tuple[Caller, tuple[int, ...]] | ApprovalRefusal:
        """Everything that can be a no, the cheap and local first; the API server is asked last."""
        now = self.clock.now()
        caller = await identify(it)
        if isinstance(caller, ApprovalRefusal):
            return caller
        if refused := closed(it, now) or barred(it, caller.person, caller.who, self.rules(), now):
            return await self._by_whom(refused, it.id)
        covers = await self.covered(it, caller)
        return covers if isinstance(covers, ApprovalRefusal) else (caller, covers)

    async def covered(self, it: Proposal, caller: Caller) -> tuple[int, ...] | ApprovalRefusal:
        reviews: list[AccessReview] = []
        for part in it.parts:
            try:
                reviews.append(await self.patcher.review(caller.who, part, it.id, it.cluster))
            except CannotRead:
                break
        return covered(it, caller.person, caller.who, self.rules(), reviews)

    async def get(self, proposal: str) -> Proposal | ApprovalRefusal:
        try:
            return await self.store.proposals.get(proposal) or NO_SUCH
        except Forged:
            return ApprovalRefusal("forged", "The stored patch is not the one that was shown: nothing was done.")

    async def _by_whom(self, refused: ApprovalRefusal, proposal: str) -> ApprovalRefusal:
        """With who was faster, for whoever pressed a button that was still shown."""
        it = await self.get(proposal)
        if refused.code != "closed" or isinstance(it, ApprovalRefusal):
            return refused
        given = await self.store.proposals.approvals(proposal)
        return replace(refused, sentence=refused.sentence + decided_by(it, given, self.clock.now()))

    async def _late(self, proposal: str) -> ApprovalRefusal:
        it = await self.get(proposal)
        if isinstance(it, ApprovalRefusal):
            return it
        return ApprovalRefusal("closed", f"This proposal is {words(it.state)}: nothing was done.")

    async def refuse(self, proposal: str, actor: str, refusal: ApprovalRefusal) -> DecisionResult:
        """Also a refused press is written down."""
        said = {"code": refusal.code, "said": refusal.sentence}
        await self.store.audit.append(proposal[:64], TrailNote(TrailEvent.REFUSED, actor, said), self.clock.now())
        return DecisionResult(refusal.sentence, refusal.code)
