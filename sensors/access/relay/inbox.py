"""Hands messages from several streams to one reader, with a bound: who sends faster than we read has to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from sensors.hubble.records import HubbleMessage


class MessageQueue:
    """A queue of messages that is emptied in batches, so that a batch is as large as the reader is slow.

    Waiting senders do not read from their stream, and flow control makes the server wait in turn. `most` is in bytes
    as they came over the wire.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._load = 0
        self._waiting: list[HubbleMessage] = []
        self._is_closed = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, messages: Iterable[HubbleMessage], size: int = 0) -> None:
        await self._room.wait()
        self._waiting += messages
        self._load += size
        if self._waiting:
            self._news.set()
        if self._load >= self._most and self._waiting:
            self._room.clear()

    def close(self) -> None:
        """No more will come; what waits is still handed out."""
        self._is_closed = True
        self._news.set()

    async def take(self) -> list[HubbleMessage]:
        """All that has come since the last time, at least one; [] when no more will come."""
        while not self._waiting and not self._is_closed:
            self._news.clear()
            await self._news.wait()
        batch, self._waiting, self._load = self._waiting, [], 0
        self._room.set()
        return batch
