"""A watch in a world of a test's making: a clock that is turned by whoever sleeps, changes and drops by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.watch.changes import PolicyChange
from bot.watch.drops import Cut
from bot.watch.proving import ProvedCut, WayBack
from bot.watch.watch import CutFinding, Watch
from sensors.access.kube.watching import ObjectChange
from sensors.hubble.records import FlowEndpoint, HubbleFlow, Workload
from sensors.kit.kinds import NETWORK_POLICY, Kind

BEGAN = datetime(2026, 11, 28, 22, 0, tzinfo=UTC)


def policy(name: str = "strict", version: str = "1", **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "shop", "uid": "u1", "resourceVersion": version, "generation": int(version)}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


def created(name: str) -> ObjectChange:
    return ObjectChange(NETWORK_POLICY, None, policy(name, egress=[]))


def deleted(name: str) -> ObjectChange:
    return ObjectChange(NETWORK_POLICY, policy(name, egress=[]), None)


def changed(name: str = "strict") -> ObjectChange:
    return ObjectChange(NETWORK_POLICY, policy(name, egress=[{}]), policy(name, "2", egress=[]))


def drop(at: datetime, source: str = "web", port: int = 8080, pod: str = "web-1", ip: str = "10.0.0.9") -> HubbleFlow:
    """A packet of `shop/SOURCE` that its own policy refused."""
    sender = FlowEndpoint(namespace="shop", pod=pod, workloads=(Workload("Deployment", source),))
    there = FlowEndpoint(ip=ip)
    more: dict[str, Any] = {"verdict": "DROPPED", "event": 1, "drop_reason": 133, "protocol": "TCP"}
    return HubbleFlow(time=at, source=sender, destination=there, destination_port=port, direction="EGRESS", **more)


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class World:
    """`opens`: does taking the change back let the packets pass? `together`: only so many changes taken back do.

    `passes` says it for each sender: would its packets pass without the changes of these policies?
    """

    at: datetime = BEGAN
    opens: bool = True
    together: int = 1
    passes: Callable[[str, set[str]], bool] | None = None
    said: list[tuple[str, CutFinding]] = field(default_factory=list)
    tried: list[tuple[Cut, ...]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    later: list[HubbleFlow] = field(default_factory=list)
    heard: asyncio.Queue[HubbleFlow | Exception] = field(default_factory=asyncio.Queue)
    written: asyncio.Queue[ObjectChange | Exception] = field(default_factory=asyncio.Queue)
    connects: asyncio.Event = field(default_factory=_set)

    async def changes(self, kind: Kind) -> AsyncIterator[ObjectChange]:
        while True:
            found = await (self.written.get() if kind is NETWORK_POLICY else asyncio.Event().wait())
            if isinstance(found, Exception):
                raise found
            assert isinstance(found, ObjectChange)
            yield found

    async def drops(self, heard: Callable[[], None]) -> AsyncIterator[HubbleFlow]:
        await self.connects.wait()
        heard()
        while True:
            found = await self.heard.get()
            if isinstance(found, Exception):
                raise found
            yield found

    async def prove(self, change: PolicyChange, cuts: tuple[Cut, ...]) -> WayBack | None:
        self.tried.append(cuts)
        if self.passes is not None:
            names = {each.policy.name for each in change.all}
            cuts = tuple(each for each in cuts if self.passes(each.way.source.removeprefix("shop/"), names))
        proved = tuple(ProvedCut(each, each.packets, each.packets) for each in cuts)
        return WayBack(proved) if proved and self.opens and len(change.all) >= self.together else None

    async def say(self, finding: CutFinding, ts: str) -> str:
        self.said.append((ts, finding))
        return ts or f"ts{len(self.said)}"

    async def sleep(self, seconds: float) -> None:
        """Time goes by at once; whoever else has something to do does it first."""
        self.slept.append(seconds)
        await settle()
        self.at += timedelta(seconds=seconds)
        self.drop(*(each for each in self.later if each.time is not None and each.time <= self.at))
        self.later = [each for each in self.later if each.time is not None and each.time > self.at]
        await settle()

    def watch(self, window_s: float = 60.0) -> Watch:
        return Watch(self, self.prove, self.say, window_s, lambda: self.at, self.sleep)

    def drop(self, *flows: HubbleFlow) -> None:
        for each in flows:
            self.heard.put_nowait(each)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
