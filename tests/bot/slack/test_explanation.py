"""Claude in Slack, on a server that speaks its API: the rules' verdict first, its explanation on the same message."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab.workspace import Workspace
from tests.bot.slack.conftest import Kai, Start, text_of
from tests.flows.agent.answers import FAIR, answer, is_asking, settings_for
from tests.kit.cases import CASES
from tests.kit.messages_api import MessagesApi, asks, error, says, serving


@pytest.fixture
async def api() -> AsyncIterator[MessagesApi]:
    async with serving(MessagesApi([says(FAIR)])) as api:
        yield api


async def explained(kai: Kai, words: str) -> str:
    """The root message as soon as it says that."""
    root = await kai.workspace.wait_for(lambda: words in text_of(kai.root()) and kai.root())
    return text_of(root)


def _said_with(kai: Kai, words: str) -> str:
    """The first message of the thread that holds these words; empty while there is none."""
    thread = (text_of(each) for each in kai.workspace.thread(kai.root()["ts"]))
    return next((each for each in thread if words in each), "")


async def test_the_explanation_joins_the_verdict_on_the_same_message(start: Start, api: MessagesApi):
    async with start(claude=settings_for(api)) as kai:
        await kai.workspace.user("alice").command("/kai netdebug api-server production")
        said = await explained(kai, "explains the verdict of the rules")

        thread = await kai.workspace.wait_for(lambda: _said_with(kai, "1 call"))

    assert said.index("blocks production/api-server") < said.index("explains the verdict of the rules")
    assert "claude-sonnet-5-5: 1 call" in thread
    assert api.calls == 1


async def test_the_verdict_of_the_rules_does_not_wait_for_a_slow_answer(start: Start, api: MessagesApi):
    api.answers = [says(FAIR, delay=30)]
    async with start(claude=settings_for(api, timeout=1.0)) as kai:
        await kai.workspace.user("alice").command("/kai netdebug api-server production")
        first = text_of(await kai.verdict())
        last = await explained(kai, "did not answer within 1 s")

    assert "Claude" not in first.replace("kai", "")
    assert "blocks production/api-server" in last


async def test_a_failure_is_one_sentence_and_the_verdict_stays(start: Start, api: MessagesApi):
    api.answers = [error(401)]
    async with start(claude=settings_for(api)) as kai:
        await kai.workspace.user("alice").command("/kai netdebug api-server production")
        said = await explained(kai, "the API does not accept the key (401)")

    assert "blocks production/api-server" in said


async def test_a_look_that_claude_asks_for_is_shown_in_the_thread_and_the_rules_decide(
    start: Start, api: MessagesApi, workspace: Workspace
):
    """The flow of policy drops does not look at connection tables; the deciding look is asked for by our answer."""
    fair = answer(("The connection table of the pod's node is full.", ("E7",)), cause_class="conntrack.full")
    api.script = lambda body: asks("ask_sensor", sensor="net.conntrack_usage") if is_asking(body) else says(fair)
    flow = "flow.k8s_policy_drops"
    async with start(claude=settings_for(api), case=Path(CASES / "edge-to-sessions"), flow=flow) as kai:
        await workspace.user("alice").command("/kai netdebug edge edge")
        await kai.workspace.wait_for(lambda: "one more look" in str(kai.workspace.thread(kai.root()["ts"])))
        said = await explained(kai, "explains the verdict of the rules")

    assert "The connection table of node lab1 is full" in said
    assert api.calls == 2


async def test_without_a_key_nothing_is_asked_and_nothing_is_said_of_it(kai: Kai):
    await kai.workspace.user("alice").command("/kai netdebug api-server production")
    await kai.told()

    assert "Claude" not in text_of(kai.root())


async def test_a_question_that_the_rules_do_not_cover_is_answered_in_the_thread_with_its_evidence(
    start: Start, api: MessagesApi
):
    spoken = {
        "statements": [
            {"text": "Hubble saw 847 packets dropped on the way to 172.30.0.11.", "evidence": ["E1"]},
            {"text": "It began 17 days ago.", "evidence": ["E1"]},
        ],
        "measured": True,
        "look": "none",
    }
    api.script = lambda body: says(
        spoken if "measured" in body["output_config"]["format"]["schema"]["properties"] else FAIR
    )
    async with start(claude=settings_for(api)) as kai:
        await kai.workspace.user("alice").command("/kai netdebug api-server production")
        await explained(kai, "explains the verdict of the rules")
        ask = "who loses the packets on their way out?"
        await kai.workspace.user("bob").mention(ask, thread_ts=kai.root()["ts"])
        said = await kai.workspace.wait_for(lambda: _said_with(kai, "[E1]"))

    assert "Hubble saw 847 packets dropped on the way to 172.30.0.11. [E1]" in said
    assert "1 statement was struck out" in said
    assert "17 days" not in said
