"""Figures that are read from the database when they are asked for: the queue, what is owed, approvals by what
happened, opinions.

They are the same in every replica. The audit trail is read once, and later only what was added to it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from bot.approval.trail import TrailEvent
from bot.store import InvestigationState, Opinion
from bot.store.store import Store
from sensors.kit.attempt import attempt_logged

log = logging.getLogger(__name__)

MOST_OWED = 1000
"""Messages that are counted; more are as bad."""

READING_TIMEOUT_S = 5.0
"""How long the store may take; what it does not tell in time keeps its last value, and `kai_store_up` is 0."""


class StoredFigures:
    """Brings the figures up to date and writes the whole page."""

    def __init__(
        self, registry: CollectorRegistry, store: Store, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._registry, self._store, self._now = registry, store, now
        self._up = self._gauge("kai_store_up", "Whether the database told the figures below just now.")
        self._live = self._gauge("kai_store_investigations", "Investigations that are not over, by state.", "state")
        self._oldest = self._gauge("kai_store_oldest_seconds", "How long the oldest of them has been there.")
        self._owed = self._gauge("kai_store_messages_owed", f"Messages that are overdue in Slack, at most {MOST_OWED}.")
        self._events = self._gauge(
            "kai_store_approval_events", "Entries of the audit trail, by what happened.", "event"
        )
        self._opinions = self._gauge(
            "kai_store_opinions", "What people said of verdicts, by how sure these were.", "opinion", "sure"
        )
        self._counted: Counter[str] = Counter()
        self._last: int | None = None
        self._one_at_a_time = asyncio.Lock()

    async def page(self) -> bytes:
        """Everything in the registry, in Prometheus' text format."""
        async with self._one_at_a_time:
            good = await attempt_logged(self._read(), log, "the figures of the database cannot be read")
        self._up.set(int(good))
        return generate_latest(self._registry)

    async def _read(self) -> None:
        async with asyncio.timeout(READING_TIMEOUT_S):
            await self._read_queue()
            await self._read_trail()
            await self._read_opinions()

    async def _read_queue(self) -> None:
        now, live = self._now(), await self._store.investigations.live()
        for state in (InvestigationState.QUEUED, InvestigationState.RUNNING):
            self._live.labels(state.value).set(sum(each.state is state for each in live))
        self._oldest.set(max(((now - each.asked_at).total_seconds() for each in live), default=0.0))
        self._owed.set(len(await self._store.messages.due(now, MOST_OWED)))

    async def _read_trail(self) -> None:
        async for each in self._store.audit.links(after=self._last):
            self._counted[str(json.loads(each.entry)["event"])] += 1
            self._last = each.seq
        for event in TrailEvent:
            self._events.labels(event.value).set(self._counted[event.value])

    async def _read_opinions(self) -> None:
        counted = await self._store.opinions.counted()
        for opinion, sure in product(Opinion, (True, False)):
            self._opinions.labels(opinion.value, "yes" if sure else "no").set(counted[opinion, sure])

    def _gauge(self, name: str, help_: str, *labels: str) -> Gauge:
        return Gauge(name, help_, labels, registry=self._registry)
