"""Acked and lost in a crash: whoever asked is told, once, and nobody else."""

from __future__ import annotations

from datetime import timedelta

from bot.slack.dispatch import Dispatch
from bot.slack.ephemeral import Asker
from bot.slack.inbox import ANSWER_WINDOW, TAKE_OVER_AFTER, Inbox
from bot.store import OriginKind
from bot.store.store import Store
from tests.bot.slack.conftest import Start
from tests.bot.store.words import NOW

ALICE = Asker("U0ALICE", "C0INCIDENTS", "slash 1.2.3", OriginKind.SLASH)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self):
        return self.now


async def lost(inbox: Inbox) -> list[tuple[str, str]]:
    return [(who.user, said) async for who, said in inbox.lost()]


async def test_what_a_dead_process_has_left_is_told_once(store: Store):
    clock = Clock()
    await Inbox(store, clock, alone=True).first(ALICE, "/kai netdebug web shop")
    after = Inbox(store, clock, alone=True)

    assert await lost(after) == [("U0ALICE", "/kai netdebug web shop")]
    assert await lost(after) == []


async def test_what_is_done_or_under_way_or_taken_on_is_not_lost(store: Store):
    clock = Clock()
    dead, alive = Inbox(store, clock, alone=True), Inbox(store, clock, alone=True)
    for key in ("done", "taken on"):
        await dead.first(Asker("U0ALICE", "C1", key, OriginKind.SLASH))
    await dead.done(Asker("U0ALICE", "C1", "done", OriginKind.SLASH))
    await store.seen.first_time("taken on", NOW, timedelta(hours=1), "1f00baa5e77e")
    await alive.first(Asker("U0ALICE", "C1", "under way", OriginKind.SLASH))

    assert await lost(alive) == []


async def test_another_replica_gets_its_time_and_nobody_is_told_of_what_is_long_past(store: Store):
    clock = Clock()
    await Inbox(store, clock, alone=False).first(ALICE)
    other = Inbox(store, clock, alone=False)

    soon = await lost(other)
    clock.now = NOW + TAKE_OVER_AFTER + timedelta(seconds=1)
    later = await lost(other)
    await Inbox(store, clock, alone=False).first(Asker("U0BOB", "C1", "slash 4", OriginKind.SLASH))
    clock.now += ANSWER_WINDOW + timedelta(seconds=1)

    assert (soon, later) == ([], [("U0ALICE", "")])
    assert await lost(other) == []


async def test_a_command_that_was_acked_and_not_taken_on_is_told_after_the_restart(start: Start, monkeypatch):
    import asyncio

    began = asyncio.Event()

    async def never(self, text, who):
        began.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("bot.app.GRACE", 0.01)
    with monkeypatch.context() as hanging:
        hanging.setattr(Dispatch, "command", never)
        async with start() as kai:
            reply = await kai.workspace.user("alice").command("/kai netdebug api-server production")
            await began.wait()
    async with start() as kai:
        (said,) = await kai.whispers("alice")

    assert reply.acked
    assert said.startswith("KAI was restarted before it could take this on. Please ask again: /kai netdebug api-server")
