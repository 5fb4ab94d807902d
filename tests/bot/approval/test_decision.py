"""May this person approve this now? Each rule with the case in which it is silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

import pytest

from bot.approval.decision import AccessReview, barred, closed, covered, may_undo, standing, writer
from bot.approval.person import ApprovalRefusal
from bot.approval.proposal import KubeUser, Purpose
from bot.approval.rules import Approvals, Hours, Rules
from bot.approval.states import ProposalState
from tests.bot.approval.making import ALICE, BOB, NOW, approval, part, proposal

YES, NO = AccessReview(True), AccessReview(False, "RBAC: no rule")


def approvals(**rules: object) -> Approvals:
    return Approvals(namespaces={"shop": Rules(**rules)})  # type: ignore[arg-type]


def code(refused: object) -> str:
    return refused.code if isinstance(refused, ApprovalRefusal) else ""


def test_a_fresh_proposal_is_open():
    assert closed(proposal(), NOW) is None


@pytest.mark.parametrize("state", [each for each in ProposalState if each is not ProposalState.PROPOSED])
def test_only_a_proposal_that_waits_can_be_approved(state):
    assert code(closed(proposal(state=state), NOW)) == "closed"


def test_nobody_approves_after_the_expiry_not_even_in_the_same_second():
    it = proposal()

    assert code(closed(it, it.expires_at)) == "expired"
    assert closed(it, it.expires_at - timedelta(seconds=1)) is None


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ({"denied": True}, "denied_namespace"),
        ({"denied_kinds": frozenset({"NetworkPolicy"})}, "denied_kind"),
        ({"denied_kinds": frozenset({"Service"})}, ""),
        ({"quiet": Hours(time(20), time(22))}, "quiet"),
        ({"quiet": Hours(time(1), time(2))}, ""),
        ({"approvers": frozenset({"U2BOB"})}, "not_an_approver"),
        ({"approvers": frozenset({"oncall"})}, ""),
        ({"approvers": frozenset({"U1ALICE"})}, ""),
        ({"two_persons": True}, "own_request"),
        ({"terminal_only": True}, "terminal_only"),
        ({}, ""),
    ],
)
def test_the_operator_s_rules_bar_whom_they_name(rules, why):
    assert code(barred(proposal(), "U1ALICE", ALICE, approvals(**rules), NOW)) == why


def test_with_terminal_only_a_person_in_a_terminal_may_and_a_rollback_needs_none():
    rules = approvals(terminal_only=True)

    assert barred(proposal(), "terminal:alice", ALICE, rules, NOW) is None
    assert barred(proposal(purpose=Purpose.ROLLBACK), "U1ALICE", ALICE, rules, NOW) is None


def test_of_two_persons_the_one_who_joined_or_edited_is_no_second_one():
    it = proposal(asked_by=("U3CAROL", "U1ALICE"))
    edited = proposal(asked_by=("U3CAROL",), edited_by="U1ALICE")

    assert code(barred(it, "U1ALICE", ALICE, approvals(two_persons=True), NOW)) == "own_request"
    assert code(barred(edited, "U1ALICE", ALICE, approvals(two_persons=True), NOW)) == "own_request"
    assert barred(edited, "U2BOB", BOB, approvals(two_persons=True), NOW) is None


def test_a_rollback_needs_no_second_person():
    back = proposal(purpose=Purpose.ROLLBACK)

    assert barred(back, "U1ALICE", ALICE, approvals(two_persons=True), NOW) is None


def test_one_denied_namespace_of_two_is_enough_to_refuse():
    it = proposal(part("web"), part("shop"))

    assert code(barred(it, "U1ALICE", ALICE, approvals(denied=True), NOW)) == "denied_namespace"


# -- rights ----------------------------------------------------------------------------------------------------------


def test_the_api_server_s_no_is_told_in_its_own_words():
    refused = covered(proposal(), "U2BOB", BOB, Approvals(), [NO])

    assert isinstance(refused, ApprovalRefusal)
    assert refused.code == "rbac"
    assert "RBAC: no rule" in refused.sentence


def test_a_missing_review_is_a_no():
    assert code(covered(proposal(), "U1ALICE", ALICE, Approvals(), [])) == "not_reviewed"


def test_a_person_covers_what_they_may_change_and_no_more():
    it = proposal(part("web"), part("shop"))

    assert covered(it, "U1ALICE", ALICE, Approvals(), [YES, NO]) == (0,)
    assert covered(it, "U1ALICE", ALICE, Approvals(), [YES, YES]) == (0, 1)


def test_rights_do_not_help_where_the_rules_name_others():
    it = proposal(part("web"), part("shop"))

    assert covered(it, "U1ALICE", ALICE, approvals(approvers=frozenset({"U2BOB"})), [YES, YES]) == (0,)


# -- how many --------------------------------------------------------------------------------------------------------


def test_one_approval_is_enough_by_default():
    it = proposal()

    assert standing(it, [approval(it)], Approvals()).enough


def test_an_approval_of_another_version_of_the_patch_does_not_count():
    it = proposal()

    assert not standing(it, [approval(it, sha256="0" * 64)], Approvals()).enough


def test_two_of_two_are_two_persons_and_two_kubernetes_users():
    it, rules = proposal(), approvals(needed=2)
    alice, again, bob = approval(it), approval(it), approval(it, "U2BOB", BOB)
    as_alice = approval(it, "U2BOB", ALICE)

    assert standing(it, [alice], rules).missing == "1 of 2 approvals"
    assert not standing(it, [alice, again], rules).enough
    assert not standing(it, [alice, as_alice], rules).enough
    assert standing(it, [alice, bob], rules).enough


def test_a_fix_on_two_sides_needs_somebody_with_rights_on_each():
    it = proposal(part("web"), part("shop"))

    one_side = standing(it, [approval(it, "U1ALICE", ALICE, 0)], Approvals())
    both = standing(it, [approval(it, "U1ALICE", ALICE, 0), approval(it, "U2BOB", BOB, 1)], Approvals())

    assert not one_side.enough
    assert "NetworkPolicy shop/strict-egress" in one_side.missing
    assert both.enough


def test_with_both_sides_one_owner_of_both_is_not_enough():
    it = proposal(part("web"), part("shop"))
    owner = approval(it, "U1ALICE", ALICE, 0, 1)

    assert standing(it, [owner], Approvals()).enough
    assert not standing(it, [owner], approvals(both_sides=True)).enough


def test_each_part_is_written_as_somebody_who_approved_that_part():
    it = proposal(part("web"), part("shop"))
    given = [approval(it, "U1ALICE", ALICE, 0), approval(it, "U2BOB", BOB, 1, at=NOW + timedelta(seconds=1))]

    assert (writer(it, given, 0), writer(it, given, 1)) == (ALICE, BOB)
    assert writer(it, given[:1], 1) is None
    assert writer(it, [replace(given[0], sha256="other")], 0) is None


def test_what_stands_can_be_undone_and_nothing_else():
    assert may_undo(proposal(state=ProposalState.VERIFIED)) is None
    assert may_undo(proposal(state=ProposalState.STUCK)) is None
    assert code(may_undo(proposal(state=ProposalState.PROPOSED))) == "not_in_force"
    assert code(may_undo(proposal(state=ProposalState.ROLLED_BACK))) == "not_in_force"
    assert code(may_undo(proposal(state=ProposalState.VERIFIED, purpose=Purpose.ROLLBACK))) == "not_in_force"


def test_the_hash_is_of_the_exact_change():
    it = proposal()
    other = [
        part(name="other"),
        part(uid="uid-2"),
        part(fingerprint="after"),
        part(body=()),
        part(inverse=()),
        part(namespace="web"),
    ]

    assert len({it.sha256, *(proposal(each).sha256 for each in other)}) == 7
    assert proposal(title="in other words").sha256 == it.sha256
    assert proposal(part(resource_version="8")).sha256 == it.sha256  # a status alone gives a new one


def test_a_user_without_groups_is_a_user():
    assert KubeUser("x").groups == ()


def test_a_verdict_that_claude_disputes_needs_two_persons_and_its_rollback_one():
    it, rollback = proposal(), proposal(purpose=Purpose.ROLLBACK)
    alice, bob = approval(it), approval(it, "U2BOB", BOB)

    one, two = (standing(it, given, approvals(), disputed=True) for given in ([alice], [alice, bob]))

    assert (one.enough, one.missing) == (False, "1 of 2 approvals; Claude sees evidence against the verdict")
    assert (two.enough, two.needed) == (True, 2)
    assert standing(it, [alice], approvals(), disputed=False).enough
    assert standing(rollback, [approval(rollback)], approvals(), disputed=True).enough
    assert standing(it, [alice, bob], approvals(needed=3), disputed=True).needed == 3
