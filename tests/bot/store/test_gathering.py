"""Rows that come together are written together; each of them is told of its own fate only."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bot.store.gathering import GatheredWrites


class Slow:
    """A write that waits until it may go on, refuses a row, and holds up another batch for good."""

    def __init__(self, refused: str = "", held: str = "") -> None:
        self.batches: list[list[str]] = []
        self.may_go_on = asyncio.Event()
        self.is_held = asyncio.Event()
        self._refused, self._held = refused, list(held)

    async def __call__(self, rows: Sequence[str]) -> None:
        self.batches.append(list(rows))
        await self.may_go_on.wait()
        if self._held == rows:
            self.is_held.set()
            await asyncio.Event().wait()
        if self._refused in rows:
            raise ValueError(self._refused)


async def begun(writes: GatheredWrites[str], rows: str) -> list[asyncio.Task[None]]:
    tasks = []
    for row in rows:
        tasks.append(asyncio.create_task(writes.add(row)))
        await asyncio.sleep(0)
    return tasks


async def test_what_comes_while_others_are_written_is_one_transaction() -> None:
    write = Slow()
    tasks = await begun(GatheredWrites(write), "abcd")

    write.may_go_on.set()
    await asyncio.gather(*tasks)

    assert write.batches == [["a"], ["b", "c", "d"]]


async def test_a_row_alone_is_written_at_once() -> None:
    write = Slow()
    write.may_go_on.set()

    await GatheredWrites(write).add("a")

    assert write.batches == [["a"]]


async def test_a_row_that_is_refused_fails_alone() -> None:
    write = Slow(refused="c")
    tasks = await begun(GatheredWrites(write), "abcd")

    write.may_go_on.set()
    said = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(each) for each in said] == [type(None), type(None), ValueError, type(None)]


async def test_who_gives_up_in_the_middle_takes_no_row_of_others_along() -> None:
    write = Slow()
    tasks = await begun(GatheredWrites(write), "abc")

    await given_up(tasks[0])
    write.may_go_on.set()
    await asyncio.gather(*tasks[1:])

    assert write.batches == [["a"], ["b", "c"]]


async def test_who_gives_up_while_rows_are_tried_one_by_one_leaves_nobody_waiting() -> None:
    write = Slow(refused="b", held="b")
    tasks = await begun(GatheredWrites(write), "abc")
    write.may_go_on.set()
    await write.is_held.wait()

    await given_up(tasks[1])
    await asyncio.wait_for(tasks[2], 5)

    assert write.batches == [["a"], ["b", "c"], ["b"], ["c"]]


async def test_a_row_whose_writer_gave_up_is_not_written_later() -> None:
    write = Slow()
    writes = GatheredWrites(write)
    tasks = await begun(writes, "ab")

    await given_up(tasks[1])
    write.may_go_on.set()
    await tasks[0]
    await writes.add("z")

    assert write.batches == [["a"], ["z"]]


async def given_up(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
