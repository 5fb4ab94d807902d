"""Proposals in a database: every step for exactly one caller, and nothing of the patch is lost or changed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from bot.approval.decision import Standing, standing
from bot.approval.proposal import Approval, ProofRecord, Proposal, ProposalLocation
from bot.approval.rules import Approvals, Rules
from bot.approval.states import ProposalState
from bot.approval.trail import TrailEvent, TrailNote, faults
from bot.store.database import open_database
from bot.store.proposals import Forged
from bot.store.store import Store
from bot.store.transitions import TransitionNotAllowed
from sensors.kit import Target
from tests.bot.approval.making import ALICE, BOB, NOW, approval, part, proposal

NOTE = TrailNote(TrailEvent.PROPOSED, "kai")


def one(it: Proposal, given: Sequence[Approval]) -> Standing:
    return standing(it, given, Approvals())


def two(it: Proposal, given: Sequence[Approval]) -> Standing:
    return standing(it, given, Approvals(everywhere=Rules(needed=2)))


async def kept(store: Store, **changes: object) -> Proposal:
    it = proposal(**changes)  # type: ignore[arg-type]
    assert await store.proposals.create(it, [NOTE], NOW)
    return it


async def test_a_proposal_comes_back_exactly_as_it_was(store: Store) -> None:
    odd = {"op": "add", "path": "/spec/x", "value": "password=hunter2 \u202e \x00 xoxb-1111111111"}
    proved = ProofRecord("policies", (), 1, 1, ("web → db TCP 5432",), ("web → db TCP 5431",))
    asked = Target("web-1", "shop", "core", 5140, "UDP")
    parts = (part(body=(odd,)), part("web"))
    it = await kept(store, parts=parts, title="T", edited_by="U2", proved=proved, target=asked)

    found = await store.proposals.get(it.id)

    assert found is not None
    assert replace(found, moved_at=None) == it
    assert found.sha256 == it.sha256


async def test_no_part_of_an_id_finds_anything(store: Store) -> None:
    it = await kept(store)

    assert await store.proposals.get(it.id[:-1]) is None
    assert await store.proposals.get("") is None


async def test_of_twenty_double_clicks_one_approves_and_the_others_see_that_it_is_closed(store: Store) -> None:
    it = await kept(store)

    said = await asyncio.gather(
        *(
            store.proposals.approve(it.id, approval(it), one, TrailNote(TrailEvent.APPROVED, "U1ALICE"), NOW)
            for _ in range(20)
        )
    )

    enough = [each for each in said if each is not None and each.standing is not None and each.standing.enough]
    assert len(enough) == 1
    assert [each.proposal.state for each in said if each is not None] == [ProposalState.APPROVED] * 20


async def test_two_approvers_at_once_are_both_counted(store: Store) -> None:
    it = await kept(store)

    await asyncio.gather(
        store.proposals.approve(it.id, approval(it), two, TrailNote(TrailEvent.APPROVED, "U1ALICE"), NOW),
        store.proposals.approve(it.id, approval(it, "U2BOB", BOB), two, TrailNote(TrailEvent.APPROVED, "U2BOB"), NOW),
    )

    found = await store.proposals.get(it.id)
    assert found is not None
    assert found.state is ProposalState.APPROVED
    assert {each.who for each in await store.proposals.approvals(it.id)} == {ALICE, BOB}


@pytest.mark.parametrize(
    ("changes", "when"), [({"sha256": "0" * 64}, NOW), ({}, NOW + timedelta(minutes=30))], ids=["other hash", "expired"]
)
async def test_an_approval_of_something_else_or_too_late_is_not_counted(store, changes, when) -> None:
    it = await kept(store)

    said = await store.proposals.approve(it.id, approval(it, **changes), one, NOTE, when)

    assert said is not None
    assert said.standing is None
    assert await store.proposals.approvals(it.id) == ()


async def test_exactly_one_of_many_moves_it_on(store: Store) -> None:
    it = await kept(store, state=ProposalState.APPROVED)

    moves = (store.proposals.move(it.id, ProposalState.APPROVED, ProposalState.APPLYING, NOTE, NOW) for _ in range(20))

    assert sorted(await asyncio.gather(*moves)) == [False] * 19 + [True]


async def test_a_step_that_the_table_does_not_know_is_refused_before_anything_is_written(store: Store) -> None:
    it = await kept(store)

    with pytest.raises(TransitionNotAllowed):
        await store.proposals.move(it.id, ProposalState.PROPOSED, ProposalState.APPLYING, NOTE, NOW)


async def test_back_at_the_beginning_no_approval_is_left(store: Store) -> None:
    it = await kept(store)
    await store.proposals.approve(it.id, approval(it), one, NOTE, NOW)

    await store.proposals.move(it.id, ProposalState.APPROVED, ProposalState.PROPOSED, NOTE, NOW)

    assert await store.proposals.approvals(it.id) == ()


async def test_an_edited_proposal_takes_the_place_of_the_old_one_once(store: Store) -> None:
    old = await kept(store)
    new = [proposal(id=f"{number:032d}") for number in (1, 2)]

    said = await asyncio.gather(*(store.proposals.create(each, [NOTE], NOW, instead_of=old.id) for each in new))

    assert sorted(said) == [False, True]
    found = await store.proposals.get(old.id)
    assert found is not None
    assert found.state is ProposalState.SUPERSEDED
    assert len(await store.proposals.of(old.investigation)) == 2


async def test_what_is_being_applied_cannot_be_replaced(store: Store) -> None:
    old = await kept(store, state=ProposalState.APPLYING)

    assert not await store.proposals.create(proposal(id="1" * 32), [NOTE], NOW, instead_of=old.id)
    assert await store.proposals.get("1" * 32) is None


async def test_whoever_joins_is_remembered_once(store: Store) -> None:
    it = await kept(store)

    for person in ("U7", "U7", "U1ALICE"):
        await store.proposals.joined(it.investigation, person, TrailNote(TrailEvent.JOINED, person), NOW)

    found = await store.proposals.get(it.id)
    assert found is not None
    assert found.asked_by == ("U1ALICE", "U7")


async def test_where_the_card_stands_is_kept(store: Store) -> None:
    it = await kept(store, place=ProposalLocation("T1", "C1", "1.0", ""))
    await store.proposals.stand(it.id, ProposalLocation("T1", "C1", "1.0", "5.0"))

    found = await store.proposals.get(it.id)

    assert found is not None
    assert found.place == ProposalLocation("T1", "C1", "1.0", "5.0")


async def test_a_patch_that_was_changed_in_the_database_is_never_handed_out(store: Store, url: str) -> None:
    it = await kept(store)
    database = open_database(url)
    async with database.writing() as connection:
        packed = (await connection.execute(text("SELECT content FROM proposals"))).scalar_one()
        wider = zlib.compress(zlib.decompress(packed).replace(b"6443", b"6444"))
        await connection.execute(text("UPDATE proposals SET content = :it"), {"it": wider})
    await database.close()

    with pytest.raises(Forged, match="not the one that was hashed"):
        await store.proposals.get(it.id)


async def test_every_step_is_in_the_audit_and_a_step_that_was_not_made_is_not(store: Store) -> None:
    it = await kept(store)
    await store.proposals.approve(it.id, approval(it), one, TrailNote(TrailEvent.APPROVED, "U1ALICE"), NOW)
    made = await store.proposals.move(
        it.id, ProposalState.APPROVED, ProposalState.APPLYING, TrailNote(TrailEvent.WRITING, "kai"), NOW
    )
    again = await store.proposals.move(
        it.id, ProposalState.APPROVED, ProposalState.APPLYING, TrailNote(TrailEvent.WRITING, "kai"), NOW
    )

    links = [each async for each in store.audit.links(it.id)]

    assert (made, again) == (True, False)
    assert [each.entry.partition('"event":"')[2].partition('"')[0] for each in links] == [
        "proposed",
        "approved",
        "writing",
    ]
    assert faults([each async for each in store.audit.links()], await store.audit.head()) == []
