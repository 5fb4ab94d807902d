"""All rules, found by walking this folder: a module with a `RULE` at its foot is one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import flows.rules
from flows.model import Rule
from sensors.kit.catalog import walk


@cache
def rules() -> Mapping[str, Rule]:
    """All rules by id."""
    return walk(flows.rules, "RULE", Rule)
