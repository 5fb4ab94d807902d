"""The whole way on a simulated cluster: proved, written by `bot.patch`, verified by its hubble flows, taken back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.approval.person import ApprovalRefusal, Directory
from bot.approval.proposal import KubeUser, Proposal, new_id
from bot.approval.rules import Approvals
from bot.approval.states import ProposalState
from bot.approval.trail import TrailEvent, TrailNote
from bot.change.changes import Changes
from bot.change.deciding import Caller, Identify
from bot.change.expiry import Expiry, approved_end
from bot.change.extension import until
from bot.change.opening import changes_on
from bot.change.proving import eligible
from bot.change.repository import is_for_repository
from bot.cli import kai
from bot.clusters.opening import PolicyWorlds
from bot.clusters.options import Live
from bot.commands.recipe import flow_named
from bot.report.cluster_name import UNNAMED
from bot.store.store import Store, open_store
from bot.verify.looking import Clock
from flows.catalog import rules
from flows.engine import WalkTools, run
from flows.model import Diagnosis
from lab.cluster import LabCluster
from sensors.kit.catalog import sensors

CASES = Path(__file__).parents[3] / "lab" / "cases"
pytestmark = pytest.mark.slow


@dataclass
class Stage:
    lab: LabCluster
    changes: Changes
    store: Store
    url: str

    async def found(self) -> Diagnosis:
        worlds = PolicyWorlds(_live(self.lab, "kai"))
        assert self.lab.target is not None
        async with worlds.cluster() as cluster:
            tools = WalkTools(sensors(), rules())
            return await run(flow_named("flow.k8s_network_debug"), self.lab.target, cluster, tools)

    async def propose(self) -> Proposal:
        """The proposal for what is found at this moment."""
        found = await self.found()
        assert eligible(found.fix)
        fresh = await self.changes.proving.first(found.target, found.fix, UNNAMED)
        assert fresh.why == ""
        now = datetime.now(UTC)
        title = found.fix.title
        made = Proposal(
            new_id(), "inv", found.target, title, fresh.parts, fresh.proved, now, now + timedelta(minutes=30)
        )
        await self.store.proposals.create(made, [TrailNote(TrailEvent.PROPOSED, "kai")], now)
        return made


def _live(lab: LabCluster, user: str) -> Live:
    return Live(str(lab.kubeconfig(user)), server=lab.relay, environ={})


@asynccontextmanager
async def stage(case: str, folder: Path, within: float = 60.0) -> AsyncIterator[Stage]:
    url = f"sqlite:///{folder}/kai.db"
    async with LabCluster.start(CASES / case) as lab, open_store(url) as store:
        live = _live(lab, "kai")
        approvals = Approvals(Directory({"U1ALICE": KubeUser("alice"), "U2BOB": KubeUser("bob")}))
        changes = changes_on(
            lambda _: live, lambda _: PolicyWorlds(live).cluster(), sensors(), store, lambda: approvals, within=within
        )
        yield Stage(lab, changes, store, url)


def _as(person: str, name: str) -> Identify:
    async def identify(it: Proposal) -> Caller | ApprovalRefusal:
        return Caller(person, KubeUser(name))

    return identify


async def _approved(it: Stage, proposal: Proposal) -> Any:
    said = await it.changes.deciding.approve(proposal.id, "U1ALICE", _as("U1ALICE", "alice"))
    assert said.code == ""
    return await it.changes.pipeline.carry_on(proposal.id)


async def test_what_argo_cd_keeps_is_told_for_the_repository_and_nobody_is_asked_to_patch_it(tmp_path):
    async with stage("mobile-to-gateway", tmp_path) as it:
        first = await it.found()
        assert first.fix.target is not None
        labels = {"argocd.argoproj.io/tracking-id": "gateway:/Service:x/y"}
        service = it.lab.catalog.named("services")
        thing = it.lab.store.get(service, first.fix.target.namespace, first.fix.target.name)
        assert thing is not None
        thing["metadata"].setdefault("annotations", {}).update(labels)
        found = await it.found()
        told = await it.changes.proving.repository(found.fix, UNNAMED)

    assert eligible(first.fix)
    assert not eligible(found.fix)
    assert is_for_repository(found.fix)
    assert told.owners == ("Argo CD gateway",)
    assert told.difference.startswith("--- a/")
    assert [line[:1] for line in told.difference.splitlines()[3:] if line[:1] != " "] == ["-", "+"]


@pytest.mark.parametrize("case", ["api-server-cannot-watch", "orders-to-ledger", "mobile-to-gateway"])
async def test_approved_by_alice_it_helps_and_undone_it_is_as_it_was(case, tmp_path):
    async with stage(case, tmp_path) as it:
        proposal = await it.propose()
        bob = await it.changes.deciding.approve(proposal.id, "U2BOB", _as("U2BOB", "bob"))
        done = await _approved(it, proposal)
        await it.changes.deciding.undo(proposal.id, "U1ALICE", _as("U1ALICE", "alice"))
        undone = await it.changes.pipeline.carry_on(proposal.id)

    assert bob.code == "rbac"
    assert done.state is ProposalState.VERIFIED
    assert "0 dropped" in done.why
    assert undone.state is ProposalState.ROLLED_BACK


async def test_an_added_policy_is_gone_when_its_time_is_up_and_not_a_second_before(tmp_path):
    async with stage("api-server-cannot-watch", tmp_path) as it:
        proposal = await it.propose()
        await _approved(it, proposal)
        end = approved_end(proposal)
        assert end is not None
        before = await _looked(it, proposal, end - timedelta(seconds=1))
        after = await _looked(it, proposal, end)

    assert before.state is ProposalState.VERIFIED
    assert after.state is ProposalState.ROLLED_BACK
    assert after.why == f"its time was up at {end:%Y-%m-%d %H:%M} UTC"


async def _looked(it: Stage, proposal: Proposal, at: datetime) -> Proposal:
    """What stands once the end of added policies was looked after at a moment."""
    ours = it.changes.expiry
    await Expiry(it.store, ours.patcher, it.changes.pipeline, Clock(lambda: at)).look()
    found = await it.changes.pipeline.carry_on(proposal.id)
    assert found is not None
    return found


async def test_a_wrong_fix_made_by_an_edit_is_taken_back(tmp_path):
    """A Service's port is no policy: nothing is replayed, and only the flows can tell that it does not help."""
    async with stage("mobile-to-gateway", tmp_path, within=10.0) as it:
        proposal = await it.propose()
        body = [{**each, "value": 9} if each["op"] == "replace" else each for each in proposal.parts[0].body]
        said = await it.changes.deciding.edit(proposal.id, "U1ALICE", _as("U1ALICE", "alice"), [body])
        edited = await it.store.proposals.get(said.carry_on)
        assert edited is not None
        done = await _approved(it, edited)

    assert done.state is ProposalState.ROLLED_BACK
    assert done.why.startswith("not verified")


