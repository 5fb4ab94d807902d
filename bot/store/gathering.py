"""Rows that come while others are being written wait for them, and are then written together (group commit).

A look brings a dozen answers within milliseconds. In a transaction each, they queue up before whatever else is to be
written: an alert that is taken in would wait for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Row = TypeVar("Row")


class GatheredWrites(Generic[Row]):
    """One write at a time. `write` puts all rows into one transaction, in their order."""

    def __init__(self, write: Callable[[Sequence[Row]], Awaitable[None]]) -> None:
        self._write = write
        self._turn = asyncio.Lock()
        self._waiting: list[tuple[Row, asyncio.Future[None]]] = []

    async def add(self, row: Row) -> None:
        """Waits until the row is written. Raises what its write raised; rows of others do not fail with it."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, written))
        async with self._turn:
            if not written.done():
                await self._write_all()
        await written

    async def _write_all(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            await self._write([row for row, _ in batch])
        except Exception as why:  # noqa: BLE001 - each is told of its own
            await self._one_by_one(batch, why)
        except BaseException:
            self._waiting = [*batch, *self._waiting]  # whoever waits for the turn writes them
            raise
        for _, written in batch:
            if not written.done():
                written.set_result(None)

    async def _one_by_one(self, batch: Sequence[tuple[Row, asyncio.Future[None]]], why: Exception) -> None:
        for row, written in batch:
            try:
                if len(batch) == 1:
                    raise why
                await self._write([row])
            except Exception as own:  # noqa: BLE001
                written.set_exception(own)
