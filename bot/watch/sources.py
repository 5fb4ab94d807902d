"""Sources of changes and drops for the watch: the API server and the relay of the living cluster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from bot.clusters.connecting import connected, relay_of
from bot.clusters.options import Live
from bot.errors import UsageMistake
from sensors.access.kube.watching import KnownObjects, ObjectChange
from sensors.hubble.records import HubbleFlow
from sensors.kit import Blind
from sensors.kit.kinds import Kind


class LiveSources:
    """A connection for each stream, opened anew with it; what changed in between is found by comparing."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._known = defaultdict[Kind, KnownObjects](KnownObjects)

    async def changes(self, kind: Kind) -> AsyncIterator[ObjectChange]:
        try:
            async with connected(self._live) as kube, aclosing(kube.changes(kind, self._known[kind])) as changes:
                async for each in changes:
                    yield each
        except UsageMistake as why:
            raise Blind(str(why)) from why

    async def drops(self, heard: Callable[[], None]) -> AsyncIterator[HubbleFlow]:
        try:
            async with connected(self._live) as kube:
                relay, _ = await relay_of(self._live, kube)
            if relay is None:
                raise Blind(f"no hubble relay is configured for the cluster {self._live.cluster}")
            async with aclosing(relay.policy_drops(heard)) as drops:
                async for each in drops:
                    yield each
        except UsageMistake as why:
            raise Blind(str(why)) from why
