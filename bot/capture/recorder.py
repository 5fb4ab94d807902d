"""Looks through at a living cluster and keeps every answer: what the sensors were told is what the case will hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

from sensors.hubble.lines import FlowQuestion, HubbleMessage
from sensors.kit import Absent, Blind, Cluster, Connect, Dial, DnsLookup, Environment, Object, PathMtu
from sensors.kit.kinds import KINDS, Kind

Value = TypeVar("Value")
PodKey = tuple[str, str]


class ClusterRecorder:
    """The `Cluster` port over another one. `missing` maps the part of the case that is not there to the reason."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.kinds: dict[Kind, tuple[Object, ...]] = {}
        self.streams: list[list[HubbleMessage]] = []
        self.texts: dict[tuple[str, ...], str] = {}
        self.lookups_of: dict[PodKey, list[DnsLookup]] = {}
        self.connects_of: dict[PodKey, list[Connect]] = {}
        self.paths_of: dict[PodKey, list[PathMtu]] = {}
        self.missing: dict[str, str] = {}

    @property
    def messages(self) -> list[HubbleMessage]:
        """The longest answer: what one sensor asked for only to know the pod's peers is part of another's."""
        return max(self.streams, key=len, default=[])

    async def read_all_kinds(self) -> None:
        """The kinds that no sensor asked for, too: somebody may ask another question of the same moment."""
        await asyncio.gather(*(self._kind(each) for each in KINDS))

    async def _kind(self, kind: Kind) -> None:
        try:
            self.kinds[kind] = await self.cluster.objects(kind)
        except Absent:
            pass  # not installed: nothing is missing
        except Blind as why:
            self.missing[f"objects/{kind.plural}.yaml"] = str(why)

    # -- the port ------------------------------------------------------------------------------------------------------

    async def now(self) -> datetime:
        return await self.cluster.now()

    async def environment(self) -> Environment:
        return await self.cluster.environment()

    async def objects(self, kind: Kind, namespace: str | None = None) -> tuple[Object, ...]:
        return await self.cluster.objects(kind, namespace)

    async def log(self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int = 500) -> str:
        name = f"{container}.previous.log" if previous else f"{container}.log"
        reading = self.cluster.log(namespace, pod, container, previous=previous, lines=lines)
        return await self._text(("logs", namespace, pod, name), reading)

    async def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[Sequence[HubbleMessage]]:
        stream: list[HubbleMessage] = []
        self.streams.append(stream)
        try:
            async for batch in self.cluster.hubble_flows(question):
                stream += batch
                yield batch
        except Blind as why:
            self.missing["flows.jsonl"] = str(why)
            raise

    async def pod_file(self, namespace: str, pod: str, name: str) -> str:
        return await self._text(("pods", namespace, pod, name), self.cluster.pod_file(namespace, pod, name))

    async def node_file(self, node: str, name: str) -> str:
        return await self._text(("nodes", node, name), self.cluster.node_file(node, name))

    async def lookups(self, namespace: str, pod: str, names: Sequence[str]) -> tuple[DnsLookup, ...]:
        reading = self.cluster.lookups(namespace, pod, names)
        return await self._rows(self.lookups_of, (namespace, pod), "dns.json", reading)

    async def connects(self, namespace: str, pod: str, dials: Sequence[Dial]) -> tuple[Connect, ...]:
        reading = self.cluster.connects(namespace, pod, dials)
        return await self._rows(self.connects_of, (namespace, pod), "connect.json", reading)

    async def path_mtus(self, namespace: str, pod: str, destinations: Sequence[str]) -> tuple[PathMtu, ...]:
        reading = self.cluster.path_mtus(namespace, pod, destinations)
        return await self._rows(self.paths_of, (namespace, pod), "pmtu.json", reading)

    # -- keeping -------------------------------------------------------------------------------------------------------

    async def _text(self, parts: tuple[str, ...], reading: Awaitable[str]) -> str:
        return await self._kept("/".join(parts), reading, lambda said: self.texts.update({parts: said}))

    async def _rows(
        self, rows: dict[PodKey, list[Value]], pod: PodKey, name: str, reading: Awaitable[tuple[Value, ...]]
    ) -> tuple[Value, ...]:
        """Rows of several questions add up; the same row is kept once."""
        kept = rows.setdefault(pod, [])
        keep: Callable[[tuple[Value, ...]], None] = lambda said: kept.extend(each for each in said if each not in kept)  # noqa: E731
        return await self._kept(f"pods/{pod[0]}/{pod[1]}/{name}", reading, keep)

    async def _kept(self, where: str, reading: Awaitable[Value], keep: Callable[[Value], None]) -> Value:
        try:
            said = await reading
        except (Absent, Blind) as why:
            self.missing[where] = str(why)
            raise
        keep(said)
        return said
