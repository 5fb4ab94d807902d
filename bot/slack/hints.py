"""A private hint, once for each person: where KAI may not read a channel, its threads want it called by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bot.slack.ephemeral import Asker, Ephemerals
from bot.store.store import Store

KEPT = timedelta(days=90)
READS = {"C": "channels:history", "G": "groups:history"}
"""The scope with which messages of a channel are heard, by the first letter of its id."""

BY_NAME = (
    "In this channel I hear only what names me: ask in the thread with `@kai why?`, `@kai show fix`, `@kai run again`."
)


class Hints:
    """One for each process. `scopes` are the token's; where Slack does not list them, nothing is said."""

    def __init__(
        self,
        scopes: frozenset[str],
        store: Store,
        ephemerals: Ephemerals,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._scopes, self._store, self._ephemerals, self._now = scopes, store, ephemerals, now

    async def once(self, who: Asker) -> None:
        """Tell a person how to ask further, the first time that they ask where KAI does not hear them."""
        needed = READS.get(who.channel[:1], "")
        if not self._scopes or not needed or needed in self._scopes:
            return
        if await self._store.seen.first_time(f"hint by name {who.user}", self._now(), KEPT):
            await self._ephemerals.tell(who, BY_NAME)
