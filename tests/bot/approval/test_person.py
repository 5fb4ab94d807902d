"""Who clicked: each thing that Slack says is compared, and what is missing is a no."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.approval.person import ApprovalRefusal, Click, Directory, Installation, click_of, misplaced, stranger
from bot.approval.proposal import KubeUser, ProposalLocation
from tests.bot.approval.making import CLICK, MEMBER, OURS, PLACE

BODY = {
    "type": "block_actions",
    "api_app_id": "A1",
    "team": {"id": "T1"},
    "user": {"id": "U1ALICE", "team_id": "T1"},
    "channel": {"id": "C1"},
    "container": {"message_ts": "2.0", "channel_id": "C1"},
}


def test_a_press_of_slack_is_read_whole():
    assert click_of(BODY) == CLICK


@pytest.mark.parametrize("absent", ["api_app_id", "team", "user", "container"])
def test_what_slack_leaves_out_is_empty_and_not_guessed(absent):
    said = {key: value for key, value in BODY.items() if key != absent}

    assert "" in (click_of(said).app, click_of(said).team, click_of(said).user, click_of(said).ts)


@pytest.mark.parametrize("team", [None, 7, {"id": None}])
def test_a_team_of_another_shape_is_no_team(team):
    assert click_of({**BODY, "team": team}).team == ""


def test_the_message_of_the_proposal_is_accepted():
    assert misplaced(CLICK, OURS, PLACE) is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"app": "A2"}, "other_app"),
        ({"app": ""}, "other_app"),
        ({"team": "T9"}, "other_team"),
        ({"team": ""}, "other_team"),
        ({"channel": "C2"}, "other_channel"),
        ({"channel": ""}, "other_channel"),
        ({"ts": "9.9"}, "other_message"),
        ({"ts": ""}, "other_message"),
    ],
)
def test_a_button_copied_elsewhere_does_nothing(change, code):
    refused = misplaced(replace(CLICK, **change), OURS, PLACE)

    assert refused is not None
    assert refused.code == code


@pytest.mark.parametrize("ours", [Installation("", "A1"), Installation("T1", "")])
def test_an_installation_that_does_not_know_itself_accepts_nobody(ours):
    empty = replace(CLICK, team=ours.team, app=ours.app)

    assert misplaced(empty, ours, replace(PLACE, team=ours.team)) is not None


def test_a_proposal_that_stands_nowhere_cannot_be_approved_by_a_button():
    nowhere = Click("U1ALICE", "T1", "T1", "A1", "", "")

    assert misplaced(nowhere, OURS, ProposalLocation("T1")) is not None


def test_a_full_member_of_the_workspace_is_no_stranger():
    assert stranger(CLICK, MEMBER, OURS) is None


@pytest.mark.parametrize(
    ("click", "told", "code"),
    [
        ({"user_team": ""}, {}, "no_identity"),
        ({"user": ""}, {}, "no_identity"),
        ({"user_team": "T9"}, {}, "other_company"),
        ({}, {"id": "U9OTHER"}, "unknown_person"),
        ({}, {"team_id": "T9"}, "other_company"),
        ({}, {"team_id": None}, "other_company"),
        ({}, {"is_stranger": True}, "other_company"),
        ({}, {"is_restricted": True}, "guest"),
        ({}, {"is_ultra_restricted": True}, "guest"),
        ({}, {"is_bot": True}, "not_a_person"),
        ({}, {"is_app_user": True}, "not_a_person"),
        ({}, {"deleted": True}, "not_a_person"),
    ],
)
def test_guests_bots_leavers_and_other_companies_may_not(click, told, code):
    refused = stranger(replace(CLICK, **click), {**MEMBER, **told}, OURS)

    assert refused is not None
    assert refused.code == code


def test_no_answer_of_slack_is_a_no():
    refused = stranger(CLICK, None, OURS)

    assert refused is not None
    assert refused.code == "unknown_person"


def test_on_a_grid_a_member_of_the_same_organisation_belongs_here():
    told = {**MEMBER, "team_id": "T2", "enterprise_user": {"teams": ["T1", "T2"]}}

    assert stranger(replace(CLICK, user_team="T2"), told, OURS) is None
    assert stranger(replace(CLICK, user_team="T3"), told, OURS) is not None


# -- Kubernetes ------------------------------------------------------------------------------------------------------

BY_EMAIL = Directory(domains=frozenset({"corp.example"}), groups=("slack",))


def vouched(address: str, **more: object) -> dict[str, object]:
    return {**MEMBER, "is_email_confirmed": True, "profile": {"email": address}, **more}


def test_the_static_map_goes_first():
    directory = replace(BY_EMAIL, people={"U1ALICE": KubeUser("alice", ("oncall",))})

    assert directory.kube_user("U1ALICE", vouched("mallory@corp.example")) == KubeUser("alice", ("oncall",))


def test_a_confirmed_address_of_an_allowed_domain_becomes_a_prefixed_name():
    assert BY_EMAIL.kube_user("U1", vouched("Ann@Corp.example")) == KubeUser("slack:ann@corp.example", ("slack",))


@pytest.mark.parametrize(
    "address",
    [
        "ann@evil.example",
        "ann@corp.example.evil.example",
        "ann@sub.corp.example",
        "@corp.example",
        "a@b@corp.example",
        "a nn@corp.example",
        "ann\n@corp.example",
        "аnn@corp.example",  # a Cyrillic letter
        "",
    ],
)
def test_no_other_address_becomes_anybody(address):
    assert isinstance(BY_EMAIL.kube_user("U1", vouched(address)), ApprovalRefusal)


@pytest.mark.parametrize("confirmed", [False, None, "true", 1])
def test_an_address_that_slack_does_not_vouch_for_is_none(confirmed):
    assert isinstance(
        BY_EMAIL.kube_user("U1", vouched("ann@corp.example", is_email_confirmed=confirmed)), ApprovalRefusal
    )


def test_nobody_is_mapped_by_default():
    refused = Directory().kube_user("U1", vouched("ann@corp.example"))

    assert isinstance(refused, ApprovalRefusal)
    assert refused.code == "unmapped"
