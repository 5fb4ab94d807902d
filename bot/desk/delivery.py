"""Says what is owed, once: the outbox between the store and whoever posts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.desk.journal import Journal, delivery_id
from bot.desk.ports import CannotPost, Note, Poster
from bot.store import Message, MessageState, Posted
from bot.store.store import Store

log = logging.getLogger(__name__)

LONGEST_PAUSE = 300.0
GIVE_UP = 40
"""Attempts, with pauses of up to five minutes: half a night without Slack."""


class Delivery:
    """Posts messages and remembers that it did. `mine` are the investigations that this process itself has started."""

    def __init__(self, store: Store, poster: Poster, now: Callable[[], datetime]) -> None:
        self._store, self._poster, self._now = store, poster, now
        self.mine: set[str] = set()

    async def owed(self, investigation: str) -> str | None:
        """The key of what is still to be said about an investigation that is over."""
        said = await self._store.messages.of(investigation)
        waiting = (MessageState.PENDING, MessageState.ATTEMPTED)
        return next((each.key for each in said if each.state in waiting), None)

    async def deliver(self, key: str, attempt: int) -> None:
        """Post it, if it is not posted. A run of the journal: it may be killed anywhere, and is then called again."""
        message = await self._store.messages.get(key)
        note = None if message is None else await self._note(message)
        if message is None or note is None or not await self._store.messages.attempt(key, attempt + 1):
            return
        doubtful = message.attempts > 0 or message.investigation not in self.mine
        (said,) = await asyncio.gather(self._post(note, doubtful), return_exceptions=True)
        await self._keep(key, attempt, said)

    async def _post(self, note: Note, doubtful: bool) -> Posted:
        """After a crash, an earlier attempt may have come through: ask first."""
        found = await self._poster.find(note) if doubtful else None
        return found or await self._poster.post(note)

    async def _keep(self, key: str, attempt: int, said: Posted | BaseException) -> None:
        if isinstance(said, Posted):
            await self._store.messages.posted(key, said)
            self.mine.discard(key.partition(".")[0])
        elif isinstance(said, CannotPost) or attempt + 1 >= GIVE_UP:
            log.error("%s cannot be posted: %s", key, said)
            await self._store.messages.give_up(key, str(said))
        elif isinstance(said, Exception):
            log.warning("%s could not be posted and will be tried again: %s", key, said)
            await self._store.messages.put_off(key, self._now() + pause_after(attempt), str(said))
        else:
            raise said

    async def _note(self, message: Message) -> Note | None:
        it = await self._store.investigations.get(message.investigation)
        if it is None:
            return None
        verdict = await self._store.investigations.verdict(it.id) if message.role == "verdict" else None
        return Note(message.key, message.role, it, verdict)

    async def sweep(self, journal: Journal) -> None:
        """Start what is overdue and not being delivered by anybody, in any replica."""
        overdue = await self._store.messages.due(self._now())
        last = {each.key: max(each.attempts - 1, 0) for each in overdue}
        runs = await journal.runs([delivery_id(key, attempt) for key, attempt in last.items()])
        for key, attempt in last.items():
            run = runs.get(delivery_id(key, attempt))
            if run is None or not run.is_active:
                await journal.deliver(key, attempt if run is None else attempt + 1)


def pause_after(attempt: int) -> timedelta:
    """1, 2, 4 … seconds, and never more than five minutes."""
    return timedelta(seconds=min(2.0**attempt, LONGEST_PAUSE))
