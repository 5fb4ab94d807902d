"""Small recorded incidents beside these tests, each as a whole case with its policy findings."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path

from flows.catalog import rules
from flows.model import Case, Finding
from flows.verdict import rank
from sensors.access.casefolder import open_case
from sensors.kit.catalog import sensors
from sensors.kit.model import Target
from sensors.kit.observe import observe

CASES = Path(__file__).parent / "cases"


@cache
def recorded(name: str) -> Case:
    return asyncio.run(_look(name))


async def _look(name: str) -> Case:
    folder = open_case(CASES / name)
    target = folder.header.target or Target("", "")
    seen = await asyncio.gather(*(observe(each, target, folder) for each in sensors().values()))
    evidence = {f"E{number}": each for number, each in enumerate(seen, start=1)}
    return Case(target, await folder.environment(), await folder.now(), evidence)


def policy_findings(case: Case) -> list[Finding]:
    """What the policy rules say, the root cause first."""
    said = [rule.judge(case) for name, rule in rules().items() if name.startswith("policy-")]
    found: list[Finding] = []
    for each in said:
        found += [each] if isinstance(each, Finding) else list(each or ())
    return rank(found)
