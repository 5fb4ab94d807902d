"""The raw objects that were read beside the policies: for what no fact tells. No rule of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from flows.model import Case
from sensors.k8s_network_policies import Policies
from sensors.kit.objects import kind_of

Json: TypeAlias = Mapping[str, Any]


def objects(case: Case, kind: str) -> list[Json]:
    """All of one kind; empty where there are none, or nobody read them."""
    policies = case.get(Policies)
    return [each for each in (policies.objects if policies else ()) if kind_of(each) == kind]
