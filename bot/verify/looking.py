"""The same walk again, live, until it can be said what the change has done: at most `within` seconds.

A policy takes its time to be in force: identities after a changed label took 26 s on a real cluster. So a drop is no
verdict before the time is up; each one moves the beginning of what is judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast

from bot.approval.proposal import Proposal, Tuple5
from bot.verify.moment import moment_of
from bot.verify.verdict import QUIET_AFTER_FIX, TrafficSince, Verification, VerificationOutcome, judge, last_drop
from sensors.hubble.lines import FlowQuestion, HubbleMessage
from sensors.kit import Blind, Cluster, Sensor, Target, observe

VERIFY_TIMEOUT_S = 60.0
LOOK_PAUSE_S = 1.5
MAX_OTHER_PODS = 4
"""Other pods that the changed policy selects and at which new drops are looked for, too."""

OpenCluster: TypeAlias = Callable[[], AbstractAsyncContextManager[Cluster]]
OpenNamed: TypeAlias = Callable[[str], AbstractAsyncContextManager[Cluster]]
"""Opens a cluster by its name. Raises `Blind` for one that is not looked after here."""

See: TypeAlias = Callable[[datetime], Awaitable[TrafficSince]]


class Since:
    """A cluster whose hubble flows begin at a moment; everything else is the cluster's own."""

    def __init__(self, cluster: Cluster, since: datetime) -> None:
        self._cluster, self._since = cluster, since

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[Sequence[HubbleMessage]]:
        return self._cluster.hubble_flows(replace(question, since=self._since))

    async def gathered_flows(self, question: FlowQuestion, seconds: float) -> None:
        """None: the messages are to be asked for, so that none is older."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """Looks at a target and its neighbours. `sensors` are the catalogue's own."""

    open_cluster: OpenCluster
    sensors: Mapping[str, Sensor]

    async def see(
        self, target: Target, others: Sequence[Target], since: datetime, within: float = 12.0
    ) -> TrafficSince:
        """Looks at what happened after `since`, with one try of our own from the pod."""
        try:
            async with self.open_cluster() as cluster:
                recent = cast(Cluster, Since(cluster, since))
                looks = [self._look("hubble.capture_flows", each, recent, within) for each in (target, *others)]
                tried = self._look("net.connect", target, recent, within)
                return moment_of(await asyncio.gather(*looks, tried))
        except Blind as why:
            return TrafficSince(blind=f"no way to the cluster: {why}")

    async def _look(self, name: str, target: Target, cluster: Cluster, within: float) -> Any:
        return await observe(self.sensors[name], target, cluster, {}, within=within)


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, handed in so that tests need not wait."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Glance:
    """One round: what it shows of everything after `since`, and when that was said."""

    said: Verification
    since: datetime
    at: datetime


async def again(
    see: See,
    wanted: Sequence[Tuple5],
    denied_before: Sequence[Tuple5],
    since: datetime,
    clock: Clock,
    pause: float = LOOK_PAUSE_S,
) -> AsyncIterator[Glance]:
    """The same walk again and again, until the caller has seen enough. Each drop moves the beginning of what counts."""
    while True:
        now = await see(since)
        yield Glance(judge(wanted, denied_before, now, since), since, clock.now())
        since = last_drop(now, since) or since
        await clock.sleep(pause)


async def watch(
    see: See,
    wanted: Sequence[Tuple5],
    denied_before: Sequence[Tuple5],
    applied_at: datetime,
    clock: Clock,
    within: float = VERIFY_TIMEOUT_S,
) -> Verification:
    """Look until the traffic flows and nothing was dropped for `QUIET_AFTER_FIX`, or until the time is up."""
    said = Verification(VerificationOutcome.UNDECIDED, why="nothing was seen")
    async for glance in again(see, wanted, denied_before, applied_at, clock):
        said = glance.said
        if said.outcome is VerificationOutcome.VERIFIED and glance.at - glance.since >= QUIET_AFTER_FIX:
            break
        if (glance.at - applied_at).total_seconds() >= within:
            break
    return said


def asked(proposal: Proposal) -> Target:
    """The target with a peer: the one that was asked for, else the first that the proof is about."""
    it = proposal.target
    if it.to_host is not None or not proposal.proved.flows:
        return it
    first = proposal.proved.flows[0]
    return replace(it, to_host=first.address, to_port=first.port) if first.address and first.protocol == "TCP" else it
