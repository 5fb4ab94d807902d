"""Who may ask KAI: full members of the workspace; whoever Slack does not vouch for may not."""

from __future__ import annotations

import pytest

from bot.slack.connection import web_client
from bot.slack.people import PERSON_LIFETIME_S, UNKNOWN_PERSON, People, refusal
from lab.workspace import Workspace

TEAM = "T0LAB"
MEMBER = {"id": "U0X", "team_id": TEAM}


@pytest.fixture
def people(workspace: Workspace) -> People:
    return People(web_client(workspace.app.bot_token, workspace.api_url), TEAM)


@pytest.mark.parametrize(("person", "allowed"), [("U0ALICE", True), ("U0GRACE", False), ("U0MALLORY", False)])
async def test_a_member_may_ask_and_a_guest_or_somebody_of_another_company_may_not(people, person: str, allowed: bool):
    assert (await people.why_not(person) == "") is allowed


@pytest.mark.parametrize(
    "more",
    [
        {"is_restricted": True},
        {"is_ultra_restricted": True},
        {"is_stranger": True},
        {"is_bot": True},
        {"deleted": True},
        {"team_id": None},
        {"team_id": ""},
        {"team_id": "T0PARTNER"},
        {"team_id": "T0PARTNER", "enterprise_user": {"teams": ["T0OTHER"]}},
    ],
)
def test_whoever_is_no_full_member_is_told_so(more: dict):
    assert "of this workspace may" in refusal({**MEMBER, **more}, TEAM)


def test_a_person_of_whom_slack_tells_nothing_is_refused():
    assert refusal({}, TEAM) != ""


def test_a_member_of_another_workspace_of_the_same_enterprise_may_ask():
    assert refusal({"team_id": "T0OTHER", "enterprise_user": {"teams": ["T0OTHER", TEAM]}}, TEAM) == ""


async def test_when_slack_does_not_tell_nothing_is_done_and_it_is_asked_again(workspace: Workspace, people: People):
    workspace.app.scopes -= {"users:read"}
    first = await people.why_not("U0ALICE")
    workspace.app.scopes |= {"users:read"}

    assert (first, await people.why_not("U0ALICE")) == (UNKNOWN_PERSON, "")


async def test_an_answer_about_a_person_holds_for_a_minute_and_no_longer(workspace: Workspace):
    now = [0.0]
    people = People(web_client(workspace.app.bot_token, workspace.api_url), TEAM, lambda: now[0])
    for now[0] in (0.0, PERSON_LIFETIME_S - 1, PERSON_LIFETIME_S + 1):
        await people.why_not("U0ALICE")

    assert PERSON_LIFETIME_S <= 60
    assert len(workspace.calls("users.info")) == 2
