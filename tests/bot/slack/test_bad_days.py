"""What goes wrong between Slack and KAI: nothing is lost, nothing is done twice, and the order is kept."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiohttp import ServerDisconnectedError
from slack_sdk.errors import SlackRequestError
from slack_sdk.signature import SignatureVerifier

from lab.workspace import Workspace, block_shapes
from lab.workspace.shapes import complaint
from tests.bot.desk.actors import Hands
from tests.bot.slack.conftest import POD, Kai, Start, text_of

ASK = "/kai netdebug api-server production"


async def test_a_command_that_is_delivered_twice_is_one_investigation(either: Kai):
    either.workspace.faults.deliver_twice()

    await either.workspace.user("alice").command(ASK)
    await either.told()

    assert len(await either.served.store.investigations.recent()) == 1
    assert either.workspace.ephemerals("alice") == []


async def test_a_recorded_request_that_is_sent_again_starts_nothing(start: Start):
    async with start("http") as kai:
        await kai.workspace.user("alice").command(ASK)
        recorded = kai.workspace.faults.last_request
        await kai.told()
        status = await kai.workspace.faults.replay(recorded)
        await kai.served.outbox.drain(5)

        assert status == 200
        assert len(await kai.served.store.investigations.recent()) == 1
        assert len(kai.workspace.messages()) == 1


async def test_a_mention_whose_ack_gets_lost_comes_again_and_is_one_investigation(kai: Kai):
    kai.workspace.faults.lose_acks(1)

    await kai.workspace.user("alice").mention("netdebug api-server production")
    await kai.workspace.wait_for(lambda: len([d for d in kai.workspace.deliveries("events_api") if d.parcel.attempt]))
    await kai.workspace.wait_for(lambda: any(each.get("files") for each in thread_of(kai)))

    assert len(await kai.served.store.investigations.recent()) == 1


def thread_of(kai: Kai) -> list:
    return kai.workspace.thread(kai.workspace.messages()[0]["ts"])


async def test_a_storm_of_429_delays_and_loses_nothing_and_keeps_the_order(kai: Kai):
    kai.workspace.faults.storm_429(5, seconds=0)

    await kai.workspace.user("alice").command(ASK)
    thread = await kai.told()

    assert kai.root()["text"].startswith("🔴")
    assert [each["text"].split(":")[0] for each in thread] == ["*Failing", "Passed"]


async def test_a_socket_that_drops_in_the_middle_of_a_run_does_not_touch_the_run(start: Start):
    hands = Hands()
    async with start(look=hands.look) as kai:
        await kai.workspace.user("alice").command(f"/kai netdebug {POD} production")
        await hands.began[POD].wait()
        await kai.workspace.faults.drop_socket()
        hands.go[POD].set()
        await kai.verdict()
        await kai.workspace.wait_for(kai.workspace.sockets.lines)
        reply = await kai.workspace.user("alice").command("/kai help")

    assert reply.acked
    assert kai.root()["text"].startswith("🔴")


async def test_slack_may_ask_for_a_new_line_in_the_middle_of_a_run(kai: Kai):
    (old,) = kai.workspace.sockets.lines()
    await kai.workspace.faults.refresh_socket()

    await kai.workspace.wait_for(lambda: (lines := kai.workspace.sockets.lines()) and old not in lines)
    reply = await kai.workspace.user("alice").command(ASK)

    assert reply.acked
    assert (await kai.told())[0]["text"].startswith("*Failing: policy*")


async def test_a_restart_in_the_middle_of_a_run_answers_in_the_same_root(start: Start):
    hands = Hands()
    async with start(look=hands.look) as kai:
        await kai.workspace.user("alice").command(f"/kai netdebug {POD} production")
        await hands.began[POD].wait()
        await kai.workspace.wait_for(kai.root)
        before = kai.root()["ts"]
    async with start() as kai:
        await kai.told()

    assert kai.root()["ts"] == before
    assert kai.root()["text"].startswith("🔴")
    assert len(kai.workspace.thread(before)) == 2


async def test_a_restart_in_the_middle_of_the_evidence_says_the_rest_and_nothing_twice(start: Start):
    async with start(pace=0.2) as kai:
        await kai.workspace.user("alice").command(ASK)
        await kai.workspace.wait_for(lambda: len(kai.workspace.thread(kai.root()["ts"])) == 1)
        kai.workspace.world.apps["A0KAI"].request_url = None
    async with start() as kai:
        thread = await kai.told()

    assert len(thread) == 2
    assert len({each["text"] for each in thread}) == 2


async def test_what_was_posted_and_not_written_down_is_found_and_not_posted_again(start: Start, monkeypatch):
    """As if the process had died between Slack's answer and the store: the notes of three replies are lost."""
    from bot.store.messages import Messages

    real, lost = Messages.note, []

    async def forgetful(self, investigation, role, where, now):
        if role in ("picture", "reply.rest") and len(lost) < 2:
            lost.append(role)
            if len(lost) == 2:
                raise ConnectionError("the database went away")
            return
        await real(self, investigation, role, where, now)

    monkeypatch.setattr(Messages, "note", forgetful)
    async with start() as kai:
        await kai.workspace.user("alice").command(ASK)
        thread = await kai.told()

    assert len(thread) == 2
    assert len({each["text"] for each in thread}) == 2


