from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from slack_bolt.async_app import AsyncApp

from lab.workspace import HandClock, Workspace

Json = dict[str, Any]


async def test_a_command_reaches_the_app_as_slack_words_it(kai: AsyncApp, workspace: Workspace) -> None:
    got: list[Json] = []

    @kai.command("/kai")
    async def listener(ack: Any, command: Json) -> None:
        got.append(command)
        await ack()

    reply = await workspace.user("alice").command("/kai netdebug web-1 shop", channel="incidents")

    assert reply.acked
    (command,) = got
    assert {name: command[name] for name in command.keys() - {"response_url", "trigger_id", "token"}} == {
        "team_id": "T0LAB",
        "team_domain": "kai-lab",
        "channel_id": "C0INCIDENTS",
        "channel_name": "incidents",
        "user_id": "U0ALICE",
        "user_name": "alice",
        "command": "/kai",
        "text": "netdebug web-1 shop",
        "api_app_id": "A0KAI",
        "is_enterprise_install": "false",
    }
    assert command["response_url"].startswith(workspace.url)


async def test_names_in_a_command_arrive_as_ids(kai: AsyncApp, workspace: Workspace) -> None:
    texts: list[str] = []

    @kai.command("/kai")
    async def listener(ack: Any, command: Json) -> None:
        texts.append(command["text"])
        await ack()

    await workspace.user("alice").command("/kai approve @bob <!channel>")

    assert texts == ["approve <@U0BOB|bob> &lt;!channel&gt;"]


async def test_the_ack_of_a_command_is_seen_by_one_person_only(kai: AsyncApp, workspace: Workspace) -> None:
    @kai.command("/kai")
    async def listener(ack: Any) -> None:
        await ack("Started, results in the thread")

    await workspace.user("alice").command("/kai netdebug web-1 shop")

    assert [one["text"] for one in workspace.ephemerals("alice")] == ["Started, results in the thread"]
    assert workspace.ephemerals("bob") == []
    assert workspace.messages("incidents") == []


async def test_an_ack_may_speak_to_the_channel(kai: AsyncApp, workspace: Workspace) -> None:
    @kai.command("/kai")
    async def listener(ack: Any) -> None:
        await ack(text="for all", response_type="in_channel")

    await workspace.user("alice").command("/kai status")

    assert [one["text"] for one in workspace.messages("incidents")] == ["for all"]


async def test_an_ack_that_comes_too_late_is_an_error_for_the_person(
    socket_app: AsyncApp, workspace: Workspace, clock: HandClock, forever: asyncio.Event
) -> None:
    started = asyncio.Event()

    @socket_app.command("/kai")
    async def listener() -> None:
        started.set()
        await forever.wait()

    waiting = asyncio.create_task(workspace.user("alice").command("/kai netdebug web-1 shop"))
    await started.wait()
    await clock.advance(3.1)
    reply = await waiting

    assert not reply.acked
    assert [one["text"] for one in workspace.ephemerals("alice")] == ['/kai failed with the error "operation_timeout"']
    assert [one.parcel.attempt for one in workspace.deliveries("slash_commands")] == [0]


async def test_a_command_that_nobody_owns_is_refused_by_slack(workspace: Workspace) -> None:
    reply = await workspace.user("alice").command("/deploy now")

    assert (reply.acked, reply.error) == (False, "unknown_command")
    assert [one["text"] for one in workspace.ephemerals("alice")] == ["`/deploy` is not a valid command."]


async def test_a_response_url_answers_five_times(kai: AsyncApp, workspace: Workspace) -> None:
    url = await _response_url(kai, workspace)

    statuses = [await _post(url, {"text": f"answer {number}"}) for number in range(6)]

    assert statuses == [(200, "ok")] * 5 + [(404, '{"ok": false, "error": "used_url"}')]
    assert [one["text"] for one in workspace.ephemerals("alice")] == [f"answer {number}" for number in range(5)]


async def test_a_response_url_is_good_for_thirty_minutes(kai: AsyncApp, workspace: Workspace, clock: HandClock) -> None:
    url = await _response_url(kai, workspace)

    await clock.advance(29 * 60)
    before = await _post(url, {"text": "in time"})
    await clock.advance(2 * 60)
    after = await _post(url, {"text": "too late"})

    assert (before, after) == ((200, "ok"), (404, '{"ok": false, "error": "expired_url"}'))


async def test_a_response_url_has_the_limits_of_a_message(kai: AsyncApp, workspace: Workspace) -> None:
    url = await _response_url(kai, workspace)

    status, body = await _post(url, {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": ""}}]})

    assert status == 400
    assert "invalid_blocks" in body
    assert workspace.ephemerals("alice") == []


async def test_bolts_respond_works(kai: AsyncApp, workspace: Workspace) -> None:
    @kai.command("/kai")
    async def listener(ack: Any, respond: Any) -> None:
        await ack()
        await respond("only for you")
        await respond("for all", response_type="in_channel")

    await workspace.user("alice").command("/kai status")
    await workspace.wait_for(lambda: workspace.messages("incidents"))

    assert [one["text"] for one in workspace.ephemerals("alice")] == ["only for you"]
    assert [one["text"] for one in workspace.messages("incidents")] == ["for all"]


async def _response_url(kai: AsyncApp, workspace: Workspace) -> str:
    urls: list[str] = []

    @kai.command("/kai")
    async def listener(ack: Any, command: Json) -> None:
        urls.append(command["response_url"])
        await ack()

    await workspace.user("alice").command("/kai status")
    return urls[0]


async def _post(url: str, body: Json) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        return response.status, await response.text()
