"""The conversations about investigations: one root message that changes its state, and what is said in its thread.

This is the desk's `Poster` and one of its watchers. Where a message stands is kept in the store, so that any process
can carry on; `bot.slack.delivery` sees to it that nothing is said twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.desk import CannotPost, Limits, Note
from bot.desk.ports import Concluded, Saw, Watcher
from bot.report import blocks
from bot.report.blocks import Said
from bot.slack.conversation import Conversation, RootLocation
from bot.slack.delivery import THREAD_LIFETIME, DeliveryStages, PendingMessage, digest, place_of, thread_key
from bot.slack.notes import REST, ROOT_ROLE, Kept, Picture, Root, RootState, ThreadAnswer, ThreadReply
from bot.slack.opinions import counted
from bot.slack.outbox import Outbox, Stopped, Unwelcome
from bot.slack.progress import Progress, progress_of
from bot.slack.recovery import Seeker
from bot.slack.renderer import render
from bot.slack.renderers.ended import person_of
from bot.store import Investigation, OriginKind, Posted
from bot.store.store import Store
from flows.load import Flow
from sensors.kit import Sensor
from sensors.kit.attempt import attempt

log = logging.getLogger(__name__)

SAID_ROLE = "told"
"""The role, with that of a note behind it, under which the store has that all of the note was said."""

FRESH = timedelta(seconds=10)
"""What was asked this long ago and has no root message may have had one before a crash."""


class Conversations:
    """One for each process. `flows` and `sensors` say what there is to wait for."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        seeker: Seeker,
        flows: Mapping[str, Flow],
        sensors: Mapping[str, Sensor],
        limits: Limits | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._outbox = store, outbox
        self._flows, self._sensors, self._limits, self._now = flows, sensors, limits or Limits(), now
        self._delivery = DeliveryStages(store, outbox, seeker, now)
        self._live: dict[str, Conversation] = {}
        self._repeating = asyncio.Lock()

    def _of(self, it: Investigation) -> Conversation:
        return self._live.setdefault(it.id, Conversation())

    # -- the root message ---------------------------------------------------------------------------------------------

    async def open(self, it: Investigation) -> RootLocation:
        """The root message, posted now or before. Raises `Unwelcome` when it can stand nowhere."""
        conversation = self._of(it) if it.is_live or it.id in self._live else Conversation()
        async with conversation.opening:
            place = conversation.root or await self._kept(it) or await self._opened(it, conversation)
            if it.is_live:
                conversation.root = place
                self._catch_up(it, conversation)
            return place

    def _catch_up(self, it: Investigation, conversation: Conversation) -> None:
        """It may have begun, and even ended, while its root was on the way."""
        if conversation.progress is not None and conversation.progress.begun:
            self._show(it, conversation)

    async def _kept(self, it: Investigation) -> RootLocation | None:
        kept = await self._store.messages.get(f"{it.id}.{ROOT_ROLE}")
        return None if kept is None or kept.posted is None else place_of(it, kept.posted.channel, kept.posted.ts)

    async def _opened(self, it: Investigation, conversation: Conversation) -> RootLocation:
        async with self._repeating:
            if (taken_over := await self._kept(it)) is not None:
                return taken_over
        await self._line_up(it, conversation)
        request = it.request
        instead = "" if request.origin is OriginKind.ALERT else person_of(it)
        root = Root(self._looking(it, conversation), request.channel, request.thread, instead)
        doubtful = self._now() - it.asked_at > FRESH
        where = await self._delivery.deliver(PendingMessage(root, it, conversation, doubtful=doubtful))
        return place_of(it, *where)

    def _looking(self, it: Investigation, conversation: Conversation) -> Said:
        progress = self._progress(it, conversation)
        return blocks.looking(it.id, it.request.target, progress.words(), it.request.cluster)

    def _progress(self, it: Investigation, conversation: Conversation) -> Progress:
        conversation.progress = conversation.progress or self._start(it)
        return conversation.progress

    def _start(self, it: Investigation) -> Progress:
        return progress_of(self._flows.get(it.request.flow), self._sensors)

    async def _line_up(self, it: Investigation, conversation: Conversation) -> None:
        """Number of those before it in line, as far as it has to: nobody at 3 a.m. should wonder why nothing moves."""
        live = await self._store.investigations.live()
        before = [each for each in live if each.asked_at < it.asked_at and each.request.cluster == it.request.cluster]
        near = [each for each in before if each.request.target.namespace == it.request.target.namespace]
        self._progress(it, conversation).before = self._limits.waits_for(len(before), len(near))

    # -- while it is looked into --------------------------------------------------------------------------------------

    def watching(self, it: Investigation) -> Watcher:
        """The desk's watcher: each answer changes the root message."""
        conversation = self._of(it)
        progress = conversation.progress = replace(self._start(it), begun=True)
        self._show(it, conversation)

        async def watch(moment: Saw | Concluded) -> None:
            if isinstance(moment, Saw) and conversation.progress is progress:
                progress.saw(moment)
                await self._find_root(it, conversation)
                self._show(it, conversation)

        return watch

    async def _find_root(self, it: Investigation, conversation: Conversation) -> None:
        """Another replica, or this one before a restart, may have opened the root of what is looked into here."""
        if conversation.root is None:
            kept = await self._kept(it)
            if conversation.progress is not None:
                conversation.root = conversation.root or kept

    def _show(self, it: Investigation, conversation: Conversation) -> None:
        if (place := conversation.root) is not None:
            self._outbox.refresh(place.channel, place.ts, self._looking(it, conversation))

    # -- notes of the desk --------------------------------------------------------------------------------------------

    async def find(self, note: Note) -> Posted | None:
        """Was all of it said? Parts of it are found by `post` itself."""
        said = await self._store.messages.get(f"{note.investigation.id}.{SAID_ROLE}.{note.role}")
        return None if said is None else said.posted

    async def post(self, note: Note) -> Posted:
        """Say a note, with all its messages. May be called again at any point."""
        it, conversation = note.investigation, self._of(note.investigation)
        try:
            place = await self.open(it)
        except Unwelcome as why:
            raise CannotPost(str(why)) from why
        conversation.root = conversation.progress = None
        place, content = await self._all(note, conversation, place)
        posted = Posted(place.channel, place.ts, content)
        await self._store.messages.note(it.id, f"{SAID_ROLE}.{note.role}", posted, self._now())
        self._live.pop(it.id, None)
        return posted

    async def _all(self, note: Note, conversation: Conversation, place: RootLocation) -> tuple[RootLocation, str]:
        """Every message of a note, in order; where the root stands then, and a digest of the first."""
        it, first = note.investigation, ""
        doubtful = it.looks > 1 or conversation.tried or self._now() - (it.ended_at or self._now()) > FRESH
        conversation.tried = True
        for message in render(note):
            where = await self._deliver(message, PendingMessage(message, it, conversation, place, doubtful))
            if isinstance(message, RootState):
                place = place_of(it, *where) if where != (place.channel, place.ts) else place
            first = first or (digest(message.said) if isinstance(message, RootState) else "")
        return place, first

    async def _deliver(self, message: Kept, parcel: PendingMessage) -> tuple[str, str]:
        """A picture may fail: then what it would show is said in words alone."""
        if isinstance(message, RootState):
            return await self._change(parcel)
        if not isinstance(message, Picture):
            return await self._delivery.deliver(parcel)
        outcome = await attempt(self._delivery.deliver(parcel))
        if isinstance(outcome, Stopped):
            raise outcome
        if isinstance(outcome, BaseException):
            log.warning("the picture of %s could not be posted: %s", parcel.it.id, outcome)
            reply = ThreadReply(f"{message.role}.words", message.said)
            return await self._delivery.deliver(replace(parcel, note=reply, stands=None, content=None, over=False))
        return outcome

    async def _change(self, parcel: PendingMessage) -> tuple[str, str]:
        """The root's new state, with the opinions on it; not where a repeat has taken the root message over."""
        it, place = parcel.it, parcel.place
        if place is not None and await self._store.repeats.newest(it.id, self._now()) != it.id:
            return place.channel, place.ts
        if isinstance(parcel.note, RootState):
            parcel.note = replace(parcel.note, said=await counted(parcel.note.said, it, self._store))
        try:
            return await self._delivery.deliver(parcel)
        except Unwelcome as why:
            raise CannotPost(str(why)) from why

    async def say(self, it: Investigation, messages: Sequence[Kept]) -> list[tuple[str, str]]:
        """More about an investigation that is over, and where each message stands. May be called again at any point.

        Raises `Unwelcome` when it can stand nowhere.
        """
        conversation, place = Conversation(), await self.open(it)
        return [
            await self._deliver(each, PendingMessage(each, it, conversation, place, doubtful=True)) for each in messages
        ]

    async def why_not(self, channel: str) -> str:
        """The reason why nothing may be said in a channel, in a word; empty where it may."""
        return await self._outbox.why_not(channel)

    async def answer(self, it: Investigation, said: Said, channel: str, thread: str) -> None:
        """Answer a question in the thread of an investigation. Raises `Unwelcome`."""
        await self._delivery.deliver(PendingMessage(ThreadAnswer(said, channel, thread), it, Conversation()))

    # -- run again ----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def repeating(self, earlier: Investigation) -> AsyncIterator[Callable[[Investigation], Awaitable[None]]]:
        """While a question is asked again: no root is opened until it is known whose message shows the answer."""

        async def take_over(later: Investigation) -> None:
            if await self._take_over(earlier, later):
                self._show(later, self._of(later))

        async with self._repeating:
            yield take_over

    async def _take_over(self, earlier: Investigation, later: Investigation) -> bool:
        """The root message of `earlier`, and the folded reply below it, are those of `later` from now on."""
        kept = [await self._store.messages.get(f"{earlier.id}.{role}") for role in (ROOT_ROLE, REST)]
        root = kept[0].posted if kept[0] is not None else None
        if root is None or root.channel != later.request.channel:
            return False
        if not await self._store.repeats.note(earlier.id, later.id, self._now()):
            return False
        for each in kept:
            if each is not None and each.posted is not None:
                await self._store.messages.note(later.id, each.role, each.posted, self._now())
        conversation = self._of(later)
        self._progress(later, conversation)
        conversation.root = conversation.root or place_of(later, root.channel, root.ts)
        return True

    # -- whose thread is it? ------------------------------------------------------------------------------------------

    async def of_thread(self, channel: str, thread: str) -> Investigation | None:
        """The newest investigation of a thread. The top level of a channel is nobody's thread."""
        if not thread:
            return None
        for it, _ in await self._store.investigations.recent(50):
            if (it.request.channel, it.request.thread) == (channel, thread):
                return it
        found = await self._store.seen.value_of(thread_key(channel, thread), self._now())
        if found is None:
            return None
        return await self._store.investigations.get(await self._store.repeats.newest(found, self._now()))

    async def belongs(self, channel: str, thread: str, it: Investigation) -> None:
        """A thread in which somebody asked about an investigation: what is asked there next is about it, too."""
        await self._store.seen.first_time(thread_key(channel, thread), self._now(), THREAD_LIFETIME, it.id)