async def test_a_slack_that_fails_for_a_moment_is_said_so_and_gets_the_verdict_when_it_is_back(kai: Kai, monkeypatch):
    from aiohttp import web

    from lab.workspace.api import WebApi

    real, failing = WebApi._answer, [True]

    async def broken(self, door, call):
        if failing and "text" in call.args and "thread_ts" not in call.args and not call.args.get("user"):
            raise web.HTTPServiceUnavailable
        return await real(self, door, call)

    monkeypatch.setattr(WebApi, "_answer", broken)
    await kai.workspace.user("alice").command(ASK)
    (said,) = await kai.whispers("alice")
    failing.clear()
    root = await kai.verdict()

    assert said.startswith("It is being looked into (id ")
    assert root["text"].startswith("🔴")
    assert len(await kai.served.store.investigations.recent()) == 1


@pytest.mark.parametrize("failure", [SlackRequestError("upload"), ServerDisconnectedError(), TimeoutError()])
async def test_a_picture_that_cannot_be_uploaded_is_missing_and_its_words_are_not(start: Start, monkeypatch, failure):
    async def broken(self, *args):
        raise failure

    monkeypatch.setattr("bot.slack.outbox.Outbox.upload", broken)
    async with start() as kai:
        await kai.workspace.user("alice").command(ASK)
        thread = await kai.told()
        await kai.written()

    assert kai.root()["text"].startswith("🔴")
    assert [each["text"].split(":")[0] for each in thread] == ["*Failing", "Passed"]


async def test_a_deleted_root_is_written_anew_with_its_verdict(start: Start):
    hands = Hands()
    async with start(look=hands.look) as kai:
        await kai.workspace.user("alice").command(f"/kai netdebug {POD} production")
        await kai.workspace.wait_for(kai.root)
        gone = kai.root()["ts"]
        kai.workspace.world.remove(kai.workspace.world.channel("incidents"), gone)
        hands.go[POD].set()
        root = await kai.verdict()

    assert root["ts"] != gone
    assert root["text"].startswith("🔴")


async def test_a_workspace_without_the_newer_blocks_gets_the_same_in_older_ones(start: Start, monkeypatch):
    for name in ("container", "context_actions"):
        monkeypatch.setitem(block_shapes.BLOCKS, name, lambda value, place: iter([complaint("unsupported", place)]))
    async with start() as kai:
        await kai.workspace.user("alice").command(ASK)
        thread = await kai.told()
        await kai.workspace.user("alice").press(kai.root(), "kai_right")
        await kai.workspace.wait_for(lambda: "👍 1" in str(kai.root()["blocks"]))

    refused = [call for call in kai.workspace.calls() if call.answer.get("error") == "invalid_blocks"]
    assert [block["type"] for block in kai.root()["blocks"]][-2:] == ["actions", "context"]
    assert "847 packets dropped" in text_of(thread[0])
    assert len(refused) == 1  # once is enough to learn it


