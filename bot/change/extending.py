"""Decisions of a person on the end of an added object: keeps it longer or for good, or lets it go.

To keep it is a proposal of its own, with the rules, rights, audit and compare-and-set of every other one. Nothing of
the traffic changes with it, so that there is nothing to be proved on flows, and it may be approved in quiet hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.approval.decision import barred, words
from bot.approval.person import ApprovalRefusal
from bot.approval.proposal import Json, Proposal, ProposalLocation
from bot.approval.states import IN_FORCE
from bot.approval.trail import TrailEvent, TrailNote
from bot.change.deciding import Caller, Deciding, DecisionResult, Identify
from bot.change.expiry import STANDING, approved_end, end_now, let_go_key, ours_of, role_of
from bot.change.extension import extension_of, until
from bot.change.ports import CannotRead, NotWritten
from flows.fixes.change import owner_of

LET_GO_LIFETIME = timedelta(days=2)
"""How long it is known who has let something go: it ends within the hour."""

FOR_ANOTHER = ("own_request", "terminal_only")
"""Refusals of an approval that are none of its proposal: another person, or another way, decides."""

BEING_DECIDED = ApprovalRefusal(
    "decided_already", "Another person is deciding about its end already: nothing was done."
)


@dataclass(frozen=True, slots=True)
class Extending:
    """One for each process. `deciding` is what every other press goes through."""

    deciding: Deciding

    async def keep(
        self,
        change: str,
        shown: datetime,
        place: ProposalLocation,
        actor: str,
        identify: Identify,
        *,
        for_good: bool = False,
    ) -> DecisionResult:
        """Propose a later end, or none, and approve it as the caller; `shown`: the end that the caller has seen.

        `place` is the message that was pressed, in which the proposal then stands.
        """
        found = await self._who_and_what(change, identify)
        if isinstance(found, ApprovalRefusal):
            return await self.deciding.refuse(change, actor, found)
        it, caller = found
        made = await self._made(it, shown, place, caller, for_good)
        if isinstance(made, ApprovalRefusal):
            return await self.deciding.refuse(it.id, actor, made)
        note = TrailNote(
            TrailEvent.PROPOSED, caller.person, {"extends": it.id, "sha256": made.sha256, "title": made.title}
        )
        if not await self.deciding.store.proposals.extend(made, [note], self.deciding.clock.now()):
            return await self.deciding.refuse(it.id, actor, BEING_DECIDED)
        return await self._approved(made, actor, identify)

    async def _who_and_what(self, change: str, identify: Identify) -> tuple[Proposal, Caller] | ApprovalRefusal:
        it = await self.deciding.get(change)
        if isinstance(it, ApprovalRefusal):
            return it
        caller = await identify(it)
        return caller if isinstance(caller, ApprovalRefusal) else (it, caller)

    async def _made(
        self, it: Proposal, shown: datetime, place: ProposalLocation, caller: Caller, for_good: bool
    ) -> Proposal | ApprovalRefusal:
        """The proposal, or why this person cannot make it: nobody is asked about what its author could not do."""
        read = await self._ours(it, shown)
        if isinstance(read, ApprovalRefusal):
            return read
        rules, now = self.deciding.rules(), self.deciding.clock.now()
        said = None if for_good else until(shown)
        made = extension_of(it, read, said, caller.person, place, now, rules.strictest(it.namespaces).expiry)
        refused = barred(made, caller.person, caller.who, rules, now)
        if refused is not None and refused.code not in FOR_ANOTHER:
            return refused
        able = await self.deciding.covered(made, caller)
        return able if isinstance(able, ApprovalRefusal) else made

    async def _ours(self, it: Proposal, shown: datetime) -> Sequence[Json] | ApprovalRefusal:
        """The objects of now, where they are still those that were added, and still end when the caller has seen."""
        approved = approved_end(it)
        if it.state not in STANDING or approved is None:
            return ApprovalRefusal("not_in_force", f"There is nothing to keep: this change is {words(it.state)}.")
        try:
            found = await ours_of(self.deciding.patcher, it)
        except (CannotRead, NotWritten) as why:
            return ApprovalRefusal("not_read", f"What it says of its end could not be read: {why}.")
        read = [each for each in found if each is not None]
        if len(read) < len(found):
            return ApprovalRefusal("gone", "What was added is not there any more, or another object has its name.")
        if (owner := next((mine for each in read if (mine := owner_of(each))), None)) is not None:
            return ApprovalRefusal(
                "owned", f"{owner} keeps it and would undo a change made here: change it in the repository."
            )
        if end_now(read, approved) != shown:
            return ApprovalRefusal("end_changed", "Its end has been changed since this message: nothing was done.")
        return read

    async def _approved(self, made: Proposal, actor: str, identify: Identify) -> DecisionResult:
        """Whoever proposes it approves it, where the rules let one person do both."""
        said = await self.deciding.approve(made.id, actor, identify)
        if said.code == "terminal_only":
            return replace(said, sentence=f"Proposed: {made.title}. {said.sentence}", code="", carry_on=made.id)
        if said.code == "own_request":
            said = replace(
                said, sentence=f"Proposed: {made.title}. Two persons are needed: another person approves it."
            )
            return replace(said, code="", carry_on=made.id)
        return replace(said, carry_on=made.id)

    async def let_go(self, change: str, shown: datetime, actor: str, identify: Identify) -> DecisionResult:
        """Only that somebody has seen it: nothing changes, and it ends as it would have ended."""
        found = await self._who_and_what(change, identify)
        if isinstance(found, ApprovalRefusal):
            return await self.deciding.refuse(change, actor, found)
        it, caller = found
        if it.state not in IN_FORCE:
            why = ApprovalRefusal("not_in_force", f"There is nothing to let go: this change is {words(it.state)}.")
            return await self.deciding.refuse(it.id, actor, why)
        store, now, role = self.deciding.store, self.deciding.clock.now(), role_of(it, shown)
        if await store.seen.first_time(let_go_key(role), now, LET_GO_LIFETIME, caller.person):
            await store.audit.append(
                it.id, TrailNote(TrailEvent.LET_GO, caller.person, {"end": shown.isoformat()}), now
            )
        return DecisionResult("Seen: it is taken back when its time is up, and nothing has to be done.", carry_on=it.id)
