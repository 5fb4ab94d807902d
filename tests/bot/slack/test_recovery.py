"""Whether something was said already: found, not found, and not to be known just now are three answers."""

from __future__ import annotations

import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError

from bot.slack.connection import web_client
from bot.slack.recovery import Seeker
from lab.workspace import Workspace
from lab.workspace.api import WebApi


@pytest.fixture
def seeker(workspace: Workspace) -> Seeker:
    return Seeker(web_client(workspace.app.bot_token, workspace.api_url, patient=False))


async def test_an_answer_that_says_nothing_is_no_proof_that_nothing_was_said(seeker: Seeker, monkeypatch):
    async def broken(self, door, call):
        raise web.HTTPServiceUnavailable

    monkeypatch.setattr(WebApi, "_answer", broken)
    with pytest.raises(SlackApiError):
        await seeker.message("C0INCIDENTS", "", "key", 0.0)


async def test_without_the_right_to_read_nothing_is_found_and_it_is_asked_once(workspace: Workspace, seeker: Seeker):
    workspace.app.scopes = frozenset({"chat:write"})

    assert [await seeker.message("C0INCIDENTS", "", "key", 0.0) for _ in range(2)] == [None, None]
    assert seeker._blind
