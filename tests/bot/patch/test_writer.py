"""A change goes out once, in its approver's name, and however it ends the outcome says what is in force."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.patch import (
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
    ObjectName,
    Order,
    PatchWriter,
    Rehearsed,
    Rejected,
    Unknown,
    open_writer,
    rights_for,
    undo,
)
from lab.cluster import LabCluster
from sensors.access.kube import connect
from sensors.kit.kinds import DEPLOYMENT, NETWORK_POLICY, POD, SERVICE
from sensors.kit.model import Blind
from tests.bot.patch.cutting import Cut, Cutting, cutting
from tests.cluster.standin import Pauses, kubeconfig
from tests.labcluster.desk import CASES, ask

ALICE, BOB = Approver("alice"), Approver("bob")
SPACE, NAME = "checkout", "kai-test"
PATH = f"/apis/networking.k8s.io/v1/namespaces/{SPACE}/networkpolicies"
TARGET = ObjectName(NETWORK_POLICY, NAME, SPACE)
OPEN = {"op": "add", "path": "/spec/egress", "value": [{"ports": [{"port": 53, "protocol": "UDP"}]}]}
SHUT = {"op": "remove", "path": "/spec/egress"}


def manifest(name: str = NAME) -> dict[str, Any]:
    meta = {"name": name, "namespace": SPACE}
    spec = {"podSelector": {"matchLabels": {"app": "none"}}, "policyTypes": ["Egress"]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


@dataclass
class Desk:
    """The lab's API server, a way to it that can be cut, and a writer with KAI's own token."""

    lab: LabCluster
    proxy: Cutting
    writer: PatchWriter
    pauses: Pauses

    async def stored(self, name: str = NAME) -> dict[str, Any] | None:
        reply = await ask(self.lab, "admin", "GET", f"{PATH}/{name}")
        return reply.body if reply.status == 200 else None

    async def make(self) -> dict[str, Any]:
        reply = await ask(self.lab, "admin", "POST", PATH, manifest())
        assert reply.status == 201, reply
        made: dict[str, Any] = reply.body
        return made

    async def edit(self, *operations: dict[str, Any], **changes: Any) -> Order:
        meta = (await self.make())["metadata"]
        change = Edit(TARGET, operations or (OPEN,), meta["uid"], meta["resourceVersion"])
        return Order("p-1", ALICE, replace(change, **changes))

    async def meddle(self, **annotations: str) -> None:
        body = {"metadata": {"annotations": annotations or {"somebody": "else"}}}
        reply = await ask(self.lab, "admin", "PATCH", f"{PATH}/{NAME}", body, "application/merge-patch+json")
        assert reply.status == 200, reply


@asynccontextmanager
async def desk(folder: Path, *cuts: Cut) -> AsyncIterator[Desk]:
    async with (
        LabCluster.start(CASES / "checkout-to-bank", by_hand=True) as lab,
        cutting(lab.url) as proxy,
        connect(kubeconfig(folder, proxy.url, user={"token": lab.tokens["kai"]}), environ={}) as kube,
    ):
        pauses = Pauses()
        async with open_writer(kube.place, pause=pauses) as writer:
            proxy.cuts = list(cuts)
            yield Desk(lab, proxy, writer, pauses)


# -- the change --------------------------------------------------------------------------------------------------------


async def test_an_edit_is_made_once_in_the_approvers_name_and_marked(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        order = await at.edit()
        outcome, stored = await at.writer.apply(order), await at.stored()
        (write,) = at.proxy.writes

    assert stored is not None
    assert isinstance(outcome, Applied)
    assert (outcome.resource_version, outcome.uid) == (stored["metadata"]["resourceVersion"], stored["metadata"]["uid"])
    assert [each.path for each in outcome.differences] == ["/spec/egress"]
    assert not outcome.from_mark
    assert len(outcome.audit_id) == 36
    assert stored["metadata"]["annotations"] == {"kai.dev/proposal": "p-1"}
    assert stored["metadata"]["managedFields"][-1]["manager"] == "kai"
    assert (write.method, write.query["fieldManager"], write.headers["Impersonate-User"]) == ("PATCH", "kai", "alice")
    assert write.headers["User-Agent"] == "kai-netdebug/0.1.0 proposal/p-1"


async def test_a_rehearsal_changes_nothing_and_shows_what_would_come_of_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        order = await at.edit()
        before = await at.stored()
        seen = await at.writer.rehearse(order)

        assert isinstance(seen, Rehearsed)
        assert [each.path for each in seen.differences] == ["/spec/egress"]
        assert await at.stored() == before
        assert at.proxy.writes == []
        assert isinstance(await at.writer.apply(replace(order, expects=seen.digest)), Applied)


async def test_what_would_become_anything_else_than_what_was_shown_is_not_written(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        outcome = await at.writer.apply(replace(await at.edit(), expects="0" * 64))

        assert isinstance(outcome, Conflict)
        assert at.proxy.writes == []


async def test_a_new_policy_is_made_and_its_undo_takes_it_away_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        change = Creation(manifest())
        made = await at.writer.apply(Order("p-1", ALICE, change))
        assert isinstance(made, Applied)
        stored = await at.stored()
        assert stored is not None
        assert stored["metadata"]["labels"] == {"kai.dev/proposal": "p-1"}
        gone = await at.writer.apply(Order("p-2", ALICE, undo(change, made)))

        assert isinstance(gone, Applied)
        assert await at.stored() is None
        assert [each.method for each in at.proxy.writes] == ["POST", "DELETE"]


async def test_an_edit_and_its_undo_leave_the_spec_as_it_was(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        order = await at.edit()
        before = await at.stored()
        done = await at.writer.apply(order)
        assert isinstance(done, Applied)
        undone = await at.writer.apply(Order("p-2", ALICE, undo(order.change, done, [SHUT])))
        after = await at.stored()

    assert isinstance(undone, Applied)
    assert before is not None
    assert after is not None
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"] == {"kai.dev/proposal": "p-2"}


# -- what stops it -----------------------------------------------------------------------------------------------------


async def test_somebody_elses_change_in_between_is_a_conflict_and_nothing_is_written(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        order = await at.edit({"op": "test", "path": "/spec/policyTypes", "value": ["Egress"]}, OPEN)
        await at.meddle()
        outcome = await at.writer.apply(order)

        assert isinstance(outcome, Conflict)
        assert "was changed since the proof" in outcome.words
        assert at.proxy.writes == []


async def test_a_change_between_rehearsal_and_write_is_stopped_by_the_patchs_own_tests(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        order = await at.edit()
        hand_on = at.proxy._hand_on

        async def meddling(request: Any, body: bytes) -> Any:
            if at.proxy.writes:
                at.proxy._hand_on = hand_on  # type: ignore[method-assign]
                await at.meddle()
            return await hand_on(request, body)

        at.proxy._hand_on = meddling  # type: ignore[method-assign]
        outcome, stored = await at.writer.apply(order), await at.stored()

    assert isinstance(outcome, Conflict)
    assert stored is not None
    assert "egress" not in stored["spec"]


async def test_an_object_that_went_or_was_made_anew_is_gone(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        order = await at.edit()
        await ask(at.lab, "admin", "DELETE", f"{PATH}/{NAME}")
        went = await at.writer.apply(order)
        await at.make()
        anew = await at.writer.apply(order)

    assert isinstance(went, Gone)
    assert isinstance(anew, Gone)
    assert "another NetworkPolicy checkout/kai-test has taken its place" in anew.words


async def test_a_name_that_is_taken_is_never_written_over(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.make()
        before = await at.stored()
        outcome = await at.writer.apply(Order("p-1", ALICE, Creation(manifest())))

        assert isinstance(outcome, AlreadyExists)
        assert await at.stored() == before
        assert at.proxy.writes == []


async def test_a_deletion_stops_where_somebody_has_changed_the_object(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        meta = (await at.make())["metadata"]
        await at.meddle()
        change = Deletion(TARGET, meta["uid"], meta["resourceVersion"])
        outcome = await at.writer.apply(Order("p-2", ALICE, change))

        assert isinstance(outcome, Conflict)
        assert await at.stored() is not None


async def test_a_person_without_the_right_is_refused_in_the_servers_own_words(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        outcome = await at.writer.apply(replace(await at.edit(), approver=BOB))
        nobody = await at.writer.apply(Order("p-1", Approver("mallory"), Creation(manifest("other"))))

    assert isinstance(outcome, Forbidden)
    assert outcome.words == (
        'networkpolicies.networking.k8s.io "kai-test" is forbidden: User "bob" cannot patch resource "networkpolicies" '
        'in API group "networking.k8s.io" in the namespace "checkout"'
    )
    assert not outcome.as_kai
    assert isinstance(nobody, Forbidden)
    assert nobody.as_kai
    assert at.proxy.writes == []


async def test_an_object_that_the_server_does_not_take_is_rejected_in_its_words(tmp_path: Path) -> None:
    wrong = {"op": "add", "path": "/spec/egress", "value": [{"to": [{"ipBlock": {"cidr": "203.0.113.10"}}]}]}

    async with desk(tmp_path) as at:
        outcome = await at.writer.apply(await at.edit(wrong))

    assert isinstance(outcome, Rejected)
    assert "cidr" in outcome.words


async def test_an_order_that_is_wrong_in_itself_is_refused_before_any_request(tmp_path: Path) -> None:
    wrong = {"op": "replace", "path": "/metadata/name", "value": "x"}

    async with desk(tmp_path) as at:
        outcome = await at.writer.apply(await at.edit(wrong))

        assert isinstance(outcome, Rejected)
        assert at.proxy.writes == []


@pytest.mark.parametrize("user", ["", "system:admin", "system:serviceaccount:a:b", "a\r\nImpersonate-Group: x", " a"])
def test_nobody_acts_as_the_system_or_smuggles_a_header(user: str) -> None:
    with pytest.raises(BadOrder):
        Approver(user)
    with pytest.raises(BadOrder):
        Approver("alice", groups=(user,))
    with pytest.raises(BadOrder):
        Approver("alice", extra={"k": (user,)}) if not user.startswith("system:") else Approver(user)


@pytest.mark.parametrize("proposal", ["", "../x", "a b", "x" * 64, "a\n", "-a", "ä"])
def test_an_id_that_could_be_more_than_an_id_is_none(proposal: str) -> None:
    with pytest.raises(BadOrder):
        Order(proposal, ALICE, Creation(manifest()))


def test_kinds_that_no_fix_changes_have_no_name_here() -> None:
    for make in (
        lambda: ObjectName(POD, "a", "b"),
        lambda: ObjectName(NETWORK_POLICY, "a"),
        lambda: ObjectName(NETWORK_POLICY, "../../secrets/a", "b"),
        lambda: Order("p", ALICE, Creation({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}})),
        lambda: Order("p", ALICE, Creation({"kind": "NetworkPolicy"})),
    ):
        with pytest.raises(BadOrder):
            make()


# -- lost answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", ["answer", 502, 504])
async def test_an_answer_that_is_lost_is_read_from_the_objects_mark_and_nothing_goes_out_twice(
    cut: Cut, tmp_path: Path
) -> None:
    async with desk(tmp_path, cut) as at:
        outcome, stored = await at.writer.apply(await at.edit()), await at.stored()

    assert stored is not None
    assert isinstance(outcome, Applied)
    assert (outcome.from_mark, outcome.resource_version) == (True, stored["metadata"]["resourceVersion"])
    assert [each.path for each in outcome.differences] == ["/spec/egress"]
    assert len(at.proxy.writes) == 1


async def test_a_lost_deletion_goes_out_once_and_is_told_by_the_objects_absence(tmp_path: Path) -> None:
    """aiohttp by itself would send a DELETE again when the connection breaks."""
    async with desk(tmp_path, "answer") as at:
        meta = (await at.make())["metadata"]
        outcome = await at.writer.apply(Order("p-2", ALICE, Deletion(TARGET, meta["uid"], meta["resourceVersion"])))

    assert isinstance(outcome, Applied)
    assert outcome.from_mark
    assert len(at.proxy.writes) == 1


async def test_a_lost_creation_is_recognised_by_its_mark_and_somebody_elses_is_not(tmp_path: Path) -> None:
    async with desk(tmp_path, "answer") as at:
        order = Order("p-1", ALICE, Creation(manifest()))
        ours = await at.writer.apply(order)
        theirs = await at.writer.reconcile(replace(order, proposal="p-9"))

    assert isinstance(ours, Applied)
    assert ours.from_mark
    assert isinstance(theirs, AlreadyExists)


@pytest.mark.parametrize("kind", ["edit", "creation", "deletion"])
async def test_a_request_that_never_arrived_is_told_after_the_last_look_only(kind: str, tmp_path: Path) -> None:
    async with desk(tmp_path, "request") as at:
        if kind == "creation":
            order = Order("p-1", ALICE, Creation(manifest()))
        else:
            order = await at.edit()
        if kind == "deletion" and isinstance(order.change, Edit):
            order = replace(order, change=Deletion(TARGET, order.change.uid, order.change.resource_version))
        outcome = await at.writer.apply(order)

    assert isinstance(outcome, NotApplied)
    assert at.pauses.seconds == [0.0, 0.5, 1.5, 3.0]
    assert len(at.proxy.writes) == 1


async def test_a_request_that_arrives_late_is_still_recognised(tmp_path: Path) -> None:
    async with desk(tmp_path, "late") as at:
        order = await at.edit()

        async def meanwhile(seconds: float) -> None:
            if seconds == 1.5:
                await at.proxy.let_go()

        outcome = await replace(at.writer, pause=meanwhile).apply(order)

    assert isinstance(outcome, Applied)
    assert len(at.proxy.writes) == 1


async def test_where_the_object_cannot_be_read_the_outcome_is_unknown_until_it_can(tmp_path: Path) -> None:
    async with desk(tmp_path, "answer") as at:
        order = await at.edit()
        at.proxy.blind_reads = 4
        lost, later = await at.writer.apply(order), await at.writer.reconcile(order)

    assert isinstance(lost, Unknown)
    assert isinstance(later, Applied)
    assert len(at.proxy.writes) == 1


async def test_a_lost_answer_and_somebody_elses_change_leave_it_unknown(tmp_path: Path) -> None:
    async with desk(tmp_path, "request") as at:
        order = await at.edit()
        await at.writer.apply(order)
        await at.meddle()
        outcome = await at.writer.reconcile(order)

    assert isinstance(outcome, Unknown)
    assert "was changed by another writer and carries no mark" in outcome.words


async def test_a_server_that_is_not_there_is_told_and_nothing_was_sent(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        order = await at.edit()
        gone = replace(at.writer.line, place=replace(at.writer.line.place, server="http://127.0.0.1:9"))
        outcome = await PatchWriter(gone, at.pauses).apply(order)

    assert isinstance(outcome, NotApplied)
    assert "cannot be reached" in outcome.words


# -- rights ------------------------------------------------------------------------------------------------------------


async def test_the_api_server_says_what_a_person_may_do(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        asked = rights_for((await at.edit()).change)
        alice = [(await at.writer.may(ALICE, each)).allowed for each in asked]
        bob = [(await at.writer.may(BOB, each)).allowed for each in asked]
        no = await at.writer.may(BOB, asked[1])

    assert [str(each) for each in asked] == [
        "get networkpolicies.networking.k8s.io kai-test in namespace checkout",
        "patch networkpolicies.networking.k8s.io kai-test in namespace checkout",
    ]
    assert (alice, bob) == ([True, True], [True, False])
    assert no.words


async def test_somebody_at_a_terminal_changes_things_as_themselves(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        order = replace(await at.edit(), approver=None)
        as_kai = await at.writer.apply(order)
        config = kubeconfig(tmp_path, at.proxy.url, user={"token": at.lab.tokens["alice"]})
        async with connect(config, environ={}) as kube, open_writer(kube.place, pause=at.pauses) as alice:
            may = [(await alice.may(None, each)).allowed for each in rights_for(order.change)]
            outcome = await alice.apply(order)
        (write,) = at.proxy.writes

    assert isinstance(as_kai, Forbidden)
    assert (may, type(outcome)) == ([True, True], Applied)
    assert not any(each.lower().startswith("impersonate") for each in write.headers)


async def test_rights_that_cannot_be_asked_are_blindness_and_never_a_yes(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        (right, _) = rights_for((await at.edit()).change)
        gone = replace(at.writer.line, place=replace(at.writer.line.place, server="http://127.0.0.1:9"))
        with pytest.raises(Blind, match="what alice may do could not be asked"):
            await PatchWriter(gone).may(ALICE, right)


def test_each_change_needs_exactly_the_verbs_of_its_requests() -> None:
    service, deployment = ObjectName(SERVICE, "web", "shop"), ObjectName(DEPLOYMENT, "coredns", "kube-system")

    assert [str(each) for each in rights_for(Deletion(service, "u", "1"))] == [
        "get services web in namespace shop",
        "delete services web in namespace shop",
    ]
    assert [str(each) for each in rights_for(Edit(deployment, (), "u", "1"))] == [
        "get deployments.apps coredns in namespace kube-system",
        "patch deployments.apps coredns in namespace kube-system",
    ]
    assert [str(each) for each in rights_for(Creation(manifest()))] == [
        "get networkpolicies.networking.k8s.io kai-test in namespace checkout",
        "create networkpolicies.networking.k8s.io in namespace checkout",
    ]
