"""What happens when the line is bad: lost acks, cut sockets, replays, doubles."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp

from lab.workspace import HandClock, Workspace
from lab.workspace.signed import make_request

Json = dict[str, Any]
Dial = Callable[[], Awaitable[AsyncApp]]


async def test_a_mention_is_two_events_for_the_app(kai: AsyncApp, workspace: Workspace) -> None:
    events: list[Json] = []

    @kai.event("app_mention")
    async def mentioned(event: Json) -> None:
        events.append(event)

    @kai.event("message")
    async def said(event: Json) -> None:
        events.append(event)

    sent = await workspace.user("alice").mention("netdebug web-1 shop")
    await workspace.wait_for(lambda: len(events) == 2)

    assert {event["type"] for event in events} == {"app_mention", "message"}
    for event in events:
        assert event["text"] == "<@U0KAI> netdebug web-1 shop"
        assert (event["user"], event["channel"], event["ts"]) == ("U0ALICE", "C0INCIDENTS", sent["ts"])


async def test_no_event_comes_without_its_scope(kai: AsyncApp, workspace: Workspace) -> None:
    kinds: list[str] = []

    @kai.event("message")
    async def said(event: Json) -> None:
        kinds.append(event["channel_type"])

    workspace.app.scopes = workspace.app.scopes - {"app_mentions:read", "channels:history"}

    await workspace.user("alice").mention("hello")
    await workspace.user("alice").message_bot("history")
    await workspace.wait_for(lambda: kinds)

    assert kinds == ["im"]


async def test_an_event_in_a_shared_channel_says_so(kai: AsyncApp, workspace: Workspace) -> None:
    bodies: list[Json] = []

    @kai.event("app_mention")
    async def mentioned(body: Json) -> None:
        bodies.append(body)

    await workspace.user("mallory").mention("hello", channel="partner-shared")
    await workspace.wait_for(lambda: bodies)

    assert (bodies[0]["is_ext_shared_channel"], bodies[0]["event"]["team"]) == (True, "T0PARTNER")


async def test_a_channel_without_the_bot_is_silent(kai: AsyncApp, workspace: Workspace) -> None:
    await workspace.user("alice").mention("hello", channel="random")

    assert workspace.deliveries() == []


async def test_an_alert_of_another_bot_is_heard(kai: AsyncApp, workspace: Workspace) -> None:
    events: list[Json] = []

    @kai.event("message")
    async def said(event: Json) -> None:
        events.append(event)

    alert = {
        "username": "Alertmanager",
        "attachments": [{"title": "[FIRING:1] KubePodCrashLooping", "color": "danger"}],
    }
    async with workspace.post_webhook(alert) as response:
        assert await response.text() == "ok"
    await workspace.wait_for(lambda: events)

    assert (events[0]["subtype"], events[0]["bot_id"], "user" in events[0]) == ("bot_message", "B0ALERTS", False)
    assert events[0]["attachments"][0]["color"] == "a30200"


async def test_an_event_without_an_ack_comes_again_at_once_then_after_one_and_five_minutes(
    kai: AsyncApp, workspace: Workspace, clock: HandClock
) -> None:
    retries: list[tuple[str, str]] = []

    @kai.event("app_mention")
    async def mentioned(request: Any) -> None:
        number = request.headers.get("x-slack-retry-num", ["0"])[0]
        retries.append((number, request.headers.get("x-slack-retry-reason", [""])[0]))

    workspace.app.events = frozenset({"app_mention"})
    workspace.faults.lose_acks(10)

    await workspace.user("alice").mention("netdebug web-1 shop")
    await workspace.wait_for(lambda: len(retries) == 2)
    await clock.advance(59)
    assert len(retries) == 2
    await clock.advance(2)
    await workspace.wait_for(lambda: len(retries) == 3)
    await clock.advance(301)
    await workspace.wait_for(lambda: len(retries) == 4)
    await clock.advance(3600)

    assert retries == [("0", ""), ("1", "timeout"), ("2", "timeout"), ("3", "timeout")]
    assert len({one.parcel.payload["event_id"] for one in workspace.deliveries()}) == 1


async def test_an_event_that_was_acked_does_not_come_again(
    kai: AsyncApp, workspace: Workspace, clock: HandClock
) -> None:
    @kai.event("app_mention")
    async def mentioned() -> None: ...

    workspace.app.events = frozenset({"app_mention"})
    await workspace.user("alice").mention("hello")
    await workspace.wait_for(workspace.deliveries)
    await clock.advance(3600)

    assert [one.acked for one in workspace.deliveries()] == [True]


async def test_an_unmatched_event_is_never_acked_by_bolt(
    socket_app: AsyncApp, workspace: Workspace, clock: HandClock
) -> None:
    workspace.app.events = frozenset({"app_mention"})
    arrived = asyncio.Event()

    @socket_app.middleware
    async def seen(next: Any) -> None:
        await next()
        arrived.set()

    await workspace.user("alice").mention("nobody listens")
    await arrived.wait()
    await clock.advance(3.1)
    await workspace.wait_for(workspace.deliveries)

    assert [(one.acked, one.reason) for one in workspace.deliveries()] == [(False, "timeout")]


async def test_an_http_error_is_retried_with_its_reason(http_app: AsyncApp, workspace: Workspace) -> None:
    workspace.app.events = frozenset({"app_mention"})

    await workspace.user("alice").mention("nobody listens")
    await workspace.wait_for(lambda: len(workspace.deliveries()) == 2)

    assert [(one.parcel.attempt, one.reason) for one in workspace.deliveries()] == [
        (0, "http_error"),
        (1, "http_error"),
    ]


async def test_deliver_twice_makes_one_event_arrive_two_times(kai: AsyncApp, workspace: Workspace) -> None:
    ids: list[str] = []

    @kai.event("app_mention")
    async def mentioned(body: Json) -> None:
        ids.append(body["event_id"])

    workspace.app.events = frozenset({"app_mention"})
    workspace.faults.deliver_twice()
    await workspace.user("alice").mention("hello")
    await workspace.wait_for(lambda: len(ids) == 2)

    assert len(set(ids)) == 1


async def test_a_command_that_was_recorded_can_be_replayed(kai: AsyncApp, workspace: Workspace) -> None:
    triggers: list[str] = []

    @kai.command("/kai")
    async def listener(ack: Any, command: Json) -> None:
        await ack()
        triggers.append(command["trigger_id"])

    await workspace.user("alice").command("/kai status")
    recorded = workspace.faults.last_request or workspace.faults.last_delivery
    status = await workspace.faults.replay(recorded)

    assert status == 200
    assert len(triggers) == 2
    assert len(set(triggers)) == 1


async def test_bolt_dials_in_again_when_the_socket_is_cut(socket_app: AsyncApp, workspace: Workspace) -> None:
    heard = _listen(socket_app)

    await workspace.faults.drop_socket()
    await workspace.connected(2)
    await workspace.user("alice").mention("still there?")
    await workspace.wait_for(lambda: heard)

    assert heard == ["<@U0KAI> still there?"]


async def test_bolt_dials_in_again_when_slack_asks_for_it(socket_app: AsyncApp, workspace: Workspace) -> None:
    heard = _listen(socket_app)

    await workspace.faults.refresh_socket()
    await workspace.connected(2)
    await workspace.user("alice").mention("still there?")
    await workspace.wait_for(lambda: heard)

    assert heard == ["<@U0KAI> still there?"]


async def test_an_event_during_an_outage_is_delivered_afterwards(
    workspace: Workspace, clock: HandClock, dial: Dial
) -> None:
    workspace.app.events = frozenset({"app_mention"})
    await workspace.user("alice").mention("anybody there?")
    await workspace.wait_for(lambda: len(workspace.deliveries()) == 2)
    heard = _listen(await dial())

    await clock.advance(61)
    await workspace.wait_for(lambda: heard)

    assert [(one.parcel.attempt, one.acked) for one in workspace.deliveries()] == [(0, False), (1, False), (2, True)]


async def test_of_two_connections_each_envelope_goes_down_one(workspace: Workspace, dial: Dial) -> None:
    workspace.app.events = frozenset({"app_mention"})
    first_heard, second_heard = _listen(await dial()), _listen(await dial())

    for number in range(4):
        await workspace.user("alice").mention(str(number))
    await workspace.wait_for(lambda: len(first_heard) + len(second_heard) == 4)

    assert sorted(first_heard + second_heard) == [f"<@U0KAI> {number}" for number in range(4)]
    assert first_heard
    assert second_heard


async def test_an_app_that_is_not_there_is_an_error_for_the_person(workspace: Workspace) -> None:
    reply = await workspace.user("alice").command("/kai status")

    assert (reply.acked, reply.error) == (False, "operation_timeout")


@pytest.mark.parametrize(
    ("change", "age", "status"),
    [
        ({}, 0, 200),
        ({"X-Slack-Signature": "v0=" + "0" * 64}, 0, 401),
        ({"X-Slack-Request-Timestamp": "1"}, 0, 401),
        ({}, 6 * 60, 401),
    ],
    ids=["as signed", "bad signature", "another timestamp", "six minutes old"],
)
async def test_bolt_checks_what_we_sign(
    http_app: AsyncApp, workspace: Workspace, clock: HandClock, change: dict[str, str], age: float, status: int
) -> None:
    @http_app.command("/kai")
    async def listener(ack: Any) -> None:
        await ack()

    await workspace.user("alice").command("/kai status")
    parcel = workspace.faults.last_delivery.parcel
    request = make_request(workspace.app, parcel, at=clock.now() - age)

    answered = await workspace.faults.replay(request.with_headers(change))

    assert answered == status


async def test_a_body_that_was_changed_is_refused(http_app: AsyncApp, workspace: Workspace) -> None:
    @http_app.command("/kai")
    async def listener(ack: Any) -> None:
        await ack()

    await workspace.user("alice").command("/kai status")
    recorded = workspace.faults.last_request
    assert recorded is not None

    assert await workspace.faults.replay(recorded.with_body(recorded.body.replace("alice", "carol"))) == 401


async def test_an_address_that_does_not_answer_the_challenge_is_not_used(workspace: Workspace) -> None:
    assert not await workspace.use_http(f"{workspace.url}/upload/nothing")
    assert workspace.app.request_url is None


def _listen(app: AsyncApp) -> list[str]:
    heard: list[str] = []

    @app.event("app_mention")
    async def mentioned(event: Json) -> None:
        heard.append(event["text"])

    @app.event("message")
    async def said() -> None: ...

    return heard
