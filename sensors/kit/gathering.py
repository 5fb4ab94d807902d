"""Gathers the hubble flows of a question: message by message, or in one go where the cluster can do so by itself."""

from __future__ import annotations

import asyncio
from typing import Protocol, runtime_checkable

from sensors.hubble.gathered import Gathered
from sensors.hubble.question import FlowQuestion
from sensors.kit.cluster import Cluster


@runtime_checkable
class GathersFlows(Protocol):
    """A source that may gather faster than its reader could; for most the messages themselves are the answer."""

    async def gathered_flows(self, question: FlowQuestion, seconds: float) -> Gathered | None:
        """Gathers what comes within so many seconds; None where the messages are to be asked for."""
        ...


async def gather(cluster: Cluster, question: FlowQuestion, patience: float) -> Gathered:
    """Gathers the flows that come within `patience` seconds; what has come then must do (`cut_short`)."""
    until = asyncio.get_running_loop().time() + patience
    whole = await cluster.gathered_flows(question, patience) if isinstance(cluster, GathersFlows) else None
    return whole or await _one_by_one(cluster, question, until)


async def _one_by_one(cluster: Cluster, question: FlowQuestion, until: float) -> Gathered:
    gathered = Gathered(question)
    try:
        async with asyncio.timeout_at(until):
            async for batch in cluster.hubble_flows(question):
                gathered.take(batch)
    except TimeoutError:
        gathered.cut_short = True
    return gathered
