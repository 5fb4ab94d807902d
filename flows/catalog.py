"""All rules, found by walking this folder: a module with a `RULE` at its foot is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import flows.rules
from flows.model import Rule
from sensors.kit.catalog import walk


@cache
def rules() -> Mapping[str, Rule]:
    """All rules by id."""
    return walk(flows.rules, "RULE", Rule)


class RulesByNeed(Mapping[str, Rule]):
    """All rules, imported when one is asked for: a process whose workers judge never does."""

    def __getitem__(self, name: str) -> Rule:
        return rules()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(rules())

    def __len__(self) -> int:
        return len(rules())
