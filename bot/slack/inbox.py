"""Deliveries acked and not done yet. Slack does not repeat them: KAI tells the asker what a crash took."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

from bot.slack.ephemeral import Asker
from bot.store import OriginKind
from bot.store.store import Store

DELIVERY_LIFETIME = timedelta(hours=24)
"""How long a delivery is known again; Slack retries for minutes and lets nothing be replayed after five."""

ANSWER_WINDOW = timedelta(minutes=30)
"""After this long nobody waits for an answer any more."""

TAKE_OVER_AFTER = timedelta(minutes=2)
"""Younger than this, it may be under way in another replica."""

_BEGINNING = "slack "


class Inbox:
    """Deliveries by their keys. `alone`: no other process works on this database."""

    def __init__(self, store: Store, now: Callable[[], datetime], *, alone: bool) -> None:
        self._store, self._now, self._alone = store, now, alone
        self._mine: set[str] = set()

    async def first(self, who: Asker, said: str = "") -> bool:
        """Is it delivered for the first time? Then it is open until `done`."""
        note = json.dumps({"user": who.user, "channel": who.channel, "thread": who.thread, "said": said[:500]})
        self._mine.add(who.key)
        return await self._store.seen.first_time(_BEGINNING + who.key, self._now(), DELIVERY_LIFETIME, note)

    async def done(self, who: Asker) -> None:
        self._mine.discard(who.key)
        await self._store.seen.settle(_BEGINNING + who.key)

    async def lost(self) -> AsyncIterator[tuple[Asker, str]]:
        """Deliveries left undone by a process that is gone, with their words; each is given to one caller."""
        for each in await self._store.seen.unsettled(_BEGINNING, self._now()):
            key, age = each.key.removeprefix(_BEGINNING), self._now() - (each.expires_at - DELIVERY_LIFETIME)
            if key in self._mine or not (self._alone or age > TAKE_OVER_AFTER):
                continue
            ours = await self._store.seen.settle(each.key)
            taken_on = await self._store.seen.value_of(key, self._now())
            if ours and not taken_on and age < ANSWER_WINDOW:
                yield _asker(key, json.loads(each.value))


def _asker(key: str, note: dict[str, Any]) -> tuple[Asker, str]:
    who = Asker(str(note["user"]), str(note["channel"]), f"{key} lost", OriginKind.SLASH, str(note["thread"]))
    return who, str(note["said"])
