"""Chains of investigations that were run again: a repeat takes over the messages of the one before it."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.store.seen import SeenIds

KEPT = timedelta(days=90)
MOST_REPEATS = 200
"""Repeats of one investigation that are followed."""


class Repeats:
    """The chain of investigations that share one root message."""

    def __init__(self, seen: SeenIds) -> None:
        self._seen = seen

    async def note(self, earlier: str, later: str, now: datetime) -> bool:
        """`later` repeats `earlier`. False where another one does so already."""
        if not await self._seen.first_time(f"repeated {earlier}", now, KEPT, later):
            return False
        return await self._seen.first_time(f"repeats {later}", now, KEPT, earlier)

    async def earlier(self, investigation: str, now: datetime) -> str | None:
        """The one that this repeats."""
        return await self._seen.value_of(f"repeats {investigation}", now)

    async def newest(self, investigation: str, now: datetime) -> str:
        """The last of the chain, which has the root message; itself where it was not repeated."""
        for _ in range(MOST_REPEATS):
            later = await self._seen.value_of(f"repeated {investigation}", now)
            if later is None:
                break
            investigation = later
        return investigation
