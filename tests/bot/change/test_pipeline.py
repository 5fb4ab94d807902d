"""From the press to the verified change, and every way in which nothing must be written."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.approval.rules import Approvals, Rules
from bot.approval.states import ProposalState
from bot.approval.trail import faults
from bot.change.marks import fingerprint
from tests.bot.change.playing import FAILED, RULE, UNDECIDED, Play, policy
from tests.bot.change.server import Killed

KEY = policy()


def egress(play: Play) -> list[object]:
    return play.server.objects[KEY]["spec"]["egress"]


async def test_an_approval_is_applied_as_the_approver_and_verified(play):
    it = await play.propose()

    said = await play.process().approve(it)

    assert said.code == ""
    assert await play.state(it) is ProposalState.VERIFIED
    assert egress(play) == [RULE]
    assert [(each.who, each.proposal) for each in play.server.writes] == [("alice", it.id)]
    assert play.shown[it.id] == "verified"
    assert await play.events(it) == [
        "proposed", "approved", "reviewed", "reproved", "dry_run", "writing", "written", "written", "announced",
        "verified",
    ]  # fmt: skip


async def test_the_audit_of_a_write_names_the_entry_of_the_api_server_s_own(play):
    it = await play.propose()
    await play.process().approve(it)

    entries = [json.loads(link.entry) async for link in play.store.audit.links(it.id)]
    written = [each["said"] for each in entries if each["event"] == "written"]

    assert written[0]["audit_id"].startswith("audit-")


async def test_what_cannot_be_written_down_is_not_written_to_the_cluster(play, monkeypatch):
    it = await play.propose()

    async def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(type(play.store.audit), "append", full)
    with pytest.raises(OSError, match="no space"):
        await play.process().approve(it)

    assert play.server.writes == []
    assert egress(play) == []


async def test_it_is_told_on_the_object_as_the_approver_and_so_is_its_undo(play):
    it = await play.propose()
    kai = play.process()
    await kai.approve(it)

    await kai.undo(it, "U2BOB")

    (child,) = await play.store.proposals.children(it.id)
    uid = it.parts[0].uid
    assert play.server.told == [(it.id, "alice", uid), (child.id, "bob", uid)]


async def test_where_it_may_not_be_told_on_the_object_that_is_written_down_and_nothing_else(play):
    it = await play.propose()
    play.server.untold = 'events is forbidden: User "alice" cannot create resource "events"'

    await play.process().approve(it)

    entries = [each.entry async for each in play.store.audit.links(it.id)]
    assert await play.state(it) is ProposalState.VERIFIED
    assert await play.why(it) == "verified: 12 forwarded, 0 dropped"
    assert len([each for each in entries if '"event":"announced"' in each and "is forbidden" in each]) == 1


async def test_undo_brings_back_exactly_what_was(play):
    it = await play.propose()
    before = fingerprint(play.server.objects[KEY])
    kai = play.process()
    await kai.approve(it)

    await kai.undo(it)

    assert await play.state(it) is ProposalState.ROLLED_BACK
    assert fingerprint(play.server.objects[KEY]) == before
    assert play.shown[it.id] == "rolled_back"


async def test_a_change_that_does_not_help_is_taken_back_without_anybody_s_doing(play):
    it = await play.propose()
    play.verdict = FAILED

    await play.process().approve(it)

    assert await play.state(it) is ProposalState.ROLLED_BACK
    assert egress(play) == []
    assert "not verified: 0 forwarded, 3 dropped" in await play.why(it)
    assert [each.who for each in play.server.writes] == ["alice", "alice"]


async def test_what_could_not_be_measured_is_neither_called_a_success_nor_taken_back(play):
    it = await play.propose()
    play.verdict = UNDECIDED

    await play.process().approve(it)

    assert await play.state(it) is ProposalState.NOT_VERIFIED
    assert egress(play) == [RULE]


async def test_a_new_object_is_created_and_its_undo_deletes_that_very_object(play):
    it = await play.propose(play.part(policy(name="kai-allow-1"), make=True))
    kai = play.process()
    await kai.approve(it)
    there = policy(name="kai-allow-1") in play.server.objects

    await kai.undo(it)

    assert there
    assert await play.state(it) is ProposalState.ROLLED_BACK
    assert policy(name="kai-allow-1") not in play.server.objects


async def test_an_object_that_somebody_made_anew_under_the_name_is_not_deleted(play):
    key = policy(name="kai-allow-1")
    it = await play.propose(play.part(key, make=True))
    kai = play.process()
    await kai.approve(it)
    del play.server.objects[key]
    play.server.put(key, {"egress": ["theirs"]})

    await kai.undo(it)

    assert await play.state(it) is ProposalState.STUCK
    assert play.server.objects[key]["spec"] == {"egress": ["theirs"]}


# -- nothing is written ------------------------------------------------------------------------------------------------


async def test_bob_is_refused_with_the_words_of_the_api_server_before_anything_is_tried(play):
    it = await play.propose()
    play.server.rights.discard(("bob", "shop"))

    said = await play.process().approve(it, "U2BOB")

    assert said.code == "rbac"
    assert "RBAC: no rule allows it" in said.sentence
    assert play.server.requests == [("review", "bob")]
    assert await play.events(it) == ["proposed", "refused"]


async def test_somebody_who_is_not_mapped_is_refused_before_any_call(play):
    it = await play.propose()

    said = await play.process().approve(it, "U9MALLORY")

    assert said.code == "unmapped"
    assert play.server.requests == []
    assert await play.events(it) == ["proposed", "refused"]


async def test_rights_that_are_taken_away_between_press_and_write_count(play):
    it = await play.propose()
    kai = play.process()
    said = await kai.deciding.approve(it.id, "U1ALICE", _alice)
    play.server.rights.discard(("alice", "shop"))

    await kai.pipeline.carry_on(it.id)

    assert said.carry_on == it.id
    assert await play.state(it) is ProposalState.PROPOSED
    assert "Kubernetes does not let alice" in await play.why(it)
    assert play.server.writes == []
    assert await play.store.proposals.approvals(it.id) == ()


async def test_an_object_that_was_changed_leads_to_a_fresh_proposal_and_no_write(play):
    it = await play.propose()
    play.server.put(KEY, {"egress": [], "podSelector": {"matchLabels": {"app": "other"}}})

    await play.process().approve(it)

    old, new = await play.store.proposals.of(it.investigation)
    assert (old.state, new.state) == (ProposalState.SUPERSEDED, ProposalState.PROPOSED)
    assert new.sha256 != old.sha256
    assert await play.store.proposals.approvals(new.id) == ()
    assert play.server.writes == []
    assert play.shown[new.id] == "proposed"


async def test_a_policy_that_was_added_meanwhile_leads_to_a_fresh_proposal(play):
    it = await play.propose()
    play.policies = "policies-2"

    await play.process().approve(it)

    assert await play.state(it) is ProposalState.SUPERSEDED
    assert play.server.writes == []


async def test_a_status_that_a_controller_wrote_is_no_change(play):
    it = await play.propose()
    play.server.touch(KEY)

    await play.process().approve(it)

    assert await play.state(it) is ProposalState.VERIFIED


async def test_an_object_that_is_gone_cannot_be_changed(play):
    it = await play.propose()
    del play.server.objects[KEY]

    await play.process().approve(it)

    assert await play.state(it) is ProposalState.PROPOSED
    assert "is not there any more" in await play.why(it)


async def test_an_expired_proposal_is_not_applied_also_when_it_was_approved_in_time(play):
    it = await play.propose()
    kai = play.process()
    await kai.deciding.approve(it.id, "U1ALICE", _alice)
    play.time.at += timedelta(minutes=31)

    await kai.pipeline.carry_on(it.id)

    assert await play.state(it) is ProposalState.EXPIRED
    assert play.server.writes == []


async def test_a_proposal_that_nobody_approved_expires_and_its_card_says_so(play):
    it = await play.propose()
    play.time.at += timedelta(minutes=31)

    await play.process().restart()

    assert await play.state(it) is ProposalState.EXPIRED
    assert play.shown[it.id] == "expired"
    assert (await play.process().approve(it)).code == "closed"


async def test_of_a_double_click_one_is_told_that_it_is_done(play):
    it = await play.propose()
    kai = play.process()

    said = await kai.at_once(kai.approve(it), kai.approve(it), kai.approve(it))

    assert sorted(each.code for each in said) == ["", "closed", "closed"]
    assert len(play.server.writes) == 1


async def test_whoever_comes_too_late_is_told_who_was_faster_and_when(play):
    it = await play.propose()
    kai = play.process()
    await kai.approve(it)
    play.time.at += timedelta(seconds=3)

    said = await kai.approve(it, "U2BOB")

    assert said.code == "closed"
    assert "This proposal is verified" in said.sentence
    assert said.sentence.endswith("alice approved it 6 s ago.")


async def test_where_a_terminal_is_wanted_a_press_counts_for_nothing(play):
    play.rules = Approvals(everywhere=Rules(terminal_only=True))
    it = await play.propose()
    kai = play.process()

    said = await kai.approve(it)

    assert (said.code, await play.state(it), play.server.requests) == ("terminal_only", ProposalState.PROPOSED, [])
    assert f"kai approve {it.id}" in said.sentence


async def test_with_two_persons_the_first_approval_changes_nothing(play):
    play.rules = Approvals(everywhere=Rules(needed=2))
    it = await play.propose()
    kai = play.process()

    first = await kai.approve(it)
    state, writes = await play.state(it), len(play.server.writes)
    await kai.approve(it, "U2BOB")

    assert (first.sentence, state, writes) == ("Your approval is counted: 1 of 2 approvals.", ProposalState.PROPOSED, 0)
    assert await play.state(it) is ProposalState.VERIFIED


async def test_a_rejected_proposal_says_why_and_cannot_be_approved(play):
    it = await play.propose()
    kai = play.process()

    await kai.reject(it, reason="we move  the service\ntomorrow")

    assert await play.state(it) is ProposalState.REJECTED
    assert await play.why(it) == "U3CAROL: we move the service tomorrow"
    assert (await kai.approve(it)).code == "closed"
    assert play.server.writes == []


async def test_a_patch_that_was_changed_in_the_database_is_not_applied(play, monkeypatch):
    it = await play.propose()
    monkeypatch.setattr("bot.store.proposals.digest_of", lambda parts: "other")

    assert (await play.process().approve(it)).code == "forged"
    assert play.server.writes == []


async def test_what_is_not_there_cannot_be_approved_and_the_press_is_written_down(play):
    it = await play.propose()

    said = await play.process().approve(replace(it, id="f" * 32))

    assert said.code == "no_such_proposal"
    assert await play.events(replace(it, id="f" * 32)) == ["refused"]


# -- two objects -------------------------------------------------------------------------------------------------------


async def test_each_side_is_written_as_the_owner_who_approved_it(play):
    other = policy("web")
    it = await play.propose(play.part(), play.part(other))
    play.server.rights = {("alice", "shop"), ("bob", "web")}
    kai = play.process()
    await kai.approve(it)
    halfway = await play.state(it)

    await kai.approve(it, "U2BOB")

    assert halfway is ProposalState.PROPOSED
    assert await play.state(it) is ProposalState.VERIFIED
    assert [(each.who, each.key[1]) for each in play.server.writes] == [("alice", "shop"), ("bob", "web")]


async def test_when_only_one_of_two_could_be_written_that_one_is_taken_back(play):
    other = policy("web")
    it = await play.propose(play.part(), play.part(other))
    kai = play.process()
    real = kai.client.write

    async def write(who, part, proposal, cluster):
        if part.target.namespace == "web" and proposal == it.id:
            play.server.put(other, {"egress": ["theirs"]})
        return await real(who, part, proposal, cluster)

    kai.client.write = write  # type: ignore[method-assign]

    await kai.approve(it)

    assert await play.state(it) is ProposalState.ROLLED_BACK
    assert egress(play) == []
    assert play.server.objects[other]["spec"] == {"egress": ["theirs"]}
    assert "only a part of it was written" in await play.why(it)


# -- the way back ------------------------------------------------------------------------------------------------------


async def test_what_somebody_has_changed_since_is_not_overwritten_by_an_undo(play):
    it = await play.propose()
    kai = play.process()
    await kai.approve(it)
    play.server.put(KEY, {"egress": [RULE, "theirs"]})

    await kai.undo(it)

    assert await play.state(it) is ProposalState.STUCK
    assert "the object has changed since" in await play.why(it)
    assert egress(play) == [RULE, "theirs"]


async def test_when_the_approver_s_rights_are_gone_it_says_who_cannot_and_stays(play):
    it = await play.propose()
    play.verdict = FAILED
    kai = play.process()
    real = kai.client.write

    async def write(who, part, proposal, cluster):
        said = await real(who, part, proposal, cluster)
        play.server.rights.discard(("alice", "shop"))
        return said

    kai.client.write = write  # type: ignore[method-assign]

    await kai.approve(it)

    assert await play.state(it) is ProposalState.STUCK
    assert "Kubernetes does not let alice" in await play.why(it)
    assert egress(play) == [RULE]


async def test_after_that_somebody_with_rights_can_undo_it(play):
    await test_when_the_approver_s_rights_are_gone_it_says_who_cannot_and_stays(play)
    [it, _] = await play.store.proposals.of("inv1")

    await play.process().undo(it, "U2BOB")

    assert await play.state(it) is ProposalState.ROLLED_BACK
    assert egress(play) == []


async def test_an_undo_of_somebody_without_rights_is_refused(play):
    it = await play.propose()
    kai = play.process()
    await kai.approve(it)

    said = await kai.undo(it, "U3CAROL")

    assert said.code == "rbac"
    assert await play.state(it) is ProposalState.VERIFIED


async def test_of_two_undos_at_once_one_is_done(play):
    it = await play.propose()
    kai = play.process()
    await kai.approve(it)

    said = await kai.at_once(kai.undo(it), kai.undo(it, "U2BOB"))

    assert sorted(bool(each.code) for each in said) == [False, True]
    assert len(play.server.writes) == 2


# -- answers that are lost ---------------------------------------------------------------------------------------------


async def test_a_lost_answer_is_looked_up_and_never_sent_again(play):
    for seed in range(40):
        play.rng.seed(seed)
        it = await play.propose()
        await play.process(faults=1.0).approve(it)
        await play.process().restart()
        mine = [each for each in play.server.writes if each.proposal == it.id]

        assert len(mine) <= 1
        assert await play.state(it) is (ProposalState.VERIFIED if mine else ProposalState.PROPOSED)


async def test_while_nothing_can_be_read_it_is_unknown_and_told_as_that(play):
    it = await play.propose()
    kai = play.process(faults=1.0)
    real = kai.client.write

    async def write(who, part, proposal, cluster):
        play.server.blind = True
        return await real(who, part, proposal, cluster)

    kai.client.write = write  # type: ignore[method-assign]
    await kai.approve(it)
    unknown = await play.state(it), play.shown[it.id]
    play.server.blind = False

    await play.time.sleep(5)
    await play.process().restart()

    assert unknown == (ProposalState.UNKNOWN, "unknown")
    assert await play.state(it) in (ProposalState.VERIFIED, ProposalState.PROPOSED)


async def test_the_audit_of_all_this_is_whole(play):
    it = await play.propose()
    play.verdict = FAILED
    await play.process().approve(it)

    links = [each async for each in play.store.audit.links()]

    assert faults(links, await play.store.audit.head()) == []


async def test_killed_in_the_midst_it_is_carried_on_by_the_next_process(play):
    it = await play.propose()
    with pytest.raises(Killed):
        await play.process(dies_after=25).approve(it)

    await play.process().restart()

    assert await play.state(it) in (ProposalState.VERIFIED, ProposalState.PROPOSED)
    assert len(play.server.writes) <= 1


async def _alice(it):
    from bot.change.deciding import Caller
    from tests.bot.change.playing import ALICE

    return Caller("U1ALICE", ALICE)


async def test_the_second_of_two_writes_may_arrive_after_its_answer_was_given_up(play):
    other = policy("web")
    for seed in range(30):
        play.rng.seed(seed)
        it = await play.propose(play.part(), play.part(other))
        await play.process(faults=0.6).approve(it)
        await play.process().restart()

        written = {each.key for each in play.server.writes if each.proposal == it.id}
        back = {each.key for each in play.server.writes if each.proposal != it.id}
        if await play.state(it) is ProposalState.ROLLED_BACK:
            assert written <= back
            assert egress(play) == [] == play.server.objects[other]["spec"]["egress"]
        play.server.put(KEY, {"egress": []})
        play.server.put(other, {"egress": []})
        play.server.writes.clear()
