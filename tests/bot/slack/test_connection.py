"""The line to Slack: watched, and dialled anew when it is open and dead."""

from __future__ import annotations

import linecache
import logging
from collections.abc import AsyncIterator

import pytest

from bot.slack.connection import BadToken, Socket, bolt, identify, web_client
from lab.workspace import Workspace


@pytest.fixture
async def socket(workspace: Workspace) -> AsyncIterator[Socket]:
    client = web_client(workspace.app.bot_token, workspace.api_url)
    socket = Socket(bolt(client, await identify(client), ""), workspace.app.app_token, client)
    await socket._dial()
    await workspace.connected()
    yield socket
    await socket.close()


async def test_a_line_that_answers_no_ping_is_dialled_anew(workspace: Workspace, socket: Socket):
    (old,) = workspace.sockets.lines()
    socket._client.last_ping_pong_time = 1.0

    await socket._watch()
    await workspace.wait_for(lambda: (lines := workspace.sockets.lines()) and old not in lines)

    assert await socket._client.is_connected()


async def test_a_line_that_is_well_is_left_alone(workspace: Workspace, socket: Socket):
    await socket._watch()

    assert len(workspace.calls("apps.connections.open")) == 1


async def test_slack_is_asked_from_time_to_time_whether_it_still_knows_us(workspace: Workspace, socket: Socket):
    before = len(workspace.calls("auth.test"))
    socket._proved -= 61.0
    await socket._watch()

    assert len(workspace.calls("auth.test")) == before + 1


async def test_an_app_token_of_another_kind_is_named(workspace: Workspace):
    client = web_client(workspace.app.bot_token, workspace.api_url)
    wrong = Socket(bolt(client, await identify(client), ""), "xapp-another", client)

    with pytest.raises(BadToken, match="SLACK_APP_TOKEN: invalid_auth"):
        await wrong.check()
    await wrong.close()


async def test_a_slack_that_cannot_answer_just_now_is_not_a_bad_token(workspace: Workspace, monkeypatch):
    from aiohttp import web

    from lab.workspace.api import WebApi

    async def broken(self, door, call):
        raise web.HTTPServiceUnavailable

    monkeypatch.setattr(WebApi, "_answer", broken)
    with pytest.raises(ConnectionError, match="answers with no JSON"):
        await identify(web_client(workspace.app.bot_token, workspace.api_url, patient=False))


async def test_a_token_in_the_environment_costs_no_warning_and_other_warnings_are_said(
    workspace: Workspace, monkeypatch, caplog
):
    monkeypatch.setenv("SLACK_BOT_TOKEN", workspace.app.bot_token)
    client = web_client(workspace.app.bot_token, workspace.api_url)

    bolt(client, await identify(client), "")
    logging.getLogger("slack_bolt.AsyncApp").warning("another")

    said = [each for each in caplog.records if each.name.startswith("slack")]
    assert [each.getMessage() for each in said if each.levelno >= logging.WARNING] == ["another"]


async def test_the_app_is_made_without_reading_the_source_of_whoever_makes_it(workspace: Workspace):
    client = web_client(workspace.app.bot_token, workspace.api_url)
    identity = await identify(client)
    linecache.clearcache()

    bolt(client, identity, "")

    assert __file__ not in linecache.cache
