"""The conversation about a verdict: sixty phrasings in the thread, in the channel and in direct messages."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bot.answers.question import Topic
from bot.report.mrkdwn import BREAK
from tests.bot.answers.phrasings import PEOPLE_TALKING, PHRASINGS
from tests.bot.slack.conftest import POD, Kai, text_of

ANSWERED = tuple((asked, there) for asked, topic, there in PHRASINGS if topic is not Topic.AGAIN)


@pytest.fixture
async def root(kai: Kai) -> dict[str, Any]:
    await kai.workspace.user("alice").command("/kai netdebug api-server production")
    await kai.told()
    await kai.written()
    return kai.root()


def plain(message: dict[str, Any]) -> str:
    """As a reader sees it."""
    said = text_of(message).replace(BREAK, "")
    return re.sub(r"(?<!\w)\*|\*(?!\w)", "", said).replace("&gt;", ">").replace("&amp;", "&")


async def by_kai(kai: Kai, messages: Any, count: int) -> dict[str, Any]:
    """The newest message of KAI's once there are so many."""

    def newest() -> dict[str, Any] | None:
        found = [each for each in messages() if each.get("bot_id")]
        return found[-1] if len(found) == count else None

    return await kai.workspace.wait_for(newest)


def holds(said: str, there: str) -> bool:
    return re.sub(r"[*]", "", there) in said and len(said.strip()) > 10


async def test_each_question_in_the_thread_is_answered_there_without_a_call_by_name(kai: Kai, root):
    bob, wrong = kai.workspace.user("bob"), []
    thread = lambda: kai.workspace.thread(root["ts"])  # noqa: E731
    count = len([each for each in thread() if each.get("bot_id")])
    for number, (asked, there) in enumerate(ANSWERED, count + 1):
        await bob.say(asked, thread_ts=root["ts"])
        said = plain(await by_kai(kai, thread, number))
        wrong += [] if holds(said, there) else [(asked, said)]

    assert wrong == []
    assert kai.workspace.ephemerals("bob") == []


async def test_each_question_in_the_channel_is_answered_under_it_about_the_newest_verdict_there(kai: Kai, root):
    bob, wrong = kai.workspace.user("bob"), []
    for asked, there in ANSWERED:
        mine = await bob.mention(asked)
        said = plain(await by_kai(kai, lambda ts=mine["ts"]: kai.workspace.thread(ts), 1))
        wrong += [] if holds(said, there) and f"About production/{POD} → 10.96.0.1:443 · " in said else [(asked, said)]

    assert wrong == []


async def test_each_question_in_a_direct_message_is_a_question_and_no_command(kai: Kai, root):
    alice, wrong = kai.workspace.user("alice"), []
    for number, (asked, there) in enumerate(ANSWERED, 1):
        await alice.message_bot(asked)
        said = plain(await by_kai(kai, lambda: kai.workspace.direct_messages("alice"), number))
        wrong += [] if holds(said, there) and "is no command" not in said else [(asked, said)]

    assert wrong == []


async def test_what_is_asked_next_under_an_answer_needs_no_call_by_name(kai: Kai, root):
    bob = kai.workspace.user("bob")
    mine = await bob.mention("why?")
    await by_kai(kai, lambda: kai.workspace.thread(mine["ts"]), 1)
    await bob.say("since when", thread_ts=mine["ts"])

    assert "21:09:53 UTC" in plain(await by_kai(kai, lambda: kai.workspace.thread(mine["ts"]), 2))


async def test_people_who_talk_to_each_other_hear_nothing_from_kai(kai: Kai, root):
    bob = kai.workspace.user("bob")
    before = len(kai.workspace.thread(root["ts"]))
    for said in filter(None, PEOPLE_TALKING):
        await bob.say(said, thread_ts=root["ts"])
    await bob.say("why?", thread_ts=root["ts"])
    await kai.workspace.wait_for(lambda: kai.workspace.thread(root["ts"])[-1].get("bot_id"))
    thread = kai.workspace.thread(root["ts"])[before:]

    assert [each["text"] for each in thread if each.get("bot_id")] == [thread[-1]["text"]]


@pytest.mark.parametrize("asked", ["will it rain tomorrow?", "who wrote the poem"])
async def test_what_it_cannot_answer_it_says_once_to_the_asker_with_at_most_three_questions(kai: Kai, root, asked: str):
    await kai.workspace.user("bob").mention(asked, thread_ts=root["ts"])
    (said,) = await kai.whispers("bob")

    assert "I can't answer that from this investigation. Ask: " in said
    assert len(said.splitlines()[-1].split(" · ")) <= 3


async def test_run_again_in_the_thread_looks_once_more_in_the_same_root_message(kai: Kai, root):
    await kai.workspace.user("bob").say("run again pls", thread_ts=root["ts"])
    again = await kai.workspace.wait_for(
        lambda: "Same as " in text_of(kai.root()) and ": looking" not in text_of(kai.root()) and kai.root()
    )

    assert again["ts"] == root["ts"]


async def test_a_pod_that_is_named_in_a_sentence_is_looked_into(kai: Kai):
    await kai.workspace.user("alice").message_bot(f"why can {POD} not reach 10.96.0.1:443?")
    said = await kai.workspace.wait_for(
        lambda: next((m for m in kai.workspace.direct_messages("alice") if m["text"].startswith("🔴")), None)
    )

    assert f"{POD} → 10.96.0.1:443: blocked" in said["text"]


async def test_a_question_before_anything_was_looked_into_is_answered_with_the_form(kai: Kai):
    await kai.workspace.user("bob").message_bot("why?")
    said = await by_kai(kai, lambda: kai.workspace.direct_messages("bob"), 1)

    assert "Nothing has been investigated here yet" in text_of(said)
    assert said["blocks"][-1]["elements"][0]["action_id"] == "kai_open_form"


async def test_nonsense_in_a_direct_message_gets_one_line_and_the_form_not_a_list_of_commands(kai: Kai):
    await kai.workspace.user("bob").message_bot("what is the meaning of life")
    said = await by_kai(kai, lambda: kai.workspace.direct_messages("bob"), 1)

    assert "Which pod cannot talk?" in text_of(said)
    assert "cancel ID" not in text_of(said)


async def test_a_mistyped_command_is_still_a_command(kai: Kai):
    await kai.workspace.user("bob").message_bot("netdebgu api-server production")
    said = await by_kai(kai, lambda: kai.workspace.direct_messages("bob"), 1)

    assert "did you mean 'netdebug'?" in text_of(said)


async def test_a_question_behind_the_slash_command_is_answered_to_the_asker_alone(kai: Kai, root):
    await kai.workspace.user("bob").command("/kai since when")
    (said,) = await kai.whispers("bob")

    assert "21:09:53 UTC" in said
