"""The same conversation with KAI on two Slack-like servers, ours and one by others: what holds on one holds on both."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from bot.app import running
from bot.report.blocks import FIX
from bot.secret import Secret
from bot.settings import Settings, SlackSettings
from bot.triggers.form import NAMESPACE, POD, SINCE, TO
from flows.runner import ThreadRunner
from tests.kit.cases import CASES
from tests.peer.chat import Chat, Json, open_form, text_of, until
from tests.peer.local_slack import CHANNEL, local_slack
from tests.peer.ours import our_workspace

POD_NAME, SPACE = "api-server-79fd8d4cc-jzc5m", "production"
CAUSE = "strict-egress blocks production/api-server → the API server"

Start = Callable[[Path], AbstractAsyncContextManager[Chat]]
SERVERS = [
    pytest.param(lambda folder: our_workspace(), id="ours"),
    pytest.param(local_slack, id="local-slack", marks=pytest.mark.peer),
]


@pytest.fixture(params=SERVERS)
async def chat(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Chat]:
    """A server with KAI connected to it, looking at a recorded incident.

    local-slack does not say whether a channel is shared with another organisation, so its channel has consent.
    """
    logging.getLogger("slack_bolt").setLevel(logging.CRITICAL)
    start: Start = request.param
    async with start(tmp_path) as chat, running(settings(chat, tmp_path), runner=ThreadRunner()):
        await chat.connected()
        yield chat


def settings(chat: Chat, folder: Path) -> Settings:
    slack = SlackSettings(Secret(chat.bot_token), "socket", Secret(chat.app_token), api_url=chat.api_url, pace=0.01)
    slack = replace(slack, shared_channels=frozenset({CHANNEL}))
    where = Secret(f"sqlite:///{folder}/kai.db")
    return Settings(slack, where, CASES / "api-server-cannot-watch", host="127.0.0.1", port=0)


async def test_a_command_is_answered_with_the_verdict_and_its_evidence_in_the_thread(chat: Chat) -> None:
    await chat.command(f"/kai netdebug {POD_NAME} {SPACE}")

    root = await until(chat, verdict)
    evidence = await until(chat, lambda said: replies(said, root, 2))
    assert CAUSE in text_of(root)
    assert any("Failing: policy" in text_of(each) for each in evidence)


async def test_a_mention_is_answered_in_its_own_thread(chat: Chat) -> None:
    await chat.say(f"@kai netdebug {POD_NAME} {SPACE}")

    root = await until(chat, verdict)
    assert CAUSE in text_of(root)


async def test_a_button_shows_the_proof_to_who_pressed_it(chat: Chat) -> None:
    await chat.command(f"/kai netdebug {POD_NAME} {SPACE}")
    root = await until(chat, verdict)

    await chat.press(root, FIX)

    shown = text_of(await open_form(chat))
    assert "847 of 847 denied packets would be allowed" in shown
    assert "kubectl" in shown


async def test_a_form_is_opened_filled_in_and_answered(chat: Chat) -> None:
    await chat.command("/kai netdebug")
    view = await open_form(chat)

    await chat.submit(filled_in())

    assert [each.get("block_id") for each in view["blocks"]] == [NAMESPACE, POD, TO, SINCE]
    assert CAUSE in text_of(await until(chat, verdict))


async def test_why_in_the_thread_is_answered_there(chat: Chat) -> None:
    await chat.command(f"/kai netdebug {POD_NAME} {SPACE}")
    root = await until(chat, verdict)
    await until(chat, lambda said: replies(said, root, 2))

    await chat.say("why?", root["ts"])

    answers = await until(chat, lambda said: answers_to(said, root, "why?"))
    assert "847 packets dropped" in text_of(answers[-1])


async def test_a_mistake_is_told_to_who_made_it(chat: Chat) -> None:
    await chat.command("/kai netdebgu")

    told = await until(chat, lambda said: next((each for each in said if each.get("ephemeral")), None))
    assert "did you mean 'netdebug'" in text_of(told)


def filled_in() -> dict[str, Json]:
    def option(value: str) -> Json:
        chosen = {"text": {"type": "plain_text", "text": value}, "value": value}
        return {"type": "external_select", "selected_option": chosen}

    empty: Json = {"type": "plain_text_input", "value": None}
    return {NAMESPACE: option(SPACE), POD: option(POD_NAME), TO: empty, SINCE: empty}


def verdict(said: list[Json]) -> Json | None:
    """The message that says how the investigation ended."""
    return next((each for each in said if each["text"].startswith(("🔴", "🟡", "🟢"))), None)


def replies(said: list[Json], root: Json, least: int) -> list[Json] | None:
    found = [each for each in said if each.get("thread_ts") == root["ts"] != each["ts"]]
    return found if len(found) >= least else None


def answers_to(said: list[Json], root: Json, question: str) -> list[Json] | None:
    """What stands in the thread below that question and names the cause."""
    thread = replies(said, root, 1) or []
    at = next((at for at, each in enumerate(thread) if each["text"] == question), len(thread))
    return [each for each in thread[at + 1 :] if CAUSE in text_of(each)] or None