async def test_what_nobody_knows_is_acked_so_that_slack_does_not_send_it_again(either: Kai):
    alice = either.workspace.user("alice")
    await alice.react(await alice.say("hm"), "eyes")
    await either.workspace.wait_for(lambda: len(either.workspace.deliveries("events_api")) >= 2)

    assert all(each.acked for each in either.workspace.deliveries())


async def test_an_unsigned_request_is_refused_unread_and_costs_a_line(start: Start, caplog):
    import aiohttp

    async with start("http") as kai, aiohttp.ClientSession() as session:
        headers = [
            {},
            {"X-Slack-Request-Timestamp": "soon"},
            {"X-Slack-Request-Timestamp": "1", "X-Slack-Signature": "v0=1"},
            {"X-Slack-Request-Timestamp": "9" * 5000, "X-Slack-Signature": "v0=1"},
            {"X-Slack-Request-Timestamp": str(int(time.time())), "X-Slack-Signature": "v0=1"},
        ]
        statuses = [
            (await session.post(f"{kai.served.url}/slack/events", data=body, headers=each)).status
            for each in headers
            for body in (b"payload={}", b"\xff\xfe{")
        ]

    lines = [each for each in caplog.records if "is not signed by Slack" in each.getMessage()]
    assert statuses == [401] * 10
    assert [each.exc_info for each in lines] == [None] * 10


async def test_a_signed_request_that_is_none_costs_a_line_and_not_a_trace(start: Start, workspace: Workspace, caplog):
    import aiohttp

    body = b'{"type": '
    stamp = str(int(time.time()))
    signature = SignatureVerifier(workspace.app.signing_secret).generate_signature(timestamp=stamp, body=body)
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": str(signature)}
    headers["Content-Type"] = "application/json"
    async with start("http") as kai, aiohttp.ClientSession() as session:
        answer = await session.post(f"{kai.served.url}/slack/events", data=body, headers=headers)

    assert answer.status == 400
    assert [each.exc_info for each in caplog.records if "cannot be read" in each.getMessage()] == [None]


async def test_a_failure_of_ours_is_told_to_the_asker_and_not_swallowed(kai: Kai, monkeypatch, caplog):
    async def broken(self, most: int = 20):
        raise OSError("disk on fire")

    monkeypatch.setattr("bot.store.investigations.Investigations.recent", broken)
    await kai.workspace.user("alice").command("/kai history")
    (said,) = await kai.whispers("alice")

    assert said.startswith("Something went wrong here")
    assert "disk on fire" in caplog.text


async def test_a_hundred_commands_at_once_are_all_acked_and_all_answered(kai: Kai):
    people = [kai.workspace.user(name) for name in ("alice", "bob", "carol")]

    replies = await asyncio.gather(
        *(people[number % 3].command(f"/kai netdebug no-such-{number} nowhere-{number}") for number in range(100))
    )
    answered = await kai.workspace.wait_for(lambda: _views_and_whispers(kai) >= 100)

    assert all(each.acked for each in replies)
    assert answered


def _views_and_whispers(kai: Kai) -> int:
    whispers = sum(len(kai.workspace.ephemerals(name)) for name in ("alice", "bob", "carol"))
    return whispers + len([call for call in kai.workspace.calls("views.open") if call.answer["ok"]])


@pytest.mark.parametrize("path", ["healthz", "readyz"])
async def test_a_probe_is_answered(kai: Kai, path: str):
    import aiohttp

    await kai.workspace.wait_for(lambda: kai.served.health.socket.is_up)
    async with aiohttp.ClientSession() as session:
        answer = await session.get(f"{kai.served.url}/{path}")
        said = await answer.json()

    assert (answer.status, said) == (200, {"status": "ok" if path == "healthz" else "ready"})


async def test_a_kai_that_stops_is_not_ready(kai: Kai):
    kai.served.health.stopping = True

    assert await kai.served.health.wrong() == "stopping"
