"""Changes as the rest of the bot sees them: a proposal for a verdict, durable runs that carry it on, and what mends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from bot.approval.proposal import Proposal, ProposalLocation, new_id
from bot.approval.rules import Approvals
from bot.approval.states import OPEN, UNDER_WAY, ProposalState
from bot.approval.trail import TrailEvent
from bot.approval.trail import TrailNote as Entry
from bot.change.asking import MayReadLogs
from bot.change.deciding import Deciding
from bot.change.expiry import Expiry
from bot.change.pipeline import SELF, Pipeline
from bot.change.ports import CannotProve, Fresh
from bot.change.proving import Proving, eligible
from bot.change.repository import ForRepository, is_for_repository
from bot.desk import Note, Poster, VerdictNote
from bot.desk.journal import Journal, Steps, Workflow
from bot.report.json_result import CannotDecode, decode
from bot.store import Investigation, Posted
from bot.store.store import Store
from bot.verify.looking import Clock
from flows.model import Diagnosis, Fix

log = logging.getLogger(__name__)

CHANGE, PROPOSE = "kai.change", "kai.propose"
Rulebook: TypeAlias = Callable[[], Approvals]
"""The operator's rules, asked for each time: what was changed holds at once."""

MOST_RUNS = 100
"""Runs of one proposal: a run ends where nothing more can be done now, and the sweep starts the next."""

EVERY_SWEEPS = 5
"""Sweeps of the desk (one a second) for one of ours: presses start their runs themselves."""


TERMINAL_TIME = timedelta(minutes=5)
"""So long a terminal that was killed keeps a proposal to itself: longer than all of its steps take."""

TellRepository: TypeAlias = Callable[[Investigation, ForRepository], Awaitable[None]]
"""Tells people what to change where the objects come from. May be called again."""


async def tell_no_repository(it: Investigation, said: ForRepository) -> None:
    """For those who show nothing."""


PROPOSE_PREFIX = "propose "
PROPOSAL_WINDOW = timedelta(hours=1)
"""How long after a verdict a proposal is still thought about; later, nobody waits for it."""


def joined_key(investigation: str, person: str = "") -> str:
    """Under which it is kept who joined an investigation before there was a proposal."""
    return f"joined {investigation} {person}"


