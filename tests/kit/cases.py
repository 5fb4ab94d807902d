"""Recorded incidents of a real cluster, for tests: as folders, as what one sensor sees, and as whole cases."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from flows.model import Case
from sensors.access.casefolder import CaseFolder, open_case
from sensors.kit.catalog import sensors
from sensors.kit.model import Evidence, Sensor, Sight, Target
from sensors.kit.observe import observe

CASES = Path(__file__).parents[2] / "lab" / "cases"
SHELVES = (CASES, Path(__file__).parents[1] / "cases", Path(__file__).parents[1] / "reports")
"""The recordings that come with KAI; more of them, for tests only; and what was made from public reports."""


# -- what one sensor sees --------------------------------------------------------------------------------------------


@cache
def case(name: str) -> CaseFolder:
    """The folder, opened once per process: nobody may change what is in it."""
    return open_case(next(shelf / name for shelf in SHELVES if (shelf / name).is_dir()))


def target_of(recorded: CaseFolder) -> Target:
    assert recorded.header.target is not None
    return recorded.header.target


async def look_at(sensor: Sensor, name: str) -> Any:
    """What a sensor sees in a recorded case; anything but facts fails the test with the reason."""
    evidence = await look_anyhow(sensor, name)
    assert evidence.sight is Sight.SEEN, evidence.why
    return evidence.facts


async def look_anyhow(sensor: Sensor, name: str) -> Evidence:
    recorded = case(name)
    return await observe(sensor, target_of(recorded), recorded)


# -- whole cases, for rules ------------------------------------------------------------------------------------------


def names() -> list[str]:
    """Every recorded incident."""
    return sorted(path.name.removesuffix(".expected.yaml") for path in CASES.glob("*.expected.yaml"))


def expected(name: str) -> dict[str, Any]:
    """The truth beside a recording, which the product never reads."""
    truth: dict[str, Any] = yaml.safe_load((CASES / f"{name}.expected.yaml").read_text())
    return truth


def case_of(name: str) -> Case:
    """The recording as every sensor saw it, looked at once per process; nothing derived is shared between callers."""
    return replace(_looked(name), derived={})


def without(seen: Case, *facts: type) -> Case:
    """The same case as if these facts could not be looked at."""
    blinded = {
        key: Evidence(each.sensor, Sight.BLIND, None, "taken away") if isinstance(each.facts, facts) else each
        for key, each in seen.evidence.items()
    }
    return replace(seen, evidence=blinded, derived={})


def with_facts(seen: Case, *facts: Any) -> Case:
    """The same case with other facts of the same types."""
    new: Mapping[type, Any] = {type(each): each for each in facts}
    changed = {
        key: replace(each, facts=new[type(each.facts)]) if type(each.facts) in new else each
        for key, each in seen.evidence.items()
    }
    return replace(seen, evidence=changed, derived={})


@cache
def _looked(name: str) -> Case:
    return asyncio.run(_look(case(name)))


async def _look(recorded: CaseFolder) -> Case:
    target = target_of(recorded)
    seen = await asyncio.gather(*(observe(each, target, recorded) for each in sensors().values()))
    evidence = {f"E{number}": each for number, each in enumerate(seen, start=1)}
    return Case(target, await recorded.environment(), await recorded.now(), evidence)
