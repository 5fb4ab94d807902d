"""A quick look at a pod's drops: what was seen, what was not, and that nobody waits for a relay that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from bot.clusters import recent_drops as module
from bot.clusters.recent_drops import RecentDrops, recent_drops
from sensors.access.casefolder import open_case
from sensors.hubble.lines import FlowQuestion
from sensors.hubble.records import FlowEndpoint, FlowReading, HubbleFlow, HubbleMessage, NodeStatus
from sensors.kit import Blind, Target
from tests.kit.cases import CASES

NOW = datetime(2026, 11, 28, 22, 0, tzinfo=UTC)
WEB = Target("web-1", "shop")


def drop(event: int = 1, reason: int = 133, verdict: str = "DROPPED", ip: str = "10.0.0.2", **more: Any) -> HubbleFlow:
    ends = {"source": FlowEndpoint(pod="web-1", namespace="shop"), "destination": FlowEndpoint(ip=ip)}
    return HubbleFlow(time=NOW, verdict=verdict, event=event, drop_reason=reason, protocol="TCP", **{**ends, **more})


@dataclass
class Relay:
    """A cluster whose relay says this, or fails, or hangs."""

    says: Sequence[HubbleMessage] = ()
    fails: Exception | None = None
    hangs: bool = False
    asked: list[FlowQuestion] = field(default_factory=list)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Any]:
        async def now() -> datetime:
            return NOW

        yield SimpleNamespace(now=now, hubble_flows=self.flows)

    async def flows(self, question: FlowQuestion) -> AsyncIterator[Sequence[HubbleMessage]]:
        self.asked.append(question)
        if self.fails is not None:
            raise self.fails
        if self.hangs:
            await asyncio.Event().wait()
        yield self.says
        yield [FlowReading(len(self.says))]


async def test_a_refused_packet_that_is_reported_twice_counts_once_and_noise_does_not():
    relay = Relay([drop(5), drop(1), drop(1, ip="ff02::2"), drop(0, verdict="AUDIT"), drop(4, verdict="FORWARDED")])

    seen = await recent_drops(relay.open, WEB)

    assert (seen.packets, seen.any) == (1, True)
    assert seen.words() == "Hubble saw 1 of its packets dropped in the last 5 minutes"


async def test_only_the_pod_s_own_drops_of_the_last_minutes_are_asked_for():
    relay = Relay()

    assert await recent_drops(relay.open, WEB) == RecentDrops(0)
    assert relay.asked == [
        FlowQuestion("shop", "web-1", since=NOW - timedelta(minutes=5), until=NOW, others=False, context=False)
    ]


@pytest.mark.parametrize(
    ("relay", "why"),
    [
        (Relay(fails=Blind("no hubble relay is configured (--server)")), "no hubble relay is configured (--server)"),
        (Relay([NodeStatus("NODE_UNAVAILABLE", ("w2",))]), "not every node has answered"),
        (Relay(hangs=True), "no answer within 0.05 s"),
    ],
    ids=["none", "a node is away", "hangs"],
)
async def test_what_the_relay_does_not_say_is_not_measured(relay: Relay, why: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "RECENT_DROPS_TIMEOUT_S", 0.05)

    seen = await recent_drops(relay.open, WEB)

    assert (seen.packets, seen.any, seen.why) == (None, False, why)
    assert "was not measured" in seen.words()


async def test_drops_that_were_seen_count_also_where_a_node_is_away():
    relay = Relay([NodeStatus("NODE_UNAVAILABLE", ("w2",)), drop()])

    assert (await recent_drops(relay.open, WEB)).packets == 1


async def test_counting_stops_at_the_maximum_of_dropped_packets():
    seen = await recent_drops(Relay([drop()] * 900).open, WEB)

    assert seen.words() == "Hubble saw at least 200 of its packets dropped in the last 5 minutes"


async def test_in_a_recording_the_last_minutes_before_it_count():
    case = open_case(CASES / "api-server-cannot-watch")

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        yield case

    assert case.header.target is not None
    assert (await recent_drops(opened, case.header.target)).any
