"""The messages of an investigation: one root that changes its state, and the evidence in its thread, each said once.

This is the desk's `Poster` and its watcher. Where a message stands is kept in the store, so that any process can carry
on; what is edited can be edited twice, what is posted is looked up first when a crash may have come in between.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from aiohttp import ClientError
from slack_sdk.errors import SlackClientError

from bot.desk import CannotPost, Limits, Note
from bot.desk.ports import Concluded, Saw, Watcher
from bot.report import blocks, picture
from bot.report.blocks import Said, Task
from bot.report.json_result import CannotDecode, decode
from bot.report.mrkdwn import literal
from bot.slack.layer_replies import Early
from bot.slack.outbox import LATER, Outbox, Unwelcome, Vanished
from bot.slack.recovery import Seeker
from bot.store import Door, Investigation, Posted
from bot.store.store import Store
from flows.causes import Layer
from flows.load import Flow
from flows.model import Diagnosis
from sensors.kit import Evidence, Sensor, Sight

log = logging.getLogger(__name__)

CARD, TOLD = "card", "told"
UNJUDGED = ""
"""The content of a reply that was told early, and is to be said again with the verdict."""

REMEMBERED = timedelta(days=90)
"""How long a thread leads to its investigation."""

FRESH = timedelta(seconds=10)
"""What was asked this long ago and has no card may have had one before a crash."""

_PERSON = re.compile(r"[UW][A-Z0-9]{2,20}")


@dataclass(frozen=True, slots=True)
class Card:
    """Where the root message stands. `direct`: in direct messages, because KAI is not in the channel."""

    channel: str
    ts: str
    thread: str
    direct: bool = False


@dataclass(slots=True)
class Progress:
    """Which looks have answered, by layer. `before`: how many must end first; `begun`: it has had its turn."""

    looks: Mapping[str, tuple[str, ...]]
    total: int
    before: int = 0
    begun: bool = False
    answered: dict[str, Sight] = field(default_factory=dict)
    seen: dict[str, tuple[str, Evidence]] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def saw(self, moment: Saw) -> None:
        self.answered[moment.step.id] = moment.evidence.sight
        self.seen[moment.step.id] = moment.id, moment.evidence

    def ready(self) -> tuple[str, Said] | None:
        """A layer of which something was seen, once each; those that miss nothing go first."""
        untold = [layer for layer in self.looks if layer not in self.told and self._seen_of(layer)]
        layer = min(untold, key=lambda each: len(self.looks[each]) - len(self._seen_of(each)), default=None)
        if layer is None:
            return None
        self.told.add(layer)
        return layer, blocks.heard(layer, self._seen_of(layer), len(self.looks[layer]))

    def _seen_of(self, layer: str) -> dict[str, Evidence]:
        return dict(self.seen[step] for step in self.looks[layer] if step in self.seen)

    def words(self) -> str:
        if not self.begun:
            return f"waiting for its turn, {self.before} before it" if self.before else "starting"
        return f"{len(self.answered)} of {self.total} looks done" if self.total else "looking"

    def tasks(self) -> tuple[Task, ...]:
        return tuple(self._task(layer, steps) for layer, steps in self.looks.items() if steps)

    def _task(self, layer: str, steps: tuple[str, ...]) -> Task:
        if not self.begun:
            return Task(layer, "pending")
        seen = [self.answered[step] for step in steps if step in self.answered]
        if len(seen) < len(steps):
            return Task(layer, "in_progress", f"{len(seen)} of {len(steps)} looks")
        blind = all(each is Sight.BLIND for each in seen)
        return Task(layer, "error" if blind else "complete", "could not look" if blind else "looked")


class Threads:
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
        self._store, self._outbox, self._seeker = store, outbox, seeker
        self._flows, self._sensors, self._limits, self._now = flows, sensors, limits or Limits(), now
        self._cards: dict[str, Card] = {}
        self._progress: dict[str, Progress] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._early = Early()
        self._tried: set[str] = set()
        self._told: dict[str, dict[str, tuple[str, str]]] = {}  # what stands, also where it could not be written down

    async def close(self) -> None:
        """Nothing is told early any more; the verdict, wherever it comes, tells it."""
        for each in list(self._progress):
            await self._early.settled(self._early.hush(each))

    # -- the root -----------------------------------------------------------------------------------------------------

    async def open(self, it: Investigation) -> Card:
        """The root message, posted now or before. Raises `Unwelcome` when it can stand nowhere."""
        async with self._locks.setdefault(it.id, asyncio.Lock()):
            known = self._cards.get(it.id) or await self._kept(it)
            card = known or await self._post_card(it)
            if it.is_live:
                self._cards[it.id] = card
                self._early.news(it.id)
                self._catch_up(it)
            return card

    def _catch_up(self, it: Investigation) -> None:
        """It may have begun, and even ended, while its root was on the way."""
        if (progress := self._progress.get(it.id)) is not None and progress.begun:
            self._show(it)

    async def _kept(self, it: Investigation) -> Card | None:
        kept = await self._store.messages.get(f"{it.id}.{CARD}")
        return None if kept is None or kept.posted is None else _card(it, kept.posted.channel, kept.posted.ts)

    async def _post_card(self, it: Investigation) -> Card:
        key, request = f"{it.id}.{CARD}", it.request
        where = None
        await self._line_up(it)
        if self._now() - it.asked_at > FRESH:
            where = await self._seeker.message(request.channel, request.thread, key, it.asked_at.timestamp())
        try:
            where = where or await self._outbox.post(request.channel, self._looking(it), request.thread, key)
        except Unwelcome as why:
            where = await self._directly(it, key, why)
        return await self._keep_card(it, where)

    async def _directly(self, it: Investigation, key: str, why: Unwelcome) -> tuple[str, str]:
        """Into the direct messages of whoever asked: better there than nowhere."""
        if it.request.door is Door.ALERT or not _PERSON.fullmatch(it.request.asked_by):
            raise why
        return await self._outbox.post(it.request.asked_by, self._looking(it), key=key)

    async def _keep_card(self, it: Investigation, where: tuple[str, str]) -> Card:
        card = _card(it, *where)
        now = self._now()
        await self._store.messages.note(it.id, CARD, Posted(card.channel, card.ts, ""), now)
        await self._store.seen.first_time(_thread_key(card.channel, card.thread), now, REMEMBERED, it.id)
        return card

    def _looking(self, it: Investigation) -> Said:
        progress = self._progress.setdefault(it.id, self._start(it))
        return blocks.looking(it.id, it.request.target, progress.tasks(), progress.words())

    async def _line_up(self, it: Investigation) -> None:
        """How many it has to wait for, as far as it has to: nobody at 3 a.m. should wonder why nothing moves."""
        progress = self._progress.setdefault(it.id, self._start(it))
        live = await self._store.investigations.live()
        before = [each for each in live if each.asked_at < it.asked_at and each.request.cluster == it.request.cluster]
        near = [each for each in before if each.request.target.namespace == it.request.target.namespace]
        progress.before = self._limits.waits_for(len(before), len(near))

    def _start(self, it: Investigation) -> Progress:
        flow = self._flows.get(it.request.flow)
        steps = flow.looks if flow else ()
        looks = {
            layer.value: tuple(s.id for s in steps if s.ref in self._sensors and layer in self._sensors[s.ref].layers)
            for layer in Layer
        }
        return Progress(looks, len(steps))

    # -- while it is looked into --------------------------------------------------------------------------------------

    def watching(self, it: Investigation) -> Watcher:
        """The desk's watcher: each answer changes the root message, and evidence is told as it comes."""
        progress = self._progress[it.id] = replace(self._start(it), begun=True)
        self._show(it)

        def ready() -> tuple[str, Said] | None:
            return progress.ready() if it.id in self._cards else None

        async def say(layer: str, words: Callable[[], Said]) -> None:
            await self._tell_early(it, self._cards[it.id], f"reply.{layer}", words)

        async def watch(moment: Saw | Concluded) -> None:
            if isinstance(moment, Saw) and self._progress.get(it.id) is progress:
                progress.saw(moment)
                await self._find_card(it)
                self._show(it)
                self._early.news(it.id)

        self._early.begin(it.id, ready, say)
        return watch

    async def _find_card(self, it: Investigation) -> None:
        """Another replica, or this one before a restart, may have opened the root of what is looked into here."""
        if it.id not in self._cards and (kept := await self._kept(it)) is not None and it.id in self._progress:
            self._cards[it.id] = kept

    def _show(self, it: Investigation) -> None:
        if (card := self._cards.get(it.id)) is not None:
            self._outbox.refresh(card.channel, card.ts, self._looking(it))

    async def _tell_early(self, it: Investigation, card: Card, role: str, words: Callable[[], Said]) -> None:
        """A reply that will be edited with the verdict. After a crash it may stand there already."""
        where = await self._standing(it, card, role) if it.looks > 1 else None
        where = where or await self._outbox.post(card.channel, words, card.thread, f"{it.id}.{role}", LATER)
        await self._stands(it, role, where, UNJUDGED)

    async def _stands(self, it: Investigation, role: str, where: tuple[str, str], content: str) -> None:
        self._told.setdefault(it.id, {})[role] = where
        await self._store.messages.note(it.id, role, Posted(*where, content), self._now())

    async def _standing(self, it: Investigation, card: Card, role: str) -> tuple[str, str] | None:
        """Where a reply stands of which a crash has left us in doubt."""
        kept = await self._store.messages.get(f"{it.id}.{role}")
        if kept is not None and kept.posted is not None:
            return kept.posted.channel, kept.posted.ts
        return await self._seeker.message(card.channel, card.thread, f"{it.id}.{role}", it.asked_at.timestamp())

    # -- when it is over ----------------------------------------------------------------------------------------------

    async def find(self, note: Note) -> Posted | None:
        """Was all of it said? Parts of it are found by `post` itself."""
        told = await self._store.messages.get(f"{note.investigation.id}.{TOLD}.{note.role}")
        return None if told is None else told.posted

    async def post(self, note: Note) -> Posted:
        """Set the root to its end state, then say the evidence in its thread. May be called again at any point."""
        it = note.investigation
        hushed = self._early.hush(it.id)
        try:
            card = await self.open(it)
        except Unwelcome as why:
            raise CannotPost(str(why)) from why
        self._cards.pop(it.id, None)
        self._progress.pop(it.id, None)
        said, diagnosis = _said(note)
        card = await self._end(it, card, said)
        await self._early.settled(hushed)
        if diagnosis is not None:
            await self._tell(it, card, diagnosis)
        posted = Posted(card.channel, card.ts, _digest(said))
        await self._store.messages.note(it.id, f"{TOLD}.{note.role}", posted, self._now())
        self._locks.pop(it.id, None)
        self._tried.discard(it.id)
        self._told.pop(it.id, None)
        return posted

    async def _end(self, it: Investigation, card: Card, said: Said) -> Card:
        try:
            await self._outbox.update(card.channel, card.ts, said)
            return card
        except Vanished:  # somebody has deleted it; the verdict is said all the same
            thread = card.thread if card.thread != card.ts else ""
            where = await self._outbox.post(card.channel, said, thread, f"{it.id}.{CARD}")
            return await self._keep_card(it, where)
        except Unwelcome as why:
            raise CannotPost(str(why)) from why

    async def _tell(self, it: Investigation, card: Card, diagnosis: Diagnosis) -> None:
        doubtful = it.looks > 1 or it.id in self._tried or self._now() - (it.ended_at or self._now()) > FRESH
        self._tried.add(it.id)
        kept = {each.role: each.posted for each in await self._store.messages.of(it.id) if each.posted is not None}
        for name, said in blocks.replies(diagnosis):
            role = f"reply.{name}"
            if (before := kept.get(role)) is None or before.content_hash != _digest(said):
                await self._reply(it, card, role, said, before, doubtful)
        if "picture" not in kept:
            await self._picture(it, card, diagnosis, doubtful)

    async def _reply(
        self, it: Investigation, card: Card, role: str, said: Said, before: Posted | None, doubtful: bool
    ) -> None:
        """What was told early is edited; the rest is posted."""
        where = self._told.get(it.id, {}).get(role) if before is None else (before.channel, before.ts)
        if where is None and doubtful:
            where = await self._standing(it, card, role)
        where = await self._edited(where, said) or await self._outbox.post(
            card.channel, said, card.thread, f"{it.id}.{role}", LATER
        )
        await self._stands(it, role, where, _digest(said))

    async def _edited(self, where: tuple[str, str] | None, said: Said) -> tuple[str, str] | None:
        """None where nothing stands that could be edited."""
        if where is None:
            return None
        try:
            await self._outbox.update(*where, said, LATER)
        except Vanished:  # somebody has deleted it; it is said all the same
            return None
        return where

    async def _picture(self, it: Investigation, card: Card, diagnosis: Diagnosis, doubtful: bool) -> None:
        """For those who would rather look. Without it nothing is missing: a failure is logged, and that is all."""
        name = f"kai-{it.id}.png"
        try:
            if not (doubtful and await self._seeker.file(card.channel, card.thread, name, it.asked_at.timestamp())):
                drawn = await asyncio.to_thread(lambda: picture.png(picture.draw(diagnosis)))
                words = picture.alt(diagnosis)
                title = literal(f"Where it breaks: {it.request.target}", 250)
                await self._outbox.upload(card.channel, card.thread, name, drawn, title, words)
        except (SlackClientError, ClientError, Unwelcome, Vanished, ValueError, OSError) as why:
            log.warning("the picture of %s could not be posted: %s", it.id, why)
            return
        await self._store.messages.note(it.id, "picture", Posted(card.channel, card.thread, ""), self._now())

    # -- whose thread is it? ------------------------------------------------------------------------------------------

    async def of_thread(self, channel: str, thread: str) -> Investigation | None:
        """The newest investigation of a thread. The top level of a channel is nobody's thread."""
        if not thread:
            return None
        for it, _ in await self._store.investigations.recent(50):
            if (it.request.channel, it.request.thread) == (channel, thread):
                return it
        found = await self._store.seen.value_of(_thread_key(channel, thread), self._now())
        return None if found is None else await self._store.investigations.get(found)


def _card(it: Investigation, channel: str, ts: str) -> Card:
    direct = channel != it.request.channel and not it.request.channel.startswith(("U", "W", "D"))
    inside = it.request.thread if channel == it.request.channel else ""
    return Card(channel, ts, inside or ts, direct)


def _said(note: Note) -> tuple[Said, Diagnosis | None]:
    it = note.investigation
    asked_by = it.request.asked_by if _PERSON.fullmatch(it.request.asked_by) else ""
    if note.verdict is None:
        return blocks.ended(it.request.target, note.role, it.why, it.id, asked_by), None
    try:
        diagnosis = decode(note.verdict.result)
    except CannotDecode as why:
        return blocks.ended(it.request.target, "failed", str(why), it.id, asked_by), None
    return blocks.verdict(diagnosis, asked_by), diagnosis


def _digest(said: Said) -> str:
    return hashlib.sha256(repr((said.text, said.blocks)).encode()).hexdigest()[:16]


def _thread_key(channel: str, thread: str) -> str:
    return f"thread {channel} {thread}"
