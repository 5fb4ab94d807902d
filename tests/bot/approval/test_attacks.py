"""The attacks on an approval, each with the tests that hold against it.

The first half is what other tools got wrong, and what Slack makes easy to get wrong; the second is every promise of
docs/approvals.md and docs/approvals-rights.md that somebody might want broken. A line names tests that exist: a test
that is renamed or removed fails here.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

APPROVING, PERSON = "tests/bot/slack/test_approving.py", "tests/bot/approval/test_person.py"
PIPELINE, DECISION = "tests/bot/change/test_pipeline.py", "tests/bot/approval/test_decision.py"
WRITER, REAL, PATCH = "tests/bot/patch/test_writer.py", "tests/cluster/test_approvals.py", "tests/cluster/test_patch.py"
PROPOSALS, SHOWN = "tests/bot/store/test_proposals.py", "tests/bot/slack/test_proposal_blocks.py"
EXTENDING, EXPIRY = "tests/bot/change/test_extending.py", "tests/bot/change/test_expiry.py"
BAD_DAYS, THREAD = "tests/bot/slack/test_bad_days.py", "tests/bot/slack/test_thread.py"
CHART, TRAIL = "tests/cluster/test_chart.py", "tests/bot/approval/test_trail.py"

ATTACKS: dict[str, str] = {
    # -- what others got wrong -----------------------------------------------------------------------------------------
    "nobody is listed, so everybody may": "tests/bot/approval/test_rules.py::test_without_a_word_nobody_may_approve",
    "e-mail addresses map nobody until domains are named": f"{PERSON}::test_nobody_is_mapped_by_default",
    "whoever is in the channel may approve": f"{APPROVING}::test_a_member_who_is_nobody_in_kubernetes_may_not",
    "a press goes round the checks that a command meets": (
        f"{APPROVING}::test_no_button_of_a_proposal_obeys_a_stranger"
    ),
    "approval gates the bot, whose own account could write all the same": (
        f"{CHART}::test_no_role_writes_or_runs_a_program"
    ),
    "the value of a button is changed to carry a patch": f"{SHOWN}::test_each_button_carries_the_id_and_nothing_else",
    "a made-up value is pressed": f"{APPROVING}::test_a_made_up_value_does_nothing_and_is_written_down",
    "an address of another domain, or of a name that looks alike": f"{PERSON}::test_no_other_address_becomes_anybody",
    "an address that Slack has not confirmed": f"{PERSON}::test_an_address_that_slack_does_not_vouch_for_is_none",
    "a stolen account of Slack": f"{PIPELINE}::test_where_a_terminal_is_wanted_a_press_counts_for_nothing",
    "partners read along in a shared channel": (
        "tests/bot/slack/test_shared_channels.py::"
        "test_asked_in_a_shared_channel_the_verdict_goes_to_the_asker_alone_who_is_told_why"
    ),
    "Slack does not tell whether a channel is shared": (
        "tests/bot/slack/test_shared_channels.py::test_without_the_scope_to_see_it_nothing_is_said_in_any_channel"
    ),
    "whoever asked approves their own request": (
        f"{DECISION}::test_of_two_persons_the_one_who_joined_or_edited_is_no_second_one"
    ),
    "the loser of a race presses what is decided": (
        f"{PIPELINE}::test_whoever_comes_too_late_is_told_who_was_faster_and_when"
    ),
    # -- Slack Connect, guests, leavers --------------------------------------------------------------------------------
    "a press whose actor's team is the app's own, by Bolt's word": (
        f"{APPROVING}::test_a_press_that_does_not_belong_here_asks_nothing_of_the_cluster"
    ),
    "guests, strangers, bots and people who have left": (
        f"{APPROVING}::test_guests_strangers_bots_and_leavers_are_refused_before_any_call"
    ),
    "somebody deactivated two seconds ago": (
        f"{APPROVING}::test_somebody_who_left_two_seconds_ago_is_not_known_from_before"
    ),
    "Slack does not answer who it is": f"{APPROVING}::test_when_slack_does_not_answer_nobody_may",
    "an installation that does not know its own app": (
        f"{PERSON}::test_an_installation_that_does_not_know_itself_accepts_nobody"
    ),
    "another company, against a real API server": (
        f"{REAL}::test_mallory_of_another_company_is_refused_before_the_api_server_is_asked_anything"
    ),
    # -- the pipeline of a press ---------------------------------------------------------------------------------------
    "an unsigned request": f"{BAD_DAYS}::test_an_unsigned_request_is_refused_unread_and_costs_a_line",
    "a recorded request sent again": f"{BAD_DAYS}::test_a_recorded_request_that_is_sent_again_starts_nothing",
    "ten presses at once": f"{APPROVING}::test_ten_presses_at_once_write_once",
    "the button copied into another message, channel or app": (
        f"{PERSON}::test_a_button_copied_elsewhere_does_nothing"
    ),
    "the value of another proposal on this message": (
        f"{APPROVING}::test_the_value_of_another_proposal_pressed_on_this_message_does_nothing"
    ),
    "a proposal without a message is pressed": (
        f"{PERSON}::test_a_proposal_that_stands_nowhere_cannot_be_approved_by_a_button"
    ),
    "the beginning of an id is guessed": f"{PROPOSALS}::test_no_part_of_an_id_finds_anything",
    "the patch is changed in the database": (
        f"{PIPELINE}::test_a_patch_that_was_changed_in_the_database_is_not_applied"
    ),
    "a proposal past its time": (
        f"{PIPELINE}::test_an_expired_proposal_is_not_applied_also_when_it_was_approved_in_time"
    ),
    "two approvals of one person, or of two who are one to Kubernetes": (
        f"{DECISION}::test_two_of_two_are_two_persons_and_two_kubernetes_users"
    ),
    "an approval of an earlier version": (
        f"{DECISION}::test_an_approval_of_another_version_of_the_patch_does_not_count"
    ),
    "the API server cannot be asked about rights": f"{DECISION}::test_a_missing_review_is_a_no",
    "rights taken away between press and write": (
        f"{PIPELINE}::test_rights_that_are_taken_away_between_press_and_write_count"
    ),
    "the object changed since the proof": (
        f"{PIPELINE}::test_an_object_that_was_changed_leads_to_a_fresh_proposal_and_no_write"
    ),
    "a policy added since the proof": f"{PIPELINE}::test_a_policy_that_was_added_meanwhile_leads_to_a_fresh_proposal",
    "the API server would make something else of it": (
        f"{WRITER}::test_what_would_become_anything_else_than_what_was_shown_is_not_written"
    ),
    "an edit in the modal by somebody who does not belong here": (
        f"{APPROVING}::test_a_modal_of_somebody_who_does_not_belong_here_does_nothing"
    ),
    "an edit that names another object": f"{EXTENDING}::test_an_edit_of_a_fix_of_two_objects_stays_with_both",
    "the trail cannot be written": f"{PIPELINE}::test_what_cannot_be_written_down_is_not_written_to_the_cluster",
    # -- tokens, logs, text from elsewhere -----------------------------------------------------------------------------
    "a token in the log": "tests/bot/test_settings.py::test_the_log_holds_no_secret",
    "a token in the audit": "tests/bot/store/test_audit.py::test_no_secret_and_no_nul_is_written_down",
    "a pod name that calls the channel": (
        "tests/bot/slack/test_hostile.py::test_whatever_a_cluster_says_nobody_is_called_and_nothing_is_lost"
    ),
    "a patch with characters that nobody sees": (
        f"{APPROVING}::test_what_could_not_be_shown_whole_is_not_approved_whatever_was_pressed"
    ),
    "a log line that tells Claude which fix to choose": (
        "tests/flows/agent/test_attacks.py::test_an_attack_does_not_choose_among_several_fixes"
    ),
    "an alert of an unlisted sender": (
        "tests/bot/slack/test_alerts.py::test_a_spoofed_alert_of_an_unlisted_sender_starts_nothing_and_is_logged_once"
    ),
    # -- rights of KAI's account ---------------------------------------------------------------------------------------
    "a stolen token of KAI, as itself and as an approver": (
        f"{PATCH}::test_a_stolen_token_does_nothing_else_whoever_it_acts_as"
    ),
    "a stolen token acts as somebody who is not named": (
        f"{PATCH}::test_what_alice_may_approve_is_not_done_as_anybody_else"
    ),
    "an approver called system:masters, or a header in a name": (
        f"{WRITER}::test_nobody_acts_as_the_system_or_smuggles_a_header"
    ),
    "an older cluster, where impersonation has no limit": (
        f"{CHART}::test_before_1_36_approvals_need_a_word_that_says_what_they_give"
    ),
    "root on a node through the probe": (
        "tests/cluster/test_rights.py::test_the_role_changes_nothing_reads_no_secret_and_runs_no_program"
    ),
    "somebody else in the cluster asks the probe": (
        "tests/probe/test_server.py::test_another_client_of_the_same_authority_may_not_ask"
    ),
    "a probe that lies": "tests/probe/test_client.py::test_nothing_is_taken_that_was_not_asked_for",
    "a kind that no fix changes": f"{WRITER}::test_kinds_that_no_fix_changes_have_no_name_here",
    # -- who sees, who cancels, what is denied -------------------------------------------------------------------------
    "what was asked in private is looked up by somebody else": (
        f"{THREAD}::test_what_was_asked_in_private_is_shown_to_nobody_else"
    ),
    "somebody else's investigation is cancelled": f"{THREAD}::test_somebody_else_s_investigation_cannot_be_cancelled",
    "a namespace or kind that is denied, and quiet hours": (
        f"{DECISION}::test_the_operator_s_rules_bar_whom_they_name"
    ),
    "rights on one side of a two-sided fix": (
        f"{DECISION}::test_a_fix_on_two_sides_needs_somebody_with_rights_on_each"
    ),
    "a fix that closes a way which works": (
        "tests/bot/change/test_proving.py::test_the_same_fix_that_also_drops_a_rule_is_not_to_be_approved"
    ),
    "memory without bound": "tests/flows/fixes/test_memory.py::test_no_limit_rises_above_what_any_cluster_needs",
    # -- the write -----------------------------------------------------------------------------------------------------
    "a patch that brings a test of its own": (
        "tests/bot/patch/test_operations.py::"
        "test_uid_and_revision_are_tested_first_even_where_the_patch_brings_tests_of_its_own"
    ),
    "a new policy over a name that is taken": f"{WRITER}::test_a_name_that_is_taken_is_never_written_over",
    "an object made anew under the name is deleted": (
        f"{PIPELINE}::test_an_object_that_somebody_made_anew_under_the_name_is_not_deleted"
    ),
    "a lost answer makes KAI write twice": (
        f"{WRITER}::test_an_answer_that_is_lost_is_read_from_the_objects_mark_and_nothing_goes_out_twice"
    ),
    "kill -9 between any two steps": (
        "tests/bot/change/test_crashes.py::test_at_most_one_write_each_and_state_message_and_object_agree"
    ),
    "what Argo CD keeps is patched": (
        "tests/bot/change/test_on_lab.py::test_what_argo_cd_keeps_is_told_for_the_repository_and_nobody_is_asked_to_patch_it"
    ),
    # -- verification and the way back ---------------------------------------------------------------------------------
    "silence is called a success": (
        "tests/bot/verify/test_verdict.py::test_a_window_without_traffic_does_not_verify_a_change"
    ),
    "traffic of others is called a success": (
        "tests/bot/verify/test_verdict.py::test_traffic_of_other_pods_does_not_verify_a_change"
    ),
    "an undo writes over somebody's change": (
        f"{PIPELINE}::test_what_somebody_has_changed_since_is_not_overwritten_by_an_undo"
    ),
    "an undo by somebody without rights": f"{PIPELINE}::test_an_undo_of_somebody_without_rights_is_refused",
    "an end that says no time makes a policy permanent": (
        f"{EXPIRY}::test_an_end_that_says_no_time_makes_nothing_permanent"
    ),
    "an end that passed is written by an edit": (
        f"{EXTENDING}::test_an_edit_whose_end_cannot_be_read_or_has_passed_is_refused"
    ),
    # -- the audit -----------------------------------------------------------------------------------------------------
    "a flipped byte": f"{TRAIL}::test_every_flipped_byte_of_an_entry_is_found",
    "a removed row": f"{TRAIL}::test_every_removed_row_is_found",
    "a swapped pair": f"{TRAIL}::test_every_swapped_pair_is_found",
    "the whole chain is begun anew": (
        f"{TRAIL}::test_a_chain_that_was_written_anew_from_some_entry_on_does_not_end_at_the_head"
    ),
    "an entry is changed by SQL": (
        "tests/bot/store/test_audit.py::test_the_database_itself_refuses_to_change_an_entry"
    ),
    "the two logs do not agree": (
        f"{REAL}::test_alices_approval_is_applied_and_audited_as_hers_with_the_proposals_id_and_so_is_her_undo"
    ),
}
"""What somebody might try: the test that holds against it."""


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return frozenset(each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_has_a_test_that_holds_against_it(attack: str):
    file, _, name = ATTACKS[attack].partition("::")

    assert name in names_in(file)


def test_no_test_answers_for_two_attacks():
    assert len(set(ATTACKS.values())) == len(ATTACKS)
