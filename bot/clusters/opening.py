"""The cluster that a request speaks of: the living one, or a recording for trials."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from bot.clusters.connecting import opened
from bot.clusters.opened import OpenedCluster
from bot.clusters.options import Live
from bot.clusters.recorded import recording_of
from bot.clusters.target import resolve
from bot.errors import UsageMistake
from bot.store import Request
from flows.load import Flow
from sensors.access.casefolder import CaseFolder, open_case
from sensors.hubble.lines import FlowQuestion, HubbleMessage
from sensors.kit import Blind, Cluster, Target

PATIENCE = 1.5
"""Seconds to find the pod that is meant before it is taken as it was written; a form must open within three."""

_WINDOW = re.compile(r"(?P<flow>.+)@(?P<seconds>\d{1,6})s")


def looking_back(flow: str, since: int | None) -> str:
    """A flow's id with how many seconds of hubble flows it may read: `flow.k8s_network_debug@900s`."""
    return flow if since is None else f"{flow}@{since}s"


def window_of(flow: str) -> tuple[str, int | None]:
    """The two halves of it again."""
    found = _WINDOW.fullmatch(flow)
    return (found["flow"], int(found["seconds"])) if found else (flow, None)


@dataclass(frozen=True, slots=True)
class Windows(Mapping[str, Flow]):
    """Flows by id; a window behind the id names the same flow."""

    flows: Mapping[str, Flow]

    def __getitem__(self, word: str) -> Flow:
        return self.flows[window_of(word)[0]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.flows)

    def __len__(self) -> int:
        return len(self.flows)


@dataclass(frozen=True, slots=True)
class RecentCase(CaseFolder):
    """A recording of which only the last hubble flows are read."""

    since: timedelta

    async def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[Sequence[HubbleMessage]]:
        start = await self.now() - self.since
        async for batch in CaseFolder.hubble_flows(self, replace(question, since=start)):
            yield batch


@dataclass(frozen=True, slots=True)
class Worlds:
    """Make one with `living` or `recorded`."""

    live: Live = field(default_factory=Live)
    case: CaseFolder | None = None

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[OpenedCluster]:
        """For one investigation. Raises `Blind` when there is no way to the cluster."""
        _, since = window_of(request.flow)
        if self.case is not None:
            yield OpenedCluster(_recent(self.case, since), recording_of(self.case))
            return
        async with self._living(since) as cluster:
            yield OpenedCluster(cluster)

    @asynccontextmanager
    async def cluster(self) -> AsyncIterator[Cluster]:
        """For a look at names."""
        if self.case is not None:
            yield self.case
            return
        async with self._living(None) as cluster:
            yield cluster

    @asynccontextmanager
    async def _living(self, since: int | None) -> AsyncIterator[Cluster]:
        try:
            async with opened(replace(self.live, since=None if since is None else f"{since}s")) as cluster:
                yield cluster
        except UsageMistake as why:
            raise Blind(str(why)) from why

    async def find(self, asked: Target) -> Target:
        """The pod that is meant, as far as that can be told in time. Raises `NoSuchPod`."""
        try:
            async with asyncio.timeout(PATIENCE), self.cluster() as cluster:
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


def recorded(path: Path) -> Worlds:
    """Raises `BadCase`."""
    return Worlds(case=open_case(path))


def _recent(case: CaseFolder, since: int | None) -> CaseFolder:
    if since is None:
        return case
    return RecentCase(case.path, case.header, case.recorded, timedelta(seconds=since))
