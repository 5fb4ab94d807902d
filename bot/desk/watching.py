"""Those who follow an investigation: each hears everything, and none that fails keeps it from the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from bot.store import Investigation
from flows.engine import Concluded, Saw, Watcher
from sensors.kit.attempt import attempt_logged

log = logging.getLogger(__name__)

Moment = TypeVar("Moment")

OpenWatcher: TypeAlias = Callable[[Investigation], Watcher]
"""Makes a watcher for an investigation that begins, or begins again."""


@dataclass(frozen=True, slots=True)
class Later:
    """Something that came after the verdict (an explanation, a change, its verification): a subclass for each kind."""

    investigation: str


LaterListener: TypeAlias = Callable[[Later], Awaitable[None]]


def fan_out(*watchers: Watcher) -> Watcher:
    """One watcher that tells all of them at the same time."""

    async def watch(moment: Saw | Concluded) -> None:
        await asyncio.gather(*(_tell(each, moment, "a watcher failed") for each in watchers))

    return watch


def all_watching(*kinds: OpenWatcher) -> OpenWatcher:
    """One `OpenWatcher` for Slack, metrics and whoever else follows investigations."""
    return lambda it: fan_out(*(each(it) for each in kinds))


async def tell_later(moment: Later, listeners: Sequence[LaterListener]) -> None:
    """Tell those who listen for what comes after a verdict."""
    await asyncio.gather(*(_tell(each, moment, "a listener failed") for each in listeners))


async def _tell(hear: Callable[[Moment], Awaitable[None]], moment: Moment, failure: str) -> None:
    """Nothing is called before this runs: where it is cancelled earlier, nothing is left that nobody awaits."""
    await attempt_logged(hear(moment), log, failure)
