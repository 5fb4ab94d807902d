"""Remembers the walks whose verdicts Claude may look further for, so that nothing is looked at twice."""

from __future__ import annotations

from collections import OrderedDict

from bot.desk.ports import LookFor, LookResult, Watcher
from bot.store import Investigation
from flows.agent.correlation import is_unsure
from flows.engine import Walk

MAX_WALKS = 16
"""Walks in memory; one that is gone is walked again."""


class Walks:
    """A `LookFor` that keeps what it saw where the rules were unsure."""

    def __init__(self, look: LookFor) -> None:
        self._look = look
        self._kept: OrderedDict[str, Walk] = OrderedDict()

    async def __call__(self, it: Investigation, watcher: Watcher) -> LookResult:
        looked = await self._look(it, watcher)
        if looked.walked is not None and is_unsure(looked.diagnosis):
            self._kept[it.id] = looked.walked
            while len(self._kept) > MAX_WALKS:
                self._kept.popitem(last=False)
        return looked

    def take(self, investigation: str) -> Walk | None:
        """The walk, once."""
        return self._kept.pop(investigation, None)