@dataclass
class Changes:
    """One for each process. `team`: the workspace in which cards stand; empty without Slack."""

    store: Store
    pipeline: Pipeline
    deciding: Deciding
    proving: Proving
    expiry: Expiry
    rules: Rulebook
    may_read_logs: MayReadLogs
    team: str = ""
    clock: Clock = field(default_factory=Clock)
    tell: TellRepository = tell_no_repository
    _journal: Journal | None = None
    _sweeps: int = 0
    _asked: bool = False
    _pushed: dict[str, datetime] = field(default_factory=dict)

    @property
    def workflows(self) -> tuple[Workflow, ...]:
        return Workflow(CHANGE, self._change), Workflow(PROPOSE, self._propose)

    async def _change(self, steps: Steps, proposal: str) -> None:
        await steps.take("carry on", self._carry_on, proposal)

    async def _carry_on(self, proposal: str) -> None:
        await self.pipeline.carry_on(proposal)

    async def _propose(self, steps: Steps, investigation: str) -> None:
        await steps.take("propose", self.propose, investigation)

    # -- runs ----------------------------------------------------------------------------------------------------------

    async def after_verdict(self, investigation: str) -> None:
        """Remember that a proposal is to be thought about; the next sweep, in whatever process, begins with it."""
        await self.store.seen.first_time(
            f"{PROPOSE_PREFIX}{investigation}", self.clock.now(), PROPOSAL_WINDOW, investigation
        )
        self._asked = True

    async def _begin(self, journal: Journal) -> None:
        for each in await self.store.seen.unsettled(PROPOSE_PREFIX, self.clock.now()):
            await journal.start(PROPOSE, f"{each.value}.propose", each.value)
            await self.store.seen.settle(each.key)

    async def push(self, proposal: str) -> None:
        """See to it that it is carried on: by one run at a time, in whatever replica; or show where it stands."""
        it = await self.store.proposals.get(proposal)
        if it is None or it.state not in UNDER_WAY:
            await self.pipeline.show(proposal)
        elif self._journal is not None:
            ids = [f"{it.investigation}.change.{it.id}.{number}" for number in range(MOST_RUNS)]
            runs = await self._journal.runs(ids)
            if not any(each.is_active for each in runs.values()) and len(runs) < MOST_RUNS:
                await self._journal.start(CHANGE, ids[len(runs)], it.id)

    async def sweep(self, journal: Journal) -> None:
        """Close what has expired, show what is not shown, and carry on what nobody carries on."""
        self._journal = journal
        self._sweeps += 1
        due = self._sweeps % EVERY_SWEEPS == 1
        if due or self._asked:
            self._asked = False
            await self._begin(journal)
        if due:
            for each in await self.pipeline.sweep():
                if not await self._is_in_a_terminal(each) and self._is_due(each):
                    await self.push(each)

    def _is_due(self, proposal: str) -> bool:
        """Retries what ended without an end after half a minute, not at every sweep."""
        now = self.clock.now()
        last = self._pushed.get(proposal)
        if last is not None and (now - last).total_seconds() < 30:
            return False
        self._pushed[proposal] = now
        return True

    async def claim(self, proposal: str, person: str) -> str:
        """A terminal carries it on with its person's own kubeconfig until it says that it is done (`release`)."""
        key = f"{_claimed(proposal)}{new_id()}"
        await self.store.seen.first_time(key, self.clock.now(), TERMINAL_TIME, person)
        return key

    async def release(self, claim: str) -> None:
        await self.store.seen.settle(claim)

    async def _is_in_a_terminal(self, proposal: str) -> bool:
        """Right now, that is: what ends weeks later is taken back by the next sweep, whoever approved it."""
        return bool(await self.store.seen.unsettled(_claimed(proposal), self.clock.now()))

    # -- a proposal for a verdict --------------------------------------------------------------------------------------

    async def propose(self, investigation: str) -> None:
        """Ask people about the fix, if it is one that may be asked about."""
        it = await self.store.investigations.get(investigation)
        if it is None or not self.rules().enabled or await self.store.proposals.of(investigation):
            return
        diagnosis = await self._diagnosis(investigation)
        if diagnosis is not None and is_for_repository(diagnosis.fix):
            await self._for_repository(it, diagnosis.fix)
        if diagnosis is None or not eligible(diagnosis.fix):
            return
        try:
            fresh = await self.proving.first(diagnosis.target, diagnosis.fix, it.request.cluster)
        except CannotProve as why:
            log.info("no proposal for %s: %s", investigation, why)
            return
        if fresh.why or self._denied(fresh):
            log.info("no proposal for %s: %s", investigation, fresh.why or "the operator's rules deny it")
            return
        made = await self._made(it, diagnosis, fresh)
        note = Entry(TrailEvent.PROPOSED, SELF, {"sha256": made.sha256, "asked_by": list(made.asked_by)})
        replaced = await self._replaced(investigation)
        if await self.store.proposals.create(made, [note], self.clock.now(), replaced):
            await self.pipeline.show(made.id)
            if replaced:
                await self.pipeline.show(replaced, again=True)

    async def _replaced(self, investigation: str) -> str:
        """Finds the proposal of the look before this one that still waits; empty where there is none."""
        before = await self.store.repeats.earlier(investigation, self.clock.now())
        last = newest(await self.store.proposals.of(before)) if before is not None else None
        return last.id if last is not None and last.state in OPEN else ""

    async def _for_repository(self, it: Investigation, fix: Fix) -> None:
        """Nobody is asked to patch what would be reverted: the difference is told instead."""
        try:
            await self.tell(it, await self.proving.repository(fix, it.request.cluster))
        except CannotProve as why:
            log.info("no difference for a repository for %s: %s", it.id, why)

    def _denied(self, fresh: Fresh) -> bool:
        rules = [(each, self.rules().of(each.namespace)) for each in fresh.parts]
        return any(each.denied or part.target.kind in each.denied_kinds for part, each in rules)

    async def joined(self, investigation: str, person: str) -> None:
        """Somebody asked the same, before there is a proposal or after."""
        now = self.clock.now()
        await self.store.seen.first_time(joined_key(investigation, person), now, PROPOSAL_WINDOW, person)
        await self.store.proposals.joined(investigation, person, Entry(TrailEvent.JOINED, person), now)

    async def _diagnosis(self, investigation: str) -> Diagnosis | None:
        verdict = await self.store.investigations.verdict(investigation)
        try:
            return None if verdict is None else await asyncio.to_thread(lambda: decode(verdict.result))
        except CannotDecode as why:
            log.warning("%s", why)
            return None

    async def _made(self, it: Investigation, diagnosis: Diagnosis, fresh: Fresh) -> Proposal:
        now, request = self.clock.now(), it.request
        joined = await self.store.seen.unsettled(joined_key(it.id), now)
        asked_by = tuple(dict.fromkeys((request.asked_by, *(each.value for each in joined))))
        made = Proposal(
            id=new_id(),
            investigation=it.id,
            target=diagnosis.target,
            title=diagnosis.fix.title,
            parts=fresh.parts,
            proved=fresh.proved,
            created_at=now,
            expires_at=now,
            cluster=request.cluster,
            asked_by=asked_by,
            place=ProposalLocation(self.team, request.channel, request.thread),
        )
        return _with_time(made, self.rules())


def _with_time(it: Proposal, rules: Approvals) -> Proposal:
    return replace(it, expires_at=it.created_at + rules.strictest(it.namespaces).expiry)


def _claimed(proposal: str) -> str:
    """Prefix of the keys of terminals that carry it on."""
    return f"terminal {proposal} "


def newest(every: Sequence[Proposal]) -> Proposal | None:
    """The one that people should see: what is not superseded, the newest first."""
    standing = [each for each in every if each.state is not ProposalState.SUPERSEDED and not each.parent]
    return standing[-1] if standing else None


class Proposing:
    """A poster that, once a verdict is posted, sees to the proposal."""

    def __init__(self, poster: Poster, changes: Changes) -> None:
        self._poster, self._changes = poster, changes

    async def post(self, note: Note) -> Posted:
        posted = await self._poster.post(note)
        if isinstance(note, VerdictNote):
            await self._changes.after_verdict(note.investigation.id)
        return posted

    async def find(self, note: Note) -> Posted | None:
        posted = await self._poster.find(note)
        if posted is not None and isinstance(note, VerdictNote):
            await self._changes.after_verdict(note.investigation.id)
        return posted
