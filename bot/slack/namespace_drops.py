"""Answers `/kai drops NAMESPACE`: looks at the namespace, and says to whoever asked what its policies drop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from bot.change.asking import Asking
from bot.clusters.served import UnknownCluster
from bot.report.cluster_name import cluster_name
from bot.report.drops import message
from bot.report.mrkdwn import safe
from bot.slack.ephemeral import Asker, Ephemerals
from bot.triggers.commands import Drops
from flows.drops import NoSuchNamespace, look_at_namespace
from flows.engine import WalkTools
from flows.load import Flow
from sensors.kit import Blind, Cluster

LOOKING = "Looking at what policies drop in {namespace}: the answer comes here in some seconds."


@dataclass(frozen=True, slots=True)
class NamespaceLooks:
    """One for each process. It reads, keeps nothing, and tells only whoever asked."""

    meant: Callable[[str, str], str]
    open_cluster: Callable[[str], AbstractAsyncContextManager[Cluster]]
    flow: Flow
    tools: WalkTools
    asking: Asking
    ephemerals: Ephemerals

    async def answer(self, asked: Drops, who: Asker) -> None:
        """Answers with what is dropped, or why that is unknown."""
        try:
            cluster = self.meant(asked.cluster, who.channel)
        except UnknownCluster as why:
            return await self.ephemerals.tell(who, safe(why))
        if why_not := await self.asking.why_not(who.user, asked.namespace, cluster):
            return await self.ephemerals.tell(who, safe(why_not))
        await self.ephemerals.tell(who, LOOKING.format(namespace=safe(asked.namespace, 100)))
        return await self._look(asked.namespace, cluster, who)

    async def _look(self, namespace: str, cluster: str, who: Asker) -> None:
        also = f" --cluster {name}" if (name := cluster_name(cluster)) else ""
        try:
            async with self.open_cluster(cluster) as opened:
                found = await look_at_namespace(self.flow, namespace, opened, self.tools)
        except (Blind, NoSuchNamespace) as why:
            return await self.ephemerals.tell(who, safe(f"Could not look at {namespace}: {why}."))
        return await self.ephemerals.say(who, message(found, also))
