"""The cluster that a request speaks of: the living one, or a recording for trials."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot.clusters.connecting import connected, opened, opened_on
from bot.clusters.opened import OpenedCluster
from bot.clusters.options import Live
from bot.clusters.recorded import recording_of
from bot.clusters.sharing import SharedLine
from bot.clusters.target import resolve
from bot.errors import UsageMistake
from bot.store import Request
from sensors.access.casefolder import CaseFolder, open_case
from sensors.kit import Blind, Cluster, Target

FIND_POD_TIMEOUT_S = 1.5
"""Seconds to find the pod that is meant before it is taken as it was written; a form must open within three."""


@dataclass(frozen=True, slots=True)
class PolicyWorlds:
    """Make one with `shared` for many investigations, with `recorded` for a recording.

    `line`: investigations of one moment share a connection and what they read. `cluster` never does: verifications and
    whatever leads to a write see the cluster as it is now.
    """

    live: Live = field(default_factory=Live)
    case: CaseFolder | None = None
    line: SharedLine | None = None

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[OpenedCluster]:
        """For one investigation. Raises `Blind` when there is no way to the cluster."""
        async with self._shared() as cluster:
            yield OpenedCluster(cluster, recording_of(self.case) if self.case is not None else None)

    @asynccontextmanager
    async def cluster(self) -> AsyncIterator[Cluster]:
        """As it is now, for whoever looks once, and for proofs and verifications."""
        if self.case is not None:
            yield self.case
            return
        async with _as_blind(), opened(self.live) as cluster:
            yield cluster

    @asynccontextmanager
    async def _shared(self) -> AsyncIterator[Cluster]:
        if self.case is not None or self.line is None:
            async with self.cluster() as cluster:
                yield cluster
        else:
            async with _as_blind(), self.line.use() as (kube, reads), opened_on(self.live, kube, reads) as cluster:
                yield cluster

    async def find(self, asked: Target) -> Target:
        """The pod that is meant, as far as that can be told in time. Raises `NoSuchPod`."""
        try:
            async with asyncio.timeout(FIND_POD_TIMEOUT_S), self._shared() as cluster:
                found = await resolve(cluster, asked.pod, asked.namespace, *asked.peer)
        except (Blind, TimeoutError):
            return asked
        return self._with_recorded_peer(found.target)

    def _with_recorded_peer(self, target: Target) -> Target:
        """A recording knows what was asked when it was made; what somebody says wins."""
        recorded = self.case.header.target if self.case is not None else None
        if recorded is None or (target.pod, target.namespace) != (recorded.pod, recorded.namespace) or target.to_host:
            return target
        return replace(target, to_host=recorded.to_host, to_port=recorded.to_port, to_protocol=recorded.to_protocol)


@asynccontextmanager
async def _as_blind() -> AsyncIterator[None]:
    """Turns an unreachable cluster into blindness: a chat has no command line that could be wrong."""
    try:
        yield
    except UsageMistake as why:
        raise Blind(str(why)) from why


def shared(live: Live) -> PolicyWorlds:
    """For a process that investigates again and again; `close` its line at the end."""
    return PolicyWorlds(live, line=SharedLine(lambda: connected(live)))


def recorded(path: Path) -> PolicyWorlds:
    """Raises `BadCase`."""
    return PolicyWorlds(case=open_case(path))
