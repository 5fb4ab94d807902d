"""Tells people where a proposal stands: one caller at a time, so that no card is posted twice."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from weakref import WeakValueDictionary

from bot.approval.proposal import Purpose
from bot.change.ports import ShowProposal
from bot.store.proposals import Proposals

log = logging.getLogger(__name__)

SETTLED = timedelta(seconds=5)
"""Before a sweep shows a new state, whoever brought it about, in whatever replica, has this long: two who look for a
card at once both find none, and post two."""


class Showing:
    """Shows proposals; a failed message is left to the next sweep."""

    def __init__(self, store: Proposals, show: ShowProposal) -> None:
        self._store, self._tell = store, show
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def show(self, proposal: str, *, again: bool = False) -> None:
        """Tell the state that the store has now, unless people have seen it and not `again`; a rollback has no card."""
        async with self._locks.setdefault(proposal, asyncio.Lock()):
            await self._show(proposal, again=again)

    async def _show(self, proposal: str, *, again: bool) -> None:
        it = await self._store.get(proposal)
        if it is None or it.purpose is Purpose.ROLLBACK or (it.shown == it.state.value and not again):
            return
        (failure,) = await asyncio.gather(self._tell(it), return_exceptions=True)
        if isinstance(failure, Exception):
            log.warning("the state of proposal %s is not shown yet: %s", it.id, failure)
        elif isinstance(failure, BaseException):
            raise failure
        else:
            await self._store.was_shown(it.id, it.state.value)
