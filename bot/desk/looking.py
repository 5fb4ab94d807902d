"""Looks into an investigation: opens the cluster, finds the pod that is meant, walks the flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from bot.clusters.opened import OpenedCluster
from bot.clusters.target import NoSuchPod, resolve
from bot.desk.ports import CannotLook, LookResult, Watcher
from bot.store import Investigation, Request
from flows.engine import WalkTools, walk
from flows.load import FLOW_SENSOR, Flow
from flows.model import Rule
from flows.runner import ThreadRunner, WorkRunner
from sensors.access.casefolder import BadCase
from sensors.kit import Blind, Sensor

OpenCluster = Callable[[Request], AbstractAsyncContextManager[OpenedCluster]]


@dataclass(frozen=True, slots=True)
class Looking:
    """The desk's `Look` over sensors and rules. `open_cluster` gives the cluster that a request speaks of."""

    open_cluster: OpenCluster
    flows: Mapping[str, Flow]
    sensors: Mapping[str, Sensor]
    rules: Mapping[str, Rule]
    runner: WorkRunner = field(default_factory=ThreadRunner)

    async def __call__(self, it: Investigation, watcher: Watcher) -> LookResult:
        request = it.request
        flow = self.flows.get(request.flow)
        if flow is None:
            raise CannotLook(f"there is no flow {request.flow} here")
        try:
            async with self.open_cluster(request) as opened:
                return await self._walk(it, flow, opened, watcher)
        except (Blind, BadCase, NoSuchPod) as why:
            raise CannotLook(str(why)) from why

    async def _walk(self, it: Investigation, flow: Flow, opened: OpenedCluster, watcher: Watcher) -> LookResult:
        asked = it.request.target
        found = await resolve(opened.cluster, asked.pod, asked.namespace, *asked.peer)
        tools = WalkTools(self.sensors, self.rules, runner=self.runner, new_id=lambda: it.id)
        asking = flow.asking(FLOW_SENSOR, since=it.request.since)
        walked = await walk(asking, found.target, opened.cluster, tools, watcher, opened.recording)
        return LookResult(walked.diagnosis, walked)
