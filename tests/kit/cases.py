"""Recorded incidents as cases: every sensor looks at the recording, and each case is made once per process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from flows.model import Case
from sensors.kit import Evidence, Sight, observe
from sensors.kit.casefolder import CaseFolder, open_case
from sensors.kit.catalog import sensors

FOLDER = Path(__file__).parents[2] / "lab" / "cases"


def names() -> list[str]:
    """Every recorded incident."""
    return sorted(path.name.removesuffix(".expected.yaml") for path in FOLDER.glob("*.expected.yaml"))


def expected(name: str) -> dict[str, Any]:
    """The truth beside a recording, which the product never reads."""
    truth: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.expected.yaml").read_text())
    return truth


def case_of(name: str) -> Case:
    """The recording as every sensor saw it; nothing derived is shared between two callers."""
    seen = _looked(name)
    return replace(seen, derived={})


def without(case: Case, *facts: type) -> Case:
    """The same case as if these facts could not be looked at."""
    blinded = {
        key: Evidence(each.sensor, Sight.BLIND, None, "taken away by the test") if isinstance(each.facts, facts) else each
        for key, each in case.evidence.items()
    }
    return replace(case, evidence=blinded, derived={})


def with_facts(case: Case, *facts: Any) -> Case:
    """The same case with other facts of the same types."""
    new: Mapping[type, Any] = {type(each): each for each in facts}
    changed = {
        key: replace(each, facts=new[type(each.facts)]) if type(each.facts) in new else each
        for key, each in case.evidence.items()
    }
    return replace(case, evidence=changed, derived={})


@cache
def _looked(name: str) -> Case:
    return asyncio.run(_look(open_case(FOLDER / name)))


async def _look(folder: CaseFolder) -> Case:
    target = folder.header.target
    assert target is not None, f"{folder.path} names no target"
    seen = await asyncio.gather(*(observe(each, target, folder) for each in sensors().values()))
    evidence = {f"E{number}": each for number, each in enumerate(seen, start=1)}
    return Case(target, await folder.environment(), await folder.now(), evidence)
