"""Delivers a message into a conversation: one list of stages for every kind, so that none is said twice or forgotten.

`deduplicate` (is it there?), `find_after_crash` (was it posted and not written down?), `render` (words or a picture),
`send` (edit what stands, else post), `remember` (where it stands). What has no role is rendered and sent only.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.report.blocks import Said
from bot.slack.conversation import Conversation, RootLocation
from bot.slack.notes import ROOT_ROLE, Picture, Root, RootState, SlackNote, ThreadAnswer
from bot.slack.outbox import Outbox, Unwelcome, Vanished
from bot.slack.recovery import Seeker
from bot.store import Investigation, Posted
from bot.store.store import Store

THREAD_LIFETIME = timedelta(days=90)
"""How long a thread leads to its investigation."""

UNJUDGED = ""
"""The digest of a message whose words are to be replaced: the root."""


@dataclass(slots=True)
class PendingMessage:
    """A message on its way. `doubtful`: a crash may have come between an earlier posting and our writing it down."""

    note: SlackNote
    it: Investigation
    conversation: Conversation
    place: RootLocation | None = None
    doubtful: bool = False
    stands: tuple[str, str] | None = None
    digest: str = UNJUDGED
    content: bytes | None = None
    was: str = UNJUDGED
    found: bool = False
    moved: bool = False
    over: bool = False

    @property
    def role(self) -> str:
        return "" if isinstance(self.note, ThreadAnswer) else self.note.role

    @property
    def key(self) -> str:
        return f"{self.it.id}.{self.role}" if self.role else ""

    @property
    def channel(self) -> str:
        return self.place.channel if self.place is not None else ""

    @property
    def thread(self) -> str:
        return self.place.thread if self.place is not None else ""


DeliveryStage = Callable[[PendingMessage], Awaitable[None]]


class DeliveryStages:
    """The stages, over the store, the outbox and what Slack can be asked."""

    def __init__(self, store: Store, outbox: Outbox, seeker: Seeker, now: Callable[[], datetime]) -> None:
        self._store, self._outbox, self._seeker, self._now = store, outbox, seeker, now
        self._drawing = asyncio.Lock()  # pictures one by one: they may wait, and the threads have more to do
        self.stages: tuple[DeliveryStage, ...] = (
            self.deduplicate,
            self.find_after_crash,
            self.render,
            self.send,
            self.remember,
        )

    async def deliver(self, parcel: PendingMessage) -> tuple[str, str]:
        """Channel and ts of the message. Raises what Slack said when it can stand nowhere."""
        for stage in self.stages:
            if not parcel.over:
                await stage(parcel)
        if parcel.stands is None:
            raise ValueError(f"{parcel.key} was not sent")
        return parcel.stands

    # -- the stages ---------------------------------------------------------------------------------------------------

    async def deduplicate(self, parcel: PendingMessage) -> None:
        """Skips a message that stands already, by the store; by this process where that could not be written down."""
        if not parcel.role or isinstance(parcel.note, RootState):
            return
        kept = await self._store.messages.get(parcel.key)
        if kept is not None and kept.posted is not None:
            parcel.stands, parcel.was = (kept.posted.channel, kept.posted.ts), kept.posted.content_hash
            parcel.over = isinstance(parcel.note, Root | Picture)
        else:
            parcel.stands = parcel.conversation.replies.get(parcel.role)

    async def find_after_crash(self, parcel: PendingMessage) -> None:
        if parcel.role and parcel.stands is None and parcel.doubtful:
            parcel.stands = await self._sought(parcel)
            parcel.found = parcel.stands is not None

    async def _sought(self, parcel: PendingMessage) -> tuple[str, str] | None:
        since, note = parcel.it.asked_at.timestamp(), parcel.note
        if isinstance(note, Root):
            return await self._seeker.message(note.channel, note.thread, parcel.key, since)
        if isinstance(note, Picture):
            there = await self._seeker.file(parcel.channel, parcel.thread, note.name, since)
            return (parcel.channel, parcel.thread) if there else None
        return await self._seeker.message(parcel.channel, parcel.thread, parcel.key, since)

    async def render(self, parcel: PendingMessage) -> None:
        """The picture, or the digest of the words; nothing for what stands and stays as it is."""
        note = parcel.note
        if isinstance(note, Picture):
            parcel.content = None if parcel.found else await self._drawn(note)
        else:
            parcel.digest = UNJUDGED if isinstance(note, Root) or parcel.role == ROOT_ROLE else digest(note.said)
        parcel.over = parcel.was != UNJUDGED and parcel.was == parcel.digest

    async def _drawn(self, note: Picture) -> bytes:
        async with self._drawing:
            return await asyncio.to_thread(note.draw)

    async def send(self, parcel: PendingMessage) -> None:
        note = parcel.note
        if isinstance(note, Picture):
            await self._upload(parcel, note)
        elif isinstance(note, Root):
            parcel.stands = parcel.stands or await self._open(parcel, note)
        elif isinstance(note, ThreadAnswer):
            parcel.stands = await self._outbox.post(note.channel, note.said, note.thread, lane=note.lane)
        elif not await self._edited(parcel, note.said, note.lane):
            parcel.stands, parcel.moved = await self._post(parcel, note.said, note.lane), True

    async def _open(self, parcel: PendingMessage, note: Root) -> tuple[str, str]:
        """In the channel, else with whoever asked: better there than nowhere."""
        try:
            return await self._outbox.post(note.channel, note.said, note.thread, parcel.key)
        except Unwelcome:
            if not note.instead:
                raise
            return await self._outbox.post(note.instead, note.said, key=parcel.key)

    async def _upload(self, parcel: PendingMessage, note: Picture) -> None:
        if isinstance(parcel.content, bytes):
            where = (parcel.channel, parcel.thread, note.name)
            await self._outbox.upload(*where, parcel.content, note.title, note.words, note.said.text)
            parcel.stands = (parcel.channel, parcel.thread)

    async def _post(self, parcel: PendingMessage, said: Said, lane: int) -> tuple[str, str]:
        """A reply; a root that is gone is posted anew where it stood, which is a thread only if that was another's."""
        place = parcel.place
        at_the_head = parcel.role == ROOT_ROLE and place is not None and place.thread == place.ts
        return await self._outbox.post(parcel.channel, said, "" if at_the_head else parcel.thread, parcel.key, lane)

    async def _edited(self, parcel: PendingMessage, said: Said, lane: int) -> bool:
        """False where nothing stands that could be edited: somebody may have deleted it."""
        if isinstance(parcel.note, RootState) and parcel.place is not None:
            parcel.stands = (parcel.place.channel, parcel.place.ts)
        if parcel.stands is None:
            return False
        try:
            await self._outbox.update(*parcel.stands, said, lane)
        except Vanished:
            return False
        return True

    async def remember(self, parcel: PendingMessage) -> None:
        """Remembers where it stands. A root that was edited in its place is known already."""
        if not parcel.role or parcel.stands is None or (isinstance(parcel.note, RootState) and not parcel.moved):
            return
        if not isinstance(parcel.note, Root | RootState | Picture):
            parcel.conversation.replies[parcel.role] = parcel.stands
        posted, now = Posted(*parcel.stands, parcel.digest), self._now()
        await self._store.messages.note(parcel.it.id, parcel.role, posted, now)
        if isinstance(parcel.note, Root | RootState):
            place = place_of(parcel.it, *parcel.stands)
            await self._store.seen.first_time(
                thread_key(place.channel, place.thread), now, THREAD_LIFETIME, parcel.it.id
            )


def place_of(it: Investigation, channel: str, ts: str) -> RootLocation:
    """The place of a root message: inside the thread in which was asked, else at the head of its own."""
    direct = channel != it.request.channel and not it.request.channel.startswith(("U", "W", "D"))
    inside = it.request.thread if channel == it.request.channel else ""
    return RootLocation(channel, ts, inside or ts, direct)


def thread_key(channel: str, thread: str) -> str:
    """Under which the store keeps whose thread it is."""
    return f"thread {channel} {thread}"


def digest(said: Said) -> str:
    """Digest of a message, in a few characters."""
    return hashlib.sha256(repr((said.text, said.blocks)).encode()).hexdigest()[:16]
