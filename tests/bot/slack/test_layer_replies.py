"""Evidence in the thread as it comes, in a look that takes its time; what is quick is told with the verdict at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.desk.ports import Looked, Watcher
from bot.slack import layer_replies as early
from bot.slack.progress import Progress
from bot.store import Investigation
from flows.engine import Concluded, Saw
from flows.load import Step, load_flows
from flows.model import Diagnosis
from tests.bot.report.examples import DENIED
from tests.bot.slack.conftest import POD, Kai, Start, text_of

ASK = f"/kai netdebug {POD} production"
STEPS = {each.ref: each for each in load_flows()["flow.k8s_network_debug"].looks}
FIRST = ("net.conntrack_usage", "dns.lookup")


class Slow:
    """Two sensors answer; everything else waits until it is let go."""

    def __init__(self) -> None:
        self.go, self.waits = asyncio.Event(), asyncio.Event()

    async def look(self, it: Investigation, watcher: Watcher) -> Looked:
        evidence = {each.sensor: (key, each) for key, each in DENIED.evidence.items()}
        any_key, any_evidence = next(iter(evidence.values()))
        for sensor, step in STEPS.items():
            if sensor in FIRST:
                await watcher(Saw(step, *evidence.get(sensor, (any_key, any_evidence))))
        self.waits.set()
        await self.go.wait()
        found = _of(it)
        await watcher(Concluded(found))
        return Looked(found)


def _of(it: Investigation) -> Diagnosis:
    return replace(DENIED, investigation_id=it.id, target=it.request.target)


def test_a_layer_that_misses_nothing_is_told_before_others_and_each_is_told_once():
    progress = Progress({"dns": ("a", "b"), "nat": ("c",), "policy": ("d",)}, 4)
    for name in ("a", "c"):
        progress.saw(Saw(Step(name, "sensor", name), f"E-{name}", next(iter(DENIED.evidence.values()))))

    told = [progress.ready() for _ in range(3)]

    assert [each and each[0] for each in told] == ["nat", "dns", None]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "EARLY", 0.0)


@pytest.fixture
async def slow(start: Start, at_once: None) -> AsyncIterator[tuple[Kai, Slow]]:
    it = Slow()
    async with start(look=it.look) as kai:
        await kai.workspace.user("alice").command(ASK)
        yield kai, it


def replies(kai: Kai) -> list[dict]:
    return kai.workspace.thread(kai.root()["ts"])


async def test_in_a_slow_look_each_layer_is_told_with_what_has_answered_and_nothing_is_judged(slow):
    kai, look = slow

    said = await kai.workspace.wait_for(lambda: kai.workspace.messages() and replies(kai)[2:] and replies(kai), 10)

    assert {each["text"].partition(":")[0] for each in said} == {
        "conntrack … 1 of 1 looks done, not judged yet",
        "dns … 1 of 3 looks done, not judged yet",
        "nat … 1 of 3 looks done, not judged yet",
    }
    assert not {"✖", "✔"} & set("".join(map(text_of, said)))
    assert kai.root()["text"].startswith("Looking into")
    look.go.set()
    await kai.told()


async def test_with_the_verdict_each_early_reply_is_edited_and_none_is_said_twice(slow):
    kai, look = slow
    early_one, *_ = await kai.workspace.wait_for(lambda: kai.workspace.messages() and replies(kai), 10)

    look.go.set()
    thread = await kai.told()

    names = [each["text"].split(" ✖ ")[0].split(" ✔ ")[0].split(" ? ")[0].split(" – ")[0] for each in thread[:-1]]
    assert sorted(names) == sorted(set(names))
    assert len(names) == 8
    assert (thread[0]["ts"], "not judged" in thread[0]["text"]) == (early_one["ts"], False)


async def test_after_a_restart_what_was_told_early_is_edited_not_said_again(start: Start, at_once: None):
    look = Slow()
    async with start(look=look.look) as kai:
        await kai.workspace.user("alice").command(ASK)
        await kai.workspace.wait_for(lambda: kai.workspace.messages() and replies(kai), 10)

    again = Slow()
    again.go.set()
    async with start(look=again.look) as kai:
        thread = await kai.told()

    assert [each["text"].startswith("dns") for each in thread].count(True) == 1
    assert not [each["text"] for each in thread if "not judged" in each["text"]]


async def test_a_look_that_is_quick_is_told_with_the_verdict_failures_first(start: Start):
    look = Slow()
    look.go.set()
    async with start(look=look.look) as kai:
        await kai.workspace.user("alice").command(ASK)
        thread = await kai.told()

    assert [call for call in kai.workspace.calls("chat.update") if "not judged" in str(call.answer)] == []
    assert " ✖ " in thread[0]["text"]


async def test_nothing_is_told_early_once_the_investigation_is_cancelled(slow):
    kai, _ = slow
    await kai.workspace.wait_for(lambda: kai.workspace.messages() and replies(kai)[2:], 10)
    ((it, _),) = await kai.served.store.investigations.recent()

    await kai.served.desk.cancel(it.id)
    await kai.workspace.wait_for(lambda: kai.root()["text"].startswith("– Cancelled"), 10)

    assert len(replies(kai)) == 3
