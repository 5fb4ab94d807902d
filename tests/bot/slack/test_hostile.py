"""A cluster whose every name and log line is an attack, answered in a real channel."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bot.desk.ports import LookResult, Watcher
from bot.store import Investigation
from flows.engine import Concluded, Saw
from flows.load import Step
from sensors.kit import Target
from tests.bot.report.hostile import ATTACK, LONG, attacked
from tests.bot.slack.conftest import POD, Kai, Start, text_of

OURS = re.compile(r"<@U0ALICE>|<!date\^\d+\^[^|>]*\|[^>]*>")


def attacker(words: str):
    """A look that finds the same attack everywhere."""

    async def look(it: Investigation, watcher: Watcher) -> LookResult:
        found = replace(attacked(words), investigation_id=it.id, target=Target(POD, "production", "10.96.0.1", 443))
        for number, (key, evidence) in enumerate(found.evidence.items()):
            await watcher(Saw(Step(f"s{number}", "sensor", evidence.sensor), key, evidence))
        await watcher(Concluded(found))
        return LookResult(found)

    return look


async def everything(kai: Kai) -> list[str]:
    """Whatever KAI says in channel, thread, windows, ephemeral messages and the home tab."""
    alice = kai.workspace.user("alice")
    await alice.command(f"/kai netdebug {POD} production")
    thread = await kai.told()
    windows = []
    for button in ("kai_fix", "kai_why"):
        await alice.press(kai.root(), button)
        windows.append(await kai.workspace.wait_for(lambda: (view := alice.view) not in windows and view))
    for question in ("why?", "show fix", "what did you not measure?", "how sure?", "evidence", "show evidence E1"):
        await alice.mention(question, thread_ts=kai.root()["ts"])
    await alice.command("/kai history")
    await alice.open_home()
    await kai.whispers("alice")
    home = await kai.workspace.wait_for(lambda: alice.home)
    count = len(thread) + 12
    thread = await kai.workspace.wait_for(lambda: len(t := kai.workspace.thread(kai.root()["ts"])) == count and t)
    said = [each for each in thread if each.get("bot_id")]
    return [text_of(each) for each in (kai.root(), *said, *kai.workspace.ephemerals("alice"), *windows, home)]


@pytest.mark.parametrize("words", [ATTACK, LONG], ids=["attack", "long"])
async def test_whatever_a_cluster_says_nobody_is_called_and_nothing_is_lost(start: Start, words: str):
    async with start(look=attacker(words)) as kai:
        said = await everything(kai)
        failed = [call.answer["error"] for call in kai.workspace.calls() if not call.answer["ok"]]

    shown = [OURS.sub("", text) for text in said]
    assert failed == []
    assert [text for text in shown if re.search(r"<[!@#]|<https?:|[\x00-\x08\x0b-\x1f\x7f\u202e]", text)] == []


async def test_words_of_a_person_come_back_escaped(kai: Kai):
    bob = kai.workspace.user("bob")

    await bob.command("/kai <!channel> &lt;!here&gt; https://evil.example")
    (said,) = await kai.whispers("bob")

    assert "<!" not in said
    assert "https://" not in said
