"""Takes a request on, whatever its origin: the pod that is meant is found, and the desk looks into it once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from bot.desk import LimitReached
from bot.desk.desk import Started
from bot.report.cluster_name import UNNAMED
from bot.store import Investigation, OriginKind, Request
from bot.store.store import Store
from bot.triggers.commands import Investigate
from sensors.kit import Target


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of a request: its kind, a person's or a sender's id, and where the answer is awaited.

    `once` is the same each time the same thing is delivered: it never starts a second investigation.
    """

    kind: OriginKind
    by: str
    channel: str = ""
    thread: str = ""
    once: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """`joined`: the same was being looked into already, or was asked with the same `once`."""

    investigation: Investigation
    joined: bool


class TakesRequests(Protocol):
    """As much of the desk as a request needs."""

    async def start(self, request: Request, once: str = "") -> Started: ...


def the_only_one(said: str, channel: str) -> str:
    """Chooses the only cluster, where none is named."""
    return UNNAMED


class Intake:
    """`find` names the pod that is meant in a cluster (`NoSuchPod`); `flow` the flow that every request asks for;
    `meant` the cluster of a request in a channel (`UnknownCluster`)."""

    def __init__(
        self,
        desk: TakesRequests,
        store: Store,
        find: Callable[[Target, str], Awaitable[Target]],
        flow: str,
        meant: Callable[[str, str], str] = the_only_one,
    ) -> None:
        self._desk, self._store, self._find, self._flow, self._meant = desk, store, find, flow, meant

    def cluster_of(self, asked: Investigate, channel: str) -> str:
        """The cluster that is meant. Raises `UnknownCluster`."""
        return self._meant(asked.cluster, channel)

    async def take(self, asked: Investigate, origin: Origin) -> Taken:
        """Raises `NoSuchPod`, `UnknownCluster` or `LimitReached`, each in one sentence."""
        cluster = self.cluster_of(asked, origin.channel)
        target = await self._find(asked.target, cluster)
        return await self._start(target, self._flow, asked.since, origin, cluster)

    async def repeat(self, earlier: Investigation, origin: Origin) -> Taken:
        """The same question once more, of the same cluster. Raises `LimitReached`."""
        was = earlier.request
        return await self._start(was.target, was.flow, was.since, origin, was.cluster)

    async def _start(self, target: Target, flow: str, since: int | None, origin: Origin, cluster: str) -> Taken:
        try:
            where = (cluster, origin.channel, origin.thread)
            request = Request(target, flow, origin.kind, origin.by, *where, since)
        except ValueError as why:
            raise LimitReached("invalid", str(why), 0.0) from why
        started = await self._desk.start(request, once=origin.once)
        it = await self._store.investigations.get(started.id)
        if it is None:
            raise LimitReached("forgotten", "It was forgotten as soon as it began: ask again.", 0.0)
        return Taken(it, started.joined)