async def test_an_edit_of_a_policy_that_would_not_help_is_refused_by_the_proof(tmp_path):
    async with stage("orders-to-ledger", tmp_path) as it:
        proposal = await it.propose()
        said = await it.changes.deciding.edit(proposal.id, "U1ALICE", _as("U1ALICE", "alice"), [_useless(proposal)])
        kept = await it.store.proposals.get(proposal.id)

    assert said.code == "not_proved"
    assert kept is not None
    assert kept.state is ProposalState.PROPOSED


def _useless(it: Proposal) -> list[Any]:
    part = it.parts[0]
    if part.kind.value == "manifest":
        return [replace(part).body[0] | {"spec": {"podSelector": {"matchLabels": {"app": "nobody"}}}}]
    return [{"op": "add", "path": "/metadata/labels/x", "value": "y"}]


async def test_in_a_terminal_alice_keeps_an_added_policy_longer_and_then_for_good(tmp_path):
    import asyncio

    async with stage("api-server-cannot-watch", tmp_path) as it:
        proposal = await it.propose()

        def typed(user: str, *words: str, said: str = "") -> Any:
            where = ["--database", it.url, "--kubeconfig", str(it.lab.kubeconfig(user)), "--server", it.lab.relay]
            return CliRunner().invoke(kai, [*words, proposal.id, *where], input=said)

        early = await asyncio.to_thread(typed, "alice", "extend", "--yes")
        await asyncio.to_thread(typed, "alice", "approve", "--yes")
        unsaid = await asyncio.to_thread(typed, "alice", "extend", said="n\n")
        bob = await asyncio.to_thread(typed, "bob", "extend", "--yes")
        longer = await asyncio.to_thread(typed, "alice", "extend", said="y\n")
        for_good = await asyncio.to_thread(typed, "alice", "extend", "--for-good", "--yes")
        again = await asyncio.to_thread(typed, "alice", "extend", "--yes")

    end = approved_end(proposal)
    assert end is not None
    assert "nothing to keep" in str(early.exception)
    assert f"It ends at {end:%Y-%m-%d %H:%M} UTC: keep it to the end of {until(end)} UTC" in unsaid.output
    assert unsaid.exit_code == 1
    assert "Kubernetes does not let bob" in bob.output
    assert (longer.exit_code, for_good.exit_code) == (0, 0)
    assert "it has no end" in str(again.exception)


async def test_in_a_terminal_alice_approves_with_her_own_kubeconfig(tmp_path):
    import asyncio

    async with stage("orders-to-ledger", tmp_path) as it:
        proposal = await it.propose()

        def typed(user: str, *words: str) -> Any:
            where = ["--database", it.url, "--kubeconfig", str(it.lab.kubeconfig(user)), "--server", it.lab.relay]
            return CliRunner().invoke(kai, [*words, proposal.id, *where])

        bob = await asyncio.to_thread(typed, "bob", "approve", "--yes")
        alice = await asyncio.to_thread(typed, "alice", "approve", "--yes")
        undone = await asyncio.to_thread(typed, "alice", "undo", "--yes")

    assert "Kubernetes does not let bob" in bob.output
    assert "Verified: " in alice.output
    assert "forwarded, 0 dropped" in alice.output
    assert "Rolled back" in undone.output
