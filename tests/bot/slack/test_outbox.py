"""The queue to Slack: in order, no faster than allowed, the newest state wins."""

from __future__ import annotations

import asyncio

import pytest

from bot.report.blocks import Said, plain_text, section
from bot.slack.connection import web_client
from bot.slack.outbox import LATER, Outbox, Stopped, Unwelcome, Vanished
from lab.workspace import Workspace


class Pauses:
    """Notes each pause and takes none, but lets others run; `closed` holds everybody up until it is opened."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await self.open.wait()
        await asyncio.sleep(0)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def outbox(workspace: Workspace, pauses: Pauses) -> Outbox:
    client = web_client(workspace.app.bot_token, workspace.api_url, patient=False)
    return Outbox(client, pace=1.1, sleep=pauses)


def said(text: str) -> Said:
    return Said(text, (section(text),))


async def test_messages_of_a_channel_keep_their_order_and_their_distance(workspace, outbox, pauses):
    await asyncio.gather(*(outbox.post("C0INCIDENTS", said(str(number))) for number in range(20)))
    await outbox.drain(5)

    assert [each["text"] for each in workspace.messages()] == [str(number) for number in range(20)]
    assert pauses.taken == [1.1] * 20


async def test_a_verdict_overtakes_evidence_that_waits(workspace, outbox):
    evidence = [outbox.post("C0INCIDENTS", said(f"evidence {n}"), lane=LATER) for n in range(3)]
    tasks = [asyncio.create_task(each) for each in evidence]
    await asyncio.sleep(0)
    await asyncio.gather(outbox.post("C0INCIDENTS", said("verdict")), *tasks)

    assert [each["text"] for each in workspace.messages()] == ["evidence 0", "verdict", "evidence 1", "evidence 2"]


async def test_of_many_states_that_wait_only_the_newest_is_shown(workspace, outbox, pauses):
    _, ts = await outbox.post("C0INCIDENTS", said("looking"))
    pauses.open.clear()
    for number in range(50):
        outbox.refresh("C0INCIDENTS", ts, said(f"{number} of 50"))
    pauses.open.set()
    await outbox.drain(5)

    assert workspace.message(ts)["text"] == "49 of 50"
    assert len(workspace.calls("chat.update")) <= 2


async def test_an_end_state_throws_away_the_progress_that_waits(workspace, outbox, pauses):
    _, ts = await outbox.post("C0INCIDENTS", said("looking"))
    pauses.open.clear()
    outbox.refresh("C0INCIDENTS", ts, said("13 of 14"))
    pauses.open.set()
    await outbox.update("C0INCIDENTS", ts, said("verdict"))
    await outbox.drain(5)

    assert workspace.message(ts)["text"] == "verdict"
    assert [call.args["text"] for call in workspace.calls("chat.update")][-1] == "verdict"


async def test_retry_after_is_waited_for_as_often_as_slack_says(workspace, outbox, pauses):
    workspace.faults.storm_429(7, seconds=30)
    posted = [outbox.post("C0INCIDENTS", said(str(number))) for number in range(3)]
    await asyncio.gather(*posted)
    await outbox.drain(5)

    assert [each["text"] for each in workspace.messages()] == ["0", "1", "2"]
    assert pauses.taken.count(30.0) == 7


async def test_a_429_that_is_not_in_json_is_waited_for_as_well(workspace, outbox, pauses, monkeypatch):
    """What stands before Slack says it in words of its own."""
    from aiohttp import web

    from lab.workspace.api import WebApi

    def too_many(self, app, method, args, wait):
        return web.Response(status=429, text="slow down", headers={"Retry-After": str(wait)})

    monkeypatch.setattr(WebApi, "_too_many", too_many)
    workspace.faults.storm_429(2, seconds=30)
    await outbox.post("C0INCIDENTS", said("one"))

    assert [each["text"] for each in workspace.messages()] == ["one"]
    assert pauses.taken.count(30.0) == 2


async def test_a_channel_in_which_kai_is_not_is_told_from_other_failures(workspace, outbox):
    with pytest.raises(Unwelcome) as refused:
        await outbox.post("C0RANDOM", said("hello"))

    assert refused.value.error == "not_in_channel"


async def test_a_message_that_is_gone_is_told(outbox):
    with pytest.raises(Vanished):
        await outbox.update("C0INCIDENTS", "1.2", said("verdict"))


async def test_a_message_that_is_too_long_is_sent_as_its_text(workspace, outbox, caplog):
    await outbox.post("C0INCIDENTS", Said("the verdict", tuple(section("x" * 2900) for _ in range(5))))

    (message,) = workspace.messages()
    assert (message["text"], message["blocks"]) == ("the verdict", [])
    assert "characters in all blocks" in caplog.text


async def test_blocks_that_slack_refuses_for_a_reason_we_do_not_know_are_left_out(workspace, outbox, monkeypatch):
    from lab.workspace import block_shapes

    monkeypatch.setitem(block_shapes.BLOCKS, "header", lambda value, place: iter(["no headers today"]))
    await outbox.post("C0INCIDENTS", Said("the verdict", ({"type": "header", "text": plain_text("x")},)))

    assert [(each["text"], each["blocks"]) for each in workspace.messages()] == [("the verdict", [])]


async def test_one_channel_does_not_wait_for_another(workspace, outbox, pauses):
    pauses.open.clear()
    await outbox.post("C0INCIDENTS", said("one"))
    await outbox.post("C0ALERTS", said("two"))
    pauses.open.set()

    assert [each["text"] for each in workspace.messages("alerts")] == ["two"]


async def test_who_waits_for_a_message_at_a_shutdown_is_told(outbox, pauses):
    pauses.open.clear()
    await outbox.post("C0INCIDENTS", said("one"))
    waiting = asyncio.create_task(outbox.post("C0INCIDENTS", said("two")))
    await asyncio.sleep(0)

    assert await outbox.drain(0.01) is False
    with pytest.raises(Stopped):
        await waiting


async def test_who_speaks_after_the_end_is_told_and_no_task_is_left(workspace, outbox, pauses):
    pauses.open.clear()
    await outbox.post("C0INCIDENTS", said("one"))
    await outbox.close()
    outbox.refresh("C0INCIDENTS", "1.2", said("progress"))

    with pytest.raises(Stopped):
        await outbox.post("C0INCIDENTS", said("two"))
    assert [task for task in asyncio.all_tasks() if "Outbox" in task.get_coro().__qualname__] == []
    assert [each["text"] for each in workspace.messages("incidents")] == ["one"]
