"""Asks Hubble whether packets of a pod were dropped just now: one small question, answered within a second or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta

from sensors.hubble.lines import FlowQuestion
from sensors.hubble.noise import noise
from sensors.hubble.records import FlowReading, HubbleFlow, HubbleMessage, NodeStatus
from sensors.hubble.signs import POLICY_VERDICT
from sensors.kit import Absent, Blind, Cluster, Target

DROPS_WINDOW = timedelta(minutes=5)
RECENT_DROPS_TIMEOUT_S = 1.0
MAX_COUNTED_PACKETS = 200
"""Dropped packets after which nobody counts on."""

CONNECTED = "NODE_CONNECTED"


@dataclass(frozen=True, slots=True)
class RecentDrops:
    """`packets` is None where it was not measured, with the reason in `why`: then it says nothing about the pod."""

    packets: int | None = None
    why: str = ""

    @property
    def any(self) -> bool:
        return bool(self.packets)

    def words(self) -> str:
        """As a clause, for the reason why something is looked into or not."""
        within = f"in the last {DROPS_WINDOW.seconds // 60} minutes"
        if self.packets is None:
            return f"whether its packets were dropped {within} was not measured ({self.why})"
        if not self.packets:
            return f"Hubble saw none of its packets dropped {within}"
        count = f"at least {MAX_COUNTED_PACKETS}" if self.packets >= MAX_COUNTED_PACKETS else str(self.packets)
        return f"Hubble saw {count} of its packets dropped {within}"


OpenCluster = Callable[[], AbstractAsyncContextManager[Cluster]]


async def recent_drops(open_cluster: OpenCluster, target: Target) -> RecentDrops:
    """Never raises: no relay, or a slow one, is not measured."""
    try:
        async with asyncio.timeout(RECENT_DROPS_TIMEOUT_S), open_cluster() as cluster:
            return await _count(cluster, target)
    except TimeoutError:
        return RecentDrops(why=f"no answer within {RECENT_DROPS_TIMEOUT_S:g} s")
    except (Blind, Absent) as why:
        return RecentDrops(why=str(why))


async def _count(cluster: Cluster, target: Target) -> RecentDrops:
    now, packets, is_partial = await cluster.now(), 0, False
    question = FlowQuestion(
        target.namespace, target.pod, since=now - DROPS_WINDOW, until=now, others=False, context=False
    )
    async for batch in cluster.hubble_flows(question):
        packets += sum(_is_lost_packet(each) for each in batch)
        is_partial = is_partial or any(map(_is_gap, batch))
        if packets >= MAX_COUNTED_PACKETS:
            break
    return RecentDrops(packets) if packets or not is_partial else RecentDrops(why="not every node has answered")


def _is_lost_packet(message: HubbleMessage) -> bool:
    """A refused packet is reported twice, as the policy's word and as the drop: the drop counts."""
    if not isinstance(message, HubbleFlow) or message.verdict != "DROPPED":
        return False
    return message.event != POLICY_VERDICT and not noise(message)


def _is_gap(message: HubbleMessage) -> bool:
    if isinstance(message, NodeStatus):
        return message.state != CONNECTED
    return isinstance(message, FlowReading) and message.unfinished
