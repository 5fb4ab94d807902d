"""The namespaces and pods there are, for type-ahead: read at most every few seconds, and never waited for long."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from sensors.kit import Absent, Blind, Cluster
from sensors.kit.kinds import POD
from sensors.kit.objects import name_of, namespace_of

log = logging.getLogger(__name__)

POD_NAMES_TIMEOUT_S = 2.0
"""Seconds; Slack waits three for the options of a select."""

POD_NAMES_LIFETIME_S = 15.0

OpenCluster = Callable[[], AbstractAsyncContextManager[Cluster]]
PodNames = tuple[tuple[str, str], ...]


class PodSuggestions:
    """Pods as (namespace, name), sorted. What cannot be read in time is an empty list: then people type."""

    def __init__(self, open_cluster: OpenCluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._open, self._clock = open_cluster, clock
        self._read_at = float("-inf")
        self._pods: PodNames = ()
        self._reading: asyncio.Task[PodNames] | None = None

    async def pods(self) -> PodNames:
        if self._clock() - self._read_at > POD_NAMES_LIFETIME_S:
            if self._reading is None:
                self._reading = asyncio.create_task(self._read())
                self._reading.add_done_callback(self._done)
            await asyncio.wait({self._reading}, timeout=POD_NAMES_TIMEOUT_S)
        return self._pods

    async def namespaces(self) -> tuple[str, ...]:
        """Those that have pods: nobody asks why a pod cannot talk where there is none."""
        return tuple(sorted({space for space, _ in await self.pods()}))

    async def _read(self) -> PodNames:
        async with self._open() as cluster:
            return tuple(sorted((namespace_of(each), name_of(each)) for each in await cluster.objects(POD)))

    def _done(self, task: asyncio.Task[PodNames]) -> None:
        self._reading = None
        if task.cancelled():
            return
        why = task.exception()
        if why is None:
            self._pods, self._read_at = task.result(), self._clock()
        elif isinstance(why, Blind | Absent):
            log.info("pods cannot be listed for the form: %s", why)
        else:
            log.warning("pods cannot be listed for the form", exc_info=why)

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
