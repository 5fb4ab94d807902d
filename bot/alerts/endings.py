"""Alerts that resolved: an investigation is over when the last alert that it was started for has resolved.

A storm's investigation is for hundreds of alerts: one of them that goes away proves nothing and withdraws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bot.alerts.incidents import Incidents
from bot.alerts.pending import KeptAlerts
from bot.alerts.plan import FIRED, Received
from bot.store.investigations import TRIGGER_LIFETIME
from bot.store.store import Store

OVER = "over"
"""Begins the key under which the store remembers that a firing ended."""


class Resolving(Protocol):
    """As much of `bot.alerts.resolved.Resolves` as is needed here."""

    def now(self) -> datetime: ...

    async def resolve(self, investigation: str) -> None: ...


class Endings:
    """Remembers which alerts of an investigation ended, in memory and where a restart finds it."""

    def __init__(self, store: Store, resolves: Resolving, incidents: Incidents, kept: KeptAlerts) -> None:
        self._store, self._resolves, self._incidents, self._kept = store, resolves, incidents, kept

    async def over(self, ended: Sequence[Received]) -> dict[str, list[str]]:
        """Investigations whose last alert is among these, each with the rows of those that it may be said of."""
        found = await self._investigations(ended)
        if not found:
            return {}
        marks = {f"{OVER} {each.once}"[:200]: led_to for led_to, members in found.items() for each in members}
        await self._store.seen.keep_all(marks, self._resolves.now(), TRIGGER_LIFETIME)
        over = [led_to for led_to in found if await self._is_over(led_to)]
        return {led_to: [each.row for each in found[led_to]] for led_to in over}

    async def say(self, investigation: str, rows: Sequence[str]) -> None:
        """Says it when the verdict is there; then nothing is left to carry on."""
        await self._resolves.resolve(investigation)
        await self._kept.done(rows)

    async def _investigations(self, ended: Sequence[Received]) -> dict[str, list[Received]]:
        """What each of them led to: here, or in another replica, or before a restart."""
        led_to = {each.once: self._incidents.investigation_of(each.alert) for each in ended}
        unknown = [once for once, investigation in led_to.items() if not investigation]
        led_to |= await self._store.seen.values_of(unknown, self._resolves.now())
        found: dict[str, list[Received]] = {}
        for each in ended:
            if led_to[each.once]:
                found.setdefault(led_to[each.once], []).append(each)
        return found

    async def _is_over(self, investigation: str) -> bool:
        if self._incidents.any_open(investigation):
            return False
        now, seen = self._resolves.now(), self._store.seen
        fired = await seen.count(f"{FIRED} ", investigation, now)
        return fired <= await seen.count(f"{OVER} {FIRED} ", investigation, now)
