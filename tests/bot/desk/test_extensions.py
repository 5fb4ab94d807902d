"""What other parts of KAI add to the desk: durable runs, notes, and hearing of what follows a verdict."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from bot.desk.desk import Extensions
from bot.desk.journal import Journal, Steps, Workflow
from bot.desk.notes import Note
from bot.desk.opening import open_desk
from bot.desk.watching import Later, all_watching
from bot.store import Investigation, Message
from bot.store.messages import owe
from bot.store.store import Store
from flows.engine import Saw
from tests.bot.desk.actors import Hands, Wall, request
from tests.bot.store.words import NOW


@dataclass(frozen=True, slots=True)
class ProposalNote(Note):
    """A kind of note that the desk does not know."""


async def proposal_note(message: Message, it: Investigation, store: Store) -> Note | None:
    return ProposalNote(message.key, it)


@dataclass
class Counting:
    """A workflow of two steps; each is counted."""

    done: list[str]
    fails_once: bool = False

    async def body(self, steps: Steps, word: str) -> None:
        first = await steps.take("first", self.act, word)
        await steps.take("second", self.act, f"{first}!")

    async def act(self, word: str) -> str:
        self.done.append(word)
        return word


async def until(what) -> None:
    async with asyncio.timeout(60):
        while not what():  # noqa: ASYNC110 - the journal runs in threads of its own and tells nobody
            await asyncio.sleep(0.01)


async def test_a_workflow_of_another_part_runs_its_steps_once_however_often_it_is_started(url, hands: Hands):
    counting = Counting([])
    extensions = Extensions((Workflow("test.counting", counting.body),))
    async with open_desk(url, hands.look, Wall(), patience=0, extensions=extensions) as desk:
        for _ in range(3):
            await desk.journal.start("test.counting", "run-1", "hello")
        await until(lambda: len(counting.done) == 2)
    async with open_desk(url, hands.look, Wall(), patience=0, extensions=extensions) as desk:
        await desk.journal.start("test.counting", "run-1", "hello")

    assert counting.done == ["hello", "hello!"]


async def test_a_step_that_was_interrupted_is_taken_again_and_a_finished_one_is_not(url, hands: Hands):
    counting, blocked = Counting([]), asyncio.Event()

    async def body(steps: Steps, word: str) -> None:
        await steps.take("first", counting.act, word)
        await steps.take("wait", wait)
        await steps.take("last", counting.act, "last")

    async def wait() -> None:
        counting.done.append("waits")
        await blocked.wait()

    extensions = Extensions((Workflow("test.blocked", body),))
    async with open_desk(url, hands.look, Wall(), patience=0, extensions=extensions) as desk:
        await desk.journal.start("test.blocked", "run-2", "first")
        await until(lambda: "waits" in counting.done)
    blocked.set()
    async with open_desk(url, hands.look, Wall(), patience=0, extensions=extensions):
        await until(lambda: "last" in counting.done)

    assert counting.done == ["first", "waits", "waits", "last"]


async def test_two_workflows_of_one_name_are_refused(url, hands: Hands):
    same = Workflow("kai.deliver", Counting([]).body)

    with pytest.raises(ValueError, match=r"two workflows are named kai\.deliver"):
        async with open_desk(url, hands.look, Wall(), patience=0, extensions=Extensions((same,))):
            pass


async def test_a_note_of_another_kind_is_delivered_once(url, store: Store, hands: Hands, wall: Wall):
    async with open_desk(
        url, hands.look, wall, patience=0, extensions=Extensions(notes={"proposal": proposal_note})
    ) as desk:
        it = (await desk.start(request())).id
        async with store.database.writing() as connection:
            key = await owe(connection, it, "proposal.1", NOW)
        await desk.deliver(key)
        await desk.deliver(key)
        await until(lambda: wall.notes)

    assert [(type(each), each.role) for each in wall.notes] == [(ProposalNote, "proposal.1")]


async def test_a_watcher_that_fails_keeps_nothing_from_the_others(url, store: Store, hands: Hands):
    heard = []

    def broken(it: Investigation):
        async def watch(moment):
            raise RuntimeError("a metric failed")

        return watch

    def good(it: Investigation):
        async def watch(moment):
            heard.append(moment)

        return watch

    async with open_desk(url, hands.look, Wall(), patience=0, watching=all_watching(broken, good)) as desk:
        hands.go["api-server"].set()
        it = (await desk.start(request())).id
        ended = await desk.wait(it)

    assert ended is not None
    assert ended.verdict is not None
    assert any(isinstance(each, Saw) for each in heard)
    assert len(await store.investigations.evidence(it)) == len([each for each in heard if isinstance(each, Saw)])


async def test_what_comes_after_a_verdict_is_told_to_all_who_listen(url, hands: Hands):
    @dataclass(frozen=True, slots=True)
    class Explained(Later):
        words: str

    heard: list[Later] = []

    async def broken(moment: Later) -> None:
        raise RuntimeError("a listener failed")

    async def good(moment: Later) -> None:
        heard.append(moment)

    extensions = Extensions(listeners=(broken, good))
    async with open_desk(url, hands.look, Wall(), patience=0, extensions=extensions) as desk:
        await desk.tell(Explained("i1", "because"))

    assert heard == [Explained("i1", "because")]


async def test_a_sweep_of_another_part_is_called_and_may_fail(url, hands: Hands):
    swept: list[Journal] = []

    async def broken(journal: Journal) -> None:
        raise RuntimeError("once")

    async def good(journal: Journal) -> None:
        swept.append(journal)

    async with open_desk(url, hands.look, Wall(), patience=0, extensions=Extensions(sweeps=(broken, good))) as desk:
        assert swept == [desk.journal]
