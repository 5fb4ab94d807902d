"""A proposal, people who press buttons, and the processes of KAI that carry it on: the stage of all these tests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.approval.person import ApprovalRefusal
from bot.approval.proposal import KubeUser, PartKind, ProofRecord, Proposal, ProposalLocation, ProposalPart, new_id
from bot.approval.rules import Approvals
from bot.approval.states import ProposalState
from bot.approval.trail import TrailEvent, TrailNote
from bot.change.deciding import Caller, Deciding, DecisionResult
from bot.change.expiry import approved_end
from bot.change.extending import Extending
from bot.change.marks import EXPIRES, bound, fingerprint, uid_of
from bot.change.pipeline import Pipeline, PipelineTools
from bot.change.ports import CannotProve, Fresh
from bot.store.store import Store
from bot.verify.looking import Clock
from bot.verify.verdict import Verification, VerificationOutcome
from flows.fixes.jsonpatch import CannotPatch, apply, inverse
from flows.model import Component
from tests.bot.approval.making import proposal
from tests.bot.change.server import Client, Mortal, Process, Server, Time

ALICE, BOB, CAROL = KubeUser("alice"), KubeUser("bob"), KubeUser("carol")
PEOPLE: Mapping[str, KubeUser] = {"U1ALICE": ALICE, "U2BOB": BOB, "U3CAROL": CAROL}
RULE = {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}
HELPED = Verification(VerificationOutcome.VERIFIED, forwarded=12)
FAILED = Verification(VerificationOutcome.FAILED, dropped=3)
UNDECIDED = Verification(VerificationOutcome.UNDECIDED, why="no new attempt of these connections was seen")


def policy(namespace: str = "shop", name: str = "strict-egress") -> tuple[str, str, str]:
    return "NetworkPolicy", namespace, name


class Play:
    """One cluster and one database; processes come and go."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store, self.rng, self.time = store, random.Random(seed), Time()
        self.server = Server(self.time)
        self.rules = Approvals()
        self.policies = "policies-1"
        self.verdict = HELPED
        self.shown: dict[str, str] = {}
        self.started_with: dict[Any, str] = {}
        self.server.rights |= {("alice", "shop"), ("bob", "shop"), ("alice", "web")}

    # -- the proposal --------------------------------------------------------------------------------------------------

    def part(self, key: tuple[str, str, str] = policy(), make: bool = False, ends: str = "") -> ProposalPart:
        target = Component(*key)
        if make:
            meta = {"namespace": key[1], "name": key[2], **({"annotations": {EXPIRES: ends}} if ends else {})}
            manifest = {"kind": key[0], "metadata": meta, "spec": {"egress": [RULE]}}
            return ProposalPart(PartKind.CREATE, target, (manifest,), ({"op": "remove", "path": ""},))
        thing = self.server.objects.get(key) or self.server.put(key, {"egress": []})
        body = ({"op": "add", "path": "/spec/egress/-", "value": RULE},)
        found = ProposalPart(PartKind.PATCH, target, body, inverse(thing, body), uid_of(thing), "", fingerprint(thing))
        return bound(found, thing)

    async def propose(self, *parts: ProposalPart, **changes: Any) -> Proposal:
        it = proposal(*(parts or (self.part(),)), id=new_id(), asked_by=("U3CAROL",))
        it = replace(it, proved=replace(it.proved, policies=self.policies), **changes)
        self.started_with |= {each.target: each.fingerprint for each in it.parts}
        assert await self.store.proposals.create(it, [TrailNote(TrailEvent.PROPOSED, "kai")], self.time.at)
        return it

    # -- a process -----------------------------------------------------------------------------------------------------

    def process(self, dies_after: int | None = None, faults: float = 0.0) -> Kai:
        return Kai(self, Process(self.rng, dies_after), faults)

    async def state(self, it: Proposal) -> ProposalState:
        found = await self.store.proposals.get(it.id)
        assert found is not None
        return found.state

    async def why(self, it: Proposal) -> str:
        found = await self.store.proposals.get(it.id)
        return found.why if found is not None else ""

    async def events(self, it: Proposal) -> list[str]:
        links = [each async for each in self.store.audit.links(it.id)]
        return [each.entry.partition('"event":"')[2].partition('"')[0] for each in links]


