"""Clusters that alerts are about, each read once for all that came together; an alert's target in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager

from bot.alerts.plan import Received
from bot.alerts.target import ChosenTarget, ClusterReadings, UnclearTarget, named_target, read_scene, who
from bot.clusters.served import UnknownCluster
from bot.report.cluster_name import cluster_name
from bot.triggers.alert import Alert
from sensors.kit import Absent, Blind, Cluster

READING_S = 15.0
"""Seconds for the one look at pods and Services that all alerts of a moment share."""

OpenCluster = Callable[[str], AbstractAsyncContextManager[Cluster]]
ClusterOf = Callable[[Alert, str], str]
"""The cluster that an alert of a channel is about. Raises `UnknownCluster`."""

ReadClusters = dict[str, ClusterReadings | str]
"""Clusters by name as they were read, or why one cannot be."""


class Scenes:
    """Finds targets in the clusters that alerts name."""

    def __init__(self, cluster_of: ClusterOf, open_cluster: OpenCluster) -> None:
        self.cluster_of, self._open = cluster_of, open_cluster

    async def read(self, tried: Iterable[Received], known: ReadClusters) -> None:
        """Adds every cluster that these alerts are about, as it is now, to those that are known."""
        found = (self._where(each) for each in tried)
        names = [each for each in dict.fromkeys(found) if isinstance(each, str) and each not in known]
        known |= dict(zip(names, await asyncio.gather(*map(self._read, names)), strict=True))

    def target_of(self, received: Received, known: ReadClusters) -> ChosenTarget | UnclearTarget:
        where = self._where(received)
        return where if isinstance(where, UnclearTarget) else found_in(known.get(where), received.alert)

    def _where(self, received: Received) -> str | UnclearTarget:
        """The cluster that the alert is about, or why none is meant."""
        try:
            return self.cluster_of(received.alert, received.channel)
        except UnknownCluster as why:
            return UnclearTarget(str(why), is_unread=True)

    def name_of(self, received: Received) -> str:
        """The cluster's name as an investigation is asked for; empty where it has none, or none is meant."""
        where = self._where(received)
        return "" if isinstance(where, UnclearTarget) else cluster_name(where)

    async def _read(self, name: str) -> ClusterReadings | str:
        """A cluster as it is now, or why it cannot be read."""
        try:
            async with asyncio.timeout(READING_S), self._open(name) as cluster:
                return await read_scene(cluster)
        except TimeoutError:
            return f"the cluster did not list its pods within {READING_S:.0f} s"
        except (Blind, Absent) as why:
            return str(why)


def found_in(scene: ClusterReadings | str | None, alert: Alert) -> ChosenTarget | UnclearTarget:
    """Target of an alert; as the alert names it where the cluster cannot be read: the investigation says the same."""
    if isinstance(scene, ClusterReadings):
        return who(alert, scene)
    why, target = scene or "the cluster was not read", named_target(alert)
    return (
        UnclearTarget(why, is_unread=True)
        if target is None
        else ChosenTarget(target, f"the pod is taken as the alert names it, because {why}")
    )
