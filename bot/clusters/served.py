"""The clusters that one `kai serve` looks after, each with its own readers, and which of them a request means.

A name that is not among them is refused wherever it comes from: a request, a stored investigation, a proposal.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from bot.cluster_settings import NamedCluster, unknown
from bot.clusters.connecting import SERVER_VARIABLES
from bot.clusters.opened import OpenedCluster
from bot.clusters.opening import PolicyWorlds, shared
from bot.clusters.options import Live
from bot.report.cluster_name import UNNAMED
from bot.store import Request
from sensors.kit import Blind, Cluster, Target


class UnknownCluster(ValueError):
    """No cluster is meant, or none that is looked after. The message is one line with those that are."""


@dataclass(frozen=True, slots=True)
class ServedClusters:
    """`default` is meant where neither the request nor its channel names one; empty: then it has to be named."""

    worlds: Mapping[str, PolicyWorlds]
    default: str = UNNAMED
    channels: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.worlds)

    def meant(self, said: str, channel: str = "") -> str:
        """The cluster that a request means. Raises `UnknownCluster`."""
        if said and (said not in self.worlds or said == UNNAMED):
            raise UnknownCluster(unknown(said, self.worlds))
        found = said or self.channels.get(channel) or self.default
        if not found:
            raise UnknownCluster(f"say which cluster: --cluster with one of {', '.join(sorted(self.worlds))}")
        return found

    def of_alert(self, labels: Mapping[str, str], channel: str) -> str:
        """The cluster of an alert: its label `cluster`, else its channel's. Raises `UnknownCluster`.

        Where one cluster is served without a name, the label is Prometheus's own name for it.
        """
        return self.meant("" if self.names == (UNNAMED,) else labels.get("cluster", ""), channel)

    def usual(self, channel: str = "", said: str = "") -> str:
        """The cluster that was said, else a channel's, for suggestions; where none is meant, the first."""
        if said in self.worlds:
            return said
        return self.channels.get(channel) or self.default or self.names[0]

    def world(self, name: str) -> PolicyWorlds:
        """Raises `Blind` for a cluster that is not looked after here (any more)."""
        if name not in self.worlds:
            raise Blind(unknown(name, self.worlds))
        return self.worlds[name]

    def live(self, name: str) -> Live:
        """The way to a cluster. Raises `Blind`."""
        return self.world(name).live

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[OpenedCluster]:
        """The cluster of a request, for one investigation. Raises `Blind`."""
        async with self.world(request.cluster).open(request) as opened:
            yield opened

    @asynccontextmanager
    async def cluster(self, name: str) -> AsyncIterator[Cluster]:
        """A cluster by its name. Raises `Blind`."""
        async with self.world(name).cluster() as cluster:
            yield cluster

    async def find(self, asked: Target, name: str) -> Target:
        """The pod that is meant in that cluster. Raises `NoSuchPod`."""
        return await self.world(name).find(asked)

    async def close(self) -> None:
        """End the connections that investigations share."""
        for each in self.worlds.values():
            if each.line is not None:
                await each.line.close()


def served(clusters: Iterable[NamedCluster], default: str, usual: Live) -> ServedClusters:
    """The clusters of the settings; without any, the one that kubectl would talk to."""
    listed = tuple(clusters)
    if not listed:
        return ServedClusters({UNNAMED: shared(usual)})
    channels = {channel: each.name for each in listed for channel in each.channels}
    only = listed[0].name if len(listed) == 1 else ""
    bare = replace(usual, context=None, server=None)
    return ServedClusters({each.name: shared(live_to(each, bare)) for each in listed}, default or only, channels)


def live_to(it: NamedCluster, usual: Live) -> Live:
    """The way to a named cluster. A relay that the environment names is of an unknown one of them: it is left out."""
    environ = {name: value for name, value in usual.environ.items() if name not in SERVER_VARIABLES}
    kubeconfig, server = it.kubeconfig or usual.kubeconfig, usual.server or it.hubble
    return replace(usual, kubeconfig=kubeconfig, context=it.context, server=server, cluster=it.name, environ=environ)
