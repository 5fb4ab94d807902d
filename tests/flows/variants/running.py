"""Runs the whole walk on a made case folder: look once, then think as often as a test wants."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from flows.catalog import rules
from flows.load import load_flows
from flows.model import Case, Diagnosis, Doubt, Finding, Missing
from flows.verdict import conclude
from sensors.access.casefolder import open_case
from sensors.kit.catalog import sensors
from sensors.kit.model import Evidence, Sight
from sensors.kit.observe import observe

FLOW = load_flows()["flow.k8s_network_debug"]


async def look(folder: Path, *, asked: bool = True) -> Case:
    """What every sensor of the flow sees; without the peer if nobody asked for one."""
    cluster = open_case(folder)
    target = cluster.header.target
    assert target is not None
    target = target if asked else replace(target, to_host=None, to_port=None)
    known = sensors()
    steps = FLOW.looks
    seen = await asyncio.gather(*(observe(known[each.ref], target, cluster, each.settings) for each in steps))
    evidence = {f"E{number}": each for number, each in enumerate(seen, start=1)}
    return Case(target, await cluster.environment(), await cluster.now(), evidence)


def diagnose(case: Case) -> Diagnosis:
    """Every rule's word and the verdict. A rule that fails, fails the test."""
    findings: list[Finding] = []
    doubts: list[Doubt] = []
    for rule in rules().values():
        try:
            findings += rule.of(case)
        except Missing as missing:
            doubts.append(Doubt(rule.id, str(missing)))
    return conclude(case, FLOW, sensors(), findings, doubts, "made")


def blinded(case: Case, sensor: str) -> Case:
    """The same case as if one sensor could not look."""
    evidence = {
        key: Evidence(each.sensor, Sight.BLIND, None, "not in the recording") if each.sensor == sensor else each
        for key, each in case.evidence.items()
    }
    return replace(case, evidence=evidence, derived={})
