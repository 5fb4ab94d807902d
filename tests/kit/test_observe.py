from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from sensors.kit.cluster import Cluster
from sensors.kit.model import Absent, Blind, Evidence, Sensor, Sight, Target
from sensors.kit.observe import observe
from tests.kit.fakes import FakeCluster

WEB = Target("web-1", "shop")


@dataclass(frozen=True)
class Facts:
    said: str

    def summary(self) -> str:
        return f"it said {self.said}"


def sensor(look: Callable[..., Awaitable[Any]], within: float = 1.0) -> Sensor:
    return Sensor("test.sensor", look, Facts, within, ("policy",))


def raising(error: BaseException) -> Sensor:
    async def look(target: Target, cluster: Cluster) -> Facts:
        raise error

    return sensor(look)


async def says(target: Target, cluster: Cluster, *, word: str = "hello") -> Facts:
    return Facts(f"{word} to {target}")


async def waits(target: Target, cluster: Cluster) -> Facts:
    await asyncio.Event().wait()
    raise AssertionError


async def test_what_was_seen_comes_back_with_its_facts_and_its_time() -> None:
    ticks = count(10.0, 0.25)

    evidence = await observe(sensor(says), WEB, FakeCluster(), {"word": "bye"}, clock=lambda: next(ticks))

    assert evidence == Evidence("test.sensor", Sight.SEEN, Facts("bye to shop/web-1"), "", took_ms=250.0)
    assert evidence.summary == "it said bye to shop/web-1"


@pytest.mark.parametrize(
    ("error", "sight", "why"),
    [
        (Absent("no such pod"), Sight.ABSENT, "no such pod"),
        (Blind("forbidden"), Sight.BLIND, "forbidden"),
        (TimeoutError(), Sight.BLIND, "no answer within 1 s"),
        (KeyError("spec"), Sight.BLIND, "the sensor failed (KeyError: 'spec')"),
        (RecursionError("deep"), Sight.BLIND, "the sensor failed (RecursionError: deep)"),
    ],
)
async def test_whatever_a_sensor_raises_ends_as_evidence(error: Exception, sight: Sight, why: str) -> None:
    evidence = await observe(raising(error), WEB, FakeCluster())

    assert (evidence.sight, evidence.facts, evidence.why, evidence.summary) == (sight, None, why, why)


async def test_a_sensor_that_does_not_answer_is_blind_after_its_own_limit() -> None:
    evidence = await observe(sensor(waits, within=0.01), WEB, FakeCluster())

    assert (evidence.sight, evidence.why) == (Sight.BLIND, "no answer within 0.01 s")


@pytest.mark.parametrize("left", [0.02, 0.0, -5.0])
async def test_what_is_left_of_the_budget_cuts_the_limit_shorter(left: float) -> None:
    evidence = await observe(sensor(waits, within=60.0), WEB, FakeCluster(), within=left)

    assert evidence.why == f"no answer within {max(left, 0.0):g} s"


async def test_facts_of_another_type_are_not_believed() -> None:
    async def lies(target: Target, cluster: Cluster) -> str:
        return "facts"

    evidence = await observe(sensor(lies), WEB, FakeCluster())

    assert evidence.sight is Sight.BLIND
    assert "test.sensor gave str, promised Facts" in evidence.why


async def test_a_setting_the_sensor_does_not_have_is_told_not_swallowed() -> None:
    evidence = await observe(sensor(says), WEB, FakeCluster(), {"wort": "x"})

    assert evidence.sight is Sight.BLIND
    assert "wort" in evidence.why


async def test_cancellation_belongs_to_the_caller() -> None:
    task = asyncio.create_task(observe(sensor(waits), WEB, FakeCluster()))
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
