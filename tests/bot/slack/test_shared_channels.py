"""In a channel that another organisation shares nothing is said without the operator's consent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from bot.slack.shared_channels import SHARED, UNTOLD, WORDS, SharedChannels, is_shared
from tests.bot.slack.conftest import Kai, Start, is_over, settings, text_of

ASK = "/kai netdebug api-server production"
OWN = {"is_ext_shared": False, "is_shared": False, "is_org_shared": False, "is_pending_ext_shared": False}


class Slack:
    """As much of Slack as is asked: `conversations.info`."""

    def __init__(self, said: Any) -> None:
        self.said, self.asked = said, 0

    async def conversations_info(self, channel: str) -> dict[str, Any]:
        self.asked += 1
        if isinstance(self.said, str):
            raise SlackApiError("refused", {"ok": False, "error": self.said})
        if isinstance(self.said, BaseException):
            raise self.said
        return {"channel": self.said}


def shared(said: Any, *consented: str, clock: Any = lambda: 0.0) -> tuple[SharedChannels, Slack]:
    slack: Any = Slack(said)
    return SharedChannels(slack, frozenset(consented), clock), slack


@pytest.mark.parametrize(
    "said",
    [
        {"is_ext_shared": True},
        {"is_pending_ext_shared": True},
        {"pending_shared": ["T9"]},
        {"pending_connected_team_ids": ["T9"]},
        {"is_shared": True},
    ],
)
def test_a_channel_is_shared_as_soon_as_another_organisation_is_invited(said):
    assert is_shared(OWN | said)


@pytest.mark.parametrize("said", [{}, {"is_shared": True, "is_org_shared": True}])
def test_a_channel_of_one_s_own_organisation_is_not_shared(said):
    assert not is_shared(OWN | said)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (OWN, ""),
        (OWN | {"is_ext_shared": True}, SHARED),
        ("missing_scope", UNTOLD),
        ("not_allowed_token_type", UNTOLD),
        ({"id": "C1"}, UNTOLD),
        (None, UNTOLD),
        ("channel_not_found", ""),
    ],
)
async def test_what_slack_does_not_tell_is_a_no_and_a_channel_that_is_not_there_refuses_by_itself(said, why):
    assert await shared(said)[0].why_not("C1") == why


@pytest.mark.parametrize("said", ["ratelimited", "internal_error", TimeoutError()])
async def test_a_slack_that_cannot_answer_just_now_is_asked_again_and_nothing_is_said_meanwhile(said):
    channels, slack = shared(said)
    for _ in range(2):
        with pytest.raises((SlackApiError, TimeoutError)):
            await channels.why_not("C1")
    assert slack.asked == 2


async def test_consent_is_kept_and_whether_it_is_shared_is_asked_for_once_a_minute():
    now = [0.0]
    channels, slack = shared(OWN, "C2", clock=lambda: now[0])

    assert [await channels.why_not(each) for each in ("C1", "C1", "C2", "D1", "U1")] == [""] * 5
    assert slack.asked == 1
    slack.said, now[0] = OWN | {"is_ext_shared": True}, 61.0
    assert [await channels.why_not(each) for each in ("C1", "C2")] == [SHARED, ""]


async def directly(kai: Kai, user: str = "alice") -> dict[str, Any]:
    """The verdict in the direct messages of that person."""

    def over() -> list[dict[str, Any]]:
        return [each for each in kai.workspace.direct_messages(user) if is_over(each)]

    return (await kai.workspace.wait_for(over))[0]


async def test_asked_in_a_shared_channel_the_verdict_goes_to_the_asker_alone_who_is_told_why(either: Kai):
    await either.workspace.user("alice").command(ASK, channel="partner-shared")
    verdict = await directly(either)
    (said,) = await either.whispers("alice")

    assert "strict-egress" in text_of(verdict)
    assert said.startswith(WORDS[SHARED])
    assert either.workspace.messages("partner-shared") == []
    assert either.workspace.ephemerals("mallory") == []


async def test_a_mention_there_is_answered_directly_too(kai: Kai):
    sent = await kai.workspace.user("alice").mention("netdebug api-server production", channel="partner-shared")
    await directly(kai)

    assert kai.workspace.thread(sent["ts"]) == []
    assert (await kai.whispers("alice"))[0].startswith(WORDS[SHARED])


async def test_where_the_operator_consents_the_verdict_stands_in_the_shared_channel(workspace, start: Start, tmp_path):
    usual = settings(workspace, tmp_path, "socket").slack
    async with start(slack=replace(usual, shared_channels=frozenset({"C0PARTNER"}))) as kai:
        await kai.workspace.user("alice").command(ASK, channel="partner-shared")
        await kai.verdict("partner-shared")

        assert kai.workspace.direct_messages("alice") == []


async def test_without_the_scope_to_see_it_nothing_is_said_in_any_channel(workspace, start: Start):
    workspace.app.scopes = workspace.app.scopes - {"channels:read"}
    async with start() as kai:
        await kai.workspace.user("alice").command(ASK)
        await directly(kai)

        assert (await kai.whispers("alice"))[0].startswith(WORDS[UNTOLD])
        assert kai.workspace.messages() == []


async def test_a_question_in_a_thread_that_came_to_be_shared_is_answered_to_the_asker_alone(kai: Kai, monkeypatch):
    monkeypatch.setattr("bot.slack.shared_channels.KEPT_S", 0.0)
    alice = kai.workspace.user("alice")
    await alice.command(ASK)
    await kai.told()
    before = len(kai.workspace.thread(kai.root()["ts"]))
    kai.workspace.world.channel("incidents").shared = True

    await alice.mention("why?", thread_ts=kai.root()["ts"])
    (said,) = await kai.whispers("alice")

    assert "strict-egress" in said
    assert len(kai.workspace.thread(kai.root()["ts"])) == before + 1  # the question
