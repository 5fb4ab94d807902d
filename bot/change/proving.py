"""Proves a proposal on the living cluster: the connections it is about, through the policies as they are right now.

The proof rests on the denied connections themselves and not on the flow ring, which forgets within minutes.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.approval.proposal import PartKind, ProofRecord, Proposal, ProposalPart, Tuple5, canonical
from bot.change.marks import bound, fingerprint, uid_of
from bot.change.ports import CannotProve, CannotRead, Fresh, Json, NotWritten, Patcher
from bot.change.repository import ForRepository, for_repository
from bot.verify.looking import OpenNamed
from bot.verify.moment import flow_of
from flows.denials.connection import JudgedConnection, policy_drops
from flows.denials.policy_world import world_of
from flows.fixes.closing import in_words, taken_away, usable
from flows.fixes.jsonpatch import CannotPatch, apply, inverse
from flows.fixes.proof import Trial, denied_ones, try_out, unread_kinds
from flows.model import Case, Fix, Missing
from flows.policy import Direction, Endpoint, PolicyRef, PolicyWorld, Traffic
from flows.policy.parse import dialect_of
from flows.runner import ThreadRunner, WorkLost, WorkRunner
from flows.simulate import NEEDED_SENSORS
from sensors.hubble_capture_flows import HubbleFlows
from sensors.kit import Blind, Sensor, Target, observe

QUICK = ("hubble.capture_flows", "k8s.network_policies", "k8s.services", "k8s.pod", "cni.health")
"""What a proof of known connections needs: no try of our own, which would wait for what is denied."""

PROVED_BY_REPLAY = frozenset({"Namespace"})
"""Kinds besides policies whose change is replayed: labels decide what selectors mean."""


def eligible(fix: Fix) -> bool:
    """May people be asked about it with a button? Automatic, proved, not refused, and undone by nobody outside."""
    every = (fix, *fix.also)
    ready = all(each.kind in ("json-patch", "manifest") and each.target and each.patch for each in every)
    proved = fix.proof is None or fix.proof.holds
    return ready and fix.automatic and proved and not any(each.refused or each.owner for each in every)


@dataclass(frozen=True, slots=True)
class Proving:
    """Looks and proves. `patcher` reads the objects that are to be changed, past every cache; `runner` replays."""

    open_cluster: OpenNamed
    sensors: Mapping[str, Sensor]
    patcher: Patcher
    runner: WorkRunner = field(default_factory=ThreadRunner)

    async def __call__(self, it: Proposal) -> Fresh:
        """The pipeline's `Prove`: the same change on the cluster of now."""
        case = await self._case(it.target, it.cluster, QUICK)
        parts = [await self._anew(each, it.cluster) for each in it.parts]
        return await self._proof(case, parts, it.proved.flows)

    async def first(self, target: Target, fix: Fix, cluster: str) -> Fresh:
        """The proof that a proposal begins with; what is denied is looked for anew."""
        case = await self._case(target, cluster, NEEDED_SENSORS)
        parts = [await self._anew(each, cluster) for each in _parts(fix)]
        return await self._proof(case, parts)

    async def _proof(
        self, case: Case, parts: Sequence[tuple[ProposalPart, Json]], flows: Sequence[Tuple5] | None = None
    ) -> Fresh:
        befores, afters = [each for each, _ in parts], [after for _, after in parts]
        try:
            return await self.runner(fresh, case, befores, afters, flows)
        except WorkLost as why:
            raise CannotProve(f"the proof did not come to its end: {why}") from why

    async def repository(self, fix: Fix, cluster: str) -> ForRepository:
        """The difference that the fix makes to the objects of now. Raises `CannotProve`."""
        parts = list(_parts(fix))
        after = [(await self._anew(each, cluster))[1] for each in parts]
        return for_repository(fix, list(zip([await self._now(each, cluster) for each in parts], after, strict=True)))

    async def _now(self, part: ProposalPart, cluster: str) -> Json | None:
        try:
            return await self.patcher.read(part, cluster)
        except (CannotRead, NotWritten) as why:
            raise CannotProve(str(why)) from why

    async def _case(self, target: Target, name: str, names: Iterable[str]) -> Case:
        try:
            async with self.open_cluster(name) as cluster:
                asked = [self.sensors[each] for each in names if each in self.sensors]
                seen = await asyncio.gather(*(observe(each, target, cluster) for each in asked))
                evidence = {f"E{number}": each for number, each in enumerate(seen, start=1)}
                return Case(target, await cluster.environment(), await cluster.now(), evidence)
        except Blind as why:
            raise CannotProve(f"there is no way to the cluster: {why}") from why

    async def _anew(self, part: ProposalPart, cluster: str) -> tuple[ProposalPart, Json]:
        """The part for the object of now, and what would become of that."""
        now = await self._now(part, cluster)
        if part.kind is PartKind.CREATE:
            if now is not None:
                raise CannotProve(f"{part.target} is there already")
            return part, part.body[0]
        if now is None:
            raise CannotProve(f"{part.target} is not there any more")
        try:
            after, back = apply(now, part.body), inverse(now, part.body)
        except CannotPatch as why:
            raise CannotProve(f"the patch does not fit {part.target} any more: {why}") from why
        fresh = replace(part, inverse=back, uid=uid_of(now), fingerprint=fingerprint(now))
        return bound(fresh, now), after


def _parts(fix: Fix) -> Iterator[ProposalPart]:
    for each in (fix, *fix.also):
        if each.target is not None:
            kind = PartKind.CREATE if each.kind == "manifest" else PartKind.PATCH
            yield ProposalPart(kind, each.target, tuple(each.patch), tuple(each.inverse))


