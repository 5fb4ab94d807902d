from __future__ import annotations

import asyncio

from lab.workspace import HandClock


async def test_sleepers_wake_in_their_order_each_at_its_own_moment() -> None:
    clock = HandClock(1000.0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now()))

    tasks = [asyncio.create_task(sleeper(name, seconds)) for name, seconds in (("b", 20), ("a", 10), ("c", 99))]
    await asyncio.sleep(0)
    await clock.advance(30)

    assert woken == [("a", 1010.0), ("b", 1020.0)]
    assert clock.now() == 1030.0
    tasks[2].cancel()


async def test_a_sleeper_that_sleeps_again_while_the_clock_advances_wakes_again() -> None:
    clock = HandClock(0.0)
    ticks: list[float] = []

    async def ticker() -> None:
        while True:
            await clock.sleep(10)
            ticks.append(clock.now())

    task = asyncio.create_task(ticker())
    await asyncio.sleep(0)
    await clock.advance(35)

    assert ticks == [10.0, 20.0, 30.0]
    task.cancel()
