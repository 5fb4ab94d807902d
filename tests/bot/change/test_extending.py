"""Extend and make permanent: a proposal with rules, rights, audit and compare-and-set like every other one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.approval.proposal import Proposal, ProposalLocation, Purpose
from bot.approval.rules import Approvals, Hours, Rules
from bot.approval.states import ProposalState
from bot.approval.trail import faults
from bot.change.deciding import DecisionResult
from bot.change.expiry import Expiry
from bot.change.extending import Extending
from bot.change.marks import EXPIRES
from tests.bot.change.playing import Kai, Play, _as, policy
from tests.bot.change.server import Killed
from tests.bot.change.test_expiry import END, KEY, annotate, applied, expiry, look, of_time

HERE = ProposalLocation("T1", "C1", "1.0", "9.0")
LATER = datetime(2027, 1, 29, tzinfo=UTC)


async def press(kai: Kai, it: Proposal, person: str = "U1ALICE", shown: datetime = END, **how: Any) -> DecisionResult:
    """As a press on the message that says when it ends, and whatever it sets going."""
    said = await Extending(kai.deciding).keep(it.id, shown, HERE, person, _as(person), **how)
    if said.carry_on:
        await kai.pipeline.carry_on(said.carry_on)
        await kai.pipeline.show(said.carry_on)
    return said


def end(play: Play) -> object:
    return play.server.objects[KEY]["metadata"]["annotations"].get(EXPIRES)


async def extension(play: Play, it: Proposal) -> Proposal:
    found = await play.store.proposals.extensions(it.id)
    return found[-1]


async def test_whoever_may_extends_it_with_one_press_and_as_themselves(play: Play):
    kai = play.process()
    it = await applied(play, kai)

    said = await press(kai, it)

    mine = await extension(play, it)
    assert said.code == ""
    assert end(play) == "2027-01-28"
    assert [(each.who, each.proposal) for each in play.server.writes[1:]] == [("alice", mine.id)]
    assert (mine.state, mine.purpose, play.shown[mine.id]) == (ProposalState.VERIFIED, Purpose.EXTENSION, "verified")
    assert await play.events(mine) == [
        "proposed", "approved", "reviewed", "dry_run", "writing", "written", "written", "announced", "extended",
    ]  # fmt: skip
    links = [each async for each in play.store.audit.links()]
    assert faults(links, await play.store.audit.head()) == []


async def test_what_was_extended_by_a_press_ends_at_its_new_end_and_not_before(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    await press(kai, it)
    looking = expiry(play, kai)

    await look(play, kai, looking, END)
    state = await play.state(it)
    await look(play, kai, looking, LATER)

    assert state is ProposalState.VERIFIED
    assert await play.state(it) is ProposalState.ROLLED_BACK
    assert KEY not in play.server.objects


async def test_made_permanent_it_has_no_end_and_can_still_be_undone(play: Play):
    kai = play.process()
    it = await applied(play, kai)

    await press(kai, it, for_good=True)
    permanent = end(play)
    await look(play, kai, expiry(play, kai), LATER)
    state = await play.state(it)
    await kai.undo(it)

    assert permanent is None
    assert state is ProposalState.VERIFIED
    assert await play.state(it) is ProposalState.ROLLED_BACK
    assert KEY not in play.server.objects


async def test_somebody_without_rights_is_refused_and_nothing_is_proposed(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    play.server.rights.discard(("bob", "shop"))

    said = await press(kai, it, "U2BOB")

    assert said.code == "rbac"
    assert await play.store.proposals.extensions(it.id) == ()
    assert end(play) == "2026-12-28"
    assert (await play.events(it))[-1] == "refused"


async def test_somebody_unknown_is_refused_before_anything_is_read(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    asked = len(play.server.requests)

    said = await press(kai, it, "U9MALLORY")

    assert said.code == "unmapped"
    assert len(play.server.requests) == asked
    assert await play.store.proposals.extensions(it.id) == ()


async def test_where_two_persons_are_needed_the_press_proposes_and_somebody_else_approves(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    play.rules = Approvals(everywhere=Rules(two_persons=True))

    said = await press(kai, it)
    mine = await extension(play, it)
    halfway = end(play)
    await kai.approve(mine, "U2BOB")

    assert (said.code, halfway) == ("", "2026-12-28")
    assert "another person approves it" in said.sentence
    assert end(play) == "2027-01-28"
    assert play.server.writes[-1].who == "bob"


async def test_where_a_terminal_is_wanted_the_press_proposes_and_says_what_to_type(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    play.rules = Approvals(everywhere=Rules(terminal_only=True))

    said = await press(kai, it)

    mine = await extension(play, it)
    assert (said.code, end(play), mine.state) == ("", "2026-12-28", ProposalState.PROPOSED)
    assert f"kai approve {mine.id}" in said.sentence


async def test_quiet_hours_do_not_let_it_end_unseen(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    quiet = Hours(datetime(2000, 1, 1, 0, 0).time(), datetime(2000, 1, 1, 23, 59).time())
    play.rules = Approvals(everywhere=Rules(quiet=quiet))

    assert (await press(kai, it)).code == ""
    assert end(play) == "2027-01-28"


async def test_where_nothing_may_be_changed_nothing_is_extended(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    play.rules = Approvals(everywhere=Rules(denied=True))

    assert (await press(kai, it)).code == "denied_namespace"
    assert end(play) == "2026-12-28"


async def test_an_end_that_was_changed_since_it_was_shown_is_not_written_over(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    annotate(play, "2027-06-01")

    said = await press(kai, it)

    assert said.code == "end_changed"
    assert end(play) == "2027-06-01"


async def test_an_end_that_is_changed_between_press_and_write_is_not_written_over(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    play.rules = Approvals(everywhere=Rules(needed=2))
    await press(kai, it)
    mine = await extension(play, it)
    annotate(play, "2027-06-01")

    await kai.approve(mine, "U2BOB")

    assert end(play) == "2027-06-01"
    assert await play.state(mine) is ProposalState.PROPOSED
    assert await play.why(mine) == "its end has changed since"


async def test_an_end_that_says_no_time_can_be_extended_from_the_approved_one(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    annotate(play, "soon")

    assert (await press(kai, it)).code == ""
    assert end(play) == "2027-01-28"


async def test_an_object_that_somebody_else_has_changed_is_not_kept_in_its_name(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    play.rules = Approvals(everywhere=Rules(needed=2))
    await press(kai, it)
    mine = await extension(play, it)
    thing = play.server.objects[KEY]
    play.server.objects[KEY] = {**thing, "spec": {"egress": ["theirs"]}}

    await kai.approve(mine, "U2BOB")

    assert end(play) == "2026-12-28"
    assert "the object has changed since" in await play.why(mine)


async def test_another_object_of_the_same_name_is_not_extended(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    del play.server.objects[KEY]
    play.server.put(KEY, {"egress": []})

    assert (await press(kai, it)).code == "gone"


async def test_what_gitops_keeps_is_changed_in_the_repository(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    thing = play.server.objects[KEY]
    notes = {
        **thing["metadata"]["annotations"],
        "argocd.argoproj.io/tracking-id": "shop:networking.k8s.io/NetworkPolicy",
    }
    play.server.objects[KEY] = {**thing, "metadata": {**thing["metadata"], "annotations": notes}}

    said = await press(kai, it, for_good=True)

    assert said.code == "owned"
    assert "Argo CD shop keeps it" in said.sentence
    assert "in the repository" in said.sentence


async def test_what_was_taken_back_already_is_not_extended(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    await kai.undo(it)

    said = await press(kai, it)

    assert said.code == "not_in_force"
    assert await play.store.proposals.extensions(it.id) == ()


async def test_of_two_presses_at_once_one_is_decided_about_and_one_write_goes_out(play: Play):
    kai, other = play.process(), play.process()
    it = await applied(play, kai)

    said = await kai.at_once(press(kai, it), press(other, it), press(kai, it, "U2BOB", for_good=True))

    done = [each for each in said if isinstance(each, DecisionResult) and each.code == ""]
    assert len(done) == 1
    assert len(play.server.writes) == 2
    assert [each.state for each in await play.store.proposals.extensions(it.id)] == [ProposalState.VERIFIED]


async def test_an_undo_that_comes_in_between_wins_or_loses_as_a_whole(play: Play):
    for seed in range(5):
        play.rng.seed(seed)
        play.server.objects.pop(KEY, None)
        kai, other = play.process(), play.process()
        it = await applied(play, kai)

        await kai.at_once(press(kai, it), other.undo(it))
        await kai.restart()

        state = await play.state(it)
        assert (state is ProposalState.ROLLED_BACK) is (KEY not in play.server.objects), seed
        assert state in (ProposalState.ROLLED_BACK, ProposalState.STUCK, ProposalState.VERIFIED)


@pytest.mark.parametrize("steps", [4, 8, 12, 16, 20, 24, 28])
async def test_killed_at_any_step_it_is_carried_on_and_written_once(play: Play, steps: int):
    it = await applied(play, play.process())
    dying = play.process(dies_after=steps)
    with suppress(Killed):
        await press(dying, it)

    await play.process().restart()
    await play.time.sleep(5)
    await play.process().restart()

    assert len(play.server.writes) <= 2
    found = await play.store.proposals.extensions(it.id)
    assert {each.state for each in found} <= {ProposalState.VERIFIED, ProposalState.PROPOSED}
    assert (end(play) == "2027-01-28") is (ProposalState.VERIFIED in {each.state for each in found})


def shown_end(play: Play, end: str) -> Any:
    """An added policy, edited in the modal so that it ends then."""
    part = of_time(play)
    meta = {**part.body[0]["metadata"], "annotations": {EXPIRES: end}}
    return [[{**part.body[0], "metadata": meta}]]


@pytest.mark.parametrize("said", ["soon", "2026-02-30", "2020-01-01", ""])
async def test_an_edit_whose_end_cannot_be_read_or_has_passed_is_refused(play: Play, said: str):
    kai = play.process()
    it = await play.propose(of_time(play))

    answer = await kai.deciding.edit(it.id, "U1ALICE", _as("U1ALICE"), shown_end(play, said))

    assert answer.code == "wrong_end"
    assert await play.state(it) is ProposalState.PROPOSED
    assert "edited" not in await play.events(it)


async def test_an_edit_to_another_end_is_a_proposal_of_its_own(play: Play):
    kai = play.process()
    it = await play.propose(of_time(play))

    answer = await kai.deciding.edit(it.id, "U1ALICE", _as("U1ALICE"), shown_end(play, "2026-12-24"))

    assert answer.code == ""
    assert await play.state(it) is ProposalState.SUPERSEDED


async def test_a_patch_that_writes_an_unreadable_end_on_an_object_is_refused(play: Play):
    kai = play.process()
    it = await play.propose()
    body = [{"op": "add", "path": "/metadata/annotations", "value": {EXPIRES: "when it suits"}}]

    answer = await kai.deciding.edit(it.id, "U1ALICE", _as("U1ALICE"), [body])

    assert answer.code == "wrong_end"
    assert "should be a date such as" in answer.sentence


async def test_an_edit_of_a_fix_of_two_objects_stays_with_both(play: Play):
    kai, other = play.process(), policy("web")
    it = await play.propose(play.part(), play.part(other))
    bodies = [list(each.body) for each in it.parts]
    wider = [{"op": "add", "path": "/spec/egress/-", "value": {"to": []}}]

    few = await kai.deciding.edit(it.id, "U1ALICE", _as("U1ALICE"), bodies[:1])
    both = await kai.deciding.edit(it.id, "U1ALICE", _as("U1ALICE"), [bodies[0], wider])

    assert (few.code, both.code) == ("other_parts", "")
    new = await play.store.proposals.get(both.carry_on)
    assert new is not None
    assert [list(each.body) for each in new.parts] == [bodies[0], wider]
    assert [each.target for each in new.parts] == [each.target for each in it.parts]


async def test_let_go_is_written_down_and_changes_nothing(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    extending = Extending(kai.deciding)

    said = await extending.let_go(it.id, END, "U2BOB", _as("U2BOB"))
    await extending.let_go(it.id, END, "U2BOB", _as("U2BOB"))

    assert said.code == ""
    assert len(play.server.writes) == 1
    assert [each for each in await play.events(it) if each == "let_go"] == ["let_go"]
    await look(play, kai, expiry(play, kai), END)
    assert await play.state(it) is ProposalState.ROLLED_BACK


async def test_a_stranger_lets_nothing_go(play: Play):
    kai = play.process()
    it = await applied(play, kai)

    said = await Extending(kai.deciding).let_go(it.id, END, "U9MALLORY", _as("U9MALLORY"))

    assert said.code == "unmapped"
    assert "let_go" not in await play.events(it)


async def test_an_extension_that_nobody_approves_expires_and_another_can_be_made(play: Play):
    kai = play.process()
    it = await applied(play, kai)
    play.rules = Approvals(everywhere=Rules(needed=2))
    await press(kai, it)
    first = await extension(play, it)
    busy = await press(kai, it, "U2BOB")
    play.time.at += timedelta(minutes=31)
    await kai.restart()

    play.rules = replace(play.rules, everywhere=Rules())
    await press(kai, it, "U2BOB")

    assert busy.code == "decided_already"
    assert await play.state(first) is ProposalState.EXPIRED
    assert end(play) == "2027-01-28"


async def test_the_end_of_a_change_is_not_the_end_of_its_extension(play: Play):
    """The sweep looks after what stands: an extension that was written stands, and is nothing to be taken back."""
    kai = play.process()
    it = await applied(play, kai)
    await press(kai, it)
    looking: Expiry = expiry(play, kai)

    await look(play, kai, looking, LATER)

    assert (await extension(play, it)).state is ProposalState.VERIFIED
    assert await play.state(it) is ProposalState.ROLLED_BACK