# -- pure --------------------------------------------------------------------------------------------------------------


def fresh(
    case: Case, parts: Sequence[ProposalPart], after: Sequence[Json], flows: Sequence[Tuple5] | None = None
) -> Fresh:
    """Proof of a change. `flows`: the denied connections; None looks for them in the case."""
    flows = _complaint(case) if flows is None else flows
    denied = tuple(dict.fromkeys((*flows, *_denied(case))))
    try:
        world = case.once(world_of)
    except Missing as why:
        return Fresh(tuple(parts), ProofRecord(""), f"the policies could not be read: {why}", denied)
    traffics = [traffic for each in flows if (traffic := _traffic(each, world)) is not None]
    policies = _hash_of(world, traffics)
    replayed = [each for each in after if dialect_of(each) or each.get("kind") in PROVED_BY_REPLAY]
    if not replayed:
        return Fresh(tuple(parts), ProofRecord(policies, tuple(flows)), "", denied)
    tries = [JudgedConnection(world.judge(each), asked=True) for each in traffics]
    trial = try_out(case, after, only=tries)
    proof, opened = trial.proof, tuple(str(each) for each in trial.diff.opened)
    closed = tuple(str(each) for each in usable(case, trial.diff.closed))
    proved = ProofRecord(policies, tuple(flows), proof.replayed, proof.allowed_after, opened, closed)
    return Fresh(tuple(parts), proved, _why_not(case, trial, len(flows)), denied)


def _why_not(case: Case, trial: Trial, flows: int) -> str:
    """The reason why nobody should be asked; empty where the proof holds."""
    proof = trial.proof
    if unread := unread_kinds(case):
        return unread
    if refused := trial.refused():
        return refused
    if taken := _taken_away(case, trial):
        return f"it would close {taken[0]}"
    if trial.diff.undecidable:
        return f"whether it also opens {trial.diff.undecidable[0]} cannot be told"
    if not proof.replayed or proof.replayed < flows:
        return "the denied connections cannot be found any more"
    if proof.undecidable:
        return f"{proof.undecidable} of {proof.replayed} connections cannot be decided"
    if not proof.denied_before:
        return "nothing denies these connections any more"
    missing = proof.replayed - proof.allowed_after
    return f"{missing} of {proof.replayed} connections would still be denied" if missing else ""


def _taken_away(case: Case, trial: Trial) -> tuple[str, ...]:
    """Ways that it shuts and that may be in use. A port that no pod behind it serves may be given up."""
    closed = trial.diff.closed
    return in_words(case, taken_away(case, closed, {low for each in closed for low, _ in each.ports}))


def _complaint(case: Case) -> tuple[Tuple5, ...]:
    try:
        found = denied_ones(case)
    except Missing as why:
        raise CannotProve(str(why)) from why
    return tuple(dict.fromkeys(_tuple(each) for each in found))


def _tuple(one: JudgedConnection) -> Tuple5:
    it = one.traffic
    looked_up = next(iter(it.destination.fqdns), "")
    if one.seen is not None:
        return replace(flow_of(one.seen), looked_up=looked_up)
    names, workloads = (_name(it.source), _name(it.destination)), (_workload(it.source), _workload(it.destination))
    return Tuple5(*names, it.protocol, it.port or 0, *workloads, it.destination.ip, looked_up)


def _name(end: Endpoint) -> str:
    return f"{end.namespace}/{end.pod}" if end.is_pod else end.ip


def _workload(end: Endpoint) -> str:
    """As Hubble names it: without the kind."""
    return f"{end.namespace}/{end.workload.partition(' ')[2] or end.workload}" if end.workload else ""


def _denied(case: Case) -> Iterator[Tuple5]:
    """Everything that a policy was seen to drop, of whatever it is about."""
    flows = case.get(HubbleFlows)
    yield from (flow_of(each) for each in (flows.connections if flows else ()) if policy_drops(each))


def _traffic(flow: Tuple5, world: PolicyWorld) -> Traffic | None:
    """The connection between what is there now: the same pod, or another of the same workload."""
    source = _endpoint(flow.source, flow.source_workload, "", world)
    there = _endpoint(flow.destination, flow.destination_workload, flow.address, world)
    if there is not None and flow.looked_up and not there.fqdns:
        there = replace(there, fqdns=(flow.looked_up,))
    return None if source is None or there is None else Traffic(source, there, flow.protocol, flow.port)


def _endpoint(name: str, workload: str, address: str, world: PolicyWorld) -> Endpoint | None:
    namespace, slash, pod = name.partition("/")
    if not slash:
        return world.endpoint_at(address or name)
    known = world.endpoint_of_pod(namespace, pod)
    if known is not None or not workload:
        return known
    return next((each for each in world.inventory.pods.values() if _workload(each) == workload), None)


def _hash_of(world: PolicyWorld, traffics: Iterable[Traffic]) -> str:
    """Of every policy that selects an endpoint of these connections, on its side."""
    refs: set[PolicyRef] = set()
    for each in traffics:
        refs |= {policy.ref for policy, _ in world.selecting(each.source, Direction.EGRESS)}
        refs |= {policy.ref for policy, _ in world.selecting(each.destination, Direction.INGRESS)}
    said: dict[str, Any] = {str(each): fingerprint(world.policy_object(each)) for each in refs}
    return hashlib.sha256(canonical(said).encode()).hexdigest()
