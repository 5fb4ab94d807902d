"""The cluster a request speaks of, and how far back it is looked at."""

from __future__ import annotations

import pytest

from bot.clusters.opening import recorded
from bot.clusters.target import NoSuchPod
from sensors.kit import Target
from tests.kit.cases import CASES

NAME = "api-server-cannot-watch"
POD = "api-server-79fd8d4cc-jzc5m"


async def test_a_word_becomes_the_pod_and_the_recording_fills_in_its_peer():
    world = recorded(CASES / NAME)

    assert await world.find(Target("api-server", "production")) == Target(POD, "production", "10.96.0.1", 443)
    assert await world.find(Target("api-server", "production", "db", 5432)) == Target(POD, "production", "db", 5432)
    with pytest.raises(NoSuchPod):
        await world.find(Target("nobody", "production"))
