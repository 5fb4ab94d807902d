"""Nobody looks for work while there is none, and work is begun at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from bot.desk import journal as module
from bot.desk.bell import BUSY_S, QUIET_S, Bell
from bot.desk.journal import Journal, Steps, Workflow
from bot.desk.limits import Limits


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def waits(bell: Bell, monkeypatch: pytest.MonkeyPatch, timeout: float) -> float:
    """How long somebody who asks for `timeout` waits, where nothing rings."""
    asked: list[float] = []

    def wait_for(until: Callable[[], bool], seconds: float) -> bool:
        asked.append(seconds)
        return until()

    monkeypatch.setattr(bell._changed, "wait_for", wait_for)
    assert bell.wait(timeout) is False
    return asked[0]


def test_after_a_ring_it_is_looked_as_usual_and_later_once_in_a_while(monkeypatch: pytest.MonkeyPatch):
    clock = Time()
    bell = Bell(clock)
    assert waits(bell, monkeypatch, 0.4) == 0.4
    clock.now += BUSY_S
    assert waits(bell, monkeypatch, 0.4) == QUIET_S
    bell.ring()
    assert waits(bell, monkeypatch, 0.4) == 0.4


def test_each_of_those_who_wait_hears_a_ring_once_even_one_that_came_while_he_looked():
    clock = Time()
    bell = Bell(clock)
    clock.now += BUSY_S
    heard = []

    def look() -> None:
        heard.append(bell.wait(0.4))
        heard.append(bell.wait(0.4))

    those = [threading.Thread(target=look, daemon=True) for _ in range(3)]
    for each in those:
        each.start()
    while len(heard) < 3:
        bell.ring()
    bell.set()
    for each in those:
        each.join(5)

    assert heard.count(True) >= 3
    assert not any(each.is_alive() for each in those)


class Patient(Bell):
    """Knows for how long each thread waits that looks at the queues."""

    def __init__(self, clock: Callable[[], float], **how: Any) -> None:
        super().__init__(clock, **how)
        self.waits: dict[str, float] = {}

    def _for(self, usual: float) -> float:
        self.waits[threading.current_thread().name] = seconds = super()._for(usual)
        return seconds


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - the threads of dbos tell nobody
            await asyncio.sleep(0.02)


async def test_what_is_queued_in_the_quiet_is_begun_at_once_and_nothing_is_asked_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    clock, begun, statements = Time(), asyncio.Event(), []
    bells: list[Patient] = []
    monkeypatch.setattr(module, "Bell", lambda **how: bells.append(Patient(clock, **how)) or bells[-1])
    engine_of = module.journal_engine

    def counted(url: str) -> Any:
        engine = engine_of(url)
        event.listen(engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
        return engine

    async def body(steps: Steps) -> None:
        begun.set()

    monkeypatch.setattr(module, "journal_engine", counted)
    journal = Journal(f"sqlite:///{tmp_path}/kai.db", "desk", Limits(), ("default",))
    await journal.open((Workflow("a", body),))
    try:
        await until(lambda: "queue-worker-investigate-default" in bells[0].waits)  # the last of its threads
        clock.now += BUSY_S
        await until(lambda: min(bells[0].waits.values()) == QUIET_S)
        statements.clear()
        await asyncio.sleep(1.5)
        assert [each for each in statements if "workflow_status" in each or "queues" in each] == []
        await journal.queue("a", "run-1", "default", "shop")
        await asyncio.wait_for(begun.wait(), QUIET_S - 1)
    finally:
        await journal.close()


def test_where_others_are_not_heard_it_is_looked_as_usual(monkeypatch: pytest.MonkeyPatch):
    """A connection that is lost, or that never brings a word: as if there were no bell."""
    clock, hears = Time(), [True]
    bell = Bell(clock, quiet_s=30.0, is_heard=lambda: hears[0])
    clock.now += BUSY_S
    assert waits(bell, monkeypatch, 0.4) == 30.0
    hears[0] = False
    assert bell.is_busy
    assert waits(bell, monkeypatch, 0.4) == 0.4