class Kai:
    """One process of KAI: everything that it calls is a step at which it may die."""

    def __init__(self, play: Play, process: Process, faults: float) -> None:
        self.play, self.process = play, process
        self.client = Client(play.server, process, play.time, faults)
        store: Any = _Parts(play.store, process)
        clock = Clock(play.time.now, play.time.sleep)
        tools = PipelineTools(store, self.client, self._prove, self._verify, self._show, clock)
        self.pipeline = Pipeline(tools)
        self.deciding = Deciding(store, self.client, self.pipeline, lambda: play.rules, clock)

    async def approve(self, it: Proposal, person: str = "U1ALICE") -> DecisionResult:
        return await self._then(self.deciding.approve(it.id, person, _as(person)))

    async def undo(self, it: Proposal, person: str = "U1ALICE") -> DecisionResult:
        return await self._then(self.deciding.undo(it.id, person, _as(person)))

    async def reject(self, it: Proposal, person: str = "U3CAROL", reason: str = "not today") -> DecisionResult:
        return await self._then(self.deciding.reject(it.id, person, _as(person), reason))

    async def keep(self, it: Proposal, person: str = "U1ALICE") -> DecisionResult:
        """The end that was approved, moved by a month."""
        shown, extending = approved_end(it) or self.play.time.at, Extending(self.deciding)
        return await self._then(extending.keep(it.id, shown, ProposalLocation(), person, _as(person)))

    async def _then(self, press: Coroutine[Any, Any, DecisionResult]) -> DecisionResult:
        said = await press
        if said.carry_on:
            await self.pipeline.carry_on(said.carry_on)
        return said

    async def restart(self) -> None:
        """What a process does when it begins, and again and again."""
        for each in await self.pipeline.sweep():
            await self.pipeline.carry_on(each)

    async def at_once(self, *presses: Coroutine[Any, Any, Any]) -> list[Any]:
        return await asyncio.gather(*presses, return_exceptions=True)

    # -- what the pipeline asks ----------------------------------------------------------------------------------------

    async def _prove(self, it: Proposal) -> Fresh:
        await self.process.step()
        parts = []
        for part in it.parts:
            now = self.play.server.objects.get((part.target.kind, part.target.namespace, part.target.name))
            parts.append(_anew(part, now))
        await self.process.step()
        return Fresh(tuple(parts), ProofRecord(self.play.policies, it.proved.flows, 847, 847, it.proved.newly_allowed))

    async def _verify(self, it: Proposal, since: datetime) -> Verification:
        await self.process.step()
        await self.play.time.sleep(3)
        await self.process.step()
        return self.play.verdict

    async def _show(self, it: Proposal) -> None:
        await self.process.step()
        self.play.shown[it.id] = it.state.value
        await self.process.step()


class _Parts:
    """The store, each part of it mortal."""

    def __init__(self, store: Store, process: Process) -> None:
        self.proposals, self.audit = Mortal(store.proposals, process), Mortal(store.audit, process)
        self.seen, self.investigations = Mortal(store.seen, process), Mortal(store.investigations, process)


def _anew(part: ProposalPart, now: Any) -> ProposalPart:
    if part.kind is PartKind.CREATE:
        if now is not None:
            raise CannotProve("an object of this name is there already")
        return part
    if now is None:
        raise CannotProve(f"{part.target} is not there any more")
    try:
        apply(now, part.body)
        back = inverse(now, part.body)
    except CannotPatch as why:
        raise CannotProve(str(why)) from None
    return ProposalPart(part.kind, part.target, part.body, back, uid_of(now), "", fingerprint(now))


def _as(person: str) -> Any:
    async def identify(it: Proposal) -> Caller | ApprovalRefusal:
        who = PEOPLE.get(person)
        return Caller(person, who) if who is not None else ApprovalRefusal("unmapped", "You are not known here.")

    return identify
