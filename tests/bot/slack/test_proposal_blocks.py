"""The card of a proposal: what is shown is what is applied, and the buttons carry the id and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bot.approval.proposal import PartKind
from bot.approval.states import IN_FORCE, ProposalState
from bot.report.blocks import Said
from bot.report.short_answer import VerdictStatus
from bot.slack import proposal_blocks as ids
from bot.slack.approving import read_change
from bot.slack.limits import problems
from bot.slack.proposal_blocks import (
    edit_view,
    editable,
    is_shown_whole,
    on_root,
    patch_text,
    plain_state,
    proposal_message,
    shown,
    state_line,
    submitted,
)
from flows.model import REMOVE_OBJECT
from tests.bot.approval.making import ADD, REMOVE, part, proposal


def elements(said: Said) -> list[dict[str, object]]:
    return [element for block in said.blocks if block["type"] == "actions" for element in block["elements"]]


def code(said: Said) -> str:
    return "".join(
        one["text"]
        for block in said.blocks
        if block["type"] == "rich_text"
        for element in block["elements"]
        for one in element["elements"]
    )


def actions(said: Said) -> set[object]:
    return {each["action_id"] for each in elements(said)}


@pytest.mark.parametrize("state", ProposalState)
def test_every_state_has_a_card_that_slack_takes(state):
    it = proposal(state=state, why="U1ALICE: we move <!channel> & *all* tomorrow")

    said = proposal_message(it, 1, 2)

    assert not problems(said)
    assert "<!channel>" not in str(said.blocks)
    assert said.text


def test_the_patch_stands_in_the_card_character_by_character():
    it = proposal()

    assert code(proposal_message(it)) == f"patch NetworkPolicy shop/strict-egress\n{json.dumps(ADD)}"


def test_an_object_that_is_added_stands_in_the_card_as_yaml_and_is_read_back_as_it_is_when_edited():
    manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "kai", "namespace": "shop", "annotations": {"until": "2026-12-30T00:00:00Z"}},
        "spec": {
            "podSelector": {"matchLabels": {"commit": "123e45", "on": "y"}},
            "egress": [{"ports": [{"port": 53}]}],
        },
    }
    added = part(kind=PartKind.CREATE, body=(manifest,), inverse=REMOVE_OBJECT)

    shown_text = code(proposal_message(proposal(added)))

    assert "\n  podSelector:\n    matchLabels:\n      commit: '123e45'\n      'on': 'y'\n" in shown_text
    assert read_change(shown_text.split("\n", 1)[1]) == [manifest]
    assert read_change(editable(added)) == [manifest]


@pytest.mark.parametrize("letter", ["\u00a0", "\u3000", "\u200b"])
def test_a_last_letter_that_nobody_sees_keeps_the_button_away(letter: str):
    added = part(kind=PartKind.CREATE, body=({"kind": "NetworkPolicy", "note": f"a{letter}"},), inverse=REMOVE_OBJECT)

    assert not is_shown_whole(proposal(added))
    assert ids.APPROVE not in actions(proposal_message(proposal(added)))


def test_the_way_back_is_told_as_the_change_is():
    added = part(kind=PartKind.CREATE, body=({"kind": "NetworkPolicy"},), inverse=REMOVE_OBJECT, name="kai-1")

    assert code(shown(proposal(added), "")).endswith("kind: NetworkPolicydelete NetworkPolicy shop/kai-1")
    assert code(shown(proposal(), "")).endswith(f"patch NetworkPolicy shop/strict-egress\n{json.dumps(REMOVE)}")


@pytest.mark.parametrize("state", sorted(set(ProposalState) - {ProposalState.PROPOSED}))
def test_once_it_is_decided_what_became_of_it_is_not_parted_from_the_buttons_by_the_patch(state):
    it = proposal(state=state)

    assert code(proposal_message(it)) == ""
    assert ids.SHOW_FIX in actions(proposal_message(it))
    assert code(shown(it, "")).startswith(patch_text(it))


def words(said: Said) -> str:
    return " ".join(block["text"]["text"] for block in said.blocks if block["type"] == "section")


def test_what_it_opens_and_what_it_closes_stand_side_by_side():
    proved = replace(proposal().proved, newly_allowed=("web → db TCP 5432",), newly_denied=("web → db TCP 5431",))

    both = words(proposal_message(proposal(proved=proved)))
    one = words(proposal_message(proposal(proved=replace(proved, newly_denied=()))))

    assert both.index("Newly allowed:\n• web → db TCP 5432") < both.index("No longer allowed:\n• web → db TCP 5431")
    assert "No longer allowed" not in one


def test_more_ways_than_a_card_lists_are_counted():
    ways = tuple(f"web → db-{number} TCP 5432" for number in range(10))

    assert "• and 2 more" in words(proposal_message(proposal(proved=replace(proposal().proved, newly_allowed=ways))))


def test_each_button_carries_the_id_and_nothing_else():
    it = proposal()

    assert {each["value"] for each in elements(proposal_message(it))} == {it.id}
    assert {ids.APPROVE, ids.REJECT, ids.EDIT, ids.SHOW_FIX} == actions(proposal_message(it))


@pytest.mark.parametrize("state", [each for each in ProposalState if each is not ProposalState.PROPOSED])
def test_nothing_but_a_waiting_proposal_has_a_button_to_approve(state):
    assert ids.APPROVE not in actions(proposal_message(proposal(state=state)))
    assert (ids.UNDO in actions(proposal_message(proposal(state=state)))) is (state in IN_FORCE)


@pytest.mark.parametrize(
    "value",
    [
        "a" * 3000,
        "safe\u202egnp.exe",  # right-to-left override
        "zero\u200bwidth",
        "no\u00a0break",
        "combin\u0301ing",
        "tag\U000e0041",
    ],
)
def test_what_nobody_could_see_whole_has_no_button_and_says_how_to_approve_it(value):
    it = proposal(part(body=({"op": "add", "path": "/spec/x", "value": value},)))

    said = proposal_message(it)

    assert not is_shown_whole(it)
    assert ids.APPROVE not in actions(said)
    assert ids.EDIT not in actions(said)
    assert f"kai approve {it.id}" in str(said.blocks)
    assert code(said).partition("… (")[0].isascii()
    assert not problems(said)


@pytest.mark.parametrize("value", ["plain", 'with "quotes" & <signs> `ticks` *stars* <!channel> @here :boom:', "Größe"])
def test_markup_of_slack_is_shown_as_it_stands(value):
    it = proposal(part(body=({"op": "add", "path": "/spec/x", "value": value},)))

    assert is_shown_whole(it)
    assert json.dumps(value, ensure_ascii=False) in code(proposal_message(it))


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("undone by U1ALICE", "undone by <@U1ALICE>"),
        ("by U1ALICE", "<@U1ALICE>"),
        ("U1ALICE: not today", "<@U1ALICE>: not today"),
        ("undone by terminal:alice", "undone by terminal:alice"),
        ("put aside by <!here>", "put aside by &lt;!here&gt;"),
    ],
)
def test_who_did_it_is_shown_by_name(why, said):
    assert state_line(proposal(state=ProposalState.ROLLED_BACK, why=why)) == f"↩ Rolled back: {said}"


def test_that_it_is_verified_is_said_once():
    it = proposal(state=ProposalState.VERIFIED, why="verified: 2 forwarded, 0 dropped")

    assert state_line(it) == "✔ Verified: 2 forwarded, 0 dropped"
    assert plain_state(it) == "Verified: 2 forwarded, 0 dropped"


def test_the_root_turns_green_when_the_change_is_verified():
    said = on_root(proposal(state=ProposalState.VERIFIED, why="verified: 12 forwarded, 0 dropped"))

    assert (said.status, said.state) == (VerdictStatus.HEALTHY, "talks again")
    assert said.line.startswith("*✔ Verified: 12 forwarded, 0 dropped.* The change: ")


def test_the_root_stays_as_it_was_when_the_change_was_taken_back():
    said = on_root(proposal(state=ProposalState.ROLLED_BACK, why="not verified: 0 forwarded, 3 dropped"))

    assert (said.status, said.state) == (None, "")
    assert said.line.startswith("*↩ Rolled back: not verified: 0 forwarded, 3 dropped.*")


@pytest.mark.parametrize("state", [ProposalState.PROPOSED, ProposalState.EXPIRED, ProposalState.REJECTED])
def test_a_change_that_stands_nowhere_is_still_called_the_fix(state):
    assert on_root(proposal(state=state)).line.startswith("*Fix:* ")


@pytest.mark.parametrize("state", [ProposalState.NOT_VERIFIED, ProposalState.STUCK, ProposalState.UNKNOWN])
def test_a_change_that_stands_and_is_not_verified_is_never_green(state):
    assert on_root(proposal(state=state)).status is VerdictStatus.DEGRADED


def test_what_is_edited_comes_back_with_the_id_of_its_proposal():
    it = proposal()
    view = dict(edit_view(it))
    typed = view["blocks"][0]["element"]["initial_value"]

    view["state"] = {"values": {"text0": {"text": {"type": "plain_text_input", "value": typed}}}}

    assert submitted(view) == (it.id, [typed])
    assert json.loads(typed) == [ADD]
    assert submitted({}) == ("", [""])


def test_of_several_objects_each_has_a_field_of_its_own_and_they_come_back_in_their_order():
    it = proposal(part("web"), part("shop"))
    view = dict(edit_view(it))
    fields = [(each["block_id"], each["label"]["text"]) for each in view["blocks"]]

    view["state"] = {"values": {"text1": {"text": {"value": "second"}}, "text0": {"text": {"value": "first"}}}}

    assert fields == [
        ("text0", "NetworkPolicy web/strict-egress"),
        ("text1", "NetworkPolicy shop/strict-egress"),
    ]
    assert submitted(view) == (it.id, ["first", "second"])
    assert ids.EDIT in actions(proposal_message(it))


def test_what_is_too_long_for_a_field_has_no_edit_button_and_says_why():
    it = proposal(part(body=tuple({"op": "add", "path": f"/spec/{at}", "value": {"a": [at] * 3}} for at in range(39))))

    said = proposal_message(it)

    assert is_shown_whole(it)
    assert {ids.APPROVE, ids.EDIT} & actions(said) == {ids.APPROVE}
    assert "too long to be edited in Slack" in str(said.blocks)
    assert "too long to be edited" not in str(proposal_message(proposal()).blocks)


def test_where_a_terminal_is_wanted_the_card_says_what_to_type_and_has_no_button_to_approve():
    it = proposal()
    said = proposal_message(it, terminal_only=True)

    assert {ids.APPROVE, ids.REJECT} & actions(said) == {ids.REJECT}
    assert f"approved in a terminal only: `kai approve {it.id}`" in str(said.blocks)


def test_an_added_object_says_when_it_ends_or_that_it_does_not():
    def made(notes: dict[str, str]) -> str:
        thing = {"kind": "NetworkPolicy", "metadata": {"namespace": "shop", "name": "x", "annotations": notes}}
        return str(proposal_message(proposal(part(kind=PartKind.CREATE, body=(thing,)))).blocks)

    assert "It is taken back by itself at 2026-12-29 00:00 UTC." in made({"kai.dev/expires": "2026-12-28"})
    assert "It has no end" in made({})
    assert "no end" not in str(proposal_message(proposal()).blocks)


def test_show_fix_tells_the_change_its_way_back_and_whether_one_may():
    said = shown(proposal(), "You may approve this change.")

    assert said.text == "You may approve this change."
    assert "remove" in code(said)
    assert not problems(said)


def test_two_objects_stand_one_below_the_other():
    it = proposal(part("web"), part("shop"))

    assert patch_text(it).count("patch NetworkPolicy") == 2
