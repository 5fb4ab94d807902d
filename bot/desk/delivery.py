"""Says what is owed, once: the outbox between the store and whoever posts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from bot.desk.journal import Journal, Steps, Workflow
from bot.desk.notes import Note, NoteOf, kind_of
from bot.desk.ports import CannotPost, Poster
from bot.store import Message, MessageState, Posted
from bot.store.store import Store
from sensors.kit.attempt import attempt

log = logging.getLogger(__name__)

MAX_PAUSE_S = 300.0
MAX_ATTEMPTS = 40
"""Attempts, with pauses of up to five minutes: half a night without Slack."""


DELIVER = "kai.deliver"


class Delivery:
    """Posts messages and remembers that it did. `mine` are the investigations that this process itself has started."""

    def __init__(self, store: Store, poster: Poster, notes: Mapping[str, NoteOf], now: Callable[[], datetime]) -> None:
        self._store, self._poster, self._notes, self._now = store, poster, notes, now
        self.mine: set[str] = set()

    def workflow(self) -> Workflow:
        """One attempt to post one message, as a run of the journal."""

        async def body(steps: Steps, key: str, number: int) -> None:
            await steps.take("post", self.deliver, key, number)

        return Workflow(DELIVER, body)

    async def owed(self, investigation: str) -> str | None:
        """The key of what is still to be said about an investigation that is over."""
        said = await self._store.messages.of(investigation)
        waiting = (MessageState.PENDING, MessageState.ATTEMPTED)
        return next((each.key for each in said if each.state in waiting), None)

    async def deliver(self, key: str, number: int) -> None:
        """Post it, if it is not posted. It may be killed anywhere, and is then called again."""
        message = await self._store.messages.get(key)
        note = None if message is None else await self._note(message)
        if message is None or note is None or not await self._store.messages.attempt(key, number + 1):
            return
        doubtful = message.attempts > 0 or message.investigation not in self.mine
        await self._keep(key, number, await attempt(self._post(note, doubtful)))

    async def _post(self, note: Note, doubtful: bool) -> Posted:
        """After a crash, an earlier attempt may have come through: ask first."""
        found = await self._poster.find(note) if doubtful else None
        return found or await self._poster.post(note)

    async def _keep(self, key: str, number: int, said: Posted | BaseException) -> None:
        if isinstance(said, Posted):
            await self._store.messages.posted(key, said)
            self.mine.discard(key.partition(".")[0])
        elif isinstance(said, CannotPost) or number + 1 >= MAX_ATTEMPTS:
            log.error("%s cannot be posted: %s", key, said)
            await self._store.messages.give_up(key, str(said))
        elif isinstance(said, Exception):
            log.warning("%s could not be posted and will be tried again: %s", key, said)
            await self._store.messages.put_off(key, self._now() + pause_after(number), str(said))
        else:
            raise said

    async def _note(self, message: Message) -> Note | None:
        it = await self._store.investigations.get(message.investigation)
        note_of = self._notes.get(kind_of(message.role))
        return None if it is None or note_of is None else await note_of(message, it, self._store)

    async def sweep(self, journal: Journal) -> None:
        """Start what is overdue and not being delivered by anybody, in any replica."""
        overdue = await self._store.messages.due(self._now())
        last = {each.key: max(each.attempts - 1, 0) for each in overdue}
        runs = await journal.runs([delivery_id(key, number) for key, number in last.items()])
        for key, number in last.items():
            run = runs.get(delivery_id(key, number))
            if run is None or not run.is_active:
                await start(journal, key, number if run is None else number + 1)


async def start(journal: Journal, key: str, number: int = 0) -> None:
    """Start a delivery. Doing so again, from wherever, changes nothing."""
    await journal.start(DELIVER, delivery_id(key, number), key, number)


async def start_from(steps: Steps, key: str) -> None:
    """The same, as the end of another run."""
    await steps.start(DELIVER, delivery_id(key, 0), key, 0)


def delivery_id(key: str, number: int) -> str:
    return f"{key}.{number}"


def pause_after(number: int) -> timedelta:
    """1, 2, 4 … seconds, and never more than five minutes."""
    return timedelta(seconds=min(2.0**number, MAX_PAUSE_S))
