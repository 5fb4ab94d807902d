"""Walks a flow: asks every sensor at once, lets the rules judge, and returns one diagnosis.

The result does not depend on which sensor answered first: evidence is numbered by the flow's own order. The walk owns
no cluster, no Slack and no database: they are passed in, and progress leaves through one watcher.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from flows.load import Flow, Step
from flows.model import Case, Diagnosis, Doubt, Finding, Missing, RecordedCase, Rule
from flows.runner import ThreadRunner, WorkRunner
from flows.verdict import conclude
from sensors.kit import Blind, Cluster, Environment, Evidence, Sensor, Target, observe
from sensors.kit.attempt import attempt_logged, attempt_now

log = logging.getLogger(__name__)

FOR_THINKING = 0.1
"""The part of a flow's time that is kept for judging; sensors share the rest."""


@dataclass(frozen=True, slots=True)
class Saw:
    """A step answered: its evidence, under the id the report will use."""

    step: Step
    id: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Concluded:
    """The walk is over."""

    diagnosis: Diagnosis


Watcher = Callable[[Saw | Concluded], Awaitable[None]]


async def ignore(moment: Saw | Concluded) -> None:
    """The watcher of those who only want the result."""


@dataclass(frozen=True, slots=True)
class WalkTools:
    """Needs of a walk besides flow, target and cluster; the composition root fills it once.

    `runner` judges: in a thread, or in a process beside the one that serves. Walks of one process share it.
    """

    sensors: Mapping[str, Sensor]
    rules: Mapping[str, Rule]
    clock: Callable[[], float] = time.perf_counter
    runner: WorkRunner = field(default_factory=ThreadRunner)
    new_id: Callable[[], str] = field(default=lambda: uuid.uuid4().hex[:12])


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk that came to its end: what was seen, and what the rules made of it. It can go on with more evidence."""

    flow: Flow
    case: Case
    diagnosis: Diagnosis
    recording: RecordedCase | None = None


async def run(
    flow: Flow,
    target: Target,
    cluster: Cluster,
    tools: WalkTools,
    watcher: Watcher = ignore,
    recording: RecordedCase | None = None,
) -> Diagnosis:
    """Look, think, and come back with a diagnosis within `flow.within` seconds, whatever the sensors do.

    `recording` says which one `cluster` plays, where it is no living one; the diagnosis then says so.
    """
    return (await walk(flow, target, cluster, tools, watcher, recording)).diagnosis


async def walk(
    flow: Flow,
    target: Target,
    cluster: Cluster,
    tools: WalkTools,
    watcher: Watcher = ignore,
    recording: RecordedCase | None = None,
) -> Walk:
    """The same, with what was seen."""
    began = tools.clock()
    tools.runner.warm()
    case = await look(flow, target, cluster, tools, watcher)

    def took_ms() -> float:
        return (tools.clock() - began) * 1000

    walked = await _conclude(flow, case, tools, took_ms, tools.new_id(), recording)
    await _tell(watcher, Concluded(walked.diagnosis))
    return walked


async def walk_on(walked: Walk, target: Target, evidence: Mapping[str, Evidence], tools: WalkTools) -> Walk:
    """Judge anew, with this evidence in place of all that there was. The time of the first walk stays its time."""
    before = walked.diagnosis
    case = Case(target, walked.case.environment, walked.case.at, evidence)
    return await _conclude(walked.flow, case, tools, lambda: before.total_ms, before.investigation_id, walked.recording)


async def _conclude(
    flow: Flow, case: Case, tools: WalkTools, took_ms: Callable[[], float], own_id: str, recording: RecordedCase | None
) -> Walk:
    found = await tools.runner(diagnose, case, flow, tools.sensors, tools.rules, own_id, recording)
    whole = replace(found, evidence=case.evidence, total_ms=round(took_ms(), 1))
    return Walk(flow, case, whole, recording)


def diagnose(
    case: Case,
    flow: Flow,
    sensors: Mapping[str, Sensor],
    rules: Mapping[str, Rule],
    own_id: str,
    recording: RecordedCase | None = None,
) -> Diagnosis:
    """Judges a case. Without its evidence, which need not travel: who asks has it."""
    findings, doubts = _judge(case, rules.values())
    return replace(conclude(case, flow, sensors, findings, doubts, own_id, recording), evidence={})


async def _environment(cluster: Cluster) -> Environment:
    try:
        async with asyncio.timeout(5):
            return await cluster.environment()
    except (Blind, TimeoutError) as why:
        log.info("the environment is not known: %s", why)
        return Environment()


async def look(flow: Flow, target: Target, cluster: Cluster, tools: WalkTools, watcher: Watcher = ignore) -> Case:
    """Evidence of all sensors of a flow, before any rule judges it."""
    evidence = await _look(flow, target, cluster, tools, watcher)
    return Case(target, await _environment(cluster), await cluster.now(), evidence)


async def _look(
    flow: Flow, target: Target, cluster: Cluster, tools: WalkTools, watcher: Watcher
) -> dict[str, Evidence]:
    deadline = tools.clock() + flow.within * (1 - FOR_THINKING)
    answered = {step.id: asyncio.Event() for step in flow.looks}
    seen: dict[str, Evidence] = {}

    async def ask(number: int, step: Step) -> None:
        for need in step.needs:
            if need in answered:
                await answered[need].wait()
        left = deadline - tools.clock()
        evidence = await observe(
            tools.sensors[step.ref],
            target,
            cluster,
            step.settings,
            within=left if step.within is None else min(left, step.within),
        )
        seen[f"E{number}"] = evidence
        answered[step.id].set()
        await _tell(watcher, Saw(step, f"E{number}", evidence))

    async with asyncio.TaskGroup() as group:
        for number, step in enumerate(flow.looks, start=1):
            group.create_task(ask(number, step))
    return {f"E{number}": seen[f"E{number}"] for number in range(1, len(flow.looks) + 1)}


async def _tell(watcher: Watcher, moment: Saw | Concluded) -> None:
    """Tell the watcher; one that fails is logged, never raised into the walk."""
    await attempt_logged(watcher(moment), log, "a watcher failed")


def _judge(case: Case, rules: Iterable[Rule]) -> tuple[list[Finding], list[Doubt]]:
    """Every rule's word, in the order of the rules. One after the other: they share what `case.once` derives."""
    findings: list[Finding] = []
    doubts: list[Doubt] = []
    for rule in rules:
        said = attempt_now(partial(rule.of, case))
        if isinstance(said, list):
            findings += said
        elif isinstance(said, Missing):
            doubts.append(Doubt(rule.id, str(said)))
        else:
            log.warning("rule %s failed", rule.id, exc_info=said)
            doubts.append(Doubt(rule.id, f"the rule failed ({type(said).__name__}: {said})"))
    return findings, doubts


__all__ = [
    "Concluded",
    "Saw",
    "Walk",
    "WalkTools",
    "Watcher",
    "diagnose",
    "ignore",
    "look",
    "run",
    "walk",
    "walk_on",
]
