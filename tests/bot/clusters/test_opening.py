"""The cluster a request speaks of, and how far back it is looked at."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.clusters.opening import RecentCase, Windows, looking_back, recorded, window_of
from bot.clusters.target import NoSuchPod
from flows.load import load_flows
from sensors.hubble.lines import FlowQuestion
from sensors.kit import Target
from tests.kit.cases import CASES, case

NAME = "api-server-cannot-watch"
POD = "api-server-79fd8d4cc-jzc5m"


@pytest.mark.parametrize("since", [None, 1, 900, 86400])
def test_a_flow_with_a_window_is_read_back_as_written(since: int | None):
    assert window_of(looking_back("flow.k8s_network_debug", since)) == ("flow.k8s_network_debug", since)


def test_a_flow_with_a_window_is_the_flow_itself():
    flows = Windows(load_flows())

    assert flows.get("flow.k8s_dns_debug@900s") is flows["flow.k8s_dns_debug"]
    assert flows.get("flow.nope@900s") is None


async def test_a_word_becomes_the_pod_and_the_recording_fills_in_its_peer():
    world = recorded(CASES / NAME)

    assert await world.find(Target("api-server", "production")) == Target(POD, "production", "10.96.0.1", 443)
    assert await world.find(Target("api-server", "production", "db", 5432)) == Target(POD, "production", "db", 5432)
    with pytest.raises(NoSuchPod):
        await world.find(Target("nobody", "production"))


async def test_a_window_leaves_out_what_is_older():
    whole = case(NAME)
    recent = RecentCase(whole.path, whole.header, whole.recorded, timedelta(seconds=2))
    question = FlowQuestion("production", POD, last=100_000)

    everything = [each async for batch in whole.hubble_flows(question) for each in batch]
    lately = [each async for batch in recent.hubble_flows(question) for each in batch]

    assert 0 < len(lately) < len(everything)
