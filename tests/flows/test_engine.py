"""The walk: everything at once, in time, and the same result whoever answers first."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Any

import pytest

from flows.engine import Concluded, Saw, WalkTools, run
from flows.load import Flow, Step
from flows.model import Case, Component, Finding, Rule
from sensors.kit import Absent, Blind, Sensor, Sight, Target
from tests.kit.fakes import FakeCluster

TARGET = Target("web-1", "shop")


@dataclass(frozen=True)
class Seen:
    word: str

    def summary(self) -> str:
        return self.word


@dataclass(frozen=True)
class Other:
    word: str

    def summary(self) -> str:
        return self.word


class Order:
    """Lets a test decide who answers first, without a clock."""

    def __init__(self) -> None:
        self.gates: dict[str, asyncio.Event] = {}

    def sensor(self, name: str, answer: Any = None, gives: type = Seen) -> Sensor:
        self.gates[name] = asyncio.Event()

        async def look(target: Target, cluster: Any) -> Any:
            await self.gates[name].wait()
            if isinstance(answer, Exception):
                raise answer
            return answer or gives(name)

        return Sensor(name, look, gives, 5.0, ("policy",))

    def open(self, *names: str) -> None:
        for name in names:
            self.gates[name].set()


def flow(*steps: Step, within: float = 5.0) -> Flow:
    return Flow("flow.test", "A test", within, (*steps, Step("diagnose", "agent", "correlation")))


def step(name: str, *needs: str) -> Step:
    return Step(name, "sensor", name, needs=needs)


def tools(*sensors: Sensor, rules: tuple[Rule, ...] = ()) -> WalkTools:
    return WalkTools({each.id: each for each in sensors}, {each.id: each for each in rules}, new_id=lambda: "id-1")


def says(word: str, belief: float = 0.9, cause: str = "app.error") -> Rule:
    def judge(case: Case) -> Finding:
        seen = case[Seen]
        return Finding(cause, f"{word} {seen.word}", Component("Pod", "shop", "web-1"), belief, "because", (Seen,))

    return Rule(word, judge, (cause,), needs=(Seen,))


async def walk(order: Order, answers: list[str], names: tuple[str, ...] = ("a", "b", "c")) -> Any:
    sensors = [order.sensor(name, gives=Seen if name == "a" else Other) for name in names]
    task = asyncio.create_task(run(flow(*map(step, names)), TARGET, FakeCluster(), tools(*sensors, rules=(says("x"),))))
    for name in answers:
        order.open(name)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return await task


async def test_the_result_does_not_depend_on_who_answers_first():
    forward = await walk(Order(), ["a", "b", "c"])
    backward = await walk(Order(), ["c", "b", "a"])

    def plain(diagnosis):
        return [(key, each.sensor, each.summary) for key, each in diagnosis.evidence.items()], diagnosis.findings

    assert plain(forward) == plain(backward)
    assert [key for key, *_ in plain(forward)[0]] == ["E1", "E2", "E3"]


async def test_walks_that_share_their_tools_judge_one_after_the_other():
    judging, most = [0], [0]

    def judge(case: Case) -> None:
        judging[0] += 1
        most[0] = max(most[0], judging[0])
        os.sched_yield()
        judging[0] -= 1

    order = Order()
    shared = tools(order.sensor("a"), rules=tuple(Rule(f"r{number}", judge, (), needs=()) for number in range(20)))
    order.open("a")
    await asyncio.gather(*(run(flow(step("a")), TARGET, FakeCluster(), shared) for _ in range(8)))

    assert most == [1]


async def test_a_walk_that_is_given_up_while_it_waits_to_judge_keeps_nobody_from_judging():
    order = Order()
    shared = tools(order.sensor("a"), rules=(says("x"),))
    order.open("a")
    async with shared.runner.turn:
        waiting = asyncio.create_task(run(flow(step("a")), TARGET, FakeCluster(), shared))
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
        waiting.cancel()
        await asyncio.wait({waiting})

    assert (await run(flow(step("a")), TARGET, FakeCluster(), shared)).findings


async def test_a_step_waits_for_what_it_needs_and_for_nothing_else():
    order, seen, first = Order(), [], asyncio.Event()
    sensors = [order.sensor(name) for name in ("a", "b", "c")]

    async def watch(moment):
        if isinstance(moment, Saw):
            seen.append(moment.step.id)
            first.set()

    order.open("b", "c")
    walk_on = asyncio.create_task(
        run(flow(step("a"), step("b", "a"), step("c")), TARGET, FakeCluster(), tools(*sensors), watch)
    )
    await first.wait()
    before = list(seen)
    order.open("a")
    await walk_on

    assert (before, seen) == (["c"], ["c", "a", "b"])


@pytest.mark.parametrize(
    ("answer", "sight", "why"),
    [
        pytest.param(Absent("no such pod"), Sight.ABSENT, "no such pod", id="absent"),
        pytest.param(Blind("no right to list pods"), Sight.BLIND, "no right to list pods", id="blind"),
        pytest.param(ZeroDivisionError("oops"), Sight.BLIND, "the sensor failed (ZeroDivisionError: oops)", id="bug"),
        pytest.param(7, Sight.BLIND, "the sensor failed (TypeError: a gave int, promised Seen)", id="wrong facts"),
    ],
)
async def test_whatever_a_sensor_does_evidence_comes_back(answer, sight, why):
    order = Order()
    sensor = order.sensor("a", answer)
    order.open("a")

    diagnosis = await run(flow(step("a")), TARGET, FakeCluster(), tools(sensor))

    evidence = diagnosis.evidence["E1"]
    assert (evidence.sight, evidence.summary) == (sight, why)


async def test_a_sensor_that_never_answers_is_blind_when_the_flow_s_time_is_up():
    order = Order()
    slow, quick = order.sensor("slow"), order.sensor("quick", gives=Other)
    order.open("quick")

    diagnosis = await run(flow(step("slow"), step("quick"), within=0.1), TARGET, FakeCluster(), tools(slow, quick))

    assert [each.sight for each in diagnosis.evidence.values()] == [Sight.BLIND, Sight.SEEN]
    assert diagnosis.evidence["E1"].why.startswith("no answer within 0.0")
    assert diagnosis.coverage == 0.5


async def test_a_rule_without_its_facts_says_why_it_cannot_tell():
    order = Order()
    sensor = order.sensor("a", gives=Other)
    order.open("a")

    diagnosis = await run(flow(step("a")), TARGET, FakeCluster(), tools(sensor, rules=(says("x"),)))

    assert [(doubt.rule, doubt.why) for doubt in diagnosis.doubts] == [
        ("x", "no Seen: no sensor of this flow brings it")
    ]
    assert diagnosis.cause_class == "inconclusive"


async def test_a_rule_that_breaks_sinks_no_other_rule():
    order = Order()
    sensor = order.sensor("a")
    order.open("a")

    def broken(case: Case) -> None:
        raise KeyError("spec")

    rules = (Rule("broken", broken, ("app.slow",), needs=()), says("x"))
    diagnosis = await run(flow(step("a")), TARGET, FakeCluster(), tools(sensor, rules=rules))

    assert diagnosis.cause_class == "app.error"
    assert [doubt.why for doubt in diagnosis.doubts] == ["the rule failed (KeyError: 'spec')"]


async def test_a_watcher_that_fails_does_not_stop_the_walk(caplog):
    order = Order()
    sensor = order.sensor("a")
    order.open("a")
    told = []

    async def watch(moment):
        told.append(type(moment))
        raise OSError("the thread is gone")

    diagnosis = await run(flow(step("a")), TARGET, FakeCluster(), tools(sensor, rules=(says("x"),)), watch)

    assert diagnosis.cause_class == "app.error"
    assert told == [Saw, Concluded]
    assert "the thread is gone" in caplog.text


async def test_a_cancelled_walk_cancels_its_looks():
    order, ended, begun = Order(), [], asyncio.Event()

    async def look(target: Target, cluster: Any) -> Seen:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        return Seen("never")

    walk_on = asyncio.create_task(
        run(flow(step("a")), TARGET, FakeCluster(), tools(Sensor("a", look, Seen, 5.0, ("policy",))))
    )
    await begun.wait()
    walk_on.cancel()
    with pytest.raises(asyncio.CancelledError):
        await walk_on

    assert ended == [True]
    assert order.gates == {}
