"""An approval, from the press in Slack to the line in the API server's own audit log, with what the chart allows.

The objects, rights, dry runs and writes are those of a real API server, and KAI has the token that the chart gives it.
What it cannot have here, for there are no nodes: the flows, which come from the recording, and with them the look after
the change. So `helped` answers in its place; that look has its own tests, on simulated and recorded hubble flows.
What a stolen token of KAI may not do, as itself or as alice, is tried request by request in test_patch.py.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import __version__
from bot.approval.person import Directory, Installation
from bot.approval.proposal import KubeUser, PartKind, ProofRecord, Proposal, ProposalLocation, ProposalPart, new_id
from bot.approval.rules import Approvals
from bot.approval.states import ProposalState
from bot.approval.trail import TrailEvent, TrailNote
from bot.change.changes import Changes
from bot.change.deciding import Caller, Deciding
from bot.change.expiry import Expiry
from bot.change.extending import Extending
from bot.change.extension import extension_of, moment_of, until
from bot.change.marks import EXPIRES, PROPOSAL_ANNOTATION, as_written, bound, fingerprint
from bot.change.orders import ClusterConnection, Orders
from bot.change.pipeline import Pipeline, PipelineTools
from bot.change.ports import NotWritten
from bot.change.proving import Proving, eligible
from bot.commands.recipe import flow_named
from bot.patch import open_writer
from bot.report.cluster_name import UNNAMED
from bot.slack.approving import Approving
from bot.slack.button import Press
from bot.slack.ephemeral import Asker
from bot.store import OriginKind
from bot.store.store import Store, open_store
from bot.verify.verdict import Verification, VerificationOutcome
from flows.catalog import rules
from flows.engine import WalkTools as FlowTools
from flows.engine import run
from flows.model import Component, Diagnosis
from sensors.access.kube import Kube, connect
from sensors.kit import Target
from sensors.kit.catalog import sensors
from sensors.kit.kinds import KINDS
from tests.cluster import chart
from tests.cluster.apiserver import CORE, ApiServer, api_server
from tests.cluster.binaries import Binaries
from tests.cluster.live import LiveObjects, live
from tests.cluster.processes import wait_for
from tests.cluster.somebody import ask_as, bind
from tests.kit.cases import CASES, case, target_of

pytestmark = pytest.mark.cluster

INCIDENT = "checkout-to-bank"
"""Its fix patches two NetworkPolicies in two namespaces."""

POLICIES = {
    "checkout/checkout-egress": "/apis/networking.k8s.io/v1/namespaces/checkout/networkpolicies/checkout-egress",
    "payments/bank-ingress": "/apis/networking.k8s.io/v1/namespaces/payments/networkpolicies/bank-ingress",
}
KAI = "system:serviceaccount:kai:kai"
REVIEWS = "subjectaccessreviews"
EVERYTHING_OF_KAI = f"""
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {{level: Request, users: ["{KAI}"]}}
- {{level: None}}
"""
OURS = Installation("T1", "A1")
PEOPLE = {"U1ALICE": KubeUser("alice"), "U2BOB": KubeUser("bob"), "U3MALLORY": KubeUser("alice")}
"""Mallory is taken for alice, so that nothing but the company stands between her press and the cluster."""


@pytest.fixture(scope="module")
def server(programs: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The recorded incident; alice may change policies, bob may read them; whatever KAI asks is audited."""
    folder = tmp_path_factory.mktemp("approvals")
    (folder / "everything.yaml").write_text(EVERYTHING_OF_KAI)
    with api_server(programs, folder, audit_policy_file=str(folder / "everything.yaml")) as running:
        running.load_case(CASES / INCIDENT)
        running.install(*(kind for kind in KINDS if kind.api not in CORE))
        for person, verbs in (("alice", ["get", "patch"]), ("bob", ["get"])):
            rule = {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": verbs}
            role = {"metadata": {"name": f"for-{person}"}, "rules": [rule]}
            running.create("/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
            bind(running, person, f"for-{person}")
        yield running


@pytest.fixture(scope="module")
def token(server: ApiServer) -> str:
    """KAI's own, with all that the chart gives it, and nothing else."""
    approvals = {"users": ["alice", "bob"], "namespaces": ["checkout", "payments"]}
    server.create_namespace("kai-probe")
    found = server.service_account(chart.NAMESPACE, chart.ACCOUNT, chart.roles_in(chart.rendered(approvals=approvals)))
    for person in approvals["users"]:
        for path in POLICIES.values():
            headers = {"Impersonate-User": person}
            wait_for(lambda path=path, headers=headers: ask_as(server, found, "GET", path, headers=headers).status == 200,  # type: ignore[misc]  # noqa: E501
                     f"the rights of {person}")  # fmt: skip
    return found


# -- the stage ---------------------------------------------------------------------------------------------------------


@dataclass
class Slack:
    """As much of Slack as is asked: who somebody is, and what they are told."""

    people: dict[str, dict[str, Any]] = field(default_factory=lambda: {each: member(each) for each in PEOPLE})
    told: list[str] = field(default_factory=list)

    async def users_info(self, user: str) -> dict[str, Any]:
        return {"user": self.people[user]}

    async def tell(self, who: Asker, sentence: str) -> None:
        self.told.append(sentence)

    async def checked(self, it: Proposal, line: str) -> None:
        self.told.append(line)


def member(user: str, team: str = "T1") -> dict[str, Any]:
    return {"id": user, "team_id": team, "profile": {}}


@dataclass
class Stage:
    server: ApiServer
    token: str
    store: Store
    changes: Changes
    cluster: LiveObjects
    slack: Slack = field(default_factory=Slack)

    async def propose(self) -> Proposal:
        """What is found wrong in the API server's objects at this moment, as the proposal that people are asked."""
        found = await self._diagnosis()
        assert eligible(found.fix)
        fresh = await self.changes.proving.first(found.target, found.fix, UNNAMED)
        assert fresh.why == ""
        now, place = datetime.now(UTC), ProposalLocation("T1", "C1", "1.0", "2.0")
        made = Proposal(new_id(), "inv", found.target, found.fix.title, fresh.parts, fresh.proved, now,
                        now + timedelta(minutes=30), asked_by=("U9ERIN",), place=place)  # fmt: skip
        assert await self.store.proposals.create(made, [TrailNote(TrailEvent.PROPOSED, "kai")], now)
        return made

    async def _diagnosis(self) -> Diagnosis:
        recorded: Any = self.cluster
        tools = FlowTools(sensors(), rules())
        return await run(flow_named("flow.k8s_network_debug"), target_of(self.cluster.recorded), recorded, tools)

    async def press(self, it: Proposal, user: str, team: str = "T1", *, undo: bool = False) -> Proposal:
        """A press on the proposal's own message, and whatever it sets going."""
        slack: Any = self.slack
        approving = Approving(self.changes, slack, slack, Directory(PEOPLE), OURS, slack.checked)
        body = {"api_app_id": "A1", "team": {"id": "T1"}, "user": {"id": user, "team_id": team}}
        body |= {"channel": {"id": "C1"}, "container": {"message_ts": "2.0"}}
        press = Press(Asker(user, "C1", "key", OriginKind.MENTION), it.id, body)
        await (approving.undo(press) if undo else approving.approve(press))
        after = await self.changes.pipeline.carry_on(it.id)
        assert after is not None
        return after

    def policies(self) -> dict[str, Any]:
        return {name: self.server.ask("GET", path).body for name, path in POLICIES.items()}

    def audited(self) -> list[dict[str, Any]]:
        """All that KAI has asked the API server so far, by the audit log file; waits until that is written."""
        agent = f"mark/{new_id()}"
        ask_as(self.server, self.token, "GET", "/version", headers={"User-Agent": agent})
        wait_for(lambda: any(each.get("userAgent") == agent for each in self._lines()), "the audit log")
        return [each for each in self._lines() if not str(each.get("userAgent")).startswith("mark/")]

    def _lines(self) -> list[dict[str, Any]]:
        whole = (self.server.folder / "audit.log").read_text().rpartition("\n")[0]
        return [json.loads(each) for each in whole.splitlines()]

    async def refusals(self, it: Proposal) -> list[str]:
        """The codes of the presses that were refused, by KAI's own audit."""
        entries = [json.loads(link.entry) async for link in self.store.audit.links(it.id)]
        return [each["said"]["code"] for each in entries if each["event"] == "refused"]


async def helped(it: Proposal, since: datetime) -> Verification:
    return Verification(VerificationOutcome.VERIFIED, forwarded=12)


@pytest.fixture
async def stage(server: ApiServer, token: str, tmp_path: Path) -> AsyncIterator[Stage]:
    config = server.kubeconfig(token)
    async with connect(config, environ={}) as kube, open_store(f"sqlite:///{tmp_path}/kai.db") as store:
        seen = live(case(INCIDENT), kube)
        yield Stage(server, token, store, changes_with(config, kube, store), seen)


def changes_with(config: Path, kube: Kube, store: Store) -> Changes:
    """As `bot.change.opening` puts them together, with the recording's flows and somebody who says that it helped."""

    @asynccontextmanager
    async def line(cluster: str) -> AsyncIterator[ClusterConnection]:
        async with connect(config, environ={}) as mine, open_writer(mine.place) as writer:
            yield ClusterConnection(mine, writer)

    @asynccontextmanager
    async def cluster(name: str) -> AsyncIterator[Any]:
        yield live(case(INCIDENT), kube)

    approvals, orders = Approvals(Directory(PEOPLE)), Orders(line)
    proving = Proving(cluster, sensors(), orders)
    pipeline = Pipeline(PipelineTools(store, orders, proving, helped))
    deciding = Deciding(store, orders, pipeline, lambda: approvals)
    expiry = Expiry(store, orders, pipeline)
    return Changes(store, pipeline, deciding, proving, expiry, lambda: approvals, orders.may_read_logs, "T1")


def writes(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was to be changed: no dry run, no review, which stores nothing, and no Event, which only tells."""
    changing = [each for each in lines if each["verb"] not in ("get", "list", "watch")]
    return [
        each
        for each in changing
        if resource_of(each) not in (REVIEWS, "events") and "dryRun=" not in each["requestURI"]
    ]


def resource_of(line: dict[str, Any]) -> str:
    """Empty for what is about no resource, such as `/version`."""
    return str(line.get("objectRef", {}).get("resource", ""))


def told_of(line: dict[str, Any]) -> tuple[Any, ...]:
    """Who did what to which object for which proposal, in the words of the audit log."""
    where, who = line["objectRef"], line["impersonatedUser"]
    about = f"{where['namespace']}/{where['name']}"
    return (
        line["verb"],
        about,
        line["user"]["username"],
        who["username"],
        who["extra"][PROPOSAL_ANNOTATION],
        line["userAgent"],
    )


# -- alice -------------------------------------------------------------------------------------------------------------


async def test_alices_approval_is_applied_and_audited_as_hers_with_the_proposals_id_and_so_is_her_undo(
    stage: Stage,
) -> None:
    before, it, start = stage.policies(), await stage.propose(), len(stage.audited())

    done = await stage.press(it, "U1ALICE")

    after, lines = stage.policies(), stage.audited()[start:]
    agent = f"kai-netdebug/{__version__} proposal/{it.id}"
    assert stage.slack.told == ["Approved: it is proved once more, tried and then applied."]
    assert (done.state, done.is_whole) == (ProposalState.VERIFIED, True)
    assert [told_of(each) for each in writes(lines)] == [
        ("patch", name, KAI, "alice", [it.id], agent) for name in POLICIES
    ]
    assert [each["responseStatus"]["code"] for each in writes(lines)] == [200, 200]
    assert await audit_ids(stage, it) == [each["auditID"] for each in writes(lines)]
    assert {each["metadata"]["annotations"][PROPOSAL_ANNOTATION] for each in after.values()} == {it.id}
    assert all(after[name]["spec"] != before[name]["spec"] for name in POLICIES)

    undone = await stage.press(it, "U1ALICE", undo=True)

    (child,) = await stage.store.proposals.children(it.id)
    back = writes(stage.audited()[start:])[2:]
    assert undone.state is ProposalState.ROLLED_BACK, undone.why
    assert [told_of(each)[:5] for each in back] == [
        ("patch", name, KAI, "alice", [child.id]) for name in reversed(POLICIES)
    ]
    assert {name: fingerprint(each) for name, each in stage.policies().items()} == {
        name: fingerprint(each) for name, each in before.items()
    }


async def audit_ids(stage: Stage, it: Proposal) -> list[str]:
    """What our own trail says of each write: its id in the audit log of the API server."""
    entries = [json.loads(link.entry) async for link in stage.store.audit.links(it.id)]
    return [each["said"]["audit_id"] for each in entries if "audit_id" in each["said"]]


async def test_that_alice_may_not_tell_of_it_on_the_object_is_written_down_and_changes_nothing_else(
    stage: Stage,
) -> None:
    it = await stage.propose()

    done = await stage.press(it, "U1ALICE")

    entries = [json.loads(link.entry) async for link in stage.store.audit.links(it.id)]
    told = [each["said"] for each in entries if each["event"] == "announced"]
    await stage.press(it, "U1ALICE", undo=True)
    assert [(each["told"], each["as"], each["part"]) for each in told] == [
        (False, "alice", f"NetworkPolicy {name}") for name in POLICIES
    ]
    assert all('User "alice" cannot create resource "events"' in each["why"] for each in told)
    assert (done.state, done.why) == (ProposalState.VERIFIED, "verified: 12 forwarded, 0 dropped")
    assert not any("events" in each for each in stage.slack.told)


async def test_alice_extends_an_added_policy_and_the_audit_log_says_for_which_proposal(stage: Stage) -> None:
    it, end = await added(stage)
    start = len(stage.audited())

    said = await Extending(stage.changes.deciding).keep(
        it.id, end, ProposalLocation("T1", "C1", "1.0", "9.0"), "U1ALICE", alice
    )
    done = await stage.changes.pipeline.carry_on(said.carry_on)

    assert done is not None
    assert done.state is ProposalState.VERIFIED, done.why
    assert annotations(stage)[EXPIRES] == until(end)
    assert annotations(stage)[PROPOSAL_ANNOTATION] == done.id
    (write,) = writes(stage.audited()[start:])
    agent = f"kai-netdebug/{__version__} proposal/{done.id}"
    assert told_of(write) == ("patch", "checkout/kai-allow-x", KAI, "alice", [done.id], agent)

    again = await Extending(stage.changes.deciding).keep(
        it.id, end, ProposalLocation("T1", "C1", "1.0", "9.0"), "U1ALICE", alice
    )
    assert again.code == "end_changed"


async def test_an_end_that_somebody_changes_between_press_and_write_is_left_to_the_api_servers_test(
    stage: Stage,
) -> None:
    it, _ = await added(stage)
    orders = stage.changes.pipeline._patcher
    (thing,) = [await orders.read(part, it.cluster) for part in it.parts]
    made = extension_of(
        it, [thing or {}], "2030-01-01", "U1ALICE", ProposalLocation(), datetime.now(UTC), timedelta(minutes=30)
    )
    stage.server.ask("PATCH", ADDED, {"metadata": {"annotations": {EXPIRES: "2029-01-01"}}}, MERGE)
    now = await orders.read(made.parts[0], made.cluster)

    with pytest.raises(NotWritten):
        await orders.dry_run(PEOPLE["U1ALICE"], bound(made.parts[0], now), made.id, made.cluster)

    assert annotations(stage)[EXPIRES] == "2029-01-01"


ADDED = "/apis/networking.k8s.io/v1/namespaces/checkout/networkpolicies/kai-allow-x"
MERGE = "application/merge-patch+json"


async def alice(it: Proposal) -> Caller:
    return Caller("U1ALICE", PEOPLE["U1ALICE"])


async def added(stage: Stage) -> tuple[Proposal, datetime]:
    """A policy that a proposal has added earlier, which ends tomorrow."""
    now = datetime.now(UTC)
    day = f"{now + timedelta(days=1):%Y-%m-%d}"
    meta = {"name": "kai-allow-x", "namespace": "checkout", "annotations": {EXPIRES: day}}
    spec = {"podSelector": {"matchLabels": {"app": "nobody"}}, "policyTypes": ["Egress"]}
    manifest = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}
    stage.server.ask("DELETE", ADDED)
    stage.server.create(ADDED.rpartition("/")[0], manifest)
    thing = stage.server.ask("GET", ADDED).body
    made = ProposalPart(PartKind.CREATE, Component("NetworkPolicy", "checkout", "kai-allow-x"), (manifest,))
    it = Proposal(new_id(), "inv", Target("x", "checkout"), "Allow it", (made,), ProofRecord(""), now,
                  now + timedelta(minutes=30), state=ProposalState.VERIFIED, written=(as_written(thing),))  # fmt: skip
    assert await stage.store.proposals.create(it, [], now)
    end = moment_of(day)
    assert end is not None
    return it, end


def annotations(stage: Stage) -> dict[str, str]:
    found: dict[str, str] = stage.server.ask("GET", ADDED).body["metadata"]["annotations"]
    return found


# -- bob ---------------------------------------------------------------------------------------------------------------


async def test_bobs_is_refused_by_rbac_in_the_api_servers_own_words_and_nothing_is_written(stage: Stage) -> None:
    before, it, start = stage.policies(), await stage.propose(), len(stage.audited())

    after = await stage.press(it, "U2BOB")

    lines = stage.audited()[start:]
    words = (
        'networkpolicies.networking.k8s.io "checkout-egress" is forbidden: User "bob" cannot patch resource '
        '"networkpolicies" in API group "networking.k8s.io" in the namespace "checkout"'
    )
    asked = [each["requestObject"]["spec"] for each in lines if resource_of(each) == REVIEWS]
    refused = [each["responseStatus"]["message"] for each in lines if each["responseStatus"]["code"] == 403]
    assert stage.slack.told == [f"Kubernetes does not let bob change NetworkPolicy checkout/checkout-egress ({words})."]
    assert {each["user"] for each in asked} == {"bob"}
    assert words in refused
    assert writes(lines) == []
    assert stage.policies() == before
    assert after.state is ProposalState.PROPOSED
    assert await stage.refusals(it) == ["rbac"]
    assert await stage.store.proposals.approvals(it.id) == ()


# -- mallory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pressed", "told"), [("T9", "T9"), ("T9", "T1"), ("T1", "T9")], ids=str)
async def test_mallory_of_another_company_is_refused_before_the_api_server_is_asked_anything(
    pressed: str, told: str, stage: Stage
) -> None:
    before, it = stage.policies(), await stage.propose()
    stage.slack.people["U3MALLORY"] = member("U3MALLORY", told)
    start = len(stage.audited())

    after = await stage.press(it, "U3MALLORY", pressed)

    assert stage.audited()[start:] == []
    assert stage.slack.told == ["Only members of this workspace may decide about a change."]
    assert await stage.refusals(it) == ["other_company"]
    assert after.state is ProposalState.PROPOSED
    assert stage.policies() == before


async def test_the_same_press_from_a_member_does_reach_the_api_server(stage: Stage) -> None:
    it, start = await stage.propose(), len(stage.audited())

    await stage.press(it, "U3MALLORY")
    undone = await stage.press(it, "U1ALICE", undo=True)

    assert [each["impersonatedUser"]["username"] for each in writes(stage.audited()[start:])] == ["alice"] * 4
    assert undone.state is ProposalState.ROLLED_BACK, undone.why
