"""Rows that come while others are being written wait for them, and are then written together (group commit).

A look brings a dozen answers within milliseconds. In a transaction each, they queue up before whatever else is to be
written: an alert that is taken in would wait for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Row = TypeVar("Row")


@dataclass(eq=False, slots=True)
class WaitingRow(Generic[Row]):
    """A row with what came of it: None while nothing did."""

    row: Row
    written: bool = False
    failed: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.written or self.failed is not None


class GatheredWrites(Generic[Row]):
    """One write at a time. `write` puts all rows into one transaction, in their order."""

    def __init__(self, write: Callable[[Sequence[Row]], Awaitable[None]]) -> None:
        self._write = write
        self._turn = asyncio.Lock()
        self._waiting: list[WaitingRow[Row]] = []

    async def add(self, row: Row) -> None:
        """Waits until the row is written. Raises what its write raised; rows of others do not fail with it.

        Who is cancelled takes no row of others along, and its own is written by nobody later.
        """
        mine = WaitingRow(row)
        self._waiting.append(mine)
        try:
            async with self._turn:
                if not mine.is_done:
                    await self._write_all()
        finally:
            self._waiting = [each for each in self._waiting if each is not mine]
        if mine.failed is not None:
            raise mine.failed

    async def _write_all(self) -> None:
        """Rows stay among the waiting until they are done: whoever has the next turn writes those that are left."""
        batch = list(self._waiting)
        try:
            await self._put(batch)
        except Exception as why:  # noqa: BLE001 - each is told of its own
            await self._one_by_one(batch, why)
        self._waiting = [each for each in self._waiting if not each.is_done]

    async def _one_by_one(self, batch: Sequence[WaitingRow[Row]], why: Exception) -> None:
        if len(batch) == 1:
            batch[0].failed = why
            return
        for each in batch:
            try:
                await self._put([each])
            except Exception as own:  # noqa: BLE001 - each is told of its own
                each.failed = own

    async def _put(self, batch: Sequence[WaitingRow[Row]]) -> None:
        await self._write([each.row for each in batch])
        for each in batch:
            each.written = True
